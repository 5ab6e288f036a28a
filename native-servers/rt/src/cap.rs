//! Copies of capabilities within the task's own CapTable, and its free slots.

use ukernel_user::{Cap, Error, Rights};

use crate::own;

pub use ukernel_user::slots::{allocate as allocate_slot, free as free_slot};

/// Copies `cap` with at most `rights` and a badge; `cap` must be an Endpoint or Notification without one.
///
/// # Errors
/// No free slot, or as `CapTable::MINT`.
pub fn mint<T>(cap: Cap<T>, rights: Rights, badge: u64) -> Result<Cap<T>, Error> {
    in_free_slot(|slot| own::cap_table().mint(slot, Cap::NULL, cap.slot(), rights, badge))
}

/// Copies `cap` with at most `rights`.
///
/// # Errors
/// No free slot, or as `CapTable::COPY`.
pub fn copy<T>(cap: Cap<T>, rights: Rights) -> Result<Cap<T>, Error> {
    in_free_slot(|slot| own::cap_table().copy(slot, Cap::NULL, cap.slot(), rights))
}

/// Deletes the capability in `slot`, if there is one, and frees the slot.
pub fn delete(slot: u64) {
    // An empty slot is as good as one just emptied.
    let _ = own::cap_table().delete(slot);
    free_slot(slot);
}

/// Runs `fill` with a free slot, which it fills or which is freed again.
///
/// # Errors
/// No free slot, or what `fill` says.
pub fn in_free_slot<T>(fill: impl FnOnce(u64) -> Result<(), Error>) -> Result<Cap<T>, Error> {
    let slot = allocate_slot()?;
    match fill(slot) {
        Ok(()) => Ok(Cap::new(slot)),
        Err(error) => {
            free_slot(slot);
            Err(error)
        }
    }
}
