//! A seat's loop: the program runs, something stops it, that is dealt with, the program runs on.
//!
//! The way of a call that is not traced takes no lock but the state page's and allocates nothing.

use alloc::boxed::Box;
use alloc::sync::Arc;

use guest_memory::fpu::FpuState;
use linux_abi::{Errno, Result};
use syscalls::Args;
use task::signal::{SigInfo, Signal};
use task::{Interrupted, Task, Verdict, attend, force_signal};
use ukernel_abi::vcpu::ExitReason;

use crate::fault;
use crate::trace::TaskTrace;

/// Runs a task's program until its end.
pub(crate) fn serve(task: &Arc<Task>) {
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
            run(task, |number, args| trace.call(task, number, args));
            trace.ended(task);
        }
        None => run(task, |number, args| syscalls::dispatch(task, number, args)),
    }
}

#[inline(always)]
fn run(task: &Task, mut call: impl FnMut(u64, &Args) -> Result<u64>) {
    let mut interrupted = None;
    loop {
        if (task.has_work() || interrupted.is_some()) && attend(task, interrupted.take()) == Verdict::Ended {
            return;
        }
        match ukernel_user::vcpu_enter() {
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
