//! Untyped memory.

use ukernel_abi::invoke::untyped;

use super::{CapTable, Object};
use crate::message::invoke;
use crate::{Cap, Error, ObjectType};

/// Raw physical memory, from which every other object is carved.
#[derive(Debug)]
pub enum Untyped {}

/// What to carve from an [`Untyped`].
#[derive(Clone, Copy, Debug)]
pub struct Retype {
    /// Type of the objects.
    pub object: ObjectType,
    /// Size argument: bytes of an Untyped or a Memory, log2 of a CapTable's slots, else ignored.
    pub size: u64,
    /// How many.
    pub count: u64,
    /// First of as many consecutive empty slots.
    pub first_slot: u64,
    /// The CapTable that has those slots; [`Cap::NULL`]: the task's own.
    pub table: Cap<CapTable>,
}

impl Cap<Untyped> {
    /// Carves objects. An Untyped without children starts afresh.
    ///
    /// # Errors
    /// `OutOfMemory`, `SlotOccupied`, `InvalidArgument`.
    pub fn retype(self, what: &Retype) -> Result<(), Error> {
        let words = [what.object as u64, what.size, what.count, what.first_slot, what.table.slot()];
        invoke(self.slot(), untyped::RETYPE, &words).map(drop)
    }

    /// Carves one `T` with a size argument into `slot` of the task's own CapTable.
    ///
    /// # Errors
    /// As [`retype`](Self::retype).
    pub fn create<T: Object>(self, size: u64, slot: u64) -> Result<Cap<T>, Error> {
        self.retype(&Retype { object: T::TYPE, size, count: 1, first_slot: slot, table: Cap::NULL })?;
        Ok(Cap::new(slot))
    }

    /// Bytes that are left, and bytes in all.
    ///
    /// # Errors
    /// Only those of every method.
    pub fn info(self) -> Result<(u64, u64), Error> {
        invoke(self.slot(), untyped::INFO, &[]).map(|words| (words[0], words[1]))
    }
}
