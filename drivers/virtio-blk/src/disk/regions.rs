//! Clients' memory, which the device reads and writes.

use alloc::collections::{BTreeMap, BTreeSet};

use driver_lib::io_space::{DmaSpace, Reached};
use interfaces::BlockError;
use interfaces::block_device::Sectors;
use rt::Error;
use rt::memory::Owned;

/// Most regions of one client, and of all.
const MOST_OF_ONE: usize = 256;
const MOST: usize = 1024;
const PAGE: u64 = 4096;

/// The regions.
#[derive(Debug)]
pub(super) struct Regions {
    /// How the device reaches them.
    space: DmaSpace,
    last: u64,
    /// Clients that died: they get no regions.
    barred: BTreeSet<u64>,
    by_number: BTreeMap<u64, Region>,
}

/// A region.
#[derive(Debug)]
struct Region {
    badge: u64,
    reached: Reached,
    bytes: u64,
    /// Calls under way; the region is kept until there are none.
    calls: usize,
    /// No new calls: it is being detached.
    ends: bool,
    /// What keeps it the client's; it is never mapped here.
    _memory: Owned,
}

impl Regions {
    /// None yet; they get numbers from `first` on, and the device reaches them by `space`.
    pub(super) const fn new(first: u64, space: DmaSpace) -> Self {
        Self { space, last: first, barred: BTreeSet::new(), by_number: BTreeMap::new() }
    }

    /// Makes the first `bytes` of the memory in `slot` a region of the client with this badge.
    ///
    /// # Errors
    /// [`BlockError::OutOfRange`]: it is not so large, or no memory that may be read and written and that has an address.
    /// [`BlockError::Busy`]: there are too many. [`BlockError::Stopped`]: the client is barred.
    pub(super) fn attach(&mut self, badge: u64, slot: u64, bytes: u64) -> Result<u64, BlockError> {
        if self.barred.contains(&badge) {
            return Err(BlockError::Stopped);
        }
        let of_one = self.by_number.values().filter(|region| region.badge == badge).count();
        if of_one >= MOST_OF_ONE || self.by_number.len() >= MOST {
            return Err(BlockError::Busy);
        }
        let memory = Owned::copy_of(slot).map_err(reason)?;
        let size = memory.bytes().map_err(reason)?;
        if bytes > size || bytes == 0 {
            return Err(BlockError::OutOfRange);
        }
        // The device asks nobody for rights: who may not write this memory must not have it written by a disk either.
        drop(memory.map(PAGE.min(size)).map_err(reason)?);
        let reached = self.space.reach(memory.memory()).map_err(reason)?;
        self.last += 1;
        let region = Region { badge, reached, bytes, calls: 0, ends: false, _memory: memory };
        self.by_number.insert(self.last, region);
        Ok(self.last)
    }

    fn find(&mut self, badge: u64, number: u64) -> Result<&mut Region, BlockError> {
        self.by_number.get_mut(&number).filter(|region| region.badge == badge).ok_or(BlockError::NoRegion)
    }

    /// Begins a call that is for `pieces` of a region: where each of them is for the device.
    ///
    /// # Errors
    /// [`BlockError::NoRegion`], [`BlockError::OutOfRange`].
    pub(super) fn begin(
        &mut self,
        badge: u64,
        number: u64,
        pieces: &[Sectors],
    ) -> Result<impl Iterator<Item = u64>, BlockError> {
        let region = self.find(badge, number)?;
        if region.ends {
            return Err(BlockError::NoRegion);
        }
        let (start, size) = (region.reached.address(), region.bytes);
        let is_inside = |piece: &Sectors| piece.at.checked_add(piece.bytes.into()).is_some_and(|end| end <= size);
        if !pieces.iter().all(is_inside) {
            return Err(BlockError::OutOfRange);
        }
        region.calls += 1;
        Ok(pieces.iter().map(move |piece| start + piece.at))
    }

    /// A call that was begun has ended; whether somebody waits for the region to be free.
    pub(super) fn end(&mut self, number: u64) -> bool {
        self.by_number.get_mut(&number).is_some_and(|region| {
            region.calls -= 1;
            region.ends && region.calls == 0
        })
    }

    /// Lets no new requests begin.
    ///
    /// # Errors
    /// [`BlockError::NoRegion`].
    pub(super) fn close(&mut self, badge: u64, number: u64) -> Result<(), BlockError> {
        self.find(badge, number).map(|region| region.ends = true)
    }

    /// Removes a closed region when no request of it is under way; whether it is gone.
    pub(super) fn remove(&mut self, number: u64) -> bool {
        let is_free = self.by_number.get(&number).is_none_or(|region| region.calls == 0);
        if is_free {
            self.by_number.remove(&number);
        }
        is_free
    }

    /// Bars a client, and lets no new requests of it begin.
    pub(super) fn bar(&mut self, badge: u64) {
        self.barred.insert(badge);
        let its = self.by_number.values_mut().filter(|region| region.badge == badge);
        its.for_each(|region| region.ends = true);
    }

    /// Removes the regions of a barred client of which no request is under way; whether none is left.
    pub(super) fn remove_all(&mut self, badge: u64) -> bool {
        self.by_number.retain(|_, region| region.badge != badge || region.calls > 0);
        self.by_number.values().all(|region| region.badge != badge)
    }

    /// Bars a client no longer.
    pub(super) fn admit(&mut self, badge: u64) {
        self.barred.remove(&badge);
    }

    /// Removes all, when the device touches none of them any more.
    pub(super) fn clear(&mut self) {
        self.by_number.clear();
    }
}

/// Why memory is not to be had.
fn reason(error: Error) -> BlockError {
    match error {
        Error::OutOfMemory | Error::AlreadyMapped => BlockError::Busy,
        _ => BlockError::OutOfRange,
    }
}
