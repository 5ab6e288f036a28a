//! Building a task's address space from its [`Layout`].

use alloc::vec::Vec;

use rt::layout;
use rt::start_info::StartInfo;
use ukernel_abi::PAGE_BYTES;
use ukernel_abi::boot::slot;
use ukernel_user::object::MapRange;
use ukernel_user::{Attachment, Cap, Error, Memory, VSpace};

use crate::archive::Archive;
use crate::budget;
use crate::nest::Nest;
use crate::plan::{Content, Layout, Piece};

/// An address space, and what the root task goes on needing of it. All of it is in the task's nest.
#[derive(Clone, Copy, Debug)]
pub struct Space {
    /// The VSpace.
    pub vspace: Cap<VSpace>,
    /// Memory of the message page and the thread-local block.
    pub thread: Cap<Memory>,
    /// Memory of the StartInfo and the options.
    pub start_info: Cap<Memory>,
    /// Memory of the main thread's stack.
    pub stack: Cap<Memory>,
}

impl Space {
    /// Builds the address space; the StartInfo is still empty.
    ///
    /// # Errors
    /// `OutOfMemory`, or what the kernel says of the layout.
    pub fn build(nest: &mut Nest, archive: &Archive<'_>, layout: &Layout) -> Result<Self, Error> {
        let vspace = nest.create::<VSpace>(0)?;
        // The first of them becomes the root: without it nothing can be attached.
        vspace.donate(nest.ground(), budget::tables(layout))?;
        let mut space = Self { vspace, thread: Cap::NULL, start_info: Cap::NULL, stack: Cap::NULL };
        // Small objects together: each Memory starts at a page.
        let attachments = layout.pieces.iter().map(|_| nest.create(0)).collect::<Result<Vec<_>, _>>()?;
        for (piece, attachment) in layout.pieces.iter().zip(attachments) {
            space.add(nest, archive, piece, attachment)?;
        }
        Ok(space)
    }

    fn add(
        &mut self,
        nest: &mut Nest,
        archive: &Archive<'_>,
        piece: &Piece,
        attachment: Cap<Attachment>,
    ) -> Result<(), Error> {
        if let Content::Archive(first) = piece.content {
            return self.map(Cap::new(slot::ARCHIVE), first, piece, attachment);
        }
        let memory = nest.create::<Memory>(piece.pages * PAGE_BYTES)?;
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
        self.map(memory, 0, piece, attachment)
    }

    fn map(&self, memory: Cap<Memory>, first: u64, piece: &Piece, attachment: Cap<Attachment>) -> Result<(), Error> {
        memory.attach(self.vspace, piece.address, piece.pages * PAGE_BYTES, piece.rights, attachment)?;
        let range = MapRange::new(piece.address, piece.rights, first, piece.pages);
        // The tables were counted in advance: there are enough.
        attachment.map(&[range]).map_err(|incomplete| incomplete.error)
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
