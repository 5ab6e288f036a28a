//! Waiting for children.

use alloc::sync::Arc;

use linux_abi::{Errno, Result};

use crate::signal::Signal;
use crate::{ChildEvent, Entry, Pid, Process, Task, Usage, system};

/// Which children.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Select {
    /// All.
    Any,
    /// One.
    Process(Pid),
    /// Those of a group.
    Group(Pid),
}

/// What to wait for, and how.
#[derive(Clone, Copy, Debug, Default)]
pub struct WaitOptions {
    /// Children that ended.
    pub ended: bool,
    /// Children that stopped.
    pub stopped: bool,
    /// Children that continued.
    pub continued: bool,
    /// `WNOHANG`.
    pub no_hang: bool,
    /// `WNOWAIT`: leave it to be waited for again.
    pub leave: bool,
    /// `__WALL`.
    pub all_kinds: bool,
    /// `__WCLONE`.
    pub clones_only: bool,
}

/// What a wait found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Which child.
    pub pid: Pid,
    /// Its real user.
    pub uid: u32,
    /// What happened.
    pub event: ChildEvent,
    /// What it used, with its own children.
    pub usage: Usage,
}

/// Waits for a child of the task's process. `None`: nothing happened yet, and it was not to wait.
///
/// # Errors
/// `ECHILD`: no such child. `ERESTARTSYS`: a signal came.
pub fn wait_for_child(task: &Task, select: Select, options: &WaitOptions) -> Result<Option<Report>> {
    let process = task.process.clone();
    let found = process.children.wait(None, || match look(&process, select, options) {
        Err(error) => Some(Err(error)),
        Ok(Some(report)) => Some(Ok(Some(report))),
        Ok(None) => options.no_hang.then_some(Ok(None)),
    });
    match found {
        Ok(result) => result,
        Err(_) => Err(Errno::ERESTARTSYS),
    }
}

fn look(process: &Process, select: Select, options: &WaitOptions) -> Result<Option<Report>> {
    let mut tree = system().tree();
    let own = tree.get(process.pid).ok_or(Errno::ECHILD)?;
    let own_group = own.group;
    let mut any = false;
    let mut found = None;
    for pid in own.children.clone() {
        let Some(entry) = tree.get(pid) else { continue };
        if !is_selected(pid, entry, select, own_group) || !is_kind(entry, options) {
            continue;
        }
        any = true;
        if let Some(event) = event_of(entry, options) {
            found = Some((pid, event));
            break;
        }
    }
    let Some((pid, event)) = found else { return if any { Ok(None) } else { Err(Errno::ECHILD) } };
    let mut usage = Usage::default();
    let mut uid = 0;
    if let Some(entry) = tree.get_mut(pid) {
        usage.add(&entry.usage);
        usage.add(&entry.children_usage);
        uid = entry.process.first_task().and_then(|task| task.try_resources()).map_or(0, |r| r.credentials.uid);
        if !options.leave {
            match event {
                ChildEvent::Stopped(_) => entry.stop_report = None,
                ChildEvent::Continued => entry.continue_report = false,
                ChildEvent::Ended(_) => {}
            }
        }
    }
    let gone: Option<Entry<Arc<Process>>> =
        if matches!(event, ChildEvent::Ended(_)) && !options.leave { tree.reap(pid) } else { None };
    drop(tree);
    drop(gone);
    Ok(Some(Report { pid, uid, event, usage }))
}

fn is_selected(pid: Pid, entry: &Entry<Arc<Process>>, select: Select, own_group: Pid) -> bool {
    match select {
        Select::Any => true,
        Select::Process(wanted) => pid == wanted,
        Select::Group(0) => entry.group == own_group,
        Select::Group(group) => entry.group == group,
    }
}

/// Children that report their end by another signal than `SIGCHLD` are waited for only on request.
fn is_kind(entry: &Entry<Arc<Process>>, options: &WaitOptions) -> bool {
    let is_clone = entry.exit_signal != Some(Signal::SIGCHLD);
    options.all_kinds || is_clone == options.clones_only
}

fn event_of(entry: &Entry<Arc<Process>>, options: &WaitOptions) -> Option<ChildEvent> {
    if let Some(status) = entry.ended {
        return options.ended.then_some(ChildEvent::Ended(status));
    }
    if let Some(signal) = entry.stop_report
        && options.stopped
    {
        return Some(ChildEvent::Stopped(signal));
    }
    (entry.continue_report && options.continued).then_some(ChildEvent::Continued)
}
