//! A task's nest: everything that it consists of hangs under capabilities that only the root task has.
//!
//! * its *ground*, an Untyped from which its CapTable, threads, address space, memory and its own Untyped are carved: with
//!   the ground's revocation all objects of the task are gone, those that it made itself included, and the next one starts
//!   with the ground afresh (and cleared)
//! * its *grants*: what it has of others' (endpoints, ports, device memory, archive entries), each a child of a capability
//!   here, so that revoking that one also takes what the task has given on
//! * its *RAM*: pieces of memory that take up what no task needs; the same pieces each time, cleared in between
//!
//! A nest is made once and never given back: a task can always be made anew.

use alloc::vec::Vec;

use rt::memory::Window;
use ukernel_user::object::{Object, Retype};
use ukernel_user::{Cap, CapTable, Error, Memory, Untyped};

use crate::supply::Supply;

/// Priority of the long steps of taking back and making, which others should not have to wait for: above the personality,
/// so that it cannot hold them up, and below every server.
const GENTLE_PRIORITY: u8 = 120;
/// Priority of the root task's threads.
const PRIORITY: u8 = 254;
/// Bytes that are cleared at a time.
const CLEAR_STEP: usize = 2 << 20;
/// Objects from this size on take the kernel long to clear.
const LARGE_BYTES: u64 = 64 << 10;

/// A nest.
#[derive(Debug)]
pub struct Nest {
    ground: Cap<Untyped>,
    /// Slots of objects carved from the ground.
    objects: Vec<u64>,
    /// Slots of the parents of what was granted.
    grants: Vec<u64>,
    ram: Vec<(Cap<Memory>, u64)>,
}

impl Nest {
    /// A nest of so many bytes.
    ///
    /// # Errors
    /// `OutOfMemory`.
    pub fn new(supply: &Supply, bytes: u64) -> Result<Self, Error> {
        Ok(Self { ground: supply.create(bytes)?, objects: Vec::new(), grants: Vec::new(), ram: Vec::new() })
    }

    /// Gives the nest its RAM.
    pub fn set_ram(&mut self, ram: Vec<(Cap<Memory>, u64)>) {
        self.ram = ram;
    }

    /// The RAM, with its bytes.
    #[must_use]
    pub fn ram(&self) -> &[(Cap<Memory>, u64)] {
        &self.ram
    }

    /// The Untyped that page tables are donated from.
    #[must_use]
    pub const fn ground(&self) -> Cap<Untyped> {
        self.ground
    }

    /// Makes an object that the root task needs as well.
    ///
    /// # Errors
    /// `OutOfMemory`, or there is no free slot.
    pub fn create<T: Object>(&mut self, size: u64) -> Result<Cap<T>, Error> {
        let made = rt::cap::in_free_slot(|slot| self.carve::<T>(size, Cap::NULL, slot))?;
        self.objects.push(made.slot());
        Ok(made)
    }

    /// Makes an object for the task alone, in `slot` of its CapTable.
    ///
    /// # Errors
    /// `OutOfMemory`.
    pub fn create_in<T: Object>(&self, size: u64, table: Cap<CapTable>, slot: u64) -> Result<(), Error> {
        self.carve::<T>(size, table, slot)
    }

    fn carve<T: Object>(&self, size: u64, table: Cap<CapTable>, first_slot: u64) -> Result<(), Error> {
        let what = Retype { object: T::TYPE, size, count: 1, first_slot, table };
        let is_large = T::TYPE.bytes(size).is_some_and(|bytes| bytes >= LARGE_BYTES);
        if is_large { gently(|| self.ground.retype(&what)) } else { self.ground.retype(&what) }
    }

    /// Keeps the parent of something that is granted.
    pub fn hold<T>(&mut self, parent: Cap<T>) {
        self.grants.push(parent.slot());
    }

    /// Takes everything back: nothing of the task is left. Its devices must be quiet.
    pub fn reclaim(&mut self) {
        let table = rt::own::cap_table();
        // What is here has just been made by this task alone, so that revoking it cannot fail.
        let revoke = |slot| gently(|| table.revoke(slot)).unwrap_or_else(|error| log::error!("revoke: {error:?}"));
        revoke(self.ground.slot());
        self.objects.drain(..).for_each(rt::cap::free_slot);
        for slot in self.grants.drain(..) {
            revoke(slot);
            rt::cap::delete(slot);
        }
        for &(memory, bytes) in &self.ram {
            revoke(memory.slot());
            // Whoever gets it next relies on zeros, and is not to see what the dead one had.
            if let Err(error) = clear(memory, bytes) {
                log::error!("memory cannot be cleared: {error:?}");
            }
        }
    }
}

/// Clears memory, in steps.
fn clear(memory: Cap<Memory>, bytes: u64) -> Result<(), Error> {
    let window = Window::map(memory, bytes)?;
    for start in (0..window.bytes()).step_by(CLEAR_STEP) {
        gently(|| window.zero(start, CLEAR_STEP.min(window.bytes() - start)))?;
    }
    Ok(())
}

/// Does something that takes long, and lets the servers go on meanwhile. `call` must take no lock: its holder would not run
/// while another thread of the root task waits for it.
fn gently<R>(call: impl FnOnce() -> R) -> R {
    let thread = rt::thread::raw().thread;
    // A thread may always set its own priority.
    let _ = thread.set_priority(GENTLE_PRIORITY);
    let result = call();
    let _ = thread.set_priority(PRIORITY);
    result
}
