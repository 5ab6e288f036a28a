//! Symbolic links, FIFOs, device nodes and sockets: inodes without pages.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;

use linux_abi::{Errno, Result};
use vfs::pipe::Fifo;
use vfs::{AttributeChanges, File, FileKind, Inode, Metadata, NewInode, OpenFlags, Ownership};

use crate::common::Common;
use crate::volume::Volume;

/// Longer targets of links are charged as a page, as on Linux: they are paid for with memory like contents.
const FREE_TARGET_BYTES: usize = 128;

/// An inode that is no directory and no regular file.
pub(crate) struct Special {
    common: Common,
    content: Content,
}

enum Content {
    Link(Vec<u8>),
    Fifo(Fifo),
    Node,
}

impl Special {
    pub(crate) fn new(volume: &Arc<Volume>, new: &NewInode<'_>) -> Result<Special> {
        let content = match new.kind {
            FileKind::Symlink if new.target.len() >= 4096 => return Err(Errno::ENAMETOOLONG),
            FileKind::Symlink => Content::Link(new.target.to_vec()),
            FileKind::Fifo => Content::Fifo(Fifo::new()),
            _ => Content::Node,
        };
        let common = Common::new(volume, new)?;
        if content.is_charged() {
            // Before there is an inode whose end would give the page back.
            volume.charge_page()?;
        }
        Ok(Special { common, content })
    }

    pub(crate) fn common(&self) -> &Common {
        &self.common
    }
}

impl Content {
    fn is_charged(&self) -> bool {
        matches!(self, Content::Link(target) if target.len() > FREE_TARGET_BYTES)
    }
}

impl Drop for Special {
    fn drop(&mut self) {
        if self.content.is_charged() {
            self.common.volume.release_pages(1);
        }
    }
}

impl Inode for Special {
    fn kind(&self) -> FileKind {
        self.common.kind()
    }

    fn metadata(&self) -> Result<Metadata> {
        let size = match &self.content {
            Content::Link(target) => target.len() as u64,
            _ => 0,
        };
        Ok(self.common.metadata(size, 0))
    }

    fn ownership(&self) -> Result<Ownership> {
        Ok(self.common.ownership())
    }

    fn set_attributes(&self, changes: &AttributeChanges) -> Result<()> {
        self.common.set_attributes(changes);
        Ok(())
    }

    fn open(self: Arc<Self>, _flags: OpenFlags) -> Result<Arc<dyn File>> {
        Err(Errno::ENXIO)
    }

    fn read_link(&self) -> Result<Vec<u8>> {
        match &self.content {
            Content::Link(target) => Ok(target.clone()),
            _ => Err(Errno::EINVAL),
        }
    }

    fn fifo(&self) -> Option<&Fifo> {
        match &self.content {
            Content::Fifo(fifo) => Some(fifo),
            _ => None,
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
