//! Directories: names by hash, and in the order of their making for listing.
//!
//! An entry keeps its cookie for life, so that a listing goes on correctly while entries come and go. The VFS holds the
//! directory's own lock around changes; `entries` only protects the tables, two of them are locked by address.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use core::ops::ControlFlow;

use hashbrown::HashMap;
use linux_abi::{Errno, Result};
use rt::sync::Mutex;
use vfs::{
    AttributeChanges, DirectoryEntry, EmitEntry, FIRST_COOKIE, File, FileKind, Inode, Metadata, NewInode, OpenFlags,
    Ownership, Positioning, RenameMode, Renamed,
};

use crate::common::{Common, common_of};
use crate::regular::RegularFile;
use crate::special::Special;
use crate::volume::Volume;

/// What Linux's tmpfs shows as the size of a directory entry.
const ENTRY_SIZE_BYTES: u64 = 20;

/// Cookie of a directory's first entry. One would have to add an entry a microsecond for twelve days to use them up.
const HIGHEST_COOKIE: u64 = 1 << 40;
const _: () = assert!(FIRST_COOKIE < HIGHEST_COOKIE);

/// A directory.
pub(crate) struct Directory {
    common: Common,
    entries: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    cookies: HashMap<Arc<[u8]>, u64>,
    by_cookie: BTreeMap<u64, Entry>,
    last_cookie: u64,
    is_removed: bool,
}

/// A name and what it names.
type Entry = (Arc<[u8]>, Arc<dyn Inode>);

impl Entries {
    fn get(&self, name: &[u8]) -> Option<&Arc<dyn Inode>> {
        let cookie = self.cookies.get(name)?;
        self.by_cookie.get(cookie).map(|(_, inode)| inode)
    }

    fn insert(&mut self, name: &[u8], inode: Arc<dyn Inode>) {
        let name: Arc<[u8]> = name.into();
        // Downwards: the youngest entry is listed first, as on Linux, and one that comes during a listing is not in it.
        self.last_cookie = if self.last_cookie == 0 { HIGHEST_COOKIE } else { self.last_cookie - 1 };
        self.cookies.insert(name.clone(), self.last_cookie);
        self.by_cookie.insert(self.last_cookie, (name, inode));
    }

    fn remove(&mut self, name: &[u8]) -> Option<Arc<dyn Inode>> {
        let cookie = self.cookies.remove(name)?;
        self.by_cookie.remove(&cookie).map(|(_, inode)| inode)
    }

    /// Puts another inode behind an existing name; returns the old one.
    fn replace(&mut self, name: &[u8], inode: Arc<dyn Inode>) -> Option<Arc<dyn Inode>> {
        let cookie = self.cookies.get(name)?;
        self.by_cookie.get_mut(cookie).map(|(_, old)| core::mem::replace(old, inode))
    }
}

impl Directory {
    pub(crate) fn new(volume: &Arc<Volume>, new: &NewInode<'_>) -> Result<Directory> {
        Ok(Directory { common: Common::new(volume, new)?, entries: Mutex::new(Entries::default()) })
    }

    pub(crate) fn common(&self) -> &Common {
        &self.common
    }

    fn make(&self, new: &NewInode<'_>) -> Result<Arc<dyn Inode>> {
        let volume = &self.common.volume;
        Ok(match new.kind {
            FileKind::Regular => Arc::new(RegularFile::new(volume, new)?),
            FileKind::Directory => Arc::new(Directory::new(volume, new)?),
            _ => Arc::new(Special::new(volume, new)?),
        })
    }

    /// Takes a name away from an inode that is gone from its directory.
    fn forget(&self, inode: &dyn Inode) -> Result<()> {
        let common = common_of(inode)?;
        if inode.kind() == FileKind::Directory {
            common.clear_links();
            self.common.remove_link();
        } else if common.remove_link() > 0 {
            // The further name was charged like an inode.
            self.common.volume.release_inode();
        }
        Ok(())
    }

    /// Marks a directory as removed if it is empty.
    fn seal_if_empty(inode: &dyn Inode) -> Result<()> {
        let directory = inode.as_any().downcast_ref::<Directory>().ok_or(Errno::ENOTDIR)?;
        let mut entries = directory.entries.lock();
        if !entries.cookies.is_empty() {
            return Err(Errno::ENOTEMPTY);
        }
        entries.is_removed = true;
        Ok(())
    }

    fn take_children(&self) -> Vec<Arc<dyn Inode>> {
        let entries = core::mem::take(&mut *self.entries.lock());
        entries.by_cookie.into_values().map(|(_, inode)| inode).collect()
    }

    fn rename_within(&self, name: &[u8], new_name: &[u8], mode: RenameMode) -> Result<()> {
        let mut entries = self.entries.lock();
        let source = entries.get(name).cloned().ok_or(Errno::ENOENT)?;
        let target = entries.get(new_name).cloned();
        if mode == RenameMode::Exchange {
            let target = target.ok_or(Errno::ENOENT)?;
            entries.replace(name, target);
            entries.replace(new_name, source);
            return Ok(());
        }
        if let Some(target) = &target
            && target.kind() == FileKind::Directory
        {
            Directory::seal_if_empty(&**target)?;
        }
        entries.remove(name);
        match &target {
            Some(_) => drop(entries.replace(new_name, source)),
            None => entries.insert(new_name, source),
        }
        drop(entries);
        target.map_or(Ok(()), |target| self.forget(&*target))
    }

    fn rename_across(&self, name: &[u8], other: &Directory, new_name: &[u8], mode: RenameMode) -> Result<()> {
        // The VFS's rename lock lets only one such rename run, so these two may be locked in any order.
        let mut from = self.entries.lock();
        let mut to = other.entries.lock();
        if to.is_removed {
            return Err(Errno::ENOENT);
        }
        let source = from.get(name).cloned().ok_or(Errno::ENOENT)?;
        let target = to.get(new_name).cloned();
        let is_directory = |inode: &Arc<dyn Inode>| inode.kind() == FileKind::Directory;
        if mode == RenameMode::Exchange {
            let target = target.ok_or(Errno::ENOENT)?;
            self.move_link(other, is_directory(&source));
            other.move_link(self, is_directory(&target));
            from.replace(name, target);
            to.replace(new_name, source);
            return Ok(());
        }
        if let Some(target) = target.as_ref().filter(|target| is_directory(target)) {
            Directory::seal_if_empty(&**target)?;
        }
        self.move_link(other, is_directory(&source));
        from.remove(name);
        match &target {
            Some(_) => drop(to.replace(new_name, source)),
            None => to.insert(new_name, source),
        }
        drop((from, to));
        target.map_or(Ok(()), |target| other.forget(&*target))
    }

    /// Counts the `..` of a directory that moves from here to `other`.
    fn move_link(&self, other: &Directory, moves_directory: bool) {
        if moves_directory {
            self.common.remove_link();
            // Links of a directory are bounded by the inodes of the volume, far below the limit.
            let _ = other.common.add_link();
        }
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // A deep tree must not be dropped by recursion.
        let mut pending = self.take_children();
        while let Some(inode) = pending.pop() {
            if Arc::strong_count(&inode) == 1
                && let Some(directory) = inode.as_any().downcast_ref::<Directory>()
            {
                pending.extend(directory.take_children());
            }
        }
    }
}

impl Inode for Directory {
    fn kind(&self) -> FileKind {
        FileKind::Directory
    }

    fn metadata(&self) -> Result<Metadata> {
        let count = self.entries.lock().cookies.len() as u64;
        Ok(self.common.metadata((count + 2) * ENTRY_SIZE_BYTES, 0))
    }

    fn ownership(&self) -> Result<Ownership> {
        Ok(self.common.ownership())
    }

    fn set_attributes(&self, changes: &AttributeChanges) -> Result<()> {
        self.common.set_attributes(changes);
        Ok(())
    }

    fn open(self: Arc<Self>, _flags: OpenFlags) -> Result<Arc<dyn File>> {
        Ok(self)
    }

    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>> {
        self.entries.lock().get(name).cloned().ok_or(Errno::ENOENT)
    }

    fn create(&self, name: &[u8], new: &NewInode<'_>) -> Result<Arc<dyn Inode>> {
        let mut entries = self.entries.lock();
        if entries.is_removed {
            return Err(Errno::ENOENT);
        }
        if entries.get(name).is_some() {
            return Err(Errno::EEXIST);
        }
        let inode = self.make(new)?;
        if new.kind == FileKind::Directory {
            self.common.add_link()?;
        }
        entries.insert(name, inode.clone());
        drop(entries);
        self.common.note_modification();
        Ok(inode)
    }

    fn create_unnamed(&self, new: &NewInode<'_>) -> Result<Arc<dyn Inode>> {
        let inode = self.make(new)?;
        common_of(&*inode)?.clear_links();
        Ok(inode)
    }

    fn link(&self, name: &[u8], target: &Arc<dyn Inode>) -> Result<()> {
        let common = common_of(&**target)?;
        if !Arc::ptr_eq(&common.volume, &self.common.volume) {
            return Err(Errno::EXDEV);
        }
        let mut entries = self.entries.lock();
        if entries.is_removed {
            return Err(Errno::ENOENT);
        }
        if entries.get(name).is_some() {
            return Err(Errno::EEXIST);
        }
        let is_unnamed = common.links() == 0;
        if !is_unnamed {
            self.common.volume.charge_inode()?;
        }
        if let Err(error) = common.add_link() {
            self.common.volume.release_inode();
            return Err(error);
        }
        entries.insert(name, target.clone());
        drop(entries);
        self.common.note_modification();
        Ok(())
    }

    fn unlink(&self, name: &[u8], _victim: &Arc<dyn Inode>) -> Result<()> {
        let removed = self.entries.lock().remove(name).ok_or(Errno::ENOENT)?;
        self.common.note_modification();
        self.forget(&*removed)
    }

    fn remove_directory(&self, name: &[u8], victim: &Arc<dyn Inode>) -> Result<()> {
        let mut entries = self.entries.lock();
        if entries.get(name).is_none() {
            return Err(Errno::ENOENT);
        }
        Directory::seal_if_empty(&**victim)?;
        entries.remove(name);
        drop(entries);
        self.common.note_modification();
        self.forget(&**victim)
    }

    fn rename(&self, name: &[u8], new_parent: &Arc<dyn Inode>, new_name: &[u8], renamed: Renamed<'_>) -> Result<()> {
        let other = new_parent.as_any().downcast_ref::<Directory>().ok_or(Errno::EXDEV)?;
        if core::ptr::eq(self, other) {
            self.rename_within(name, new_name, renamed.mode)?;
        } else {
            self.rename_across(name, other, new_name, renamed.mode)?;
            other.common.note_modification();
        }
        self.common.note_modification();
        if let Some(moved) = other.entries.lock().get(new_name) {
            common_of(&**moved)?.note_change();
        }
        Ok(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl File for Directory {
    fn positioning(&self) -> Positioning {
        Positioning::Seekable
    }

    fn read(&self, _offset: u64, _sink: &mut dyn guest_memory::Sink, _flags: OpenFlags) -> Result<usize> {
        Err(Errno::EISDIR)
    }

    fn size(&self) -> Result<u64> {
        Ok(HIGHEST_COOKIE + 1)
    }

    fn read_directory(&self, cookie: u64, emit: &mut EmitEntry<'_>) -> Result<()> {
        self.common.note_access();
        let entries = self.entries.lock();
        for (&cookie, (name, inode)) in entries.by_cookie.range(cookie..) {
            let number = common_of(&**inode).map_or(0, Common::number);
            let entry = DirectoryEntry { inode: number, kind: inode.kind(), name, next_cookie: cookie + 1 };
            if emit(entry) == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }
}
