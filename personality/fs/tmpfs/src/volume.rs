//! A mounted tmpfs: its limits, its root, its type for `mount(2)`.

use alloc::string::String;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};

use linux_abi::raw::general::TMPFS_MAGIC;
use linux_abi::{Errno, Result};
use rt::sync::Mutex;
use vfs::{
    DeviceNumber, FileKind, FileSystem, FileSystemStatistics, FileSystemType, Inode, NewInode, anonymous_device,
};

use crate::directory::Directory;
use crate::options::Options;

/// The accounts of an instance, which every inode of it holds.
pub(crate) struct Volume {
    device: DeviceNumber,
    next_inode: AtomicU64,
    pages_used: AtomicU64,
    pages_limit: AtomicU64,
    inodes_used: AtomicU64,
    inodes_limit: AtomicU64,
}

impl Volume {
    fn new(options: &Options) -> Volume {
        Volume {
            device: anonymous_device(),
            next_inode: AtomicU64::new(1),
            pages_used: AtomicU64::new(0),
            pages_limit: AtomicU64::new(options.pages),
            inodes_used: AtomicU64::new(0),
            inodes_limit: AtomicU64::new(options.inodes),
        }
    }

    pub(crate) fn device(&self) -> DeviceNumber {
        self.device
    }

    pub(crate) fn next_inode_number(&self) -> u64 {
        self.next_inode.fetch_add(1, Ordering::Relaxed)
    }

    /// Counts one more inode or name.
    ///
    /// # Errors
    /// `ENOSPC` at the limit.
    pub(crate) fn charge_inode(&self) -> Result<()> {
        charge(&self.inodes_used, &self.inodes_limit)
    }

    pub(crate) fn release_inode(&self) {
        self.inodes_used.fetch_sub(1, Ordering::Relaxed);
    }

    /// Counts one more page.
    ///
    /// # Errors
    /// `ENOSPC` at the limit.
    pub(crate) fn charge_page(&self) -> Result<()> {
        charge(&self.pages_used, &self.pages_limit)
    }

    pub(crate) fn release_pages(&self, count: u64) {
        self.pages_used.fetch_sub(count, Ordering::Relaxed);
    }
}

fn charge(used: &AtomicU64, limit: &AtomicU64) -> Result<()> {
    if used.fetch_add(1, Ordering::Relaxed) >= limit.load(Ordering::Relaxed) {
        used.fetch_sub(1, Ordering::Relaxed);
        return Err(Errno::ENOSPC);
    }
    Ok(())
}

/// A mounted instance.
pub struct Tmpfs {
    type_name: &'static str,
    volume: Arc<Volume>,
    root: Arc<Directory>,
    options: Mutex<Options>,
}

impl Tmpfs {
    /// Makes an empty instance.
    ///
    /// # Errors
    /// `ENOSPC` if the options leave no inode for the root.
    pub fn new(options: Options) -> Result<Arc<Tmpfs>> {
        Tmpfs::named("tmpfs", options)
    }

    /// Makes an empty instance that goes by another type's name, as `devtmpfs` does.
    ///
    /// # Errors
    /// As [`Tmpfs::new`].
    pub fn named(type_name: &'static str, options: Options) -> Result<Arc<Tmpfs>> {
        let volume = Arc::new(Volume::new(&options));
        let mut new = NewInode::new(FileKind::Directory, options.permissions);
        (new.uid, new.gid) = (options.uid, options.gid);
        let root = Arc::new(Directory::new(&volume, &new)?);
        Ok(Arc::new(Tmpfs { type_name, volume, root, options: Mutex::new(options) }))
    }

    pub(crate) fn volume(&self) -> &Arc<Volume> {
        &self.volume
    }
}

impl FileSystem for Tmpfs {
    fn type_name(&self) -> &'static str {
        self.type_name
    }

    fn root(&self) -> Arc<dyn Inode> {
        self.root.clone()
    }

    fn statistics(&self) -> FileSystemStatistics {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (blocks, inodes) = (load(&self.volume.pages_limit), load(&self.volume.inodes_limit));
        let free_blocks = blocks.saturating_sub(load(&self.volume.pages_used));
        FileSystemStatistics {
            magic: u64::from(TMPFS_MAGIC),
            block_size: 4096,
            blocks,
            free_blocks,
            available_blocks: free_blocks,
            inodes,
            free_inodes: inodes.saturating_sub(load(&self.volume.inodes_used)),
            name_limit: 255,
            id: 0,
        }
    }

    fn device(&self) -> DeviceNumber {
        self.volume.device
    }

    fn show_options(&self) -> String {
        self.options.lock().show()
    }

    fn remount(&self, text: &str) -> Result<()> {
        let mut options = self.options.lock();
        let changed = options.changed_by(text)?;
        let used = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        if changed.pages < used(&self.volume.pages_used) || changed.inodes < used(&self.volume.inodes_used) {
            return Err(Errno::EINVAL);
        }
        self.volume.pages_limit.store(changed.pages, Ordering::Relaxed);
        self.volume.inodes_limit.store(changed.inodes, Ordering::Relaxed);
        *options = changed;
        Ok(())
    }
}

/// The type `tmpfs` (or another name for the same) of `mount(2)`.
pub struct TmpfsType {
    name: &'static str,
}

impl TmpfsType {
    /// Makes the type.
    #[must_use]
    pub fn new() -> Arc<TmpfsType> {
        Arc::new(TmpfsType { name: "tmpfs" })
    }
}

impl FileSystemType for TmpfsType {
    fn name(&self) -> &'static str {
        self.name
    }

    fn make(&self, _source: &str, options: &str) -> Result<Arc<dyn FileSystem>> {
        let options = Options::for_ram().changed_by(options)?;
        Ok(Tmpfs::new(options)?)
    }
}
