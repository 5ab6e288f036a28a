//! The RAM that the loader uses: one contiguous range, handed out frame by frame and never taken back.
//!
//! What it handed out is reported to the kernel as in use; the rest of the range stays usable.

use core::ops::Range;

use crate::{Error, PAGE_BYTES};

/// A bump allocator of zeroed frames, with access to their contents.
#[derive(Debug)]
pub struct Arena<'a> {
    base: u64,
    memory: &'a mut [u8],
    used: usize,
}

impl<'a> Arena<'a> {
    /// Takes over `memory`, which lies at physical address `base` (page-aligned).
    pub fn new(base: u64, memory: &'a mut [u8]) -> Self {
        Self { base, memory, used: 0 }
    }

    /// Allocates `count` adjacent frames, zeroed, and returns the first one's physical address.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn allocate(&mut self, count: u64) -> Result<u64, Error> {
        let bytes = count.checked_mul(PAGE_BYTES).and_then(|bytes| usize::try_from(bytes).ok());
        let end = bytes.and_then(|bytes| self.used.checked_add(bytes)).ok_or(Error::OutOfMemory)?;
        self.memory.get_mut(self.used..end).ok_or(Error::OutOfMemory)?.fill(0);
        let address = self.base + self.used as u64;
        self.used = end;
        Ok(address)
    }

    /// The `bytes` bytes at physical address `address`, which must have been allocated here.
    ///
    /// # Panics
    /// When they were not: addresses come from [`Arena::allocate`].
    pub fn bytes(&mut self, address: u64, bytes: usize) -> &mut [u8] {
        let start = address.checked_sub(self.base).and_then(|start| usize::try_from(start).ok());
        let start = start.expect("the address came from this arena");
        self.memory[..self.used].get_mut(start..start + bytes).expect("the range came from this arena")
    }

    /// The physical range that is in use.
    pub fn used(&self) -> Range<u64> {
        self.base..self.base + self.used as u64
    }
}
