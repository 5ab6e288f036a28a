//! Memory that tasks share, as values that clean up behind themselves.
//!
//! The other side may change the bytes at any time and need not keep them still while they are looked at. So no reference
//! to them is ever handed out: they are copied in and out, and what was copied is an allegation, to be checked after the
//! copy. Offsets may be a peer's words: they are checked here, and are an error, not a panic.
//!
//! Who gave the memory can revoke it. Its mappings then go, and the next access is a fault of the task: a server that maps
//! its clients' memory trusts them so far. (A server that only passes it on, as a block driver does, need not.)

use core::fmt;

use ukernel_user::object::Memory;
use ukernel_user::{Cap, Error};

use crate::os::memory as os;

/// How many capabilities to shared memory there are: for tests that look for leaks.
#[cfg(target_os = "linux")]
#[must_use]
pub fn count() -> usize {
    os::count()
}

/// Physical address (for a device) and bytes of a memory.
///
/// # Errors
/// `InvalidCapability`: it is no memory, or was revoked. `InsufficientRights`: the capability lacks `PHYSICAL`.
pub fn physical(memory: Cap<Memory>) -> Result<(u64, u64), Error> {
    os::physical(memory)
}

/// The task's own capability to memory; deleted when this is dropped.
#[derive(Debug)]
pub struct Owned(Cap<Memory>);

impl Owned {
    /// Takes the capability in `slot` over: one that was received, say.
    #[must_use]
    pub const fn adopt(slot: u64) -> Self {
        Self(Cap::new(slot))
    }

    /// A copy of the capability in `slot`, which was only lent.
    ///
    /// # Errors
    /// `InvalidCapability`: there is no memory in it. `OutOfMemory`: no free slot.
    pub fn copy_of(slot: u64) -> Result<Self, Error> {
        os::copy(Cap::new(slot)).map(Self)
    }

    /// The capability.
    #[must_use]
    pub const fn memory(&self) -> Cap<Memory> {
        self.0
    }

    /// The memory's size.
    ///
    /// # Errors
    /// `InvalidCapability`: it is no memory, or was revoked.
    pub fn bytes(&self) -> Result<u64, Error> {
        os::size(self.0)
    }

    /// Physical address (for a device) and bytes.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes); `InsufficientRights`: the capability lacks `PHYSICAL`.
    pub fn physical(&self) -> Result<(u64, u64), Error> {
        os::physical(self.0)
    }

    /// Maps the first `bytes`, readable and writable. The mapping stays when this is dropped.
    ///
    /// # Errors
    /// `InvalidArgument`: there are not so many, or none. As [`map`](super::map).
    pub fn map(&self, bytes: u64) -> Result<Window, Error> {
        Window::map(self.0, bytes)
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        os::delete(self.0);
    }
}

/// Memory mapped readable and writable; unmapped when this is dropped.
pub struct Window {
    /// `None` only while it is dropped.
    mapped: Option<os::Mapped>,
    bytes: usize,
}

// SAFETY: the mapping belongs to no thread.
unsafe impl Send for Window {}
// SAFETY: every access is by atomic bytes and words, and the mapping changes only when the one owner drops it.
unsafe impl Sync for Window {}

impl Window {
    /// Maps the first `bytes` of `memory`.
    ///
    /// # Errors
    /// As [`Owned::map`].
    pub fn map(memory: Cap<Memory>, bytes: u64) -> Result<Self, Error> {
        let length = usize::try_from(bytes).map_err(|_| Error::InvalidArgument)?;
        if length == 0 || bytes > os::size(memory)? {
            return Err(Error::InvalidArgument);
        }
        Ok(Self { mapped: Some(os::map(memory, bytes)?), bytes: length })
    }

    /// Its size.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Where it is, aligned to 8: for who does raw accesses, atomic ones, and lets the window live for so long.
    #[must_use]
    pub fn address(&self) -> *mut u8 {
        self.mapped.as_ref().map_or(core::ptr::null_mut(), os::Mapped::start)
    }

    /// Copies `bytes` to byte `offset` on.
    ///
    /// # Errors
    /// `InvalidArgument`: outside of the window, likewise below.
    pub fn copy_in(&self, offset: usize, bytes: &[u8]) -> Result<(), Error> {
        let target = self.pointer(offset, bytes.len())?;
        // SAFETY: inside the mapping, as just checked; `bytes` is Rust's own memory, which no mapping overlaps.
        unsafe { copy::to_shared(bytes.as_ptr(), target, bytes.len()) };
        Ok(())
    }

    /// Fills `buffer` from byte `offset` on.
    ///
    /// # Errors
    /// `InvalidArgument`.
    pub fn copy_out(&self, offset: usize, buffer: &mut [u8]) -> Result<(), Error> {
        let source = self.pointer(offset, buffer.len())?;
        // SAFETY: inside the mapping, as just checked; `buffer` is Rust's own memory, which no mapping overlaps.
        unsafe { copy::from_shared(source, buffer.as_mut_ptr(), buffer.len()) };
        Ok(())
    }

    /// Makes `bytes` bytes from `offset` on zero.
    ///
    /// # Errors
    /// `InvalidArgument`.
    pub fn zero(&self, offset: usize, bytes: usize) -> Result<(), Error> {
        let target = self.pointer(offset, bytes)?;
        // SAFETY: inside the mapping, as just checked.
        unsafe { copy::zero_shared(target, bytes) };
        Ok(())
    }

    /// What a device reaches with `bytes` bytes at `physical`: for the devices of tests.
    #[cfg(target_os = "linux")]
    #[must_use]
    pub fn at_physical(physical: u64, bytes: usize) -> Option<Self> {
        os::at_physical(physical, bytes as u64).map(|mapped| Self { mapped: Some(mapped), bytes })
    }

    fn pointer(&self, offset: usize, bytes: usize) -> Result<*mut u8, Error> {
        let is_inside = offset.checked_add(bytes).is_some_and(|end| end <= self.bytes);
        let mapped = self.mapped.as_ref().filter(|_| is_inside).ok_or(Error::InvalidArgument)?;
        Ok(mapped.start().wrapping_add(offset))
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        if let Some(mapped) = self.mapped.take() {
            mapped.unmap();
        }
    }
}

impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Window({:#x} bytes)", self.bytes)
    }
}

/// Zeroed memory of the task's own, mapped, to be shared with servers and devices. When it is dropped, what others have of
/// it is revoked (wait for a device before!), and the memory is kept for the next one of this size.
#[derive(Debug)]
pub struct Shared {
    window: Window,
    memory: Cap<Memory>,
}

impl Shared {
    /// Makes memory of at least `bytes` bytes: whole pages.
    ///
    /// # Errors
    /// `OutOfMemory`: the task's Untyped, slots or addresses are used up. `InvalidArgument`: 0 bytes.
    pub fn allocate(bytes: u64) -> Result<Self, Error> {
        let bytes = bytes.checked_next_multiple_of(super::PAGE).ok_or(Error::InvalidArgument)?;
        let memory = os::create(bytes)?;
        let window = Window::map(memory, bytes).inspect_err(|_| os::give_back(memory, bytes))?;
        window.zero(0, window.bytes())?;
        Ok(Self { window, memory })
    }

    /// The capability, to be sent along.
    #[must_use]
    pub const fn memory(&self) -> Cap<Memory> {
        self.memory
    }

    /// Where a device finds it.
    ///
    /// # Errors
    /// Only those of every method.
    pub fn physical(&self) -> Result<u64, Error> {
        os::physical(self.memory).map(|(physical, _)| physical)
    }

    /// The mapping.
    #[must_use]
    pub const fn window(&self) -> &Window {
        &self.window
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(mapped) = self.window.mapped.take() {
            mapped.unmap();
        }
        os::give_back(self.memory, self.window.bytes as u64);
    }
}

/// Copies between Rust's memory and bytes that others may be changing. Each access is one atomic word or byte, so a race
/// gives old or new bytes, in any mixture, and nothing worse.
mod copy {
    use core::sync::atomic::{AtomicU8, AtomicU64, Ordering};

    const WORD: usize = size_of::<u64>();

    /// A part of a run of bytes: a word that is aligned in the shared memory, or a byte.
    enum Piece {
        Word(usize),
        Byte(usize),
    }

    /// # Safety
    /// `bytes` bytes are readable at `from` and shared at `to`; `from` is nobody else's.
    pub(super) unsafe fn to_shared(from: *const u8, to: *mut u8, bytes: usize) {
        for_pieces(to, bytes, |piece| match piece {
            // SAFETY: a word inside of `from`.
            Piece::Word(at) => word(to, at).store(unsafe { read_word(from, at) }, Ordering::Relaxed),
            // SAFETY: a byte inside of `from`.
            Piece::Byte(at) => byte(to, at).store(unsafe { *from.wrapping_add(at) }, Ordering::Relaxed),
        });
    }

    /// # Safety
    /// `bytes` bytes are shared at `from` and writable at `to`; `to` is nobody else's.
    pub(super) unsafe fn from_shared(from: *mut u8, to: *mut u8, bytes: usize) {
        for_pieces(from, bytes, |piece| match piece {
            Piece::Word(at) => {
                let place = to.wrapping_add(at).cast::<u64>();
                // SAFETY: a word inside of `to`.
                unsafe { place.write_unaligned(word(from, at).load(Ordering::Relaxed)) }
            }
            // SAFETY: a byte inside of `to`.
            Piece::Byte(at) => unsafe { *to.wrapping_add(at) = byte(from, at).load(Ordering::Relaxed) },
        });
    }

    /// # Safety
    /// `bytes` bytes are shared at `to`.
    pub(super) unsafe fn zero_shared(to: *mut u8, bytes: usize) {
        for_pieces(to, bytes, |piece| match piece {
            Piece::Word(at) => word(to, at).store(0, Ordering::Relaxed),
            Piece::Byte(at) => byte(to, at).store(0, Ordering::Relaxed),
        });
    }

    fn for_pieces(start: *mut u8, bytes: usize, mut piece: impl FnMut(Piece)) {
        let head = start.align_offset(WORD).min(bytes);
        let tail = head + (bytes - head) / WORD * WORD;
        (0..head).for_each(|at| piece(Piece::Byte(at)));
        (head..tail).step_by(WORD).for_each(|at| piece(Piece::Word(at)));
        (tail..bytes).for_each(|at| piece(Piece::Byte(at)));
    }

    /// The word `at` bytes behind `from`, of memory that is nobody else's.
    ///
    /// # Safety
    /// All of it may be read.
    unsafe fn read_word(from: *const u8, at: usize) -> u64 {
        // SAFETY: as the caller promises.
        unsafe { from.wrapping_add(at).cast::<u64>().read_unaligned() }
    }

    fn word<'a>(start: *mut u8, at: usize) -> &'a AtomicU64 {
        // SAFETY: `for_pieces` names aligned words inside of the shared bytes only, which its callers promise are there.
        unsafe { AtomicU64::from_ptr(start.wrapping_add(at).cast()) }
    }

    fn byte<'a>(start: *mut u8, at: usize) -> &'a AtomicU8 {
        // SAFETY: as in `word`.
        unsafe { AtomicU8::from_ptr(start.wrapping_add(at)) }
    }
}
