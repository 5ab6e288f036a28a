//! Before a program runs on: group exits and stops, signals, interrupted calls.

use core::sync::atomic::Ordering;

use guest_memory::State;
use linux_abi::Errno;
use linux_abi::raw::general as raw;

use crate::exit::{begin_group_exit, end_task};
use crate::signal::{Action, DefaultAction, SIG_DFL, SIG_IGN, SigInfo, SigSet, Signal};
use crate::{ChildEvent, ExitStatus, Task, force_signal, frame, system};

/// A system call that ended with one of the `ERESTART` codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interrupted {
    /// Which code.
    pub error: Errno,
    /// The call's number, to make it again.
    pub number: u64,
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The program runs on.
    Run,
    /// The task is over.
    Ended,
}

/// Length of the `syscall` instruction.
const SYSCALL_BYTES: u64 = 2;

/// Attends to whatever keeps the task's program from running on.
pub fn attend(task: &Task, mut interrupted: Option<Interrupted>) -> Verdict {
    loop {
        task.begin_attending();
        if let Some(status) = task.requested_exit() {
            end_task(task, status);
            return Verdict::Ended;
        }
        match group_wish(task) {
            Wish::End(status) => {
                end_task(task, status);
                return Verdict::Ended;
            }
            Wish::Stop => {
                wait_while_stopped(task);
                continue;
            }
            Wish::Run => {}
        }
        let Some(taken) = next_signal(task) else { break };
        if act(task, &taken, &mut interrupted) == Next::Run {
            // Further signals are delivered before the handler's first instruction, on top of it, as on Linux.
            continue;
        }
    }
    if let Some(interrupted) = interrupted {
        repeat_call(task, interrupted);
    }
    let mut signals = task.signals.lock();
    if let Some(saved) = signals.saved.take() {
        signals.blocked = saved;
        drop(signals);
        task.check_pending();
        if task.has_work() {
            return attend(task, None);
        }
    }
    Verdict::Run
}

/// What the task is to do as a member of its process.
enum Wish {
    Run,
    Stop,
    End(ExitStatus),
}

fn group_wish(task: &Task) -> Wish {
    let group = task.process.group.lock();
    if let Some(status) = group.exiting {
        return Wish::End(status);
    }
    if group.executing.is_some_and(|tid| tid != task.tid()) {
        return Wish::End(ExitStatus::Code(0));
    }
    if group.stopped.is_some() { Wish::Stop } else { Wish::Run }
}

fn wait_while_stopped(task: &Task) {
    let process = &task.process;
    process.resumed.wait_uninterruptible(|| (!matches!(group_wish(task), Wish::Stop)).then_some(()));
    task.check_pending();
}

/// A signal that is no longer pending.
struct Taken {
    info: SigInfo,
    action: Action,
    /// [`Process::continues`] when it was taken.
    continues: u64,
}

/// The most urgent signal that is not blocked: those that faults raised first, then the thread's, then the process's.
fn next_signal(task: &Task) -> Option<Taken> {
    let mut signals = task.signals.lock();
    let blocked = signals.blocked;
    let urgent = SigSet(!SigSet::SYNCHRONOUS.0 | blocked.0);
    let own = signals.pending.take_next(urgent).or_else(|| signals.pending.take_next(blocked));
    // Read under the lock that the signal is taken under: whoever continues the process discards pending stops first.
    let mut continues = task.process.continues.load(Ordering::Relaxed);
    drop(signals);
    let info = own.or_else(|| {
        let mut pending = task.process.pending.lock();
        continues = task.process.continues.load(Ordering::Relaxed);
        pending.take_next(blocked)
    })?;
    let action = task.process.actions().lock().get(info.signal);
    Some(Taken { info, action, continues })
}

#[derive(PartialEq, Eq)]
enum Next {
    Run,
    Look,
}

fn act(task: &Task, taken: &Taken, interrupted: &mut Option<Interrupted>) -> Next {
    let (signal, action) = (taken.info.signal, &taken.action);
    match action.handler {
        SIG_IGN => Next::Look,
        SIG_DFL => {
            match signal.default_action() {
                DefaultAction::Terminate | DefaultAction::Core => {
                    begin_group_exit(&task.process, ExitStatus::Signal(signal));
                }
                DefaultAction::Stop => stop(task, signal, taken.continues),
                DefaultAction::Ignore | DefaultAction::Continue => {}
            }
            Next::Look
        }
        _ => {
            if let Some(call) = interrupted.take() {
                finish_call(task, call, action);
            }
            run_handler(task, &taken.info, action);
            Next::Run
        }
    }
}

/// Stops the process, unless nobody could continue it (signal(7) and setpgid(2): orphaned process groups), or it was
/// continued since it took the signal.
fn stop(task: &Task, signal: Signal, continues: u64) {
    let process = &task.process;
    let parent = {
        let mut tree = system().tree();
        let Some(entry) = tree.get(process.pid) else { return };
        let (group, parent) = (entry.group, entry.parent);
        if signal != Signal::SIGSTOP && tree.is_orphaned(group, None) {
            return;
        }
        let mut state = process.group.lock();
        if state.exiting.is_some() || process.continues.load(Ordering::Relaxed) != continues {
            return;
        }
        let first = state.stopped.replace(signal).is_none();
        drop(state);
        if let Some(entry) = tree.get_mut(process.pid) {
            entry.is_stopped = true;
            entry.stop_report = Some(signal);
            entry.continue_report = false;
        }
        if first { tree.get(parent).map(|entry| entry.process.clone()) } else { None }
    };
    process.notify_others(task);
    if let Some(parent) = parent {
        crate::send::tell_parent(process, &parent, ChildEvent::Stopped(signal));
    }
}

/// Puts the handler's frame on the stack; a stack that does not take it is fatal.
fn run_handler(task: &Task, info: &SigInfo, action: &Action) {
    let mut signals = task.signals.lock();
    let mask = signals.saved.take().unwrap_or(signals.blocked);
    let before = signals.blocked;
    let mut during = SigSet(before.0 | action.mask.0);
    if !action.has(raw::SA_NODEFER) {
        during.insert(info.signal);
    }
    let stack = signals.stack;
    signals.blocked = during.without(SigSet::UNBLOCKABLE);
    drop(signals);
    if action.has(raw::SA_RESETHAND) {
        task.process.actions().lock().set(info.signal, Action { handler: SIG_DFL, ..*action });
    }
    if frame::push(task, info, action, mask, stack).is_err() {
        let mut signals = task.signals.lock();
        signals.blocked = before;
        drop(signals);
        if info.signal == Signal::SIGSEGV {
            let default = Action { handler: SIG_DFL, ..*action };
            task.process.actions().lock().set(Signal::SIGSEGV, default);
        }
        force_signal(task, SigInfo::kernel(Signal::SIGSEGV));
    }
}

/// An interrupted call ends because a handler runs: it fails with `EINTR`, or is made again afterwards.
fn finish_call(task: &Task, call: Interrupted, action: &Action) {
    let again = match call.error {
        Errno::ERESTARTNOINTR => true,
        Errno::ERESTARTSYS => action.has(raw::SA_RESTART),
        _ => false,
    };
    if again {
        repeat(task, call.number);
    } else {
        task.seat.state.with(|state| state.rax = Errno::EINTR.as_return_value());
    }
}

/// An interrupted call is made again because no handler ran.
fn repeat_call(task: &Task, call: Interrupted) {
    if call.error == Errno::ERESTART_RESTARTBLOCK {
        repeat(task, u64::from(raw::__NR_restart_syscall));
    } else {
        repeat(task, call.number);
    }
}

fn repeat(task: &Task, number: u64) {
    task.seat.state.with(|state: &mut State| {
        state.rip = state.rip.wrapping_sub(SYSCALL_BYTES);
        state.rax = number;
    });
}
