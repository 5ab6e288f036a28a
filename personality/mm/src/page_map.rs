//! Which frame is resident at which page.
//!
//! Pages are kept in chunks of 64 (256 KiB of addresses): a frame number each, and a bit that says whether the page
//! tables map it writable. Chunks are in one sorted list; most address spaces have about ten.
//!
//! All chunks of all processes count against one budget, so that sparse mappings cannot eat the personality's heap.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};

use guest_memory::{Frame, PAGE_BYTES, frames};
use linux_abi::{Errno, Result};

use crate::page_tables::PageRun;

/// Pages of a chunk.
const CHUNK_PAGES: u64 = 64;
/// Bytes of addresses of a chunk.
const CHUNK_BYTES: u64 = CHUNK_PAGES * PAGE_BYTES;

/// Chunks of all address spaces.
static CHUNKS: AtomicUsize = AtomicUsize::new(0);

struct Chunk {
    /// Number of its first page, divided by [`CHUNK_PAGES`].
    key: u64,
    present: u64,
    writable: u64,
    frames: [Option<Frame>; CHUNK_PAGES as usize],
}

/// A resident page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page<'a> {
    pub(crate) frame: &'a Frame,
    /// The page tables map it writable.
    pub(crate) writable: bool,
}

/// The resident pages of an address space.
#[derive(Default)]
pub(crate) struct PageMap {
    #[expect(clippy::vec_box, reason = "chunks are large, and move in the list when one comes or goes")]
    chunks: Vec<Box<Chunk>>,
    /// Resident pages, without those of zeros that all share.
    resident: u64,
    peak: u64,
}

/// What [`PageMap::fork_range`] does with the writable pages of a range.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum ForkAs {
    /// Both sides lose write access: the next write copies.
    CopyOnWrite,
    /// Both keep it.
    Shared,
}

impl Chunk {
    /// A chunk, if the budget allows.
    fn new(key: u64) -> Result<Box<Self>> {
        // A chunk is 300 bytes; all of them get an eighth of RAM.
        let limit = (frames::stats().total as usize).saturating_mul(PAGE_BYTES as usize / 8 / 300);
        if CHUNKS.load(Ordering::Relaxed) >= limit { Err(Errno::ENOMEM) } else { Ok(Self::beyond_budget(key)) }
    }

    /// A chunk that stands for another one soon to be empty.
    fn beyond_budget(key: u64) -> Box<Self> {
        CHUNKS.fetch_add(1, Ordering::Relaxed);
        Box::new(Self { key, present: 0, writable: 0, frames: [const { None }; CHUNK_PAGES as usize] })
    }

    /// Puts a frame at a page; returns the one that was there.
    fn set(&mut self, index: usize, frame: Frame, writable: bool) -> Option<Frame> {
        let bit = 1 << index;
        self.present |= bit;
        self.writable = self.writable & !bit | if writable { bit } else { 0 };
        self.frames.get_mut(index)?.replace(frame)
    }

    fn addr(&self, index: usize) -> u64 {
        self.key * CHUNK_BYTES + index as u64 * PAGE_BYTES
    }

    /// The bits of the pages within `start..end`.
    fn mask(&self, start: u64, end: u64) -> u64 {
        let base = self.key * CHUNK_BYTES;
        let first = start.saturating_sub(base) / PAGE_BYTES;
        let last = end.saturating_sub(base).div_ceil(PAGE_BYTES).min(CHUNK_PAGES);
        if first >= last {
            return 0;
        }
        (u64::MAX >> (CHUNK_PAGES - (last - first))) << first
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        CHUNKS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The set bits' positions, lowest first.
fn bits(mut set: u64) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        if set == 0 {
            return None;
        }
        let bit = set.trailing_zeros();
        set &= set - 1;
        Some(bit as usize)
    })
}

const fn key_of(addr: u64) -> u64 {
    addr / CHUNK_BYTES
}

const fn index_of(addr: u64) -> usize {
    (addr / PAGE_BYTES % CHUNK_PAGES) as usize
}

/// Adds a page to a list of runs of pages.
pub(crate) fn push_run(runs: &mut Vec<PageRun>, addr: u64) {
    match runs.last_mut() {
        Some(last) if last.addr + last.pages * PAGE_BYTES == addr => last.pages += 1,
        _ => runs.push(PageRun { addr, pages: 1 }),
    }
}

impl PageMap {
    pub(crate) fn resident(&self) -> u64 {
        self.resident
    }

    pub(crate) fn peak(&self) -> u64 {
        self.peak
    }

    fn position(&self, key: u64) -> core::result::Result<usize, usize> {
        self.chunks.binary_search_by_key(&key, |chunk| chunk.key)
    }

    /// The page at `addr`, if resident.
    pub(crate) fn get(&self, addr: u64) -> Option<Page<'_>> {
        let chunk = self.chunks.get(self.position(key_of(addr)).ok()?)?;
        let index = index_of(addr);
        let frame = chunk.frames.get(index)?.as_ref()?;
        Some(Page { frame, writable: chunk.writable >> index & 1 != 0 })
    }

    /// Puts a frame at `addr`; returns the one that was there, which the caller lets go after the page tables did.
    ///
    /// # Errors
    /// `ENOMEM` if all chunks that there may be are used.
    pub(crate) fn set(&mut self, addr: u64, frame: Frame, writable: bool) -> Result<Option<Frame>> {
        let key = key_of(addr);
        let position = match self.position(key) {
            Ok(position) => position,
            Err(position) => {
                self.chunks.insert(position, Chunk::new(key)?);
                position
            }
        };
        Ok(self.put(position, addr, frame, writable))
    }

    /// As [`set`](Self::set), for a page that was just taken out elsewhere: it always finds a place.
    pub(crate) fn set_moved(&mut self, addr: u64, frame: Frame, writable: bool) {
        let key = key_of(addr);
        let position = self.position(key).unwrap_or_else(|position| {
            self.chunks.insert(position, Chunk::beyond_budget(key));
            position
        });
        self.put(position, addr, frame, writable);
    }

    fn put(&mut self, position: usize, addr: u64, frame: Frame, writable: bool) -> Option<Frame> {
        let counts = u64::from(!frame.is_zero_page());
        let before = self.chunks.get_mut(position)?.set(index_of(addr), frame, writable);
        let counted = u64::from(before.as_ref().is_some_and(|frame| !frame.is_zero_page()));
        self.resident = self.resident + counts - counted;
        self.peak = self.peak.max(self.resident);
        before
    }

    /// Chunks that overlap `start..end`, as positions.
    fn overlapping(&self, start: u64, end: u64) -> core::ops::Range<usize> {
        let first = self.chunks.partition_point(|chunk| chunk.key < key_of(start));
        let last = self.chunks.partition_point(|chunk| chunk.key * CHUNK_BYTES < end);
        first..last.max(first)
    }

    /// Calls `visit` with each resident page of `start..end`, in order.
    pub(crate) fn for_each(&self, start: u64, end: u64, mut visit: impl FnMut(u64, Page<'_>)) {
        for chunk in self.chunks.get(self.overlapping(start, end)).unwrap_or_default() {
            for index in bits(chunk.present & chunk.mask(start, end)) {
                if let Some(Some(frame)) = chunk.frames.get(index) {
                    visit(chunk.addr(index), Page { frame, writable: chunk.writable >> index & 1 != 0 });
                }
            }
        }
    }

    /// Whether any page of `start..end` is resident.
    pub(crate) fn any(&self, start: u64, end: u64) -> bool {
        let chunks = self.chunks.get(self.overlapping(start, end)).unwrap_or_default();
        chunks.iter().any(|chunk| chunk.present & chunk.mask(start, end) != 0)
    }

    /// Resident pages of `start..end`, those of zeros included.
    pub(crate) fn count(&self, start: u64, end: u64) -> u64 {
        let chunks = self.chunks.get(self.overlapping(start, end)).unwrap_or_default();
        chunks.iter().map(|chunk| u64::from((chunk.present & chunk.mask(start, end)).count_ones())).sum()
    }

    /// All resident pages.
    pub(crate) fn runs(&self) -> Vec<PageRun> {
        let mut runs = Vec::new();
        for chunk in &self.chunks {
            let mut rest = chunk.present;
            while rest != 0 {
                let first = rest.trailing_zeros();
                let pages = (rest >> first).trailing_ones();
                let addr = chunk.addr(first as usize);
                match runs.last_mut() {
                    Some(PageRun { addr: start, pages: count }) if *start + *count * PAGE_BYTES == addr => {
                        *count += u64::from(pages);
                    }
                    _ => runs.push(PageRun { addr, pages: pages.into() }),
                }
                rest &= u64::MAX.checked_shl(first + pages).unwrap_or(0);
            }
        }
        runs
    }

    /// The first resident page at or after `start`, before `end`.
    pub(crate) fn next_resident(&self, start: u64, end: u64) -> Option<u64> {
        let chunks = self.chunks.get(self.overlapping(start, end)).unwrap_or_default();
        chunks.iter().find_map(|chunk| {
            let present = chunk.present & chunk.mask(start, end);
            (present != 0).then(|| chunk.addr(present.trailing_zeros() as usize))
        })
    }

    /// Takes all pages of `start..end` out. The page tables must have dropped them already.
    pub(crate) fn remove(&mut self, start: u64, end: u64) {
        let range = self.overlapping(start, end);
        let mut emptied = false;
        for chunk in self.chunks.get_mut(range.clone()).unwrap_or_default() {
            let mask = chunk.mask(start, end);
            for index in bits(chunk.present & mask) {
                if let Some(frame) = chunk.frames.get_mut(index).and_then(Option::take) {
                    self.resident -= u64::from(!frame.is_zero_page());
                }
            }
            chunk.present &= !mask;
            chunk.writable &= !mask;
            emptied |= chunk.present == 0;
        }
        if emptied {
            let kept = self.chunks.extract_if(range, |chunk| chunk.present == 0);
            kept.for_each(drop);
        }
    }

    /// Takes the page at `addr` out and gives it to the caller, with its write bit.
    pub(crate) fn take(&mut self, addr: u64) -> Option<(Frame, bool)> {
        let position = self.position(key_of(addr)).ok()?;
        let chunk = self.chunks.get_mut(position)?;
        let index = index_of(addr);
        let frame = chunk.frames.get_mut(index)?.take()?;
        let bit = 1 << index;
        let writable = chunk.writable & bit != 0;
        chunk.present &= !bit;
        chunk.writable &= !bit;
        self.resident -= u64::from(!frame.is_zero_page());
        if chunk.present == 0 {
            self.chunks.remove(position);
        }
        Some((frame, writable))
    }

    /// Takes write access away from the pages of `start..end` and adds those that had it to `runs`.
    pub(crate) fn clear_writable(&mut self, start: u64, end: u64, runs: &mut Vec<PageRun>) {
        let range = self.overlapping(start, end);
        for chunk in self.chunks.get_mut(range).unwrap_or_default() {
            let mask = chunk.writable & chunk.mask(start, end);
            chunk.writable &= !mask;
            for index in bits(mask) {
                push_run(runs, chunk.addr(index));
            }
        }
    }

    /// Adds the pages of `start..end` to `child`; `visit` is told each page and whether the child may write it.
    ///
    /// # Errors
    /// `ENOMEM` if all chunks that there may be are used.
    pub(crate) fn fork_range(
        &self,
        child: &mut Self,
        start: u64,
        end: u64,
        how: ForkAs,
        mut visit: impl FnMut(u64, &Frame, bool),
    ) -> Result<()> {
        for chunk in self.chunks.get(self.overlapping(start, end)).unwrap_or_default() {
            let mask = chunk.present & chunk.mask(start, end);
            if mask == 0 {
                continue;
            }
            if child.chunks.last().is_none_or(|last| last.key != chunk.key) {
                child.chunks.push(Chunk::new(chunk.key)?);
            }
            let Some(copy) = child.chunks.last_mut() else { continue };
            let writable = if how == ForkAs::Shared { chunk.writable & mask } else { 0 };
            copy.present |= mask;
            copy.writable |= writable;
            for index in bits(mask) {
                if let (Some(Some(frame)), Some(to)) = (chunk.frames.get(index), copy.frames.get_mut(index)) {
                    child.resident += u64::from(!frame.is_zero_page());
                    *to = Some(frame.clone());
                    visit(chunk.addr(index), frame, writable >> index & 1 != 0);
                }
            }
        }
        child.peak = child.peak.max(child.resident);
        Ok(())
    }
}
