//! The RAM that the task was granted: attached to its own address space, linearly, with large pages.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

use linux_abi::{Errno, Result};
use rt::env::{Env, MemoryGrant};
use ukernel_abi::{LARGE_PAGE_BYTES, MASTER_END};
use ukernel_user::object::{MapRange, Memory};
use ukernel_user::{Cap, Rights};

use crate::frames::{self, MAX_REGIONS, Region};
use crate::{Frame, PAGE_BYTES};

/// Bytes by which the heap grows at least.
const HEAP_STEP: usize = 256 << 10;

/// What is known of a region.
struct Slot {
    memory: AtomicU64,
    first: AtomicU32,
    end: AtomicU32,
}

static SLOTS: [Slot; MAX_REGIONS] =
    [const { Slot { memory: AtomicU64::new(0), first: AtomicU32::new(0), end: AtomicU32::new(0) } }; MAX_REGIONS];
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// Where a frame is, as the kernel knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location {
    /// Index of the region.
    pub region: usize,
    /// Page within the region's Memory.
    pub page: u64,
}

/// Attaches all memory granted as `ram...`, fills the frame pool, and lets the heap grow from it. Once, at start-up.
///
/// # Errors
/// `ENOMEM` if there is none, or it cannot be mapped.
pub fn init(env: &Env) -> Result<()> {
    let mut base = 0;
    let mut next = rt::memory::base() + rt::layout::OWN;
    let mut regions = [Region { first: 0, end: 0 }; MAX_REGIONS];
    let mut count = 0;
    for ((grant, slot), region) in env.memories("ram").zip(&SLOTS).zip(&mut regions) {
        let address = place(next, &grant);
        let pages = grant.bytes / PAGE_BYTES;
        attach(&grant, address, pages)?;
        if count == 0 {
            base = address;
        }
        let first = (address - base) / PAGE_BYTES;
        *region = Region { first: narrow(first)?, end: narrow(first + pages)? };
        slot.memory.store(grant.memory.slot(), Ordering::Relaxed);
        slot.first.store(region.first, Ordering::Relaxed);
        slot.end.store(region.end, Ordering::Relaxed);
        next = address + pages * PAGE_BYTES;
        count += 1;
    }
    COUNT.store(count, Ordering::Release);
    let base = NonNull::new(base as *mut u8).ok_or(Errno::ENOMEM)?;
    // SAFETY: just mapped, delivered zeroed by the kernel, and granted to this task alone; `init` runs once.
    unsafe { frames::init(base, regions.get(..count).unwrap_or_default())? };
    rt::heap::set_grow(grow_heap);
    Ok(())
}

fn narrow(number: u64) -> Result<u32> {
    u32::try_from(number).map_err(|_| Errno::ENOMEM)
}

/// The next address at which large pages of the memory are large pages of the address space.
fn place(next: u64, grant: &MemoryGrant) -> u64 {
    next.next_multiple_of(LARGE_PAGE_BYTES) + grant.physical % LARGE_PAGE_BYTES
}

fn attach(grant: &MemoryGrant, address: u64, pages: u64) -> Result<()> {
    let rights = Rights::READ.or(Rights::WRITE);
    let bytes = pages * PAGE_BYTES;
    if pages == 0 || address.checked_add(bytes).is_none_or(|end| end > MASTER_END) {
        return Err(Errno::ENOMEM);
    }
    let attachment = rt::memory::attach(grant.memory, address, bytes, rights).map_err(|_| Errno::ENOMEM)?;
    rt::memory::map_range(attachment, MapRange::new(address, rights, 0, pages)).map_err(|_| Errno::ENOMEM)
}

fn grow_heap(bytes: usize) -> Option<(*mut u8, usize)> {
    let run = frames::take_heap_run(bytes.max(HEAP_STEP)).or_else(|| frames::take_heap_run(bytes));
    run.map(|(start, bytes)| (start.as_ptr(), bytes))
}

/// Number of regions.
#[must_use]
pub fn region_count() -> usize {
    COUNT.load(Ordering::Acquire)
}

/// Numbers of a region's frames.
#[must_use]
pub fn region_frames(region: usize) -> Option<Region> {
    let slot = SLOTS.get(region).filter(|_| region < region_count())?;
    Some(Region { first: slot.first.load(Ordering::Relaxed), end: slot.end.load(Ordering::Relaxed) })
}

/// A region's Memory and its number of pages.
#[must_use]
pub fn region_memory(region: usize) -> Option<(Cap<Memory>, u64)> {
    let slot = SLOTS.get(region).filter(|_| region < region_count())?;
    let pages = slot.end.load(Ordering::Relaxed) - slot.first.load(Ordering::Relaxed);
    Some((Cap::new(slot.memory.load(Ordering::Relaxed)), pages.into()))
}

/// Where the frame with this number is.
#[must_use]
pub fn locate(number: u32) -> Option<Location> {
    let slots = SLOTS.get(..region_count())?;
    let region = slots.iter().position(|slot| number < slot.end.load(Ordering::Relaxed))?;
    let first = slots.get(region)?.first.load(Ordering::Relaxed);
    Some(Location { region, page: number.checked_sub(first)?.into() })
}

/// The Memory that a frame belongs to, and its byte offset there.
#[must_use]
pub fn memory_of(frame: &Frame) -> Option<(Cap<Memory>, u64)> {
    let location = locate(frame.number())?;
    Some((region_memory(location.region)?.0, location.page * PAGE_BYTES))
}
