//! Threads, their processor time, and foreign execution.

use ukernel_abi::invoke::{sched_context, thread, vcpu};

use super::{CapTable, Endpoint, Memory, Notification, VSpace};
use crate::message::{Arguments, invoke};
use crate::{Cap, Error, words};

/// A thread.
#[derive(Debug)]
pub enum Thread {}

/// A right to processor time.
#[derive(Debug)]
pub enum SchedContext {}

/// A foreign execution context.
#[derive(Debug)]
pub enum Vcpu {}

/// Registers of a thread that is to start; all others are zero.
#[derive(Clone, Copy, Debug, Default)]
pub struct StartRegisters {
    /// Instruction pointer.
    pub rip: u64,
    /// Stack pointer.
    pub rsp: u64,
    /// First argument.
    pub rdi: u64,
    /// Second argument.
    pub rsi: u64,
    /// Base of `fs`.
    pub fs_base: u64,
}

/// Some registers of a thread.
#[derive(Clone, Copy, Debug)]
pub struct RegisterSnapshot {
    /// Instruction pointer.
    pub rip: u64,
    /// Stack pointer.
    pub rsp: u64,
    /// Frame pointer.
    pub rbp: u64,
    /// Accumulator.
    pub rax: u64,
    /// Flags.
    pub rflags: u64,
    /// 0 stopped, 1 ready, 2 blocked.
    pub state: u64,
}

impl Cap<Thread> {
    /// Gives the thread its CapTable, VSpace, fault endpoint ([`Cap::NULL`]: none) and message page: byte `page_offset`
    /// of `page` ([`Cap::NULL`]: none).
    ///
    /// # Errors
    /// `InvalidState`: it runs. `InvalidArgument`: the page is not inside the Memory.
    pub fn configure(
        self,
        table: Cap<CapTable>,
        vspace: Cap<VSpace>,
        faults: Cap<Endpoint>,
        page: Cap<Memory>,
        page_offset: u64,
    ) -> Result<(), Error> {
        let words = [table.slot(), vspace.slot(), faults.slot(), page.slot(), page_offset];
        invoke(self.slot(), thread::CONFIGURE, &words).map(drop)
    }

    /// Sets the registers that the thread starts with.
    ///
    /// # Errors
    /// `InvalidState`: it runs.
    pub fn write_registers(self, registers: &StartRegisters) -> Result<(), Error> {
        let StartRegisters { rip, rsp, rdi, rsi, fs_base } = *registers;
        invoke(self.slot(), thread::WRITE_REGISTERS, &[rip, rsp, rdi, rsi, fs_base]).map(drop)
    }

    /// Starts the thread or lets it go on.
    ///
    /// # Errors
    /// `InvalidState`: not configured.
    pub fn resume(self) -> Result<(), Error> {
        invoke(self.slot(), thread::RESUME, &[]).map(drop)
    }

    /// Stops the thread; what it was blocked in is cancelled and repeats when it goes on.
    ///
    /// # Errors
    /// Only those of every method.
    pub fn suspend(self) -> Result<(), Error> {
        invoke(self.slot(), thread::SUSPEND, &[]).map(drop)
    }

    /// Sets the priority; higher runs first.
    ///
    /// # Errors
    /// Only those of every method.
    pub fn set_priority(self, priority: u8) -> Result<(), Error> {
        invoke(self.slot(), thread::SET_PRIORITY, &[priority.into()]).map(drop)
    }

    /// Binds a notification: its signals reach the thread's receives as messages of length 0 with the bits as badge.
    /// [`Cap::NULL`] unbinds.
    ///
    /// # Errors
    /// `InvalidState`: bound already.
    pub fn bind_notification(self, notification: Cap<Notification>) -> Result<(), Error> {
        invoke(self.slot(), thread::BIND_NOTIFICATION, &[notification.slot()]).map(drop)
    }

    /// Uses another VSpace from now on; a thread may do this to itself.
    ///
    /// # Errors
    /// Only those of every method.
    pub fn set_vspace(self, vspace: Cap<VSpace>) -> Result<(), Error> {
        invoke(self.slot(), thread::SET_VSPACE, &[vspace.slot()]).map(drop)
    }

    /// Declares that the thread has FPU state to keep (`true`), or that an FPU instruction is a fault.
    ///
    /// # Errors
    /// Only those of every method.
    pub fn set_fpu(self, eager: bool) -> Result<(), Error> {
        let declaration = if eager { thread::FPU_EAGER } else { thread::FPU_NONE };
        invoke(self.slot(), thread::SET_FPU, &[declaration]).map(drop)
    }

    /// Some registers of the thread's current execution, and its state.
    ///
    /// # Errors
    /// Only those of every method.
    pub fn read_registers(self) -> Result<RegisterSnapshot, Error> {
        let [rip, rsp, rbp, rax, rflags, state] = invoke(self.slot(), thread::READ_REGISTERS, &[])?;
        Ok(RegisterSnapshot { rip, rsp, rbp, rax, rflags, state })
    }

    /// Makes `vcpu` the thread's foreign execution context.
    ///
    /// # Errors
    /// `InvalidState`: it is another thread's.
    pub fn bind_vcpu(self, vcpu: Cap<Vcpu>) -> Result<(), Error> {
        invoke(self.slot(), thread::BIND_VCPU, &[vcpu.slot()]).map(drop)
    }

    /// Makes the thread foreign code, for good, whose traps are messages to its fault endpoint; it uses the FPU state of
    /// `serves` ([`Cap::NULL`]: as it declared).
    ///
    /// # Errors
    /// `InvalidState`: it runs, or has a Vcpu; `serves` serves another one.
    pub fn make_foreign(self, serves: Cap<Thread>) -> Result<(), Error> {
        invoke(self.slot(), thread::MAKE_FOREIGN, &[serves.slot()]).map(drop)
    }

    /// Names the thread for whoever traces; what is past 24 bytes is cut off.
    ///
    /// # Errors
    /// Only those of every method.
    pub fn set_name(self, name: &[u8]) -> Result<(), Error> {
        let mut packed = [0; 3];
        for (word, chunk) in packed.iter_mut().zip(name.chunks(8)) {
            *word = words::pack(chunk);
        }
        invoke(self.slot(), thread::SET_NAME, &packed).map(drop)
    }

    /// Sets the highest priority that this thread may give to any.
    ///
    /// # Errors
    /// `InsufficientRights`: higher than the caller's own maximum.
    pub fn set_max_priority(self, priority: u8) -> Result<(), Error> {
        invoke(self.slot(), thread::SET_MAX_PRIORITY, &[priority.into()]).map(drop)
    }

    /// From now on neither this thread nor one that it makes can make or configure a SchedContext.
    ///
    /// # Errors
    /// Only those of every method.
    pub fn forgo_time(self) -> Result<(), Error> {
        invoke(self.slot(), thread::FORGO_TIME, &[]).map(drop)
    }

    /// Sends a message with the capability's badge to `endpoint` when the thread's time is used up ([`Cap::NULL`]: to nobody).
    ///
    /// # Errors
    /// Only those of every method.
    pub fn set_timeout(self, endpoint: Cap<Endpoint>) -> Result<(), Error> {
        invoke(self.slot(), thread::SET_TIMEOUT, &[endpoint.slot()]).map(drop)
    }

    /// Makes a foreign thread trap now, or when it is to go on.
    ///
    /// # Errors
    /// `InvalidState`: it is not foreign.
    pub fn kick(self) -> Result<(), Error> {
        invoke(self.slot(), thread::KICK, &[]).map(drop)
    }
}

/// A limit of processor time: see [`sched_context::CONFIGURE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeLimit {
    /// So much may be used ...
    pub budget_ns: u64,
    /// ... in this time.
    pub period_ns: u64,
    /// In how many pieces it comes back at most.
    pub refills: u64,
    /// What timeout messages carry.
    pub data: u64,
}

impl Cap<SchedContext> {
    /// Limits the time, from now on.
    ///
    /// # Errors
    /// `InvalidArgument`: see [`sched_context::CONFIGURE`].
    pub fn configure(self, limit: &TimeLimit) -> Result<(), Error> {
        let words = [limit.budget_ns, limit.period_ns, limit.refills, limit.data];
        invoke(self.slot(), sched_context::CONFIGURE, &words).map(drop)
    }

    /// Takes all limits away.
    ///
    /// # Errors
    /// Only those of every method.
    pub fn unlimit(self) -> Result<(), Error> {
        invoke(self.slot(), sched_context::CONFIGURE, &[0; 4]).map(drop)
    }

    /// Nanoseconds used since the last time somebody was told.
    ///
    /// # Errors
    /// `InvalidState`: the time is unlimited, and not counted.
    pub fn consumed(self) -> Result<u64, Error> {
        invoke(self.slot(), sched_context::CONSUMED, &[]).map(|words| words[0])
    }

    /// Lets the thread that uses this time be the next of its priority.
    ///
    /// # Errors
    /// `InvalidState`: no other thread that could run.
    pub fn yield_to(self) -> Result<(), Error> {
        invoke(self.slot(), sched_context::YIELD_TO, &[]).map(drop)
    }

    /// Gives the time to `thread`.
    ///
    /// # Errors
    /// `InvalidState`: bound already.
    pub fn bind(self, thread: Cap<Thread>) -> Result<(), Error> {
        invoke(self.slot(), sched_context::BIND, &[thread.slot()]).map(drop)
    }

    /// Makes it time of another processor; whoever uses it runs there from now on.
    ///
    /// # Errors
    /// `InvalidArgument`: there is none with this number.
    pub fn set_cpu(self, cpu: u64) -> Result<(), Error> {
        invoke(self.slot(), sched_context::SET_CPU, &[cpu]).map(drop)
    }

    /// Takes the time back.
    ///
    /// # Errors
    /// Only those of every method.
    pub fn unbind(self) -> Result<(), Error> {
        invoke(self.slot(), sched_context::UNBIND, &[]).map(drop)
    }
}

impl Cap<Vcpu> {
    /// Makes byte `offset` of `memory` the state page.
    ///
    /// # Errors
    /// `InvalidArgument`: not a page inside.
    pub fn set_state(self, memory: Cap<Memory>, offset: u64) -> Result<(), Error> {
        invoke(self.slot(), vcpu::SET_STATE, &[memory.slot(), offset]).map(drop)
    }

    /// Registers the master's fix-ups, as (start, end, target).
    ///
    /// # Errors
    /// `InvalidArgument`: too many.
    pub fn set_fixups(self, fixups: &[(u64, u64, u64)]) -> Result<(), Error> {
        let mut arguments = Arguments::new();
        for &(start, end, target) in fixups {
            arguments.push(start);
            arguments.push(end);
            arguments.push(target);
        }
        arguments.invoke(self.slot(), vcpu::SET_FIXUPS).map(drop).map_err(|(error, _)| error)
    }

    /// Forces an exit now, or makes the next entry return at once.
    ///
    /// # Errors
    /// Only those of every method.
    pub fn kick(self) -> Result<(), Error> {
        invoke(self.slot(), vcpu::KICK, &[]).map(drop)
    }
}
