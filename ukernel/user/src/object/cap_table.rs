//! Capability tables.

use ukernel_abi::invoke::cap_table;

use crate::message::invoke;
use crate::{Cap, Error, Rights};

/// A table of capability slots.
#[derive(Debug)]
pub enum CapTable {}

/// The invoked table is the destination; `source` is the table that has the capability, [`Cap::NULL`] the task's own.
impl Cap<CapTable> {
    /// Copies the capability in `slot` of `source` to the empty slot `to`, with at most `rights`; a child of the original.
    ///
    /// # Errors
    /// `SlotOccupied`, `InvalidArgument`.
    pub fn copy(self, to: u64, source: Cap<CapTable>, slot: u64, rights: Rights) -> Result<(), Error> {
        invoke(self.slot(), cap_table::COPY, &[to, source.slot(), slot, rights.0.into()]).map(drop)
    }

    /// As [`copy`](Self::copy), with a badge: of an Endpoint or Notification that has badge 0.
    ///
    /// # Errors
    /// `SlotOccupied`, `InvalidArgument`.
    pub fn mint(self, to: u64, source: Cap<CapTable>, slot: u64, rights: Rights, badge: u64) -> Result<(), Error> {
        invoke(self.slot(), cap_table::MINT, &[to, source.slot(), slot, rights.0.into(), badge]).map(drop)
    }

    /// Moves the capability in `slot` of `source` to the empty slot `to`.
    ///
    /// # Errors
    /// `SlotOccupied`, `InvalidArgument`.
    pub fn move_here(self, to: u64, source: Cap<CapTable>, slot: u64) -> Result<(), Error> {
        invoke(self.slot(), cap_table::MOVE, &[to, source.slot(), slot]).map(drop)
    }

    /// Deletes the capability in `slot` of this table; its children become its parent's. The object goes with its last
    /// capability.
    ///
    /// # Errors
    /// Only those of every method.
    pub fn delete(self, slot: u64) -> Result<(), Error> {
        invoke(self.slot(), cap_table::DELETE, &[slot]).map(drop)
    }

    /// Deletes every descendant of the capability in `slot` of this table.
    ///
    /// # Errors
    /// Only those of every method.
    pub fn revoke(self, slot: u64) -> Result<(), Error> {
        invoke(self.slot(), cap_table::REVOKE, &[slot]).map(drop)
    }
}
