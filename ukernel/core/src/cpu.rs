//! What the kernel keeps for each processor apart.
//!
//! A [`Cpu`] belongs to its processor, but is touched by others as well: whoever handles an event holds the kernel, and may
//! put a thread into another processor's run queue. Where the blocks are is the [`Machine`]'s business, so that the
//! hardware finds its own in one instruction.

use crate::scheduler::RunQueues;
use crate::{Kernel, Machine, Ref, Thread, Timer, VSpace};

/// A processor's part of the kernel's state.
#[derive(Clone)]
pub struct Cpu {
    /// The running thread.
    pub(crate) current: Option<Ref<Thread>>,
    /// The thread whose address space and bases the processor holds.
    pub(crate) loaded: Option<Ref<Thread>>,
    /// The VSpace that the processor translates through now; while nobody runs, the one of who ran last.
    pub(crate) active: Option<Ref<VSpace>>,
    /// End of the running thread's quantum, as time-stamp.
    pub(crate) quantum_end: u64,
    /// The time-stamp that the timer interrupt is set to.
    pub(crate) programmed: u64,
    /// Timers that were armed here, earliest first.
    pub(crate) timers: Option<Ref<Timer>>,
    /// Threads that could run here and do not.
    pub(crate) run_queues: RunQueues,
}

impl Cpu {
    /// A processor on which nothing runs.
    pub const fn new() -> Self {
        Self {
            current: None,
            loaded: None,
            active: None,
            quantum_end: 0,
            programmed: u64::MAX,
            timers: None,
            run_queues: RunQueues::new(),
        }
    }
}

impl Default for Cpu {
    fn default() -> Self {
        Self::new()
    }
}

impl<M: Machine> Kernel<M> {
    /// This processor's block.
    #[inline(always)]
    pub(crate) fn cpu(&self) -> &Cpu {
        self.machine.cpu()
    }

    /// This processor's block, to change it.
    #[inline(always)]
    pub(crate) fn cpu_mut(&mut self) -> &mut Cpu {
        self.machine.cpu_mut()
    }
}
