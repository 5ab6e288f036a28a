//! The family of processes: who is whose child, which process groups and sessions there are, who waits for whom, and
//! which numbers are in use.
//!
//! Pure bookkeeping over process handles `P` and thread handles `T`; the one lock around it ([`System::tree`]) is the
//! outermost of the personality.
//!
//! Invariants: each process but [`INIT`] is in its parent's `children`; a number in use as process, thread, group or
//! session id is not given out again.
//!
//! [`System::tree`]: crate::System::tree

use crate::Pid;
use crate::signal::Signal;
use crate::status::ExitStatus;
use crate::usage::Usage;
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use linux_abi::{Errno, Result};

/// The personality's own first process, which takes in orphans.
pub const INIT: Pid = 1;
/// Process numbers are below this.
pub const PID_MAX: usize = 32768;
/// After the numbers wrapped, they start here: the low ones stay with long-lived daemons.
const PID_WRAP: Pid = 300;

/// A process's place in the family.
pub struct Entry<P> {
    /// The process itself.
    pub process: P,
    /// Its parent.
    pub parent: Pid,
    /// Its children, oldest first.
    pub children: Vec<Pid>,
    /// Its process group.
    pub group: Pid,
    /// Its session.
    pub session: Pid,
    /// How it ended, once it has.
    pub ended: Option<ExitStatus>,
    /// It stopped, and nobody asked yet.
    pub stop_report: Option<Signal>,
    /// It continued, and nobody asked yet.
    pub continue_report: bool,
    /// It is stopped.
    pub is_stopped: bool,
    /// What its parent is sent when it ends.
    pub exit_signal: Option<Signal>,
    /// It called execve(2): its parent can no longer move it to another group.
    pub has_executed: bool,
    /// It takes in the orphans among its descendants.
    pub is_subreaper: bool,
    /// Its own resource use, set when it ends.
    pub usage: Usage,
    /// That of its children which were waited for.
    pub children_usage: Usage,
}

/// All processes and threads.
pub struct Tree<P, T> {
    processes: BTreeMap<Pid, Entry<P>>,
    threads: BTreeMap<Pid, T>,
    /// How often each number is in use, as process, thread, group or session.
    uses: Vec<u16>,
    last: Pid,
    limit: usize,
}

impl<P: Clone, T: Clone> Tree<P, T> {
    /// Makes a family of one: `init`. At most `limit` threads can be in it.
    pub fn new(init: P, limit: usize) -> Self {
        let mut tree = Self {
            processes: BTreeMap::new(),
            threads: BTreeMap::new(),
            uses: vec![0; PID_MAX],
            last: INIT,
            limit: limit.min(PID_MAX - PID_WRAP as usize),
        };
        tree.insert(INIT, init, INIT, INIT, INIT);
        tree
    }

    fn insert(&mut self, pid: Pid, process: P, parent: Pid, group: Pid, session: Pid) {
        let entry = Entry {
            process,
            parent,
            children: Vec::new(),
            group,
            session,
            ended: None,
            stop_report: None,
            continue_report: false,
            is_stopped: false,
            exit_signal: Some(Signal::SIGCHLD),
            has_executed: false,
            is_subreaper: false,
            usage: Usage::default(),
            children_usage: Usage::default(),
        };
        for number in [pid, group, session] {
            self.hold(number);
        }
        self.processes.insert(pid, entry);
    }

    fn hold(&mut self, number: Pid) {
        if let Some(uses) = usize::try_from(number).ok().and_then(|index| self.uses.get_mut(index)) {
            *uses = uses.saturating_add(1);
        }
    }

    fn release(&mut self, number: Pid) {
        if let Some(uses) = usize::try_from(number).ok().and_then(|index| self.uses.get_mut(index)) {
            *uses = uses.saturating_sub(1);
        }
    }

    fn is_used(&self, number: Pid) -> bool {
        usize::try_from(number).ok().and_then(|index| self.uses.get(index)).is_none_or(|uses| *uses != 0)
    }

    /// Reserves a number for a process or thread that is to be added; give it back with
    /// [`cancel_number`](Self::cancel_number) if it is not.
    ///
    /// # Errors
    /// `EAGAIN` if there are too many processes and threads.
    pub fn reserve_number(&mut self) -> Result<Pid> {
        if self.processes.len().max(self.threads.len()) >= self.limit {
            return Err(Errno::EAGAIN);
        }
        for _ in 0..PID_MAX {
            self.last += 1;
            if self.last as usize >= PID_MAX {
                self.last = PID_WRAP;
            }
            if !self.is_used(self.last) {
                self.hold(self.last);
                return Ok(self.last);
            }
        }
        Err(Errno::EAGAIN)
    }

    /// Gives a reserved number back.
    pub fn cancel_number(&mut self, number: Pid) {
        self.release(number);
    }

    /// Adds a child with a reserved number, in its parent's group and session.
    ///
    /// # Errors
    /// `ESRCH` if the parent is not there.
    pub fn add_child(&mut self, pid: Pid, process: P, parent: Pid, exit_signal: Option<Signal>) -> Result<()> {
        let entry = self.processes.get_mut(&parent).ok_or(Errno::ESRCH)?;
        entry.children.push(pid);
        let (group, session) = (entry.group, entry.session);
        self.insert(pid, process, parent, group, session);
        self.release(pid);
        if let Some(entry) = self.processes.get_mut(&pid) {
            entry.exit_signal = exit_signal;
        }
        Ok(())
    }

    /// Adds a thread under a number: a reserved one, or its process's own.
    pub fn add_thread(&mut self, tid: Pid, thread: T) {
        self.hold(tid);
        self.threads.insert(tid, thread);
    }

    /// Removes a thread.
    pub fn remove_thread(&mut self, tid: Pid) -> Option<T> {
        let thread = self.threads.remove(&tid)?;
        self.release(tid);
        Some(thread)
    }

    /// The thread with this number.
    pub fn thread(&self, tid: Pid) -> Option<&T> {
        self.threads.get(&tid)
    }

    /// Number of threads.
    pub fn thread_count(&self) -> usize {
        self.threads.len()
    }

    /// The process with this number, a zombie perhaps.
    pub fn get(&self, pid: Pid) -> Option<&Entry<P>> {
        self.processes.get(&pid)
    }

    /// The same, to change it.
    pub fn get_mut(&mut self, pid: Pid) -> Option<&mut Entry<P>> {
        self.processes.get_mut(&pid)
    }

    /// All processes, by number.
    pub fn iter(&self) -> impl Iterator<Item = (Pid, &Entry<P>)> {
        self.processes.iter().map(|(pid, entry)| (*pid, entry))
    }

    /// The processes of a group.
    pub fn group_members(&self, group: Pid) -> Vec<P> {
        self.processes.values().filter(|entry| entry.group == group).map(|entry| entry.process.clone()).collect()
    }

    /// The session that a group belongs to, if the group exists.
    pub fn session_of_group(&self, group: Pid) -> Option<Pid> {
        self.processes.values().find(|entry| entry.group == group).map(|entry| entry.session)
    }

    /// setpgid(2) by `caller` for `pid`; 0 means oneself, respectively `pid`.
    ///
    /// # Errors
    /// As the manual page lists them.
    pub fn set_group(&mut self, caller: Pid, pid: Pid, group: Pid) -> Result<()> {
        let pid = if pid == 0 { caller } else { pid };
        let group = if group == 0 { pid } else { group };
        if group < 0 {
            return Err(Errno::EINVAL);
        }
        let own_session = self.get(caller).ok_or(Errno::ESRCH)?.session;
        let target = self.get(pid).ok_or(Errno::ESRCH)?;
        if target.parent == caller && pid != caller {
            if target.session != own_session {
                return Err(Errno::EPERM);
            }
            if target.has_executed {
                return Err(Errno::EACCES);
            }
        } else if pid != caller {
            return Err(Errno::ESRCH);
        }
        if target.session == pid {
            return Err(Errno::EPERM);
        }
        if group != pid && self.session_of_group(group) != Some(own_session) {
            return Err(Errno::EPERM);
        }
        self.move_to_group(pid, group);
        Ok(())
    }

    fn move_to_group(&mut self, pid: Pid, group: Pid) {
        let Some(entry) = self.processes.get_mut(&pid) else { return };
        let old = core::mem::replace(&mut entry.group, group);
        self.release(old);
        self.hold(group);
    }

    /// setsid(2): a new session and group of which the caller is leader.
    ///
    /// # Errors
    /// `EPERM` if the caller leads a group, or its number names one.
    pub fn new_session(&mut self, caller: Pid) -> Result<Pid> {
        if self.session_of_group(caller).is_some() {
            return Err(Errno::EPERM);
        }
        self.move_to_group(caller, caller);
        let entry = self.processes.get_mut(&caller).ok_or(Errno::ESRCH)?;
        let old = core::mem::replace(&mut entry.session, caller);
        self.release(old);
        self.hold(caller);
        Ok(caller)
    }

    /// Whether a group has no living member whose parent is in the same session but another group: then nobody could
    /// continue it. `without` is left out of the count, as a process that is about to end.
    pub fn is_orphaned(&self, group: Pid, without: Option<Pid>) -> bool {
        !self.processes.iter().any(|(pid, entry)| {
            entry.group == group
                && Some(*pid) != without
                && entry.ended.is_none()
                && entry.parent != INIT
                && self.get(entry.parent).is_some_and(|parent| parent.group != group && parent.session == entry.session)
        })
    }

    /// Whether a group has a stopped member.
    pub fn has_stopped_member(&self, group: Pid) -> bool {
        self.processes.values().any(|entry| entry.group == group && entry.ended.is_none() && entry.is_stopped)
    }

    /// Gives a process's children to the nearest subreaper above it, or to init. Returns the children and who has them.
    pub fn reparent_children(&mut self, pid: Pid) -> (Vec<Pid>, Pid) {
        let children = match self.get_mut(pid) {
            Some(entry) => core::mem::take(&mut entry.children),
            None => Vec::new(),
        };
        if children.is_empty() {
            return (children, INIT);
        }
        let heir = self.reaper_above(pid);
        for child in &children {
            if let Some(entry) = self.get_mut(*child) {
                entry.parent = heir;
            }
        }
        if let Some(entry) = self.get_mut(heir) {
            entry.children.extend_from_slice(&children);
        }
        (children, heir)
    }

    fn reaper_above(&self, pid: Pid) -> Pid {
        let mut next = self.get(pid).map_or(INIT, |entry| entry.parent);
        for _ in 0..self.processes.len() {
            match self.get(next) {
                Some(entry) if next != INIT && !(entry.is_subreaper && entry.ended.is_none()) => next = entry.parent,
                _ => return next,
            }
        }
        INIT
    }

    /// Removes a process that ended; its use of resources is added to its parent's.
    pub fn reap(&mut self, pid: Pid) -> Option<Entry<P>> {
        let entry = self.processes.remove(&pid)?;
        if let Some(parent) = self.get_mut(entry.parent) {
            parent.children.retain(|child| *child != pid);
            parent.children_usage.add(&entry.usage);
            parent.children_usage.add(&entry.children_usage);
        }
        for number in [pid, entry.group, entry.session] {
            self.release(number);
        }
        Some(entry)
    }

    /// Removes a process that nobody waits for: its use of resources counts for nobody.
    pub fn reap_unseen(&mut self, pid: Pid) {
        if let Some(entry) = self.get_mut(pid) {
            entry.usage = Usage::default();
            entry.children_usage = Usage::default();
        }
        self.reap(pid);
    }
}

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;
