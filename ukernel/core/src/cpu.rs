//! What the kernel keeps for each processor apart.
//!
//! A [`Cpu`] belongs to its processor, but is touched by others as well: whoever handles an event holds the kernel, and may
//! put a thread into another processor's run queue. Where the blocks are is the [`Machine`]'s business, so that the
//! hardware finds its own in one instruction.

use crate::budget::Account;
use crate::context::Resume;
use crate::run_queue::{End, RunQueues};
use crate::{Kernel, Machine, Ref, RemoteCall, Thread, Timer, VSpace};

/// Most processors.
pub const MAX_CPUS: usize = 32;
/// In place of a processor's number: none.
pub(crate) const NOWHERE: u8 = u8::MAX;

/// A processor's part of the kernel's state.
#[derive(Clone)]
pub struct Cpu {
    /// Its number.
    pub(crate) index: u8,
    /// It was asked to choose anew and has not done so yet.
    pub(crate) summoned: bool,
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
    /// When it was looked last who runs.
    pub(crate) sampled: u64,
    /// Timers that were armed here: what is due first.
    pub(crate) timers: Option<Ref<Timer>>,
    /// The account of limited time that is used here.
    pub(crate) account: Account,
    /// Threads that could run here and do not.
    pub(crate) run_queues: RunQueues,
}

impl Cpu {
    /// The processor with this number, on which nothing runs.
    pub const fn new(index: u8) -> Self {
        Self {
            index,
            summoned: false,
            current: None,
            loaded: None,
            active: None,
            quantum_end: 0,
            programmed: u64::MAX,
            sampled: 0,
            timers: None,
            account: Account::new(),
            run_queues: RunQueues::new(),
        }
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

    /// The block of the processor with this number.
    pub(crate) fn cpu_at(&self, index: u8) -> &Cpu {
        self.machine.cpu_at(index.into())
    }

    /// The same, to change it.
    pub(crate) fn cpu_at_mut(&mut self, index: u8) -> &mut Cpu {
        self.machine.cpu_at_mut(index.into())
    }

    /// Whether the thread is the running one of some processor.
    pub(crate) fn is_running(&self, thread: Ref<Thread>) -> bool {
        let here = self.cpu();
        let home = self.get(thread).home;
        here.current == Some(thread)
            || home != NOWHERE && home != here.index && self.cpu_at(home).current == Some(thread)
    }

    /// Have another processor choose anew who runs there.
    pub(crate) fn summon(&mut self, cpu: u8) {
        if cpu != self.cpu().index && !core::mem::replace(&mut self.cpu_at_mut(cpu).summoned, true) {
            self.counters.summons += 1;
            self.machine.summon(cpu.into());
        }
    }

    /// Before something is done to a thread: if it runs on another processor it stops there, with all its state in its
    /// object, and waits in its run queue. Whatever it was about to ask of the kernel it will ask again.
    pub(crate) fn pull(&mut self, thread: Ref<Thread>) {
        if self.machine.cpus() > 1 && !crate::seeded::MISSED_PULL {
            self.pull_from(thread);
        }
    }

    fn pull_from(&mut self, thread: Ref<Thread>) {
        let home = self.get(thread).home;
        if home == NOWHERE || home == self.cpu().index || self.cpu_at(home).current != Some(thread) {
            return;
        }
        self.machine.call(1 << home, RemoteCall::Unload(thread));
        let cpu = self.cpu_at_mut(home);
        (cpu.current, cpu.loaded) = (None, None);
        let context = &mut self.get_mut(thread).context;
        match context.resume {
            Resume::SYSCALL => context.repeat_call(),
            // All other exceptions that programs can cause leave the instruction pointer where it was, and come again.
            Resume::BREAKPOINT => context.rip = context.rip.wrapping_sub(1),
            _ => {}
        }
        if context.resume != Resume::STEPPED {
            context.resume = Resume::FULL;
        }
        self.enqueue(thread, End::Front);
        self.summon(home);
    }

    /// The other processors that translate through this VSpace now, or through one that shares its master slot: a set of
    /// bits.
    pub(crate) fn others_in(&self, vspace: Ref<VSpace>) -> u32 {
        let count = self.machine.cpus();
        if count == 1 {
            return 0;
        }
        let here = usize::from(self.cpu().index);
        let inside = |cpu: &usize| {
            let active = self.machine.cpu_at(*cpu).active;
            active.is_some_and(|active| active == vspace || self.get(active).master == Some(vspace))
        };
        (0..count).filter(|cpu| *cpu != here).filter(inside).fold(0, |set, cpu| set | 1 << cpu)
    }
}
