//! The kernel's state, and access to objects.

use ukernel_abi::Error;

use crate::io_space::IoSpaces;
use crate::preemption::Dead;
use crate::trace::Ring;
use crate::{Irq, Machine, Object, Ref, SlotRef, Thread};

/// Events counted since boot; the first things to look at when something is slow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// System calls, Vcpu entries aside.
    pub calls: u64,
    /// Switches from one thread to another.
    pub switches: u64,
    /// Interrupts.
    pub interrupts: u64,
    /// Faults.
    pub faults: u64,
    /// Interrupts that had another processor choose anew who runs there.
    pub summons: u64,
    /// Threads that went to another processor because it was idle, or since they went on in another's place.
    pub moves: u64,
    /// Processors that are halted for want of a thread.
    pub(crate) halted: u64,
    /// Ends of such times less their beginnings (the ends to come count as 0), as time-stamps.
    pub(crate) idle: u64,
}

/// The kernel: one machine and what runs on it. In memory it is the same for two machines that are.
#[derive(Clone)]
#[repr(C)]
pub struct Kernel<M: Machine> {
    /// The hardware, and with it all objects.
    pub machine: M,
    /// Who gets each interrupt vector.
    pub(crate) vectors: [Option<Ref<Irq>>; 256],
    /// The processors on which nobody runs and nobody waits to, as bits; with one processor never kept.
    pub(crate) idle: u32,
    /// Page-table entries changed that processors may have used, since the last shoot-down.
    pub(crate) stale: bool,
    /// The IoSpaces that have devices.
    pub(crate) io_spaces: IoSpaces,
    /// Objects without a capability left, which are still to be taken apart.
    pub(crate) dead: Option<Dead>,
    /// Where events go, while they are traced.
    pub(crate) ring: Option<Ring>,
    /// The slot for the ring's memory; there is none before the root task is made.
    pub(crate) trace_slot: Option<SlotRef>,
    /// How many threads were made: numbers them in traces.
    pub(crate) threads_made: u32,
    /// All threads, the newest first.
    pub(crate) threads: Option<Ref<Thread>>,
    /// Counters.
    pub counters: Counters,
}

impl<M: Machine> Kernel<M> {
    /// A kernel with no objects yet.
    pub fn new(machine: M) -> Self {
        Self {
            machine,
            vectors: [None; 256],
            idle: 0,
            stale: false,
            io_spaces: IoSpaces::default(),
            dead: None,
            ring: None,
            trace_slot: None,
            threads_made: 0,
            threads: None,
            counters: Counters::default(),
        }
    }

    /// The running thread.
    pub fn current(&self) -> Option<Ref<Thread>> {
        self.cpu().current
    }

    /// An object.
    pub fn get<T: Object>(&self, object: Ref<T>) -> &T {
        self.machine.get(object)
    }

    /// An object, to change it.
    pub(crate) fn get_mut<T: Object>(&mut self, object: Ref<T>) -> &mut T {
        self.machine.get_mut(object)
    }

    /// The slot with this index of the thread's capability space.
    pub(crate) fn slot(&self, thread: Ref<Thread>, index: u64) -> Result<SlotRef, Error> {
        let table = self.get(thread).table.ok_or(Error::InvalidCapability)?;
        self.get(table).slot(table, index).ok_or(Error::InvalidCapability)
    }

    /// The same, for slot 0 standing for "none".
    pub(crate) fn optional_slot(&self, thread: Ref<Thread>, index: u64) -> Result<Option<SlotRef>, Error> {
        if index == 0 { Ok(None) } else { self.slot(thread, index).map(Some) }
    }
}
