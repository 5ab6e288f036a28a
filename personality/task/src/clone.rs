//! New threads and processes.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::sync::atomic::Ordering;

use guest_memory::fpu::FpuState;
use guest_memory::{State, USER_END, UserAddr, write_value};
use linux_abi::raw::general as raw;
use linux_abi::{Errno, Result};
use rt::sync::Mutex;

use crate::exit::VforkGate;
use crate::signal::Signal;
use crate::{AlternateStack, INIT, Pid, Process, Resources, Seat, Task, system};

/// What clone(2) was asked for.
#[derive(Clone, Copy, Debug)]
pub struct CloneRequest {
    /// `CLONE_*`, without the signal.
    pub flags: u64,
    /// What the parent is sent at the child's end.
    pub exit_signal: Option<Signal>,
    /// The child's stack pointer; 0: the parent's.
    pub stack: u64,
    /// Where the parent gets the child's number.
    pub parent_tid: UserAddr,
    /// Where the child gets its number, or has it cleared at its end.
    pub child_tid: UserAddr,
    /// The child's `fs` base, with `CLONE_SETTLS`.
    pub tls: u64,
}

/// Flags that do something here.
const KNOWN: u32 = raw::CLONE_VM
    | raw::CLONE_FS
    | raw::CLONE_FILES
    | raw::CLONE_SIGHAND
    | raw::CLONE_VFORK
    | raw::CLONE_PARENT
    | raw::CLONE_THREAD
    | raw::CLONE_SYSVSEM
    | raw::CLONE_SETTLS
    | raw::CLONE_PARENT_SETTID
    | raw::CLONE_CHILD_CLEARTID
    | raw::CLONE_DETACHED
    | raw::CLONE_UNTRACED
    | raw::CLONE_CHILD_SETTID
    | raw::CLONE_PTRACE
    | raw::CLONE_IO;
/// Flags that make namespaces, which there are none of.
const NAMESPACES: u32 = raw::CLONE_NEWNS
    | raw::CLONE_NEWCGROUP
    | raw::CLONE_NEWUTS
    | raw::CLONE_NEWIPC
    | raw::CLONE_NEWUSER
    | raw::CLONE_NEWPID
    | raw::CLONE_NEWNET;

impl CloneRequest {
    fn has(&self, flag: u32) -> bool {
        self.flags & u64::from(flag) != 0
    }

    /// The rules of clone(2), "ERRORS".
    fn check(&self) -> Result<()> {
        if self.has(NAMESPACES) {
            return Err(Errno::EPERM);
        }
        let thread_alone = self.has(raw::CLONE_THREAD) && !self.has(raw::CLONE_SIGHAND);
        let handlers_alone = self.has(raw::CLONE_SIGHAND) && !self.has(raw::CLONE_VM);
        let unknown = self.flags & !u64::from(KNOWN) != 0;
        let bad_tls = self.has(raw::CLONE_SETTLS) && self.tls >= USER_END;
        if unknown || thread_alone || handlers_alone || bad_tls { Err(Errno::EINVAL) } else { Ok(()) }
    }
}

/// Makes a child of the calling task, or another thread of its process; returns its number.
///
/// # Errors
/// `EINVAL`, `EPERM` for flags; `EAGAIN` where there are too many threads, `ENOMEM`; to be made again where a signal comes
/// first: it may be meant for all of the caller's group.
pub fn clone(task: &Task, request: &CloneRequest) -> Result<Pid> {
    request.check()?;
    let group_signals = task.process.group_signals.load(Ordering::Acquire);
    // Signals counted there are seen here, later ones by `enter_family`.
    if task.has_work() {
        return Err(Errno::ERESTARTNOINTR);
    }
    check_process_limit(task)?;
    let system = system();
    let (tid, (child, gate)) = with_seat(|tid, seat| {
        let (child, gate) = make(task, request, tid, seat)?;
        enter_family(task, request, &child, group_signals)?;
        Ok((child, gate))
    })?;
    if request.has(raw::CLONE_PARENT_SETTID) {
        // As on Linux, a bad address does not undo the child.
        let _ = write_value(request.parent_tid, &tid);
    }
    system.forks.fetch_add(1, Ordering::Relaxed);
    system.workers.start(child);
    if let Some(gate) = gate {
        gate.wait(&task.process);
    }
    Ok(tid)
}

/// Takes a number and a seat for a new task, and gives both back if it cannot be made.
pub(crate) fn with_seat<T>(make: impl FnOnce(Pid, Arc<Seat>) -> Result<T>) -> Result<(Pid, T)> {
    let system = system();
    let tid = system.tree().reserve_number()?;
    let made =
        system.workers.take().and_then(|seat| make(tid, seat.clone()).inspect_err(|_| system.workers.give_back(seat)));
    made.map(|made| (tid, made)).inspect_err(|_| system.tree().cancel_number(tid))
}

/// `RLIMIT_NPROC`, which does not bind the superuser.
fn check_process_limit(task: &Task) -> Result<()> {
    let credentials = task.credentials();
    let limit = task.soft_limit(raw::RLIMIT_NPROC);
    if credentials.uid == 0 || limit as usize >= system().thread_limit {
        return Ok(());
    }
    let processes = system().processes();
    let of_user = processes.iter().filter(|process| {
        let first = process.first_task().and_then(|task| task.try_resources());
        first.is_some_and(|r| r.credentials.uid == credentials.uid)
    });
    if of_user.count() as u64 >= limit { Err(Errno::EAGAIN) } else { Ok(()) }
}

type Made = (Arc<Task>, Option<Arc<VforkGate>>);

fn make(parent: &Task, request: &CloneRequest, tid: Pid, seat: Arc<Seat>) -> Result<Made> {
    let resources = share(parent, request)?;
    let space = resources.space.clone();
    let process =
        if request.has(raw::CLONE_THREAD) { parent.process.clone() } else { new_process(parent, request, tid) };
    let child = Task::new(tid, process, seat, resources);
    *child.name.lock() = *parent.name.lock();
    copy_signals(parent, &child, request);
    child.no_new_privileges.store(parent.no_new_privileges.load(Ordering::Relaxed), Ordering::Relaxed);
    *child.start_fpu.lock() = Some(Box::new(FpuState::save()));
    let mut state = parent.seat.state.snapshot();
    set_registers(&mut state, request);
    child.seat.state.with(|registers| *registers = state);
    if request.has(raw::CLONE_CHILD_SETTID) {
        // In the child's memory; a bad address does not undo the child.
        space.write(request.child_tid.value(), &tid.to_le_bytes());
    }
    if request.has(raw::CLONE_CHILD_CLEARTID) {
        child.clear_child_tid.store(request.child_tid.value(), Ordering::Relaxed);
    }
    let gate = request.has(raw::CLONE_VFORK).then(|| Arc::new(VforkGate::default()));
    *child.vfork.lock() = gate.clone();
    Ok((Arc::new(child), gate))
}

/// What the child has in common with its parent, and copies of the rest.
fn share(parent: &Task, request: &CloneRequest) -> Result<Resources> {
    let own = parent.try_resources().ok_or(Errno::ESRCH)?;
    let space = if request.has(raw::CLONE_VM) { own.space } else { own.space.fork()? };
    let files = if request.has(raw::CLONE_FILES) { own.files } else { Arc::new(own.files.duplicate()) };
    let fs = if request.has(raw::CLONE_FS) { own.fs } else { Arc::new(own.fs.duplicate()) };
    Ok(Resources { files, fs, credentials: own.credentials, space })
}

fn new_process(parent: &Task, request: &CloneRequest, pid: Pid) -> Arc<Process> {
    let old = &parent.process;
    let actions = if request.has(raw::CLONE_SIGHAND) {
        old.actions()
    } else {
        Arc::new(Mutex::new(old.actions().lock().clone()))
    };
    let process = Process::new(pid, *old.limits.lock(), actions);
    *process.executable.lock() = old.executable.lock().clone();
    *process.trace.lock() = old.trace.lock().clone();
    process.dumpable.store(old.dumpable.load(Ordering::Relaxed), Ordering::Relaxed);
    process.oom_score_adjustment.store(old.oom_score_adjustment.load(Ordering::Relaxed), Ordering::Relaxed);
    process.nice.store(old.nice.load(Ordering::Relaxed), Ordering::Relaxed);
    process.persona.store(old.persona.load(Ordering::Relaxed), Ordering::Relaxed);
    process.trap_mechanism.store(old.trap_mechanism.load(Ordering::Relaxed), Ordering::Relaxed);
    process.host_session.store(old.host_session.load(Ordering::Relaxed), Ordering::Relaxed);
    Arc::new(process)
}

fn copy_signals(parent: &Task, child: &Task, request: &CloneRequest) {
    let signals = parent.signals.lock();
    let (blocked, stack) = (signals.blocked, signals.stack);
    drop(signals);
    let mut signals = child.signals.lock();
    signals.blocked = blocked;
    let shares_stack = request.has(raw::CLONE_VM) && !request.has(raw::CLONE_VFORK);
    signals.stack = if shares_stack { AlternateStack::default() } else { stack };
}

fn set_registers(state: &mut State, request: &CloneRequest) {
    state.rax = 0;
    if request.stack != 0 {
        state.rsp = request.stack;
    }
    if request.has(raw::CLONE_SETTLS) {
        state.fs_base = request.tls;
    }
}

/// Puts the child into the tree, unless its process is on its way out, or its parent's group was sent a signal since the
/// parent had been sent `group_signals` of them.
fn enter_family(parent: &Task, request: &CloneRequest, child: &Arc<Task>, group_signals: u64) -> Result<()> {
    if request.has(raw::CLONE_THREAD) {
        return join_process(child);
    }
    let (tid, process) = (child.tid(), &child.process);
    let joining = system().joining();
    if parent.process.group_signals.load(Ordering::Acquire) != group_signals {
        return Err(Errno::ERESTARTNOINTR);
    }
    let mut tree = system().tree();
    // A sibling cannot choose what its parent is sent: it ends as the caller itself will (clone(2), CLONE_PARENT).
    let (of, exit_signal) = if request.has(raw::CLONE_PARENT) {
        tree.get(parent.pid()).map_or((INIT, None), |entry| (entry.parent, entry.exit_signal))
    } else {
        (parent.pid(), request.exit_signal)
    };
    tree.add_child(tid, process.clone(), of, exit_signal)?;
    process.tasks.lock().push(child.clone());
    tree.add_thread(tid, child.clone());
    drop(tree);
    drop(joining);
    Ok(())
}

/// Adds a thread to its process.
fn join_process(thread: &Arc<Task>) -> Result<()> {
    let (tid, process) = (thread.tid(), &thread.process);
    let mut tree = system().tree();
    let group = process.group.lock();
    if group.exiting.is_some() || group.executing.is_some() {
        return Err(Errno::EAGAIN);
    }
    process.tasks.lock().push(thread.clone());
    drop(group);
    tree.add_thread(tid, thread.clone());
    tree.cancel_number(tid);
    Ok(())
}
