//! Names: the tree of directory entries that were looked up, with the inode behind each.
//!
//! A directory's lock (its `children`) is held around every change of that directory, so that cache and file system
//! agree. Locks are taken from the parent to the child; a rename across directories first takes the file system's
//! rename lock, then the ancestor before the descendant, otherwise by address. `place` is a leaf lock.
//! A parent keeps its children and a child its parent: unlinking and unmounting break the cycle.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use hashbrown::HashMap;
use linux_abi::{Errno, Result};
use rt::sync::{Mutex, MutexGuard};

use crate::inode::Inode;
use crate::metadata::FileKind;

/// A name in the tree and its inode.
pub struct Dentry {
    inode: Arc<dyn Inode>,
    kind: FileKind,
    place: Mutex<Place>,
    children: Mutex<Children>,
    /// How many mounts have this as their mount point.
    mounts: AtomicU32,
    unlinked: AtomicBool,
    /// It never had a name and may get one (`O_TMPFILE` without `O_EXCL`).
    may_be_named: AtomicBool,
}

/// Whether something without a name may get one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Naming {
    Allowed,
    Refused,
}

#[derive(Default)]
struct Place {
    parent: Option<Arc<Dentry>>,
    name: Arc<[u8]>,
}

/// The remembered children of a directory; whoever holds this may change the directory.
#[derive(Default)]
pub(crate) struct Children {
    names: HashMap<Arc<[u8]>, Arc<Dentry>>,
    removed: bool,
}

impl Dentry {
    /// Makes the root of a file system, or a name outside of any directory.
    #[must_use]
    pub fn new_root(inode: Arc<dyn Inode>, name: &[u8]) -> Arc<Dentry> {
        Dentry::new(inode, None, name)
    }

    /// Makes a name that no lookup finds, below `parent` only for show.
    pub(crate) fn new_unlinked(inode: Arc<dyn Inode>, parent: &Arc<Dentry>, name: &[u8]) -> Arc<Dentry> {
        let dentry = Dentry::new(inode, Some(parent.clone()), name);
        dentry.unlinked.store(true, Ordering::Relaxed);
        dentry
    }

    /// Whether something without a name may get one.
    pub(crate) fn may_be_named(&self) -> bool {
        self.may_be_named.load(Ordering::Relaxed)
    }

    /// Says whether it may.
    pub(crate) fn set_naming(&self, naming: Naming) {
        self.may_be_named.store(naming == Naming::Allowed, Ordering::Relaxed);
    }

    fn new(inode: Arc<dyn Inode>, parent: Option<Arc<Dentry>>, name: &[u8]) -> Arc<Dentry> {
        Arc::new(Dentry {
            kind: inode.kind(),
            inode,
            place: Mutex::new(Place { parent, name: name.into() }),
            children: Mutex::new(Children::default()),
            mounts: AtomicU32::new(0),
            unlinked: AtomicBool::new(false),
            may_be_named: AtomicBool::new(false),
        })
    }

    /// Returns the inode.
    #[must_use]
    pub fn inode(&self) -> &Arc<dyn Inode> {
        &self.inode
    }

    /// Returns the inode's type.
    #[must_use]
    pub fn kind(&self) -> FileKind {
        self.kind
    }

    /// Tells whether this is a directory.
    #[must_use]
    pub fn is_directory(&self) -> bool {
        self.kind == FileKind::Directory
    }

    /// Returns the parent; the root of a file system has none.
    #[must_use]
    pub fn parent(&self) -> Option<Arc<Dentry>> {
        self.place.lock().parent.clone()
    }

    /// Returns the name in the parent.
    #[must_use]
    pub fn name(&self) -> Arc<[u8]> {
        self.place.lock().name.clone()
    }

    /// Tells whether the name was removed.
    #[must_use]
    pub fn is_unlinked(&self) -> bool {
        self.unlinked.load(Ordering::Relaxed)
    }

    /// Tells whether something may be mounted here.
    #[must_use]
    pub fn is_mount_point(&self) -> bool {
        self.mounts.load(Ordering::Relaxed) != 0
    }

    pub(crate) fn count_mount(&self) {
        self.mounts.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn uncount_mount(&self) {
        self.mounts.fetch_sub(1, Ordering::Relaxed);
    }

    /// Finds a child by name (neither `.` nor `..`).
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR`, `ENAMETOOLONG`, or what the file system finds.
    pub fn child(self: &Arc<Self>, name: &[u8]) -> Result<Arc<Dentry>> {
        if !self.inode.remembers_lookups() {
            // Such a file system may take locks of its own that come before ours: do not hold one here.
            check_length(name)?;
            let inode = self.inode.lookup(name)?;
            return Ok(Dentry::new(inode, Some(self.clone()), name));
        }
        self.lock_children().lookup(self, name)
    }

    /// Locks the directory against other changes.
    pub(crate) fn lock_children(&self) -> MutexGuard<'_, Children> {
        self.children.lock()
    }

    /// Tells whether `self` is `other` or above it.
    #[must_use]
    pub fn is_ancestor_of(self: &Arc<Self>, other: &Arc<Dentry>) -> bool {
        let mut current = Some(other.clone());
        while let Some(dentry) = current {
            if Arc::ptr_eq(self, &dentry) {
                return true;
            }
            current = dentry.parent();
        }
        false
    }

    /// Forgets all remembered names below, so that nothing of a file system that went stays in memory.
    pub(crate) fn forget_tree(self: &Arc<Self>) {
        let mut pending = Vec::from([self.clone()]);
        while let Some(dentry) = pending.pop() {
            let names = core::mem::take(&mut dentry.children.lock().names);
            pending.extend(names.into_values());
        }
    }

    fn move_to(&self, parent: &Arc<Dentry>, name: Arc<[u8]>) {
        let old = core::mem::replace(&mut *self.place.lock(), Place { parent: Some(parent.clone()), name });
        drop(old);
    }
}

impl Drop for Dentry {
    fn drop(&mut self) {
        // A long chain of removed directories must not be dropped by recursion.
        let mut parent = core::mem::take(&mut *self.place.lock()).parent;
        while let Some(dentry) = parent.and_then(Arc::into_inner) {
            parent = core::mem::take(&mut *dentry.place.lock()).parent;
        }
    }
}

/// Checks a name's length.
fn check_length(name: &[u8]) -> Result<()> {
    if name.len() > linux_abi::raw::general::NAME_MAX as usize { Err(Errno::ENAMETOOLONG) } else { Ok(()) }
}

impl Children {
    /// Finds a child of `directory`, whose children these are.
    pub(crate) fn lookup(&mut self, directory: &Arc<Dentry>, name: &[u8]) -> Result<Arc<Dentry>> {
        if let Some(child) = self.names.get(name) {
            return Ok(child.clone());
        }
        check_length(name)?;
        if self.removed {
            return Err(Errno::ENOENT);
        }
        let inode = directory.inode.lookup(name)?;
        Ok(self.insert(directory, name, inode))
    }

    /// Remembers a new child.
    pub(crate) fn insert(&mut self, directory: &Arc<Dentry>, name: &[u8], inode: Arc<dyn Inode>) -> Arc<Dentry> {
        let child = Dentry::new(inode, Some(directory.clone()), name);
        if directory.inode.remembers_lookups() {
            self.names.insert(child.name(), child.clone());
        }
        child
    }

    /// Tells whether the directory itself was removed: nothing can be made in it any more.
    pub(crate) fn is_removed(&self) -> bool {
        self.removed
    }

    /// Marks the directory as removed.
    pub(crate) fn set_removed(&mut self) {
        self.removed = true;
    }

    /// Forgets a child whose name was removed.
    pub(crate) fn remove(&mut self, name: &[u8], child: &Dentry) {
        child.unlinked.store(true, Ordering::Relaxed);
        self.names.remove(name);
    }

    /// Enters a child that came by a rename.
    pub(crate) fn enter(&mut self, directory: &Arc<Dentry>, name: &[u8], child: &Arc<Dentry>) {
        let name: Arc<[u8]> = name.into();
        child.move_to(directory, name.clone());
        self.names.insert(name, child.clone());
    }

    /// Takes a child out that leaves by a rename.
    pub(crate) fn leave(&mut self, name: &[u8]) {
        self.names.remove(name);
    }
}
