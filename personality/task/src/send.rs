//! Sending signals: who gets them, what they do at once, who is woken.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use sync::WaitQueue;

use crate::exit::begin_group_exit;
use crate::signal::{DefaultAction, Raised, SIG_DFL, SigInfo, SigSet, Signal};
use crate::{ChildEvent, ExitStatus, INIT, Pid, Process, Task, system};

/// Woken whenever a signal became pending.
static ARRIVALS: WaitQueue = WaitQueue::new();

/// Where those wait who look for pending signals, blocked ones too (signalfd(2)); a signal that a thread raises for itself
/// is not told, as it does not wait then.
pub fn signal_arrivals() -> &'static WaitQueue {
    &ARRIVALS
}

/// Sends a signal to a process. The rights to do so were checked.
pub fn send_to_process(process: &Process, info: SigInfo) {
    if process.pid == INIT {
        system().hooks.signal_to_init(info.signal);
        return;
    }
    let signal = info.signal;
    before_sending(process, signal);
    let Some(first) = process.first_task() else { return };
    if is_dropped(process, &first, signal) {
        return;
    }
    let is_open = |task: &Arc<Task>| !task.signals.lock().blocked.contains(signal);
    if signal == Signal::SIGKILL || is_deadly(process, signal) && process.task_list().iter().any(is_open) {
        begin_group_exit(process, ExitStatus::Signal(signal));
        return;
    }
    let limit = process.signal_limit();
    if process.pending.lock().raise(info, limit) == Raised::Merged {
        return;
    }
    ARRIVALS.wake_all();
    if let Some(task) = taker(process, signal) {
        task.notify();
    }
}

/// Sends a signal to one thread.
pub fn send_to_task(task: &Task, info: SigInfo) {
    let signal = info.signal;
    before_sending(&task.process, signal);
    if is_dropped(&task.process, task, signal) {
        return;
    }
    let open = !task.signals.lock().blocked.contains(signal);
    if signal == Signal::SIGKILL || open && is_deadly(&task.process, signal) {
        begin_group_exit(&task.process, ExitStatus::Signal(signal));
        return;
    }
    let limit = task.process.signal_limit();
    let mut signals = task.signals.lock();
    let raised = signals.pending.raise(info, limit);
    let blocked = signals.blocked.without(signals.waited).contains(signal);
    drop(signals);
    if raised == Raised::Merged {
        return;
    }
    ARRIVALS.wake_all();
    if !blocked {
        task.notify();
    }
}

/// Sends to several processes as one step: none of them gets a child meanwhile, so that nobody escapes a signal to its
/// group by being born between the choice of the targets and the last sending. `send` is [`send_to_process`] with what
/// must be checked.
pub fn send_together<T>(targets: impl FnOnce() -> Vec<Arc<Process>>, send: impl FnOnce(&[Arc<Process>]) -> T) -> T {
    let joining = system().joining();
    let targets = targets();
    let result = send(&targets);
    for target in &targets {
        // Last: who sees the new number sees the signal.
        target.group_signals.fetch_add(1, Ordering::Release);
    }
    drop(joining);
    result
}

/// Sends a signal to all processes of a group; how many there are.
pub fn send_to_group(group: Pid, info: &SigInfo) -> usize {
    let members = || system().tree().group_members(group);
    send_together(members, |members| {
        for process in members {
            send_to_process(process, info.clone());
        }
        members.len()
    })
}

/// Raises a signal that a fault of the task's program caused: it cannot be blocked or ignored.
pub fn force_signal(task: &Task, info: SigInfo) {
    let signal = info.signal;
    let actions = task.process.actions();
    let mut table = actions.lock();
    let mut action = table.get(signal);
    let mut signals = task.signals.lock();
    if signals.blocked.contains(signal) || table.ignores(signal) {
        action.handler = SIG_DFL;
        table.set(signal, action);
        signals.blocked.remove(signal);
    }
    drop(table);
    // A fault must not get lost because one of its kind is pending.
    signals.pending.discard(SigSet::of(signal));
    let limit = task.process.signal_limit().max(1);
    signals.pending.raise(info, limit);
    drop(signals);
    task.notify_self();
}

/// Stop signals and continuing cancel each other when they are sent, whatever is blocked (signal(7)).
fn before_sending(process: &Process, signal: Signal) {
    if signal == Signal::SIGCONT {
        discard_everywhere(process, SigSet::STOPPING);
        resume(process, Some(ChildEvent::Continued));
    } else if signal == Signal::SIGKILL {
        resume(process, None);
    } else if SigSet::STOPPING.contains(signal) {
        discard_everywhere(process, SigSet::of(Signal::SIGCONT));
    }
}

fn discard_everywhere(process: &Process, signals: SigSet) {
    process.pending.lock().discard(signals);
    for task in process.task_list() {
        task.signals.lock().pending.discard(signals);
    }
}

/// Lets a stopped process run on.
fn resume(process: &Process, report: Option<ChildEvent>) {
    let mut group = process.group.lock();
    process.continues.fetch_add(1, Ordering::Relaxed);
    let was_stopped = group.stopped.take().is_some();
    drop(group);
    if !was_stopped {
        return;
    }
    let parent = {
        let mut tree = system().tree();
        let Some(entry) = tree.get_mut(process.pid) else { return };
        entry.is_stopped = false;
        entry.stop_report = None;
        entry.continue_report = report.is_some();
        let parent = entry.parent;
        tree.get(parent).map(|entry| entry.process.clone())
    };
    process.resumed.wake_all();
    if let (Some(parent), Some(event)) = (parent, report) {
        tell_parent(process, &parent, event);
    }
}

/// Tells a parent that a child stopped or continued.
pub(crate) fn tell_parent(child: &Process, parent: &Arc<Process>, event: ChildEvent) {
    let quiet = parent.actions().lock().get(Signal::SIGCHLD).has(linux_abi::raw::general::SA_NOCLDSTOP);
    if !quiet && parent.pid != INIT {
        send_to_process(parent, crate::exit::child_info(child, Signal::SIGCHLD, event));
    }
    parent.children.wake_all();
}

/// A signal that is ignored and not blocked leaves no trace.
fn is_dropped(process: &Process, task: &Task, signal: Signal) -> bool {
    if SigSet::UNBLOCKABLE.contains(signal) || task.signals.lock().blocked.contains(signal) {
        return false;
    }
    process.actions().lock().ignores(signal)
}

/// Whether a signal that nobody blocks ends the process at once, wherever its threads wait; a stopped one keeps it for when it
/// is continued.
fn is_deadly(process: &Process, signal: Signal) -> bool {
    let action = process.actions().lock().get(signal);
    action.handler == SIG_DFL
        && signal.default_action() == DefaultAction::Terminate
        && process.group.lock().stopped.is_none()
}

/// The thread that is to take a signal of its process: one that does not block it, the first if it does not.
fn taker(process: &Process, signal: Signal) -> Option<Arc<Task>> {
    let takes = |task: &Arc<Task>| {
        let signals = task.signals.lock();
        !signals.blocked.without(signals.waited).contains(signal)
    };
    process.task_list().into_iter().find(takes)
}
