//! Memory, address spaces, and the attachments between them.

use ukernel_abi::invoke::{UNCACHED, attachment, memory, vspace};

use super::Untyped;
use crate::message::{Arguments, invoke};
use crate::{Cap, Error, Rights};

/// Physically contiguous pages.
#[derive(Debug)]
pub enum Memory {}

/// An address space.
#[derive(Debug)]
pub enum VSpace {}

/// The right to map pages of one Memory into a window of one VSpace.
#[derive(Debug)]
pub enum Attachment {}

/// Pages of a Memory and where to map them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapRange {
    /// Page-aligned address.
    pub address: u64,
    /// READ, WRITE, EXECUTE.
    pub rights: Rights,
    /// First page of the Memory.
    pub page: u64,
    /// How many pages, at least 1, at most 2^24.
    pub pages: u64,
    /// Map as strongly uncached device memory.
    pub uncached: bool,
}

impl MapRange {
    /// Ordinary memory.
    #[must_use]
    pub const fn new(address: u64, rights: Rights, page: u64, pages: u64) -> Self {
        Self { address, rights, page, pages, uncached: false }
    }
}

/// A run of pages of an address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRange {
    /// Page-aligned address.
    pub address: u64,
    /// How many pages.
    pub pages: u64,
}

/// A batched operation stopped early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incomplete {
    /// Why.
    pub error: Error,
    /// Items of the list that were done; of the next one, pages before the failing page are done.
    pub done: usize,
}

impl From<Incomplete> for Error {
    fn from(incomplete: Incomplete) -> Self {
        incomplete.error
    }
}

impl Cap<Memory> {
    /// Attaches to `vspace` for `bytes` from `address` on, with at most `rights`; `attachment` becomes a child of this.
    ///
    /// # Errors
    /// `InvalidArgument`, `InvalidState`: in use. `AlreadyMapped`: the VSpace has all the attachments it can have.
    pub fn attach(
        self,
        vspace: Cap<VSpace>,
        address: u64,
        bytes: u64,
        rights: Rights,
        attachment: Cap<Attachment>,
    ) -> Result<(), Error> {
        let words = [vspace.slot(), address, bytes, rights.0.into(), attachment.slot()];
        invoke(self.slot(), memory::ATTACH, &words).map(drop)
    }

    /// Makes a capability to `bytes` from byte `offset` on, with at most `rights`, in the empty `slot`.
    ///
    /// # Errors
    /// `InvalidArgument`, `SlotOccupied`.
    pub fn sub(self, offset: u64, bytes: u64, slot: u64, rights: Rights) -> Result<Cap<Memory>, Error> {
        invoke(self.slot(), memory::SUB, &[offset, bytes, slot, rights.0.into()])?;
        Ok(Cap::new(slot))
    }

    /// Physical address (for a device) and bytes. Needs `PHYSICAL`.
    ///
    /// # Errors
    /// Only those of every method.
    pub fn physical(self) -> Result<(u64, u64), Error> {
        invoke(self.slot(), memory::PHYSICAL, &[]).map(|words| (words[0], words[1]))
    }

    /// Bytes.
    ///
    /// # Errors
    /// Only those of every method.
    pub fn size(self) -> Result<u64, Error> {
        invoke(self.slot(), memory::SIZE, &[]).map(|words| words[0])
    }
}

impl Cap<VSpace> {
    /// Takes `pages` from `untyped` into the pool of page tables.
    ///
    /// # Errors
    /// `OutOfMemory`.
    pub fn donate(self, untyped: Cap<Untyped>, pages: u64) -> Result<(), Error> {
        invoke(self.slot(), vspace::DONATE, &[untyped.slot(), pages]).map(drop)
    }

    /// Gives a fresh VSpace its two views, with slot 256 of `master`.
    ///
    /// # Errors
    /// `InvalidState`: not fresh. `OutOfTables`.
    pub fn make_legacy(self, master: Cap<VSpace>) -> Result<(), Error> {
        invoke(self.slot(), vspace::MAKE_LEGACY, &[master.slot()]).map(drop)
    }

    /// Pages left in the pool of page tables.
    ///
    /// # Errors
    /// Only those of every method.
    pub fn pool(self) -> Result<u64, Error> {
        invoke(self.slot(), vspace::POOL, &[]).map(|words| words[0])
    }
}

impl Cap<Attachment> {
    /// Maps pages, in batches; pages mapped by this attachment already are replaced.
    ///
    /// # Errors
    /// `OutOfTables`: donate and go on after what was done. `AlreadyMapped`, `InvalidArgument`.
    pub fn map(self, ranges: &[MapRange]) -> Result<(), Incomplete> {
        self.batched(attachment::MAP, ranges, |range| {
            let uncached = if range.uncached { UNCACHED } else { 0 };
            let pages = range.page & ((1 << 40) - 1) | range.pages.wrapping_sub(1) << 40;
            (range.address | u64::from(range.rights.0) | uncached, pages)
        })
    }

    /// Changes the rights of those pages of the ranges that are mapped.
    ///
    /// # Errors
    /// `InvalidArgument`.
    pub fn protect(self, ranges: &[PageRange], rights: Rights) -> Result<(), Incomplete> {
        self.batched(attachment::PROTECT, ranges, |range| (range.address | u64::from(rights.0), range.pages))
    }

    /// Unmaps those pages of the ranges that are mapped.
    ///
    /// # Errors
    /// `InvalidArgument`.
    pub fn unmap(self, ranges: &[PageRange]) -> Result<(), Incomplete> {
        self.batched(attachment::UNMAP, ranges, |range| (range.address, range.pages))
    }

    /// Unmaps everything that this attachment maps.
    ///
    /// # Errors
    /// `InvalidState`: not attached.
    pub fn unmap_all(self) -> Result<(), Error> {
        invoke(self.slot(), attachment::UNMAP_ALL, &[]).map(drop)
    }

    /// Undoes the attachment; the object can be attached again.
    ///
    /// # Errors
    /// `InvalidState`: not attached.
    pub fn detach(self) -> Result<(), Error> {
        invoke(self.slot(), attachment::DETACH, &[]).map(drop)
    }

    fn batched<R>(self, method: u32, ranges: &[R], pair: impl Fn(&R) -> (u64, u64)) -> Result<(), Incomplete> {
        for (batch, ranges) in ranges.chunks(attachment::MAX_PAIRS).enumerate() {
            let mut arguments = Arguments::new();
            for (first, second) in ranges.iter().map(&pair) {
                arguments.push(first);
                arguments.push(second);
            }
            arguments.invoke(self.slot(), method).map_err(|(error, words)| Incomplete {
                error,
                done: batch * attachment::MAX_PAIRS + (words[0] as usize).min(ranges.len()),
            })?;
        }
        Ok(())
    }
}
