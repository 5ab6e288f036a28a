//! Building a task's address space from its [`Layout`].

use alloc::vec::Vec;

use rt::layout;
use rt::start_info::StartInfo;
use ukernel_abi::PAGE_BYTES;
use ukernel_abi::boot::slot;
use ukernel_user::object::MapRange;
use ukernel_user::{Attachment, Cap, Error, Memory, VSpace};

use crate::archive::Archive;
use crate::plan::{Content, Layout, Piece};
use crate::supply::Supply;

/// Page-table pages donated at a time.
const TABLES_AT_ONCE: u64 = 8;

/// An address space, and what the root task goes on needing of it.
pub struct Space {
    /// The VSpace.
    pub vspace: Cap<VSpace>,
    /// Memory of the message page and the thread-local block.
    pub thread: Cap<Memory>,
    /// Memory of the StartInfo and the options.
    pub start_info: Cap<Memory>,
    /// Memory of the main thread's stack.
    pub stack: Cap<Memory>,
    /// The attachments: the mappings live as long as they do.
    pub attachments: Vec<Cap<Attachment>>,
}

impl Space {
    /// Builds the address space; the StartInfo is still empty.
    ///
    /// # Errors
    /// `OutOfMemory`, or what the kernel says of the layout.
    pub fn build(supply: &Supply, archive: &Archive<'_>, layout: &Layout) -> Result<Self, Error> {
        let vspace = supply.create::<VSpace>(0)?;
        // The first of them becomes the root: without it nothing can be attached.
        vspace.donate(supply.tables(), TABLES_AT_ONCE)?;
        let mut space =
            Self { vspace, thread: Cap::NULL, start_info: Cap::NULL, stack: Cap::NULL, attachments: Vec::new() };
        for piece in &layout.pieces {
            space.add(supply, archive, piece)?;
        }
        Ok(space)
    }

    fn add(&mut self, supply: &Supply, archive: &Archive<'_>, piece: &Piece) -> Result<(), Error> {
        if let Content::Archive(first) = piece.content {
            return self.map(supply, Cap::new(slot::ARCHIVE), first, piece);
        }
        let memory = supply.create::<Memory>(piece.pages * PAGE_BYTES)?;
        match piece.content {
            Content::Copy(segment) => {
                let bytes = archive.segment(&segment).ok_or(Error::InvalidArgument)?;
                rt::memory::write(memory, 0, bytes)?;
            }
            Content::Thread => self.thread = memory,
            Content::StartInfo => self.start_info = memory,
            Content::Stack => self.stack = memory,
            Content::Zero | Content::Archive(_) => {}
        }
        self.map(supply, memory, 0, piece)
    }

    fn map(&mut self, supply: &Supply, memory: Cap<Memory>, first: u64, piece: &Piece) -> Result<(), Error> {
        let attachment = supply.create::<Attachment>(0)?;
        memory.attach(self.vspace, piece.address, piece.pages * PAGE_BYTES, piece.rights, attachment)?;
        self.attachments.push(attachment);
        let range = MapRange::new(piece.address, piece.rights, first, piece.pages);
        while let Err(incomplete) = attachment.map(&[range]) {
            if incomplete.error != Error::OutOfTables {
                return Err(incomplete.error);
            }
            self.vspace.donate(supply.tables(), TABLES_AT_ONCE)?;
        }
        Ok(())
    }

    /// Writes the StartInfo and the options behind it.
    ///
    /// # Errors
    /// `InvalidArgument`: the options are too long.
    pub fn write_start_info(&self, info: &StartInfo, options: &str) -> Result<(), Error> {
        if options.len() as u64 > (layout::START_INFO_PAGES - 1) * PAGE_BYTES {
            return Err(Error::InvalidArgument);
        }
        rt::memory::write(self.start_info, 0, info.as_bytes())?;
        rt::memory::write(self.start_info, PAGE_BYTES, options.as_bytes())
    }
}
