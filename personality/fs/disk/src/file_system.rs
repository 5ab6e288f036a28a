//! The mounted file system, as the VFS and whoever moves the server see it.

use alloc::sync::Arc;
use core::sync::atomic::Ordering;

use interfaces::FileSystem;
use interfaces::file_system::Orphans;
use linux_abi::{Errno, Result};
use vfs::{DeviceNumber, FileSystemStatistics, Inode};

use crate::node::Node;
use crate::volume::Volume;
use crate::{reclaim, worker};

/// ext4's number in statfs(2) (include/uapi/linux/magic.h).
const EXT4_MAGIC: u64 = 0xef53;

/// How a disk is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MountOptions {
    /// Device number that `stat` shows.
    pub device: DeviceNumber,
    /// What becomes of files without a name that an earlier run left.
    pub orphans: Orphans,
}

/// A mounted disk.
pub struct DiskFs {
    pub(crate) volume: Arc<Volume>,
    root: Arc<Node>,
}

/// Numbers about a mounted disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Pages of files in memory.
    pub cached_pages: u64,
    /// Those that are newer than what the server has.
    pub dirty_pages: u64,
    /// How often a server was lost and the next one brought up to date.
    pub recoveries: u64,
}

impl DiskFs {
    /// Mounts the disk that `server` serves. Nothing is written by itself before [`start_worker`](Self::start_worker).
    ///
    /// # Errors
    /// What the server finds; `ENOMEM`.
    pub fn mount(server: Arc<dyn FileSystem>, options: MountOptions) -> Result<Arc<Self>> {
        let (volume, info) = Volume::open(server, options.orphans, options.device)?;
        let root = volume.inode(info.root)?;
        reclaim::register(&volume);
        Ok(Arc::new(Self { volume, root }))
    }

    /// Starts the thread that writes what has been waiting for some seconds.
    ///
    /// # Errors
    /// `EAGAIN` if there is no memory for one.
    pub fn start_worker(&self) -> Result<()> {
        worker::start(self.volume.clone())
    }

    /// Waits until all changes that the server has heard of are on the disk; a server that died meanwhile is brought up to
    /// date by that.
    ///
    /// # Errors
    /// `EIO` if the server is gone for good.
    pub fn commit(&self) -> Result<()> {
        self.volume.free_space()?;
        self.volume.link.commit_all()
    }

    /// Says that the server is about to move: until [`end_move`](Self::end_move) callers go before other threads.
    pub fn expect_move(&self) {
        self.volume.link.expect_move();
    }

    /// Waits until the incarnation that took over is up to date, if one did since [`expect_move`](Self::expect_move).
    ///
    /// # Errors
    /// `EIO`: it cannot be brought up to date.
    pub fn follow_move(&self) -> Result<()> {
        self.volume.link.follow_move()
    }

    /// Brings an incarnation up to date that took over, if there is one; the move is over.
    ///
    /// # Errors
    /// `EIO` if there is none, for good.
    pub fn end_move(&self) -> Result<()> {
        let result = self.volume.link.ask(|server| server.statistics()).map(drop);
        self.volume.link.end_move();
        result
    }

    /// Does what the worker would do now, for everything that waits.
    pub fn work(&self) {
        self.volume.work(u64::MAX);
    }

    /// Writes everything and lets go of the disk, which is clean afterwards: files without a name that are still open go.
    /// Nothing works any more then.
    ///
    /// # Errors
    /// `EIO`, `ENOSPC`: something could not be written.
    pub fn retire(&self) -> Result<()> {
        if self.volume.retired.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let written = self.volume.sync_all().and_then(|()| self.volume.forget_nameless());
        self.volume.link.retire()?;
        self.volume.wake_worker();
        written
    }

    /// Numbers about it.
    #[must_use]
    pub fn counters(&self) -> Counters {
        Counters {
            cached_pages: self.volume.cached_pages.load(Ordering::Relaxed),
            dirty_pages: self.volume.dirty_pages.load(Ordering::Relaxed),
            recoveries: self.volume.link.recoveries(),
        }
    }
}

impl vfs::FileSystem for DiskFs {
    fn type_name(&self) -> &'static str {
        "ext4"
    }

    fn root(&self) -> Arc<dyn Inode> {
        self.root.clone()
    }

    fn statistics(&self) -> FileSystemStatistics {
        let empty = FileSystemStatistics {
            magic: EXT4_MAGIC,
            block_size: self.volume.block_bytes.into(),
            name_limit: interfaces::file_system::MAX_NAME_BYTES as u64,
            ..FileSystemStatistics::default()
        };
        let Ok(statistics) = self.volume.free_space() else { return empty };
        FileSystemStatistics {
            blocks: statistics.blocks,
            free_blocks: statistics.free_blocks,
            available_blocks: statistics.available_blocks,
            inodes: statistics.inodes,
            free_inodes: statistics.free_inodes,
            id: statistics.id,
            ..empty
        }
    }

    fn device(&self) -> DeviceNumber {
        self.volume.device
    }

    fn is_read_only(&self) -> bool {
        self.volume.require_writable().is_err()
    }

    fn sync(&self) -> Result<()> {
        self.volume.sync_all()
    }

    fn remount(&self, options: &str) -> Result<()> {
        // What busybox and mount(8) pass along for the root.
        if matches!(options, "" | "errors=remount-ro") { Ok(()) } else { Err(Errno::EINVAL) }
    }
}
