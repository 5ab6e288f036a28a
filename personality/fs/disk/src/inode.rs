//! The inode as the VFS sees it.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;

use linux_abi::{Errno, Result};
use vfs::pipe::Fifo;
use vfs::{AttributeChanges, File, FileKind, Inode, Metadata, NewInode, OpenFlags, Ownership, Renamed, clock};

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
        Ok(Ownership { permissions: known.own.permissions, uid: known.own.uid, gid: known.own.gid })
    }

    fn set_attributes(&self, changes: &AttributeChanges) -> Result<()> {
        self.volume.require_writable()?;
        self.known().set(changes, clock::now());
        // Programs often set several in a row: the server is told of all together.
        self.keep_until_written();
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
