//! Memory shared with a device: physically contiguous, mapped here, at an address that the device knows.
//!
//! Owns the accesses to it. A device may change the bytes at any time, so no reference to them is ever handed out:
//! words are read and written atomically, runs of bytes are copied in and out.
//!
//! Invariant: an access lies inside the memory, or it panics: offsets are always our own, never the device's.

use crate::io_space::{DmaSpace, Reached};
use alloc::sync::Arc;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering};
use rt::memory::Shared;
use ukernel_user::Error;

/// A piece of memory that a device reads and writes.
#[derive(Debug)]
pub struct Dma {
    base: NonNull<u8>,
    bytes: usize,
    physical: u64,
    /// What it is a part of, unless it is there for good.
    whole: Option<Arc<Whole>>,
}

/// All of the memory; the device loses it before it is used for something else.
#[derive(Debug)]
struct Whole {
    _reached: Reached,
    _memory: Shared,
}

// SAFETY: the memory belongs to no thread, and there is one `Dma` for each part of it. It is not `Sync`: byte copies are not atomic.
unsafe impl Send for Dma {}

impl Dma {
    /// The memory mapped at `base`, which a device sees at `physical`.
    ///
    /// # Safety
    /// `bytes` bytes from `base` on are mapped, readable and writable, for ever, and used by nothing else in this
    /// address space; `base` is aligned to 8.
    pub const unsafe fn from_raw(base: NonNull<u8>, bytes: usize, physical: u64) -> Self {
        Self { base, bytes, physical, whole: None }
    }

    /// Zeroed memory of the task's own, of at least `bytes` bytes, at a page boundary, for a device that reaches memory by
    /// `space`. It is used again once all parts of it are dropped: not before the device was reset.
    ///
    /// # Errors
    /// As [`Shared::allocate`] and [`DmaSpace::reach`].
    pub fn allocate(bytes: usize, space: &DmaSpace) -> Result<Self, Error> {
        let memory = Shared::allocate(bytes as u64)?;
        let reached = space.reach(memory.memory())?;
        let (bytes, physical) = (memory.window().bytes(), reached.address());
        let base = NonNull::new(memory.window().address()).ok_or(Error::InvalidArgument)?;
        Ok(Self { base, bytes, physical, whole: Some(Arc::new(Whole { _reached: reached, _memory: memory })) })
    }

    /// Its size.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Where the device finds the byte at `offset`.
    pub fn physical(&self, offset: usize) -> u64 {
        assert!(offset <= self.bytes, "offset {offset:#x} outside of the DMA memory");
        self.physical + offset as u64
    }

    /// Cut it in two at byte `offset`, a multiple of 8.
    pub fn split(self, offset: usize) -> (Self, Self) {
        assert!(offset <= self.bytes && offset.is_multiple_of(8), "DMA memory cannot be cut at {offset:#x}");
        // SAFETY: inside the memory or at its end.
        let rest = unsafe { self.base.add(offset) };
        let physical = self.physical + offset as u64;
        let high = Self { base: rest, bytes: self.bytes - offset, physical, whole: self.whole.clone() };
        (Self { bytes: offset, ..self }, high)
    }

    fn pointer(&self, offset: usize, bytes: usize, align: usize) -> NonNull<u8> {
        let inside = offset.checked_add(bytes).is_some_and(|end| end <= self.bytes);
        assert!(inside && offset.is_multiple_of(align), "access to {bytes} bytes at {offset:#x} of {:#x}", self.bytes);
        // SAFETY: inside the memory, as just checked.
        unsafe { self.base.add(offset) }
    }

    fn atomic_u16(&self, offset: usize) -> &AtomicU16 {
        let pointer = self.pointer(offset, 2, 2).cast().as_ptr();
        // SAFETY: checked bounds and alignment; this task's other accesses are on the same thread (`Dma` is not `Sync`).
        unsafe { AtomicU16::from_ptr(pointer) }
    }

    fn atomic_u32(&self, offset: usize) -> &AtomicU32 {
        let pointer = self.pointer(offset, 4, 4).cast().as_ptr();
        // SAFETY: as in `atomic_u16`.
        unsafe { AtomicU32::from_ptr(pointer) }
    }

    fn atomic_u64(&self, offset: usize) -> &AtomicU64 {
        let pointer = self.pointer(offset, 8, 8).cast().as_ptr();
        // SAFETY: as in `atomic_u16`.
        unsafe { AtomicU64::from_ptr(pointer) }
    }

    /// Read 16 bits; what the device wrote before them is visible after.
    pub fn read_u16(&self, offset: usize) -> u16 {
        self.atomic_u16(offset).load(Ordering::Acquire)
    }

    /// Read 32 bits, as [`read_u16`](Self::read_u16).
    pub fn read_u32(&self, offset: usize) -> u32 {
        self.atomic_u32(offset).load(Ordering::Acquire)
    }

    /// Read 64 bits, as [`read_u16`](Self::read_u16).
    pub fn read_u64(&self, offset: usize) -> u64 {
        self.atomic_u64(offset).load(Ordering::Acquire)
    }

    /// Write 16 bits; the device sees what was written before no later than them.
    pub fn write_u16(&self, offset: usize, value: u16) {
        self.atomic_u16(offset).store(value, Ordering::Release);
    }

    /// Write 32 bits, as [`write_u16`](Self::write_u16).
    pub fn write_u32(&self, offset: usize, value: u32) {
        self.atomic_u32(offset).store(value, Ordering::Release);
    }

    /// Write 64 bits, as [`write_u16`](Self::write_u16).
    pub fn write_u64(&self, offset: usize, value: u64) {
        self.atomic_u64(offset).store(value, Ordering::Release);
    }

    /// Copy bytes in, for the device to read.
    pub fn copy_in(&self, offset: usize, bytes: &[u8]) {
        let target = self.pointer(offset, bytes.len(), 1);
        // SAFETY: checked bounds; `bytes` is Rust's own memory, so it does not overlap.
        unsafe { target.as_ptr().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) }
    }

    /// Copy bytes out. The device may be writing them: they are an allegation, to be checked after the copy.
    pub fn copy_out(&self, offset: usize, buffer: &mut [u8]) {
        let source = self.pointer(offset, buffer.len(), 1);
        // SAFETY: checked bounds; `buffer` is Rust's own memory, so it does not overlap.
        unsafe { source.as_ptr().copy_to_nonoverlapping(buffer.as_mut_ptr(), buffer.len()) }
    }
}

#[cfg(not(target_os = "none"))]
mod host {
    use super::Dma;
    use alloc::boxed::Box;
    use alloc::vec;
    use core::ptr::NonNull;
    use rt::memory::Window;

    impl Dma {
        /// Zeroed memory for tests, with an invented physical address; it is never freed.
        pub fn fake(bytes: usize, physical: u64) -> Self {
            let memory: &'static mut [u64] = Box::leak(vec![0u64; bytes.div_ceil(8)].into_boxed_slice());
            let base = NonNull::from(memory).cast();
            // SAFETY: leaked just now, so it lives for ever and nobody else has it.
            unsafe { Self::from_raw(base, bytes, physical) }
        }

        /// What a device reaches with `bytes` bytes at `physical`, if that is memory which the task shares; it is never freed.
        pub fn at_physical(physical: u64, bytes: usize) -> Option<Self> {
            let window = Box::leak(Box::new(Window::at_physical(physical, bytes)?));
            // SAFETY: leaked just now, so it is mapped for ever; as with `device_view`, a test's device takes turns.
            Some(unsafe { Self::from_raw(NonNull::new(window.address())?, bytes, physical) })
        }

        /// The same memory again, as the device on the other side sees it.
        pub fn device_view(&self) -> Self {
            // SAFETY: the original's promises hold; a test's device runs on the driver's thread, between its accesses.
            unsafe { Self::from_raw(self.base, self.bytes, self.physical) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_keep_their_physical_addresses() {
        let (low, high) = Dma::fake(64, 0x1000).split(24);
        assert_eq!((low.bytes(), high.bytes()), (24, 40));
        assert_eq!((low.physical(0), high.physical(8)), (0x1000, 0x1020));
        high.write_u32(0, 0x0403_0201);
        let mut bytes = [0; 6];
        high.copy_out(0, &mut bytes);
        assert_eq!(bytes, [1, 2, 3, 4, 0, 0]);
    }

    #[test]
    #[should_panic(expected = "access to 2 bytes")]
    fn an_access_past_the_end_panics() {
        Dma::fake(16, 0).read_u16(16);
    }
}
