//! The inode as the VFS sees it.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;

use interfaces::file_system::{NewAttributes, set};
use linux_abi::{Errno, Result};
use vfs::pipe::Fifo;
use vfs::{AttributeChanges, File, FileKind, Inode, Metadata, NewInode, OpenFlags, Ownership, Renamed, clock};

use crate::attributes::{no_change, time};
use crate::log::Operation;
use crate::node::{Body, Node};

impl Inode for Node {
    fn kind(&self) -> FileKind {
        self.node_kind()
    }

    fn metadata(&self) -> Result<Metadata> {
        self.describe()
    }

    fn ownership(&self) -> Result<Ownership> {
        let known = self.known();
        Ok(Ownership { permissions: known.permissions, uid: known.uid, gid: known.gid })
    }

    fn set_attributes(&self, changes: &AttributeChanges) -> Result<()> {
        let now = clock::now();
        self.change(now, Operation::SetAttributes { inode: self.number(), new: new_attributes(changes) })?;
        let mut known = self.known();
        known.times.changed = now;
        known.times.accessed = changes.accessed.unwrap_or(known.times.accessed);
        known.times.modified = changes.modified.unwrap_or(known.times.modified);
        Ok(())
    }

    fn open(self: Arc<Self>, _flags: OpenFlags) -> Result<Arc<dyn File>> {
        match self.body {
            Body::Regular(_) | Body::Directory => Ok(self),
            _ => Err(Errno::ENXIO),
        }
    }

    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>> {
        self.require_directory()?;
        Ok(self.find_name(name)?)
    }

    fn create(&self, name: &[u8], new: &NewInode<'_>) -> Result<Arc<dyn Inode>> {
        self.require_directory()?;
        Ok(self.create_name(name, new)?)
    }

    fn create_unnamed(&self, new: &NewInode<'_>) -> Result<Arc<dyn Inode>> {
        Ok(self.create_without_name(new)?)
    }

    fn link(&self, name: &[u8], target: &Arc<dyn Inode>) -> Result<()> {
        self.require_directory()?;
        self.link_name(name, self.sibling(target)?)
    }

    fn unlink(&self, name: &[u8], victim: &Arc<dyn Inode>) -> Result<()> {
        let operation = Operation::Unlink { directory: self.number(), name: name.into() };
        self.remove_name(operation, self.sibling(victim)?)
    }

    fn remove_directory(&self, name: &[u8], victim: &Arc<dyn Inode>) -> Result<()> {
        let operation = Operation::RemoveDirectory { directory: self.number(), name: name.into() };
        self.remove_name(operation, self.sibling(victim)?)
    }

    fn rename(&self, name: &[u8], new_parent: &Arc<dyn Inode>, new_name: &[u8], renamed: Renamed<'_>) -> Result<()> {
        self.rename_name(name, self.sibling(new_parent)?, new_name, renamed)
    }

    fn read_link(&self) -> Result<Vec<u8>> {
        let Body::Link(target) = &self.body else { return Err(Errno::EINVAL) };
        if let Some(target) = target.get() {
            return Ok(target.to_vec());
        }
        let text = self.volume.link.ask(|server| server.read_link(self.number()))?;
        Ok(target.get_or_init(|| text.into()).to_vec())
    }

    fn truncate(&self, size: u64) -> Result<()> {
        self.set_size(size)
    }

    fn fifo(&self) -> Option<&Fifo> {
        if let Body::Fifo(fifo) = &self.body { Some(fifo) } else { None }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Node {
    fn require_directory(&self) -> Result<()> {
        if self.node_kind() == FileKind::Directory { Ok(()) } else { Err(Errno::ENOTDIR) }
    }

    /// An inode that must be of the same volume.
    ///
    /// # Errors
    /// `EXDEV`.
    pub(crate) fn sibling<'a>(&self, inode: &'a Arc<dyn Inode>) -> Result<&'a Node> {
        let node = inode.as_any().downcast_ref::<Node>();
        node.filter(|node| Arc::ptr_eq(&node.volume, &self.volume)).ok_or(Errno::EXDEV)
    }
}

fn new_attributes(changes: &AttributeChanges) -> NewAttributes {
    let bit = |is_set: bool, bit: u32| if is_set { bit } else { 0 };
    let bits = bit(changes.permissions.is_some(), set::MODE)
        | bit(changes.uid.is_some(), set::UID)
        | bit(changes.gid.is_some(), set::GID)
        | bit(changes.accessed.is_some(), set::ACCESSED)
        | bit(changes.modified.is_some(), set::MODIFIED);
    NewAttributes {
        set: bits,
        mode: changes.permissions.unwrap_or(0) & 0o7777,
        uid: changes.uid.unwrap_or(0),
        gid: changes.gid.unwrap_or(0),
        accessed: time(changes.accessed.unwrap_or_default()),
        modified: time(changes.modified.unwrap_or_default()),
        ..no_change()
    }
}
