//! The file system's library.

use alloc::sync::Arc;
use alloc::vec::Vec;
use std::sync::{Mutex, MutexGuard};

use interfaces::file_system::*;
use interfaces::{FileSystem, FsError};

use super::{DIED, Instance, State};
use crate::places::UNKNOWN;

/// The file system's library: an instance inside, or (`None`) whatever the task has at the moment.
pub(super) struct Library(pub(super) Arc<Mutex<State>>, pub(super) Option<usize>);

impl Library {
    fn instance(&self) -> Result<(MutexGuard<'_, State>, usize), FsError> {
        // The kernel holds the task's calls at endpoint `block` while nobody serves that.
        for _ in 0..10_000 {
            let state = self.0.lock().expect("no panic");
            match self.1 {
                Some(index) => return Ok((state, index)),
                None if !state.fs_task => return Err(FsError::Call(DIED)),
                None if state.reaches_disk() => {
                    let native = state.native;
                    return Ok((state, native));
                }
                None => {}
            }
            drop(state);
            std::thread::sleep(core::time::Duration::from_micros(100));
        }
        panic!("the file system's task has no disk");
    }
}

macro_rules! unsupported {
    ($(fn $method:ident($($argument:ident: $type:ty),*) -> $ok:ty;)*) => {
        $(fn $method(&self, $($argument: $type),*) -> Result<$ok, FsError> {
            let _ = ($($argument,)*);
            Err(FsError::Unsupported)
        })*
    };
}

impl FileSystem for Library {
    fn begin(&self, _: Orphans) -> Result<FsInfo, FsError> {
        let (mut state, index) = self.instance()?;
        if state.fails("begin") {
            return Err(FsError::Corrupt);
        }
        if state.instances[index] == Instance::Retired {
            return Err(FsError::Retired);
        }
        let others = state.instances.iter().enumerate().filter(|(other, _)| *other != index);
        assert_eq!(others.filter(|(_, other)| **other == Instance::Begun).count(), 0, "two have the disk");
        state.instances[index] = Instance::Begun;
        Ok(FsInfo { root: 2, block_bytes: 4096, incarnation: index as u64, committed: 0, read_only: false })
    }

    fn statistics(&self) -> Result<FsStatistics, FsError> {
        let (state, index) = self.instance()?;
        match state.instances[index] {
            Instance::Begun => {
                drop(state);
                std::thread::yield_now();
                Ok(FsStatistics { blocks: 1, free_blocks: 1, available_blocks: 1, inodes: 1, free_inodes: 1, id: 1 })
            }
            Instance::Fresh => Err(FsError::NotBegun),
            Instance::Retired => Err(FsError::Retired),
        }
    }

    fn settle(&self) -> Result<(), FsError> {
        self.statistics().map(drop)
    }

    fn is_settled(&self) -> Result<bool, FsError> {
        self.statistics().map(|_| true)
    }

    fn prepare(&self) -> Result<(), FsError> {
        let (mut state, index) = self.instance()?;
        assert_eq!(state.instances[index], Instance::Fresh, "it is prepared before it has the disk");
        if state.fails("prepare") { Err(FsError::Disk) } else { Ok(()) }
    }

    fn hand_over(&self) -> Result<HandOver, FsError> {
        let (mut state, index) = self.instance()?;
        if core::mem::take(&mut state.kill_at_retire) {
            state.instances[index] = Instance::Retired;
            state.native = state.make_instance();
            return Err(FsError::Call(DIED));
        }
        if state.fails("retire") {
            state.instances[index] = if self.1.is_some() { Instance::Retired } else { state.instances[index] };
            return Err(FsError::Disk);
        }
        if state.instances[index] == Instance::Retired {
            return Err(FsError::Retired);
        }
        state.instances[index] = Instance::Retired;
        Ok(UNKNOWN)
    }

    fn open(&self, _: HandOver) -> Result<(), FsError> {
        let (mut state, index) = self.instance()?;
        if state.fails("open-disk") {
            return Err(FsError::Corrupt);
        }
        if state.instances[index] == Instance::Retired {
            return Err(FsError::Retired);
        }
        let others = state.instances.iter().enumerate().filter(|(other, _)| *other != index);
        assert_eq!(others.filter(|(_, other)| **other == Instance::Begun).count(), 0, "two have the disk");
        Ok(())
    }

    unsupported! {
        fn attach(memory: ipc::Capability, bytes: u64) -> u64;
        fn detach(region: u64) -> ();
        fn lookup(directory: u64, name: &[u8]) -> Attributes;
        fn attributes(inode: u64) -> Attributes;
        fn list(directory: u64, cookie: u64) -> Listing;
        fn read_link(inode: u64) -> Vec<u8>;
        fn read(inode: u64, piece: Piece) -> u32;
        fn seek(inode: u64, offset: u64, hole: bool) -> u64;
        fn set_attributes(change: Change, inode: u64, new: NewAttributes) -> Changed;
        fn write(change: Change, inode: u64, pieces: Pieces) -> Changed;
        fn create(change: Change, directory: u64, name: &[u8], node: NewNode, target: &[u8]) -> Changed;
        fn create_unnamed(change: Change, node: NewNode) -> Changed;
        fn link(change: Change, inode: u64, directory: u64, name: &[u8]) -> Changed;
        fn unlink(change: Change, directory: u64, name: &[u8]) -> Changed;
        fn remove_directory(change: Change, directory: u64, name: &[u8]) -> Changed;
        fn rename(change: Change, directories: (u64, u64), name: &[u8], new_name: &[u8], target: Target) -> Changed;
        fn punch_hole(change: Change, inode: u64, offset: u64, bytes: u64) -> Changed;
        fn forget(change: Change, inode: u64) -> Changed;
        fn commit() -> u64;
        fn retire() -> u64;
    }
}
