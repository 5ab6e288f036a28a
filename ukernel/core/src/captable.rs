//! CapTables and the derivation tree: copy, mint, move, delete, revoke.
//!
//! Invariants: a slot that is not empty is in exactly one sibling list (or has no parent); a child never has more
//! rights than its parent. `lifetime` has what goes with a capability.

use ukernel_abi::object::SLOT_BYTES;
use ukernel_abi::{Error, Rights};

use crate::preemption::{Burial, Progress};
use crate::seeded::copied_rights;
use crate::{Cap, Kernel, Machine, Object, Ref, Slot, SlotRef};

/// A table of slots; they follow it in memory.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub struct CapTable {
    /// Number of slots, a power of two.
    pub(crate) slots: u64,
    pub(crate) caps: u32,
    /// Its place among the dead, and the first slot that is not emptied yet.
    pub(crate) burial: Burial,
    pub(crate) emptied: u64,
}

impl Object for CapTable {
    fn is_unfinished(&self) -> bool {
        self.burial.listed
    }
}

impl CapTable {
    pub(crate) fn new(bits: u8) -> Self {
        Self { slots: 1 << bits, caps: 0, burial: Burial::default(), emptied: 0 }
    }

    /// Number of slots.
    pub fn slots(&self) -> u64 {
        self.slots
    }

    /// The slot with this index, of the table that `this` refers to.
    pub(crate) fn slot(&self, this: Ref<CapTable>, index: u64) -> Option<SlotRef> {
        if index < self.slots { this.checked_part((index + 1) * SLOT_BYTES) } else { None }
    }
}

impl<M: Machine> Kernel<M> {
    /// The capability in a slot.
    pub(crate) fn cap(&self, slot: SlotRef) -> Cap {
        self.get(slot).cap
    }

    /// Put a capability that has no parent into an empty slot.
    pub(crate) fn insert_root(&mut self, slot: SlotRef, cap: Cap) {
        self.retain(cap);
        self.get_mut(slot).cap = cap;
    }

    /// Put a capability into an empty slot, as child of the one in `parent`.
    pub(crate) fn insert_child(&mut self, parent: SlotRef, slot: SlotRef, cap: Cap) {
        self.insert_root(slot, cap);
        self.link(parent, slot);
    }

    #[inline(always)]
    pub(crate) fn link(&mut self, parent: SlotRef, slot: SlotRef) {
        let first = self.get(parent).first_child;
        let child = self.get_mut(slot);
        child.parent = Some(parent);
        child.previous = None;
        child.next = first;
        if let Some(first) = first {
            self.get_mut(first).previous = Some(slot);
        }
        self.get_mut(parent).first_child = Some(slot);
    }

    #[inline(always)]
    pub(crate) fn unlink(&mut self, slot: SlotRef) {
        let (parent, previous, next) = {
            let s = self.get(slot);
            (s.parent, s.previous, s.next)
        };
        if let Some(next) = next {
            self.get_mut(next).previous = previous;
        }
        if let Some(previous) = previous {
            self.get_mut(previous).next = next;
        } else if let Some(parent) = parent {
            self.get_mut(parent).first_child = next;
        }
        let s = self.get_mut(slot);
        (s.parent, s.previous, s.next) = (None, None, None);
    }

    /// The capability as a copy with `rights` and perhaps a `badge` would be.
    pub(crate) fn derive(cap: Cap, wanted: Rights, badge: Option<u64>) -> Result<Cap, Error> {
        let derived = match cap {
            Cap::Null | Cap::Husk => return Err(Error::InvalidCapability),
            // Two capabilities to one untyped could each give out the same memory.
            Cap::Untyped { .. } => return Err(Error::InvalidArgument),
            Cap::Endpoint { endpoint, badge: old, rights } => {
                Cap::Endpoint { endpoint, badge: new_badge(old, badge)?, rights: copied_rights(rights, wanted) }
            }
            Cap::Notification { notification, badge: old, rights } => {
                Cap::Notification { notification, badge: new_badge(old, badge)?, rights: rights.and(wanted) }
            }
            Cap::Memory { base, bytes, rights, device } if badge.is_none() => {
                Cap::Memory { base, bytes, rights: rights.and(wanted), device }
            }
            other if badge.is_none() => other,
            _ => return Err(Error::InvalidArgument),
        };
        Ok(derived)
    }

    /// Derive the capability in `source` into `destination`.
    pub(crate) fn copy_cap(
        &mut self,
        source: SlotRef,
        destination: SlotRef,
        rights: Rights,
        badge: Option<u64>,
    ) -> Result<(), Error> {
        let cap = Self::derive(self.cap(source), rights, badge)?;
        self.require_empty(destination)?;
        self.insert_child(source, destination, cap);
        Ok(())
    }

    /// Move a capability, with its place in the tree. Its children follow in pieces: until then they are those of a husk that it
    /// leaves behind, as its child.
    pub(crate) fn move_cap(&mut self, source: SlotRef, destination: SlotRef) -> Result<Progress, Error> {
        match self.cap(source) {
            Cap::Null => return Err(Error::InvalidCapability),
            Cap::Husk if self.get(source).parent != Some(destination) => return Err(Error::InvalidCapability),
            Cap::Husk => {}
            _ => {
                self.require_empty(destination)?;
                let moved = core::mem::take(self.get_mut(source));
                self.take_place(destination, &moved);
                if moved.first_child.is_none() {
                    return Ok(Progress::Done);
                }
                let husk = self.get_mut(source);
                (husk.cap, husk.first_child) = (Cap::Husk, moved.first_child);
                self.link(destination, source);
            }
        }
        Ok(self.remove(source))
    }

    /// Put a capability into an empty slot, in place of what was taken from another one, but for its children.
    fn take_place(&mut self, slot: SlotRef, taken: &Slot) {
        if let Some(previous) = taken.previous {
            self.get_mut(previous).next = Some(slot);
        } else if let Some(parent) = taken.parent {
            self.get_mut(parent).first_child = Some(slot);
        }
        if let Some(next) = taken.next {
            self.get_mut(next).previous = Some(slot);
        }
        *self.get_mut(slot) = Slot { first_child: None, ..taken.clone() };
    }

    pub(crate) fn require_empty(&self, slot: SlotRef) -> Result<(), Error> {
        if self.cap(slot) == Cap::Null { Ok(()) } else { Err(Error::SlotOccupied) }
    }

    /// Empty a slot. Its children become its parent's; the object goes with its last capability.
    pub(crate) fn delete(&mut self, slot: SlotRef) -> Progress {
        if self.remove(slot) == Progress::Preempted { Progress::Preempted } else { self.bury() }
    }

    /// Empty a slot whose capability has no children; a slot inside an object has none. Objects that die and whose end takes
    /// long are left to [`bury`](Self::bury).
    pub(crate) fn clear(&mut self, slot: SlotRef) {
        let cap = self.cap(slot);
        if cap == Cap::Null {
            return;
        }
        self.unlink(slot);
        self.get_mut(slot).cap = Cap::Null;
        self.release(cap);
    }

    /// Delete all descendants of a capability: its first child, whose children become its own, over and over.
    pub(crate) fn revoke(&mut self, slot: SlotRef) -> Progress {
        while let Some(child) = self.get(slot).first_child {
            if self.delete(child) == Progress::Preempted {
                return Progress::Preempted;
            }
            if self.get(slot).first_child.is_some() && self.is_preempted() {
                return Progress::Preempted;
            }
        }
        self.bury()
    }
}

/// The badge of a copy: an unbadged capability can be given one, once.
fn new_badge(old: u64, wanted: Option<u64>) -> Result<u64, Error> {
    match wanted {
        None => Ok(old),
        Some(badge) if old == 0 => Ok(badge),
        Some(_) => Err(Error::InvalidArgument),
    }
}
