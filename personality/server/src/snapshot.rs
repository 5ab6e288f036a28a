//! Facts of processes and threads, put together for `/proc`.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use linux_abi::raw::general as raw;
use linux_abi::{Errno, Result};
use mm::AddressSpace;
use procfs::{Ids, MemoryLayout, MemoryUse, Pid, RunState, SignalSets, Snapshot, Usage};
use task::{ChildEvent, INIT, Process, Resources, Task, system};
use vfs::Credentials;

use crate::current;
use crate::processes::Source;

const PAGE: u64 = 4096;
/// `PF_EXITING` and `PF_FORKNOEXEC` of Linux's include/linux/sched.h.
const PF_EXITING: u32 = 0x4;
const PF_FORKNOEXEC: u32 = 0x40;

/// What the tree says of a process.
pub(crate) struct Place {
    pub(crate) process: Arc<Process>,
    parent: Pid,
    group: Pid,
    session: Pid,
    pub(crate) ended: Option<task::ExitStatus>,
    has_executed: bool,
    exit_signal: i32,
    usage: task::Usage,
    children_usage: task::Usage,
}

/// Looks a process up.
///
/// # Errors
/// `ESRCH`.
pub(crate) fn place(pid: Pid) -> Result<Place> {
    let tree = system().tree();
    let entry = tree.get(pid).ok_or(Errno::ESRCH)?;
    Ok(Place {
        process: entry.process.clone(),
        parent: if pid == INIT { 0 } else { entry.parent },
        group: entry.group,
        session: entry.session,
        ended: entry.ended,
        has_executed: entry.has_executed,
        exit_signal: entry.exit_signal.map_or(0, |signal| signal.number().into()),
        usage: entry.usage,
        children_usage: entry.children_usage,
    })
}

/// What a process's threads share, while one is left.
pub(crate) fn resources(process: &Process) -> Option<Resources> {
    process.task_list().iter().find_map(|task| task.try_resources())
}

impl Source {
    /// Facts of a process, or of one of its threads.
    pub(crate) fn snapshot(&self, place: &Place, thread: Option<&Arc<Task>>) -> Snapshot {
        let process = &place.process;
        let tasks = process.task_list();
        let task = thread.or(tasks.first());
        let resources = task.and_then(|task| task.try_resources()).or_else(|| resources(process));
        let terminal = self.sessions.terminal(place.session);
        let usage = match (thread, place.ended) {
            (Some(task), _) => task.usage(),
            (None, Some(_)) => place.usage,
            (None, None) => process.usage(),
        };
        // Here, as a guard within the structure below would be held until its end.
        let resident_limit = process.limits.lock().get(raw::RLIMIT_RSS).map_or(u64::MAX, |(soft, _)| soft);
        let mut flags = if place.has_executed || process.pid == INIT { 0 } else { PF_FORKNOEXEC };
        flags |= if process.is_exiting() || place.ended.is_some() { PF_EXITING } else { 0 };
        Snapshot {
            tid: task.map_or(process.pid, |task| task.tid()),
            pid: process.pid,
            parent: place.parent,
            group: place.group,
            session: place.session,
            tracer: 0,
            name: name(process, task),
            state: self.state(place, thread, &tasks),
            terminal: terminal.as_ref().map_or(0, |tty| tty.device().encoded()),
            foreground: terminal.and_then(|tty| tty.foreground()).unwrap_or(-1),
            flags,
            usage: times(&usage),
            children_usage: times(&place.children_usage),
            nice: process.nice.load(Ordering::Relaxed),
            threads: tasks.len().max(1) as u32,
            start_ns: thread.map_or(process.start_ns, |task| task.start_ns),
            resident_limit,
            exit_signal: place.exit_signal,
            exit_code: place.ended.map_or(0, |status| ChildEvent::Ended(status).wait_status()),
            umask: resources.as_ref().map_or(0o022, |r| r.fs.umask()),
            descriptor_slots: resources.as_ref().map_or(0, |r| r.files.size() as u32),
            ids: ids(resources.as_ref().map(|r| &*r.credentials), task),
            signals: signals(process, task),
            memory: resources.as_ref().filter(|_| place.ended.is_none()).map(|r| memory(&r.space)),
            switches: (usage.voluntary_switches, 0),
            processor: 0,
            dumpable: process.dumpable.load(Ordering::Relaxed),
            oom_score_adjustment: process.oom_score_adjustment.load(Ordering::Relaxed) as i16,
        }
    }

    fn state(&self, place: &Place, thread: Option<&Arc<Task>>, tasks: &[Arc<Task>]) -> RunState {
        if place.ended.is_some() {
            return RunState::Zombie;
        }
        if place.process.pid == INIT {
            return RunState::Sleeping;
        }
        if crate::load::is_stopped(&place.process.group.lock()) {
            return RunState::Stopped;
        }
        let caller = current::task().map(|task| task.tid());
        let runs = |task: &Arc<Task>| caller == Some(task.tid()) || !self.seats.is_waiting(task);
        let any = thread.map_or_else(|| tasks.first().is_some_and(runs), runs);
        if any { RunState::Running } else { RunState::Sleeping }
    }
}

fn name(process: &Process, task: Option<&Arc<Task>>) -> Vec<u8> {
    if process.pid == INIT {
        return b"init".to_vec();
    }
    match task {
        Some(task) => task.name.lock().iter().copied().take_while(|byte| *byte != 0).collect(),
        // A zombie has nobody left to ask.
        None => {
            let executable = process.executable.lock().clone();
            executable.map_or_else(Vec::new, |path| path.dentry.name().iter().copied().take(15).collect())
        }
    }
}

fn times(usage: &task::Usage) -> Usage {
    Usage { user_ns: usage.user_ns, system_ns: usage.system_ns, minor_faults: usage.minor_faults, major_faults: 0 }
}

fn ids(credentials: Option<&Credentials>, task: Option<&Arc<Task>>) -> Ids {
    let Some(c) = credentials else { return Ids::default() };
    Ids {
        uids: [c.uid, c.euid, c.suid, c.fsuid],
        gids: [c.gid, c.egid, c.sgid, c.fsgid],
        groups: c.groups.to_vec(),
        capabilities: [c.inheritable, c.permitted, c.effective, c.bounding, 0],
        no_new_privileges: task.is_some_and(|task| task.no_new_privileges.load(Ordering::Relaxed)),
    }
}

fn signals(process: &Process, task: Option<&Arc<Task>>) -> SignalSets {
    let (caught, ignored) = process.actions().lock().caught_and_ignored();
    let (shared, mut queued) = {
        let pending = process.pending.lock();
        (pending.set(), pending.len())
    };
    let (mut own, mut blocked) = (0, 0);
    if let Some(task) = task {
        let signals = task.signals.lock();
        (own, blocked) = (signals.pending.set().0, signals.blocked.0);
        queued += signals.pending.len();
    }
    SignalSets {
        queued: (queued as u64, process.signal_limit() as u64),
        pending: own,
        shared_pending: shared.0,
        blocked,
        ignored: ignored.0,
        caught: caught.0,
    }
}

fn memory(space: &AddressSpace) -> MemoryUse {
    let (usage, regions) = (space.usage(), space.regions());
    let heap = space.report().iter().find(|area| area.label == "[heap]").map(|area| area.start);
    let text = regions.code_end.saturating_sub(regions.code_start);
    MemoryUse {
        virtual_size: usage.total * PAGE,
        virtual_peak: usage.total_peak * PAGE,
        resident_anonymous: usage.resident.saturating_sub(usage.resident_of_objects) * PAGE,
        resident_file: usage.resident_of_objects * PAGE,
        resident_shared: 0,
        resident_peak: usage.resident_peak * PAGE,
        locked: usage.locked * PAGE,
        data: usage.data * PAGE,
        stack: usage.stack * PAGE,
        text,
        library: (usage.code * PAGE).saturating_sub(text),
        page_tables: 0,
        layout: MemoryLayout {
            code: (regions.code_start, regions.code_end),
            data: (regions.data_start, regions.data_end),
            break_start: heap.unwrap_or(regions.data_end),
            stack_start: regions.stack_start,
            arguments: (regions.arg_start, regions.arg_end),
            environment: (regions.env_start, regions.env_end),
        },
    }
}
