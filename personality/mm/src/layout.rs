//! Where things go in an address space, and the search for room.

use guest_memory::{PAGE_BYTES, USER_END};
use linux_abi::{Errno, Result};

use crate::area::AreaFlags;
use crate::areas::Areas;

/// First address past the stack.
pub const STACK_TOP: u64 = USER_END;
/// Lowest address that `mmap` gives or takes: Linux's default `vm.mmap_min_addr`.
pub const MMAP_MIN_ADDRESS: u64 = 65_536;
/// What stays free below an area that grows down: Linux's `stack_guard_gap`.
pub const STACK_GUARD_BYTES: u64 = 256 * PAGE_BYTES;

/// Least and most room that is kept for the stack, whatever its limit says (Linux's `mmap_base`).
const MIN_STACK_ROOM: u64 = 128 << 20;
const MAX_STACK_ROOM: u64 = USER_END / 6 * 5;

/// The fixed points of an address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// `mmap` places mappings below this, from the top down.
    pub mmap_base: u64,
    /// First address past the stack.
    pub stack_top: u64,
}

impl Layout {
    /// The layout for a stack limit.
    #[must_use]
    pub fn for_stack_limit(stack_bytes: u64) -> Self {
        let room = stack_bytes.saturating_add(STACK_GUARD_BYTES).clamp(MIN_STACK_ROOM, MAX_STACK_ROOM);
        Self { mmap_base: (STACK_TOP - room) & !(PAGE_BYTES - 1), stack_top: STACK_TOP }
    }
}

/// Rounds up to pages; `None` on overflow.
pub(crate) const fn page_up(bytes: u64) -> Option<u64> {
    match bytes.checked_add(PAGE_BYTES - 1) {
        Some(sum) => Some(sum & !(PAGE_BYTES - 1)),
        None => None,
    }
}

pub(crate) const fn is_page_aligned(addr: u64) -> bool {
    addr.is_multiple_of(PAGE_BYTES)
}

/// Whether page-aligned `start..start + bytes` lies where mappings may be.
pub(crate) const fn is_user_range(start: u64, bytes: u64) -> bool {
    bytes <= USER_END && start <= USER_END - bytes
}

impl Areas {
    /// Whether no area (nor the guard below one that grows down) is in the way of `start..start + bytes`.
    pub(crate) fn is_free(&self, start: u64, bytes: u64) -> bool {
        let Some(end) = start.checked_add(bytes) else { return false };
        match self.get(self.first_above(start)) {
            None => true,
            Some(area) => end <= guarded_start(area.start, area.flags),
        }
    }

    /// The highest room of `bytes` bytes below the layout's base, or else the lowest above it.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub(crate) fn find_room(&self, bytes: u64, layout: Layout) -> Result<u64> {
        self.room_below(bytes, layout.mmap_base)
            .or_else(|| self.room_above(bytes, layout.mmap_base))
            .ok_or(Errno::ENOMEM)
    }

    fn room_below(&self, bytes: u64, base: u64) -> Option<u64> {
        let mut top = base;
        let mut index = self.as_slice().partition_point(|area| area.start < base);
        if let Some(next) = self.get(index) {
            top = top.min(guarded_start(next.start, next.flags));
        }
        loop {
            let below = index.checked_sub(1).and_then(|below| self.get(below));
            let floor = below.map_or(MMAP_MIN_ADDRESS, |area| area.end.max(MMAP_MIN_ADDRESS));
            if top.checked_sub(floor).is_some_and(|room| room >= bytes) {
                return Some(top - bytes);
            }
            let below = below?;
            top = top.min(guarded_start(below.start, below.flags));
            index -= 1;
        }
    }

    fn room_above(&self, bytes: u64, base: u64) -> Option<u64> {
        let mut at = base;
        for area in self.as_slice().get(self.first_above(base)..).unwrap_or_default() {
            if guarded_start(area.start, area.flags).checked_sub(at).is_some_and(|room| room >= bytes) {
                return Some(at);
            }
            at = area.end.max(at);
        }
        (is_user_range(at, bytes)).then_some(at)
    }
}

/// First address that others must keep away from.
pub(crate) fn guarded_start(start: u64, flags: AreaFlags) -> u64 {
    if flags.contains(AreaFlags::GROWS_DOWN) { start.saturating_sub(STACK_GUARD_BYTES) } else { start }
}
