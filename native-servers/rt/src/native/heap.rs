//! The heap: one allocator over the range that start-up gave, and whatever is added later.
//!
//! When an allocation fails, the growth hook is asked with no lock held, so it may allocate (a little) itself.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

use talc::base::Talc;
use talc::base::binning::DefaultBinning;
use talc::source::Manual;

use crate::sync::SpinLock;

/// Gives at least as many bytes more: their address and number. They must be mapped, writable, and nobody else's.
pub type Grow = fn(bytes: usize) -> Option<(*mut u8, usize)>;

struct Heap(SpinLock<Talc<Manual, DefaultBinning>>);

#[global_allocator]
static HEAP: Heap = Heap(SpinLock::new(Talc::new(Manual)));
/// The growth hook, as address; 0: none.
static GROW: AtomicUsize = AtomicUsize::new(0);

/// Sets what is called when the heap is used up.
pub fn set_grow(grow: Grow) {
    GROW.store(grow as usize, Ordering::Release);
}

/// Adds a range to the heap.
///
/// # Safety
/// The range is mapped, writable, and nobody else uses it from now on.
pub unsafe fn add(start: *mut u8, bytes: usize) {
    // SAFETY: as the caller promises.
    let _ = unsafe { HEAP.0.lock().claim(start, bytes) };
}

/// Grows the heap by at least `bytes`; whether that worked.
fn grow(bytes: usize) -> bool {
    let hook = GROW.load(Ordering::Acquire);
    if hook == 0 {
        return false;
    }
    // SAFETY: only `set_grow` stores here, and it stores a `Grow`.
    let hook: Grow = unsafe { core::mem::transmute(hook) };
    let Some((start, bytes)) = hook(bytes) else { return false };
    // SAFETY: the hook's contract.
    unsafe { add(start, bytes) };
    true
}

// SAFETY: the allocator is exclusive under the lock; layouts are the callers' promise, as the trait says.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        loop {
            // SAFETY: the trait's callers pass a layout that is not empty.
            if let Some(block) = unsafe { self.0.lock().try_allocate(layout) } {
                return block.as_ptr();
            }
            // Room for the allocator's own tags and for the alignment.
            if !grow(layout.size().saturating_add(layout.align()).saturating_add(256)) {
                return ptr::null_mut();
            }
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block came from `alloc` with this layout.
        unsafe { self.0.lock().deallocate(block, layout) };
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the block came from `alloc` with this layout; the size is not 0.
        if unsafe { self.0.lock().try_realloc_in_place(block, layout, size) } {
            return block;
        }
        let Ok(new_layout) = Layout::from_size_align(size, layout.align()) else { return ptr::null_mut() };
        // SAFETY: the size is not 0.
        let moved = unsafe { self.alloc(new_layout) };
        if !moved.is_null() {
            // SAFETY: both blocks have at least that many bytes and are different.
            unsafe { ptr::copy_nonoverlapping(block, moved, layout.size().min(size)) };
            // SAFETY: as in `dealloc`; the block is not used any more.
            unsafe { self.dealloc(block, layout) };
        }
        moved
    }
}
