//! The host back end: RAM is an arena, a process's memory is whatever the thread's translator says.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, Ordering};
use std::cell::RefCell;
use std::sync::{Arc, Once};

use crate::{Frame, PAGE_BYTES, USER_END, frames};

/// Frames of the arena (the host gives them memory when they are used).
const FRAMES: u32 = 1 << 16;

std::thread_local! {
    static TRANSLATOR: RefCell<Option<Arc<dyn Translator>>> = const { RefCell::new(None) };
}

/// Stands for the page tables of the process that a host thread serves.
pub trait Translator: Send + Sync {
    /// The frame at page number `page`, if it is mapped, and writable for a write.
    fn translate(&self, page: u64, write: bool) -> Option<Frame>;
}

/// Sets the current thread's user memory; returns what it was.
pub fn set_translator(translator: Option<Arc<dyn Translator>>) -> Option<Arc<dyn Translator>> {
    TRANSLATOR.with(|current| current.replace(translator))
}

/// Memory for tests that need some user memory and no address space: pages from `start` on.
#[derive(Debug)]
pub struct FlatMemory {
    start: u64,
    frames: std::vec::Vec<Frame>,
}

impl FlatMemory {
    /// Makes `pages` pages of zeros at page-aligned `start` the current thread's user memory.
    ///
    /// # Panics
    /// If the arena is used up.
    pub fn install(start: u64, pages: usize) -> Arc<Self> {
        let frames = (0..pages).map(|_| Frame::alloc_zeroed().expect("the arena is large enough for tests")).collect();
        let memory = Arc::new(Self { start, frames });
        set_translator(Some(memory.clone()));
        memory
    }
}

impl Translator for FlatMemory {
    fn translate(&self, page: u64, _write: bool) -> Option<Frame> {
        self.frames.get(page.checked_sub(self.start / PAGE_BYTES)? as usize).cloned()
    }
}

/// Makes the arena on first use.
pub(crate) fn ensure_ready() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let layout = std::alloc::Layout::from_size_align(FRAMES as usize * PAGE_BYTES as usize, PAGE_BYTES as usize)
            .expect("a valid layout");
        // SAFETY: the layout is not empty.
        let base = unsafe { std::alloc::alloc_zeroed(layout) };
        let base = NonNull::new(base).expect("the host has memory for the arena");
        // SAFETY: fresh zeroed memory that is never freed; once.
        unsafe { frames::init(base, &[frames::Region { first: 0, end: FRAMES }]) }.expect("the arena is large enough");
    });
}

/// Walks `bytes` bytes from `addr` on page by page; returns how many were left when a page was missing.
fn walk(addr: u64, bytes: usize, write: bool, mut step: impl FnMut(&Frame, usize, usize, usize)) -> usize {
    let translator = TRANSLATOR.with(|current| current.borrow().clone());
    let Some(translator) = translator else { return bytes };
    let mut done = 0;
    while done < bytes {
        let at = addr + done as u64;
        let offset = (at % PAGE_BYTES) as usize;
        let count = (PAGE_BYTES as usize - offset).min(bytes - done);
        let frame = if at < USER_END { translator.translate(at / PAGE_BYTES, write) } else { None };
        let Some(frame) = frame else { break };
        step(&frame, offset, done, count);
        done += count;
    }
    bytes - done
}

/// # Safety
/// `to` must be writable for `bytes` bytes.
pub(crate) unsafe fn copy_in(to: *mut u8, addr: u64, bytes: usize) -> usize {
    walk(addr, bytes, false, |frame, offset, done, count| {
        // SAFETY: the caller's promise; `done + count <= bytes`.
        let into = unsafe { core::slice::from_raw_parts_mut(to.wrapping_add(done), count) };
        frame.read(offset, into);
    })
}

/// # Safety
/// `from` must be readable for `bytes` bytes.
pub(crate) unsafe fn copy_out(addr: u64, from: *const u8, bytes: usize) -> usize {
    walk(addr, bytes, true, |frame, offset, done, count| {
        // SAFETY: the caller's promise; `done + count <= bytes`.
        let bytes = unsafe { core::slice::from_raw_parts(from.wrapping_add(done), count) };
        frame.write(offset, bytes);
    })
}

fn with_word<R>(addr: u64, write: bool, f: impl FnOnce(&AtomicU32) -> R) -> Option<R> {
    let mut f = Some(f);
    let mut result = None;
    walk(addr, 4, write, |frame, offset, _, count| {
        if count == 4
            && let Some(f) = f.take()
        {
            let word: *const AtomicU32 = frame.address().as_ptr().wrapping_add(offset).cast();
            // SAFETY: aligned (checked by the caller), within the frame, which the reference keeps.
            result = Some(f(unsafe { &*word }));
        }
    });
    result
}

/// # Safety
/// None; the signature is that of the other back end.
pub(crate) unsafe fn load_u32(addr: u64) -> Option<u32> {
    with_word(addr, false, |word| word.load(Ordering::SeqCst))
}

/// # Safety
/// None; the signature is that of the other back end.
pub(crate) unsafe fn compare_exchange_u32(addr: u64, expected: u32, new: u32) -> Option<u32> {
    with_word(addr, true, |word| match word.compare_exchange(expected, new, Ordering::SeqCst, Ordering::SeqCst) {
        Ok(found) | Err(found) => found,
    })
}
