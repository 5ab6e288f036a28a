//! A place in the mount tree, and its text.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::dentry::Dentry;
use crate::inode::Inode;
use crate::mount::Mount;

/// A name on a mount.
#[derive(Clone)]
pub struct Path {
    /// The mount.
    pub mount: Arc<Mount>,
    /// The name on it.
    pub dentry: Arc<Dentry>,
}

/// The text of a path, and whether it can be trusted as a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathText {
    /// The text, starting with a slash, or the name of an anonymous object.
    pub bytes: Vec<u8>,
    /// The name was removed; the text is where it was.
    pub is_deleted: bool,
    /// The path is not below the root it was asked for.
    pub is_unreachable: bool,
}

impl Path {
    /// Returns the inode.
    #[must_use]
    pub fn inode(&self) -> &Arc<dyn Inode> {
        self.dentry.inode()
    }

    /// Tells whether both are the same name on the same mount.
    #[must_use]
    pub fn is_same(&self, other: &Path) -> bool {
        Arc::ptr_eq(&self.dentry, &other.dentry) && Arc::ptr_eq(&self.mount, &other.mount)
    }

    /// Goes up one step, over mount points, but not above `root`. Stays where there is no above.
    pub fn go_to_parent(&mut self, root: &Path) {
        loop {
            if self.is_same(root) {
                return;
            }
            if !Arc::ptr_eq(&self.dentry, self.mount.root()) {
                if let Some(parent) = self.dentry.parent() {
                    self.dentry = parent;
                }
                return;
            }
            match self.mount.mount_point() {
                Some(below) => *self = below,
                None => return,
            }
        }
    }

    /// Returns the text of this path as seen from `root`.
    #[must_use]
    pub fn text(&self, root: &Path) -> PathText {
        let is_deleted = self.dentry.is_unlinked();
        if self.mount.is_internal() {
            return PathText { bytes: self.dentry.name().to_vec(), is_deleted: false, is_unreachable: false };
        }
        let mut names = Vec::new();
        let mut here = self.clone();
        let is_unreachable = loop {
            if here.is_same(root) {
                break false;
            }
            if !Arc::ptr_eq(&here.dentry, here.mount.root()) {
                names.push(here.dentry.name());
                let Some(parent) = here.dentry.parent() else { break true };
                here.dentry = parent;
                continue;
            }
            match here.mount.mount_point() {
                Some(below) => here = below,
                None => break true,
            }
        };
        let mut bytes = Vec::new();
        for name in names.iter().rev() {
            bytes.push(b'/');
            bytes.extend_from_slice(name);
        }
        if bytes.is_empty() {
            bytes.push(b'/');
        }
        PathText { bytes, is_deleted, is_unreachable }
    }

    /// Returns the text as `/proc/PID/fd` and `/proc/PID/maps` show it: with ` (deleted)` where that is so.
    #[must_use]
    pub fn display(&self, root: &Path) -> Vec<u8> {
        let text = self.text(root);
        let mut bytes = text.bytes;
        if text.is_deleted {
            bytes.extend_from_slice(b" (deleted)");
        }
        bytes
    }
}
