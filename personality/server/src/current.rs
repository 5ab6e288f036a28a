//! Which task each thread of the personality serves.

use alloc::sync::Arc;
use alloc::vec::Vec;

use guest_memory::UserAddr;
use linux_abi::{Errno, Result};
use rt::sync::RwLock;
use sync::Waiter;
use task::Task;

use crate::oom;

/// By [`Waiter::current_index`].
static TASKS: RwLock<Vec<Option<Arc<Task>>>> = RwLock::new(Vec::new());

/// The task that the calling thread serves; none in a thread of the personality's own.
pub(crate) fn task() -> Option<Arc<Task>> {
    TASKS.read().get(Waiter::current_index()).cloned().flatten()
}

/// Who that is, as its messages tell others.
pub(crate) fn identity() -> Option<sockets::Identity> {
    let task = task()?;
    let credentials = task.try_resources()?.credentials;
    Some(sockets::Identity { pid: task.pid(), uid: credentials.euid, gid: credentials.egid })
}

/// Says which task the calling thread serves from now on.
pub(crate) fn set(task: Option<Arc<Task>>) {
    let index = Waiter::current_index();
    let mut tasks = TASKS.write();
    if tasks.len() <= index {
        tasks.resize(index + 1, None);
    }
    let old = tasks.get_mut(index).and_then(|place| core::mem::replace(place, task));
    drop(tasks);
    // Dropped with no lock held: it may be the last reference.
    drop(old);
}

/// Resolves a page fault of a copy from or to the current task's memory.
///
/// # Errors
/// `EFAULT`; `ENOMEM` where the task is the one that has to go.
pub(crate) fn handle_copy_fault(addr: UserAddr, write: bool) -> Result<()> {
    let task = task().ok_or(Errno::EFAULT)?;
    let space = task.try_resources().ok_or(Errno::EFAULT)?.space;
    loop {
        match space.handle_copy_fault(addr.value(), write) {
            Err(Errno::ENOMEM) if oom::relieve(&task) == oom::Relief::TryAgain => {}
            result => return result,
        }
    }
}
