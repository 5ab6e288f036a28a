//! System calls on processes and threads: their lives, families, identities and limits.

use alloc::sync::Arc;

use linux_abi::{Errno, Result};
use task::{Pid, Process, Task, system};

pub mod capability;
pub mod clone;
pub mod control;
pub mod credentials;
pub mod exec;
pub mod exit;
pub mod family;
pub mod limits;
pub mod schedule;
pub mod wait;

/// The process with a number, 0 being the caller's own.
///
/// # Errors
/// `ESRCH`.
fn process_or_own(task: &Task, pid: Pid) -> Result<Arc<Process>> {
    if pid == 0 || pid == task.pid() {
        return Ok(task.process.clone());
    }
    let process = system().process(pid);
    let of_thread = || system().tree().thread(pid).map(|thread| thread.process.clone());
    process.or_else(of_thread).ok_or(Errno::ESRCH)
}
