//! Kernel objects and memory from the Untypeds that the kernel gave the root task.

use alloc::vec::Vec;

use ukernel_abi::boot::{PhysicalRange, RootInfo, slot};
use ukernel_abi::object::MEMORY_UNCLEARED;
use ukernel_user::object::Object;
use ukernel_user::{Cap, Error, Memory, Rights, Untyped};

use crate::plan;

/// What is kept of the root task's own Untyped when the rest of memory is given away, for its objects to come.
const RESERVE_BYTES: u64 = 1 << 20;
/// Pieces of RAM smaller than this are not worth an attachment.
const LEAST_PIECE_BYTES: u64 = 64 << 10;

/// The Untypeds, and the device ranges.
pub struct Supply {
    untypeds: Vec<Source>,
    devices: Vec<(Cap<Memory>, PhysicalRange)>,
}

struct Source {
    untyped: Cap<Untyped>,
    range: PhysicalRange,
}

impl Supply {
    /// What the kernel gave.
    #[must_use]
    pub fn new(info: &RootInfo) -> Self {
        let untypeds = (slot::UNTYPED_FIRST..).zip(info.untypeds.iter().take(info.untyped_count as usize));
        let devices = (slot::DEVICE_FIRST..).zip(info.devices.iter().take(info.device_count as usize));
        Self {
            untypeds: untypeds.map(|(slot, range)| Source { untyped: Cap::new(slot), range: *range }).collect(),
            devices: devices.map(|(slot, range)| (Cap::new(slot), *range)).collect(),
        }
    }

    /// Makes an object, from the first Untyped that has room: small ranges are used up first.
    ///
    /// # Errors
    /// `OutOfMemory`.
    pub fn create<T: Object>(&self, size: u64) -> Result<Cap<T>, Error> {
        rt::cap::in_free_slot(|slot| {
            let mut sources: Vec<&Source> = self.untypeds.iter().collect();
            sources.sort_unstable_by_key(|source| source.range.bytes);
            for source in sources {
                match source.untyped.create::<T>(size, slot) {
                    Err(Error::OutOfMemory) => {}
                    result => return result.map(drop),
                }
            }
            Err(Error::OutOfMemory)
        })
    }

    /// The largest Untyped, which is the root task's own.
    fn largest(&self) -> Cap<Untyped> {
        let largest = self.untypeds.iter().max_by_key(|source| source.range.bytes);
        largest.map_or(Cap::NULL, |source| source.untyped)
    }

    /// All that is left, as Memories that are not cleared, with their bytes.
    ///
    /// # Errors
    /// Only what cannot be: the kernel refuses what it has just offered.
    pub fn rest(&self) -> Result<Vec<(Cap<Memory>, u64)>, Error> {
        let mut pieces = Vec::new();
        for source in &self.untypeds {
            let (left, total) = source.untyped.info()?;
            let reserve = if source.untyped == self.largest() { RESERVE_BYTES } else { 0 };
            let start = source.range.start + total.saturating_sub(left);
            for bytes in plan::carve(start, left.saturating_sub(reserve)) {
                if bytes < LEAST_PIECE_BYTES {
                    continue;
                }
                match rt::cap::in_free_slot(|slot| {
                    source.untyped.create::<Memory>(bytes | MEMORY_UNCLEARED, slot).map(drop)
                }) {
                    Ok(memory) => pieces.push((memory, bytes)),
                    // Skipped pieces move what follows, so that its alignment may cost the last pages.
                    Err(Error::OutOfMemory) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        // Large pieces first: they are the ones that matter if a task has room for few.
        pieces.sort_unstable_by_key(|(_, bytes)| core::cmp::Reverse(*bytes));
        Ok(pieces)
    }

    /// A capability to a range of device memory.
    ///
    /// # Errors
    /// `InvalidArgument`: it is not device memory.
    pub fn device(&self, address: u64, bytes: u64) -> Result<Cap<Memory>, Error> {
        let end = address.checked_add(bytes).ok_or(Error::InvalidArgument)?;
        let holds = |range: &PhysicalRange| range.start <= address && end <= range.start + range.bytes;
        let found = self.devices.iter().find(|(_, range)| holds(range)).ok_or(Error::InvalidArgument)?;
        let (memory, range) = *found;
        rt::cap::in_free_slot(|slot| memory.sub(address - range.start, bytes, slot, Rights::ALL).map(drop))
    }

    /// Deletes the root task's capabilities to the Untypeds that it does not use itself: every task has its nest.
    pub fn close(&mut self) {
        let own = rt::own::untyped();
        let (kept, others) = core::mem::take(&mut self.untypeds).into_iter().partition(|source| source.untyped == own);
        self.untypeds = kept;
        let others: Vec<Source> = others;
        others.iter().for_each(|source| rt::cap::delete(source.untyped.slot()));
    }
}
