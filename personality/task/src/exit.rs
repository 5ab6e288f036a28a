//! The end of threads and processes.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};

use guest_memory::UserAddr;
use sync::WaitQueue;

use crate::signal::{Fields, SIG_IGN, SigInfo, Signal};
use crate::{ChildEvent, ExitStatus, INIT, Pid, Process, Task, futex, send_to_group, send_to_process, system, timer};

/// Keeps a parent waiting while its vfork(2) child uses its memory.
#[derive(Default)]
pub struct VforkGate {
    open: AtomicBool,
    queue: WaitQueue,
}

impl VforkGate {
    /// Lets the parent go on.
    pub(crate) fn open(&self) {
        self.open.store(true, Ordering::Release);
        self.queue.wake_all();
    }

    /// Waits for the child to let go, or for the end of the waiting process.
    pub(crate) fn wait(&self, process: &Process) {
        self.queue.wait_uninterruptible(|| (self.open.load(Ordering::Acquire) || process.is_exiting()).then_some(()));
    }
}

/// Tells all threads of a process to end; the first status stays.
pub fn begin_group_exit(process: &Process, status: ExitStatus) {
    let mut group = process.group.lock();
    group.exiting.get_or_insert(status);
    group.stopped = None;
    drop(group);
    process.resumed.wake_all();
    process.notify_all();
}

/// Ends the calling thread's task; with the last one its process.
pub fn end_task(task: &Task, status: ExitStatus) {
    let process = task.process.clone();
    let usage = task.usage();
    release_memory(task);
    drop(task.take_resources());
    process.ended_usage.lock().add(&usage);
    let (last, removed) = leave_process(task);
    process.alone.wake_all();
    if last {
        let status = process.group.lock().exiting.unwrap_or(status);
        end_process(&process, status);
    } else if !process.pending.lock().is_empty() {
        // This thread may have been the one told of them.
        process.notify_all();
    }
    drop(removed);
}

/// Takes a thread out of its process and out of the tree; whether it was the last.
///
/// Both under the tree's lock: a thread that executes another program takes the number of the first one as soon as it is alone,
/// and must not lose it to the first one's removal.
fn leave_process(task: &Task) -> (bool, Option<Arc<Task>>) {
    let mut tree = system().tree();
    let removed = tree.remove_thread(task.tid());
    let mut tasks = task.process.tasks.lock();
    tasks.retain(|other| !core::ptr::eq(&**other, task));
    (tasks.is_empty(), removed)
}

/// Lets go of the address space, and tells those who wait for that.
fn release_memory(task: &Task) {
    futex::end_robust_list(task);
    let clear = task.clear_child_tid.swap(0, Ordering::Relaxed);
    let space = task.address_space();
    // One reference is the task's, one is ours: without a third nobody will see the word, and writing would copy its page.
    if clear != 0 && Arc::strong_count(&space) > 2 {
        let addr = UserAddr(clear);
        // A bad address is the program's own business.
        let cleared = guest_memory::write_value(addr, &0u32);
        let _ = cleared.and_then(|()| futex::wake(&space, addr, 1));
    }
    open_vfork_gate(task);
}

/// A child of vfork(2) no longer uses its parent's memory.
pub(crate) fn open_vfork_gate(task: &Task) {
    let gate = task.vfork.lock().take();
    if let Some(gate) = gate {
        gate.open();
    }
}

fn end_process(process: &Arc<Process>, status: ExitStatus) {
    timer::cancel_all(process);
    let system = system();
    let (leads_session, session) = {
        let tree = system.tree();
        let session = tree.get(process.pid).map_or(0, |entry| entry.session);
        (session == process.pid, session)
    };
    if leads_session {
        system.hooks.session_leader_ended(session);
    }
    let heirs = leave_family(process);
    for (group, info) in heirs
        .orphaned
        .iter()
        .flat_map(|group| [Signal::SIGHUP, Signal::SIGCONT].map(|signal| (*group, SigInfo::kernel(signal))))
    {
        send_to_group(group, &info);
    }
    if heirs.any {
        heirs.heir.children.wake_all();
    }
    report_end(process, status);
    system.hooks.process_ended(process);
}

/// Who took the children, and which groups nobody could continue any more.
struct Heirs {
    heir: Arc<Process>,
    any: bool,
    orphaned: alloc::vec::Vec<Pid>,
}

/// Gives the children away.
fn leave_family(process: &Arc<Process>) -> Heirs {
    let mut tree = system().tree();
    let own_group = tree.get(process.pid).map(|entry| entry.group);
    let mut orphaned = alloc::vec::Vec::new();
    // The own group may lose the last member that could continue it.
    if let Some(group) = own_group
        && !tree.is_orphaned(group, None)
        && tree.is_orphaned(group, Some(process.pid))
        && tree.has_stopped_member(group)
    {
        orphaned.push(group);
    }
    let groups: alloc::vec::Vec<Pid> =
        tree.iter().filter(|(_, entry)| entry.parent == process.pid).map(|(_, entry)| entry.group).collect();
    let before: alloc::vec::Vec<bool> = groups.iter().map(|group| tree.is_orphaned(*group, None)).collect();
    let (children, heir) = tree.reparent_children(process.pid);
    for (group, was) in groups.iter().zip(before) {
        if !was && tree.is_orphaned(*group, None) && tree.has_stopped_member(*group) && !orphaned.contains(group) {
            orphaned.push(*group);
        }
    }
    let zombies: alloc::vec::Vec<Pid> =
        children.iter().copied().filter(|child| tree.get(*child).is_some_and(|entry| entry.ended.is_some())).collect();
    if heir == INIT {
        for zombie in zombies {
            tree.reap_unseen(zombie);
        }
    }
    let heir = tree.get(heir).map_or_else(|| process.clone(), |entry| entry.process.clone());
    let any = !children.is_empty();
    drop(tree);
    send_parent_death_signals(&children);
    Heirs { heir, any, orphaned }
}

/// `PR_SET_PDEATHSIG`.
fn send_parent_death_signals(children: &[Pid]) {
    for child in children {
        let Some(process) = system().process(*child) else { continue };
        for task in process.task_list() {
            let number = task.parent_death_signal.load(Ordering::Relaxed);
            if let Ok(signal) = Signal::new(number.into()) {
                crate::send_to_task(&task, SigInfo::user(signal, 0, 0));
            }
        }
    }
}

/// Tells the parent, which waits for the process or does not care.
fn report_end(process: &Arc<Process>, status: ExitStatus) {
    let usage = *process.ended_usage.lock();
    let event = ChildEvent::Ended(status);
    let mut tree = system().tree();
    let Some(entry) = tree.get_mut(process.pid) else { return };
    entry.usage = usage;
    entry.ended = Some(status);
    entry.is_stopped = false;
    let (parent, exit_signal) = (entry.parent, entry.exit_signal);
    let parent = tree.get(parent).map(|entry| entry.process.clone());
    let Some(parent) = parent else { return };
    if parent.pid == INIT {
        tree.reap_unseen(process.pid);
        return;
    }
    let action = parent.actions().lock().get(Signal::SIGCHLD);
    let unwanted = exit_signal == Some(Signal::SIGCHLD)
        && (action.handler == SIG_IGN || action.has(linux_abi::raw::general::SA_NOCLDWAIT));
    if unwanted {
        tree.reap_unseen(process.pid);
    }
    drop(tree);
    if let Some(signal) = exit_signal
        && !(unwanted && action.handler == SIG_IGN)
    {
        send_to_process(&parent, child_info(process, signal, event));
    }
    parent.children.wake_all();
}

/// What `SIGCHLD` says of a child.
pub(crate) fn child_info(child: &Process, signal: Signal, event: ChildEvent) -> SigInfo {
    let (code, status) = event.code_and_status();
    let usage = child.usage();
    let ticks = |ns: u64| (ns / 10_000_000) as i64;
    let uid = child.first_task().and_then(|task| task.try_resources()).map_or(0, |r| r.credentials.uid);
    let fields = Fields::Child {
        pid: child.pid,
        uid,
        status,
        user_ticks: ticks(usage.user_ns),
        system_ticks: ticks(usage.system_ns),
    };
    SigInfo { signal, errno: 0, code, fields }
}
