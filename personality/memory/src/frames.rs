//! The pool of page frames.
//!
//! RAM is one or several regions in the direct map; a frame's number is its page index from the direct map's start.
//! The first frames of the first region hold the frame table (8 bytes a frame: reference count, next free frame) and
//! the shared page of zeros. Two ends are used: single frames come from the free list or else from the low end of the
//! untouched part (which the kernel delivered zeroed), runs for the heap from the high end of the last region.
//!
//! Invariants: a frame is in the free list, untouched, or has references; frame 0 is the table's, so numbers of frames
//! in use are never 0. Single frames never take the last [`Stats::reserve`] untouched frames: those are the heap's, so
//! that processes that eat all memory cannot starve the personality itself.

use core::num::NonZeroU32;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use linux_abi::{Errno, Result};
use rt::sync::{OnceCell, SpinLock};

use crate::{Frame, PAGE_BYTES, os};

/// Most regions of RAM.
pub const MAX_REGIONS: usize = 8;
/// Number of the shared page of zeros.
pub(crate) const ZERO_PAGE: u32 = 1;

/// A reference count that no sequence of clones reaches by accident; the page of zeros starts with it.
const PINNED: u32 = 1 << 30;

/// An entry of the frame table.
struct Entry {
    references: AtomicU32,
    /// Next frame of the free list; 0 ends it.
    next: AtomicU32,
}

static TABLE: AtomicPtr<Entry> = AtomicPtr::new(core::ptr::null_mut());
static DIRECT_MAP: AtomicPtr<u8> = AtomicPtr::new(core::ptr::null_mut());
static POOL: SpinLock<Pool> = SpinLock::new(Pool::EMPTY);
static RECLAIM: OnceCell<Reclaim> = OnceCell::new();

/// Gives back about as many frames as asked for, of those that only save time (pages of files that are on a disk as
/// well); how many. Called with locks held that the caller of an allocation may hold: it must not wait for anything.
pub type Reclaim = fn(wanted: usize) -> usize;

/// Frames that are given back at once when there are none left.
const RECLAIM_AT_ONCE: usize = 64;

/// Says who gives frames back when there are none left. Once; later calls are ignored.
pub fn set_reclaim(reclaim: Reclaim) {
    // The first one stays.
    let _ = RECLAIM.set(reclaim);
}

/// The untouched part of a region, by frame number.
#[derive(Clone, Copy)]
struct Fresh {
    next: u32,
    end: u32,
}

struct Pool {
    free_head: u32,
    free_count: u32,
    fresh: [Fresh; MAX_REGIONS],
    regions: usize,
    /// Untouched frames of all regions.
    fresh_count: u32,
    reserve: u32,
    heap: u32,
    heap_limit: u32,
    total: u32,
}

/// What a frame is to contain when it is handed out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contents {
    Zero,
    /// The caller overwrites all of it.
    Any,
}

/// A region of RAM: numbers of its first frame and of the one after its last.
#[derive(Clone, Copy, Debug)]
pub struct Region {
    /// First frame.
    pub first: u32,
    /// The one after the last.
    pub end: u32,
}

/// Numbers for `/proc/meminfo` and limits, in frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// All frames, the frame table and the heap included.
    pub total: u64,
    /// Frames that nobody uses, the reserve included.
    pub free: u64,
    /// Frames that processes and files can still get.
    pub available: u64,
    /// Frames given to the heap.
    pub heap: u64,
    /// Free frames that only the heap gets.
    pub reserve: u64,
}

impl Pool {
    const EMPTY: Self = Self {
        free_head: 0,
        free_count: 0,
        fresh: [Fresh { next: 0, end: 0 }; MAX_REGIONS],
        regions: 0,
        fresh_count: 0,
        reserve: 0,
        heap: 0,
        heap_limit: 0,
        total: 0,
    };

    /// A single frame, and whether its bytes are known to be zero.
    fn take(&mut self) -> Option<(u32, bool)> {
        if self.free_head != 0 {
            let number = self.free_head;
            self.free_head = entry(number).next.load(Ordering::Relaxed);
            self.free_count -= 1;
            return Some((number, false));
        }
        if self.fresh_count <= self.reserve {
            return None;
        }
        let region = self.fresh.get_mut(..self.regions)?.iter_mut().find(|region| region.next < region.end)?;
        let number = region.next;
        region.next += 1;
        self.fresh_count -= 1;
        Some((number, true))
    }

    fn put(&mut self, number: u32) {
        entry(number).next.store(self.free_head, Ordering::Relaxed);
        self.free_head = number;
        self.free_count += 1;
    }

    /// Takes `frames` contiguous untouched frames from the high end; the first one's number.
    fn take_run(&mut self, frames: u32) -> Option<u32> {
        if self.heap.checked_add(frames)? > self.heap_limit {
            return None;
        }
        let regions = self.fresh.get_mut(..self.regions)?;
        let region = regions.iter_mut().rev().find(|region| region.end - region.next >= frames)?;
        region.end -= frames;
        let first = region.end;
        self.fresh_count -= frames;
        self.heap += frames;
        // What the heap has it need not reserve any more, and it reserves no more than it may still get.
        self.reserve = self.reserve.min(self.heap_limit - self.heap);
        Some(first)
    }

    fn stats(&self) -> Stats {
        let free = u64::from(self.free_count) + u64::from(self.fresh_count);
        let reserve = u64::from(self.reserve.min(self.fresh_count));
        Stats { total: self.total.into(), free, available: free - reserve, heap: self.heap.into(), reserve }
    }
}

/// Takes over the RAM that is mapped at `direct_map`.
///
/// # Safety
/// Each region's pages must be mapped, writable, zeroed, and used by nobody else, for good; regions are in ascending
/// order, disjoint, and the first starts with frame 0. To be called once, before any other use of the pool.
pub(crate) unsafe fn init(direct_map: NonNull<u8>, regions: &[Region]) -> Result<()> {
    let (Some(first), Some(last)) = (regions.first(), regions.last()) else { return Err(Errno::ENOMEM) };
    let table_frames = (u64::from(last.end) * size_of::<Entry>() as u64).div_ceil(PAGE_BYTES);
    // Frame 0 is the page before the table, frame ZERO_PAGE that of zeros.
    let used = table_frames + 2;
    if regions.len() > MAX_REGIONS || first.first != 0 || used >= u64::from(first.end) {
        return Err(Errno::ENOMEM);
    }
    let mut pool = POOL.lock();
    *pool = Pool::EMPTY;
    pool.regions = regions.len();
    for (fresh, region) in pool.fresh.iter_mut().zip(regions) {
        *fresh = Fresh { next: region.first, end: region.end };
    }
    pool.fresh[0].next = used as u32;
    pool.total = regions.iter().map(|region| region.end - region.first).sum();
    pool.fresh_count = pool.total - used as u32;
    pool.heap_limit = pool.total / 4;
    pool.reserve = (pool.total / 16).clamp(256.min(pool.total / 4), 16384);
    // SAFETY: frames 2 and on of the first region, checked above to be large enough for the table.
    let table = unsafe { direct_map.add(2 * PAGE_BYTES as usize) };
    TABLE.store(table.as_ptr().cast(), Ordering::Release);
    DIRECT_MAP.store(direct_map.as_ptr(), Ordering::Release);
    entry(ZERO_PAGE).references.store(PINNED, Ordering::Relaxed);
    Ok(())
}

/// How much memory there is.
#[must_use]
pub fn stats() -> Stats {
    os::ensure_ready();
    POOL.lock().stats()
}

/// Takes `bytes` (rounded up to pages) of contiguous zeroed memory for the heap, for good. `None`: there is no such run,
/// or the heap has all that it may have.
#[must_use]
pub fn take_heap_run(bytes: usize) -> Option<(NonNull<u8>, usize)> {
    os::ensure_ready();
    let frames = u32::try_from(bytes.div_ceil(PAGE_BYTES as usize)).ok()?;
    let first = POOL.lock().take_run(frames)?;
    Some((address(NonZeroU32::new(first)?), frames as usize * PAGE_BYTES as usize))
}

/// Takes a frame, with one reference.
pub(crate) fn take(contents: Contents) -> Result<Frame> {
    os::ensure_ready();
    let taken = POOL.lock().take();
    let (number, zeroed) = taken.or_else(take_after_reclaim).ok_or(Errno::ENOMEM)?;
    let number = NonZeroU32::new(number).ok_or(Errno::ENOMEM)?;
    entry(number.get()).references.store(1, Ordering::Relaxed);
    if contents == Contents::Zero && !zeroed {
        // SAFETY: a whole frame that nobody else refers to.
        unsafe { zero_frame(address(number)) };
    }
    Ok(Frame::from_raw(number))
}

fn take_after_reclaim() -> Option<(u32, bool)> {
    let reclaim = RECLAIM.get()?;
    while reclaim(RECLAIM_AT_ONCE) > 0 {
        let taken = POOL.lock().take();
        if taken.is_some() {
            return taken;
        }
    }
    None
}

/// The shared page of zeros.
pub(crate) fn zero_page() -> Frame {
    const NUMBER: NonZeroU32 = NonZeroU32::new(ZERO_PAGE).expect("not zero");
    os::ensure_ready();
    Frame::from_raw(NUMBER)
}

pub(crate) fn references(number: NonZeroU32) -> u32 {
    entry(number.get()).references.load(Ordering::Acquire)
}

pub(crate) fn add_reference(number: NonZeroU32) {
    if number.get() == ZERO_PAGE {
        return;
    }
    entry(number.get()).references.fetch_add(1, Ordering::Relaxed);
}

pub(crate) fn drop_reference(number: NonZeroU32) {
    if number.get() == ZERO_PAGE {
        return;
    }
    if entry(number.get()).references.fetch_sub(1, Ordering::AcqRel) == 1 {
        POOL.lock().put(number.get());
    }
}

/// Address of a frame's first byte.
pub(crate) fn address(number: NonZeroU32) -> NonNull<u8> {
    let offset = number.get() as usize * PAGE_BYTES as usize;
    let base = DIRECT_MAP.load(Ordering::Relaxed);
    NonNull::new(base.wrapping_add(offset)).expect("the direct map does not contain address 0")
}

/// The table's entry of a frame that exists.
fn entry(number: u32) -> &'static Entry {
    // SAFETY: numbers come from the pool or from references, so they are below the table's length; the table lives for
    // good, and its entries are atomics.
    unsafe { &*TABLE.load(Ordering::Relaxed).wrapping_add(number as usize) }
}

/// Zeroes a frame by 8-byte stores: emulators and processors without fast string operations do these fastest.
///
/// # Safety
/// `to` must be a whole frame that nobody else uses.
unsafe fn zero_frame(to: NonNull<u8>) {
    let words: NonNull<[u64; 64]> = to.cast();
    for block in 0..PAGE_BYTES as usize / size_of::<[u64; 64]>() {
        // SAFETY: within the frame, and aligned as it is.
        unsafe { zero_block(words.as_ptr().wrapping_add(block)) };
    }
}

/// # Safety
/// `block` must be writable and used by nobody else.
#[inline]
unsafe fn zero_block(block: *mut [u64; 64]) {
    // SAFETY: the caller's promise.
    unsafe {
        core::arch::asm!(
            ".set word_at, 0",
            ".rept 64",
            "mov [{block} + word_at], {zero}",
            ".set word_at, word_at + 8",
            ".endr",
            block = in(reg) block,
            zero = in(reg) 0u64,
            options(nostack, preserves_flags),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pool of two regions of 600 and 400 frames, none of them touched.
    fn pool() -> Pool {
        let mut pool = Pool { regions: 2, fresh_count: 1000, total: 1000, reserve: 60, heap_limit: 250, ..Pool::EMPTY };
        pool.fresh[0] = Fresh { next: 2, end: 602 };
        pool.fresh[1] = Fresh { next: 700, end: 1100 };
        pool
    }

    #[test]
    fn single_frames_leave_the_reserve_to_the_heap() {
        let mut pool = pool();
        let mut taken = core::iter::from_fn(|| pool.take());
        assert_eq!(taken.next(), Some((2, true)));
        assert_eq!(taken.count(), 939);
        assert_eq!(pool.stats().available, 0);
        assert_eq!(pool.take_run(60), Some(1040), "the heap still grows");
        assert_eq!(pool.take_run(1), None);
        assert_eq!(pool.take(), None);
    }

    #[test]
    fn the_heap_grows_from_the_top_to_its_limit() {
        let mut pool = pool();
        assert_eq!(pool.take_run(100), Some(1000));
        assert_eq!(pool.take_run(100), Some(900));
        assert_eq!(pool.take_run(51), None);
        assert_eq!(pool.take_run(u32::MAX), None);
        assert_eq!(pool.stats().heap, 200);
        assert_eq!(pool.stats().reserve, 50, "no more than it may still get");
        assert_eq!(core::iter::from_fn(|| pool.take()).count(), 750);
    }
}
