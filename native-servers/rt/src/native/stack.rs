//! Stacks and message pages of threads, in the thread area.
//!
//! A stack lies between an unmapped page, which catches overflow, and the thread's message page:
//! `guard | stack ... | message page`. They are made several at a time, in one Memory with one attachment, because a VSpace
//! has few attachments; they are never unmapped but used again, by thread records of the same size.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use ukernel_user::object::MapRange;
use ukernel_user::{Cap, Error, Memory, Rights};

use crate::sync::SpinLock;
use crate::{layout, memory, object};

const PAGE: u64 = ukernel_abi::PAGE_BYTES;
/// Most stacks made at a time.
const MAX_BATCH: u64 = 16;

static NEXT: AtomicU64 = AtomicU64::new(layout::THREADS);
static SPARE: SpinLock<Vec<Stack>> = SpinLock::new(Vec::new());
/// Stacks made so far: the more there are, the more are made at a time.
static MADE: AtomicU64 = AtomicU64::new(0);

/// A stack with its message page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stack {
    /// Lowest address.
    pub(super) low: u64,
    /// Pages.
    pub(super) pages: u64,
    /// The Memory that has the message page.
    pub(super) memory: Cap<Memory>,
    /// Byte offset of the message page in that Memory.
    pub(super) message_offset: u64,
}

impl Stack {
    /// Upper end, which is the message page's address too.
    pub(super) const fn high(&self) -> u64 {
        self.low + self.pages * PAGE
    }

    /// A stack of `pages` pages.
    pub(super) fn allocate(pages: u64) -> Result<Self, Error> {
        if let Some(stack) = take_spare(pages) {
            return Ok(stack);
        }
        make_batch(pages)?;
        take_spare(pages).ok_or(Error::OutOfMemory)
    }
}

fn take_spare(pages: u64) -> Option<Stack> {
    let mut spare = SPARE.lock();
    let index = spare.iter().position(|stack| stack.pages == pages)?;
    Some(spare.swap_remove(index))
}

fn make_batch(pages: u64) -> Result<(), Error> {
    let wanted = MADE.load(Ordering::Relaxed).clamp(1, MAX_BATCH);
    // Where memory is short, one is better than none.
    match make(pages, wanted) {
        Err(_) if wanted > 1 => make(pages, 1),
        result => result,
    }
}

fn make(pages: u64, count: u64) -> Result<(), Error> {
    let stride = (pages + 2) * PAGE;
    let start = NEXT.fetch_add(stride * count, Ordering::Relaxed);
    if start.saturating_add(stride * count) > layout::THREADS_END {
        return Err(Error::OutOfMemory);
    }
    let start = memory::base() + start;
    let backing = object::create::<Memory>(count * (pages + 1) * PAGE)?;
    let rights = Rights::READ.or(Rights::WRITE);
    let attachment = memory::attach(backing, start, stride * count, rights)?;
    for index in 0..count {
        let (low, page) = (start + index * stride + PAGE, index * (pages + 1));
        memory::map_range(attachment, MapRange::new(low, rights, page, pages + 1))?;
        SPARE.lock().push(Stack { low, pages, memory: backing, message_offset: (page + pages) * PAGE });
    }
    MADE.fetch_add(count, Ordering::Relaxed);
    Ok(())
}
