//! One reference to a page frame.

use core::fmt;
use core::num::NonZeroU32;
use core::ptr::NonNull;

use linux_abi::Result;

use crate::{PAGE_BYTES, Sink, Source, frames};

/// A counted reference to a 4 KiB page of RAM; `Option<Frame>` takes four bytes.
///
/// Its bytes are shared with processes that have it mapped and may change at any moment, so they are only ever copied.
#[derive(PartialEq, Eq)]
pub struct Frame(NonZeroU32);

impl Frame {
    /// A fresh page of zeros.
    ///
    /// # Errors
    /// `ENOMEM` if only the reserve is left.
    pub fn alloc_zeroed() -> Result<Self> {
        frames::take(frames::Contents::Zero)
    }

    /// A fresh page with the same bytes as this one.
    ///
    /// # Errors
    /// `ENOMEM` if only the reserve is left.
    pub fn duplicate(&self) -> Result<Self> {
        let copy = frames::take(frames::Contents::Any)?;
        copy.copy_from(self);
        Ok(copy)
    }

    /// The page of zeros that all share; never to be mapped writable.
    #[must_use]
    pub fn zero() -> Self {
        frames::zero_page()
    }

    /// Whether this is the shared page of zeros.
    #[must_use]
    pub fn is_zero_page(&self) -> bool {
        self.0.get() == frames::ZERO_PAGE
    }

    /// The reference with this number. The caller passes on a count that it holds.
    pub(crate) fn from_raw(number: NonZeroU32) -> Self {
        Self(number)
    }

    /// Number of the frame: its page index in the direct map.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.0.get()
    }

    /// Number of references.
    #[must_use]
    pub fn refcount(&self) -> u32 {
        frames::references(self.0)
    }

    /// Address of its first byte in the direct map.
    pub(crate) fn address(&self) -> NonNull<u8> {
        frames::address(self.0)
    }

    /// Address of the byte at `offset`; the caller checks that it is within the page.
    fn byte(&self, offset: usize) -> *mut u8 {
        self.address().as_ptr().wrapping_add(offset)
    }

    /// Copies bytes from `offset` on into `into`; bytes past the page's end are left out. Returns how many were copied.
    pub fn read(&self, offset: usize, into: &mut [u8]) -> usize {
        let count = into.len().min((PAGE_BYTES as usize).saturating_sub(offset));
        if count > 0 {
            // SAFETY: within this page, which this reference keeps; the slice has `count` bytes and is none of it.
            unsafe { copy(self.byte(offset), into.as_mut_ptr(), count) };
        }
        count
    }

    /// Copies `from` to the bytes from `offset` on; bytes past the page's end are left out. Returns how many were
    /// copied.
    pub fn write(&self, offset: usize, from: &[u8]) -> usize {
        let count = from.len().min((PAGE_BYTES as usize).saturating_sub(offset));
        if count > 0 {
            // SAFETY: within this page, which this reference keeps; the slice has `count` bytes and is none of it.
            unsafe { copy(from.as_ptr(), self.byte(offset), count) };
        }
        count
    }

    /// Makes `count` bytes from `offset` on zero; bytes past the page's end are left out.
    pub fn clear(&self, offset: usize, count: usize) {
        let count = count.min((PAGE_BYTES as usize).saturating_sub(offset));
        if count > 0 {
            // SAFETY: within this page, which this reference keeps.
            unsafe { self.byte(offset).write_bytes(0, count) };
        }
    }

    /// Makes this page's bytes those of `other`.
    pub fn copy_from(&self, other: &Frame) {
        if self.0 != other.0 {
            // SAFETY: two different pages, each kept by its reference.
            unsafe { copy(other.byte(0), self.byte(0), PAGE_BYTES as usize) };
        }
    }

    /// Hands up to `count` bytes from `offset` on to `sink`; how many it took. May sleep (the sink may be user memory).
    ///
    /// # Errors
    /// What the sink reports.
    pub fn read_to(&self, offset: usize, count: usize, sink: &mut dyn Sink) -> Result<usize> {
        let count = count.min((PAGE_BYTES as usize).saturating_sub(offset));
        if count == 0 {
            return Ok(0);
        }
        // SAFETY: within this page, which this reference keeps. A process may change the bytes meanwhile: sinks copy
        // them and draw no conclusions from them.
        let bytes = unsafe { core::slice::from_raw_parts(self.byte(offset), count) };
        sink.write(bytes)
    }

    /// Fills up to `count` bytes from `offset` on from `source`; how many it gave. May sleep (the source may be user
    /// memory).
    ///
    /// # Errors
    /// What the source reports.
    pub fn write_from(&self, offset: usize, count: usize, source: &mut dyn Source) -> Result<usize> {
        let count = count.min((PAGE_BYTES as usize).saturating_sub(offset));
        if count == 0 {
            return Ok(0);
        }
        // SAFETY: within this page, which this reference keeps. A process may change the bytes meanwhile: sources copy
        // into them and draw no conclusions from them.
        let bytes = unsafe { core::slice::from_raw_parts_mut(self.byte(offset), count) };
        source.read(bytes)
    }
}

/// Copies bytes that may change meanwhile, eight at a time.
///
/// # Safety
/// `count` bytes at `from` must be readable, at `to` writable, and they must not overlap.
#[inline]
unsafe fn copy(from: *const u8, to: *mut u8, count: usize) {
    // SAFETY: the caller's promise. The string instructions move what is there at the moment; the direction flag is
    // clear by the calling convention.
    unsafe {
        core::arch::asm!(
            "rep movsq",
            "mov rcx, {tail}",
            "rep movsb",
            tail = in(reg) count & 7,
            inout("rcx") count >> 3 => _,
            inout("rsi") from => _,
            inout("rdi") to => _,
            options(nostack, preserves_flags),
        );
    }
}

impl Clone for Frame {
    fn clone(&self) -> Self {
        frames::add_reference(self.0);
        Self(self.0)
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        frames::drop_reference(self.0);
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "frame {:#x}", self.0)
    }
}
