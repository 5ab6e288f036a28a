//! A seat's loop: the program runs, something stops it, that is dealt with, the program runs on.
//!
//! How the program runs is one of two mechanisms ([`Trap`]); what is done for it is the same code under both. The process can choose
//! the other one while it runs: each loop looks when it attends to something.
//!
//! The way of a call that is not traced takes no lock but the state page's and allocates nothing.

use alloc::boxed::Box;
use alloc::sync::Arc;

use guest_memory::StatePage;
use guest_memory::fpu::FpuState;
use linux_abi::{Errno, Result};
use syscalls::Args;
use task::signal::{SigInfo, Signal};
use task::{Interrupted, Task, TrapMechanism, Verdict, attend, force_signal};
use ukernel_abi::vcpu::ExitReason;

use crate::fault;
use crate::puppet::Puppet;
use crate::seats::Place;
use crate::trace::TaskTrace;

/// A way to run the task's program, with the registers in the state page, until it needs the personality. Then the state page has
/// the registers again, and what stopped it.
trait Trap {
    /// Which one it is.
    const MECHANISM: TrapMechanism;

    /// Runs the program.
    fn run(&self, state: &StatePage) -> core::result::Result<ExitReason, rt::Error>;
}

/// The calling thread becomes the program.
struct ByVcpu;

impl Trap for ByVcpu {
    const MECHANISM: TrapMechanism = TrapMechanism::Vcpu;

    // The kernel finds the state page through the Vcpu.
    #[inline(always)]
    fn run(&self, _: &StatePage) -> core::result::Result<ExitReason, rt::Error> {
        ukernel_user::vcpu_enter()
    }
}

impl Trap for &Puppet {
    const MECHANISM: TrapMechanism = TrapMechanism::ExceptionIpc;

    fn run(&self, state: &StatePage) -> core::result::Result<ExitReason, rt::Error> {
        Puppet::run(self, state)
    }
}

/// Why a loop ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leave {
    /// The task is over.
    Ended,
    /// Its process chose the other mechanism.
    Switch,
}

/// Runs a task's program until its end.
pub(crate) fn serve(task: &Arc<Task>, place: &Place) {
    let slot = task.address_space().page_tables().slot();
    if task.seat.machine.enter_space(slot).is_err() {
        force_signal(task, SigInfo::kernel(Signal::SIGKILL));
    }
    // Without a state of its own a task must not see what its predecessor left.
    let fpu = task.take_start_fpu().unwrap_or_else(|| Box::new(FpuState::initial()));
    fpu.restore();
    drop(fpu);
    match TaskTrace::of(task) {
        Some(trace) => {
            run_to_end(task, place, |number, args| trace.call(task, number, args));
            trace.ended(task);
        }
        None => run_to_end(task, place, |number, args| syscalls::dispatch(task, number, args)),
    }
}

#[inline(always)]
fn run_to_end(task: &Task, place: &Place, mut call: impl FnMut(u64, &Args) -> Result<u64>) {
    loop {
        let left = match task.process.trap_mechanism() {
            TrapMechanism::Vcpu => run(task, &ByVcpu, &mut call),
            TrapMechanism::ExceptionIpc => match place.puppet(task) {
                Ok(puppet) => run(task, &puppet, &mut call),
                Err(error) => {
                    log::error!("process {} ends, since it cannot run as it wants: {}", task.pid(), error.name());
                    force_signal(task, SigInfo::kernel(Signal::SIGKILL));
                    // The signal ends it before its program runs.
                    run(task, &ByVcpu, &mut call)
                }
            },
        };
        if left == Leave::Ended {
            return;
        }
    }
}

#[inline(always)]
fn run<T: Trap>(task: &Task, trap: &T, mut call: impl FnMut(u64, &Args) -> Result<u64>) -> Leave {
    let mut interrupted = None;
    loop {
        if task.has_work() || interrupted.is_some() {
            if attend(task, interrupted.take()) == Verdict::Ended {
                return Leave::Ended;
            }
            if task.process.trap_mechanism() != T::MECHANISM {
                return Leave::Switch;
            }
        }
        match trap.run(&task.seat.state) {
            Ok(ExitReason::Syscall) => interrupted = serve_call(task, &mut call),
            Ok(ExitReason::Exception) => fault::handle(task),
            Ok(ExitReason::Kick) => {}
            Err(error) => {
                log::error!("a program cannot be entered: {error:?}");
                force_signal(task, SigInfo::kernel(Signal::SIGKILL));
            }
        }
    }
}

/// Makes the call that the program asks for; what is left to be done if a signal cut it short.
#[inline(always)]
fn serve_call(task: &Task, call: &mut impl FnMut(u64, &Args) -> Result<u64>) -> Option<Interrupted> {
    let state = &task.seat.state;
    let (number, args) = state.with(|s| (s.rax, Args([s.rdi, s.rsi, s.rdx, s.r10, s.r8, s.r9])));
    let value = match call(number, &args) {
        Ok(value) => value,
        Err(error) if error.is_restart() => return Some(Interrupted { error, number }),
        Err(error) => Errno::as_return_value(error),
    };
    state.with(|s| s.rax = value);
    None
}
