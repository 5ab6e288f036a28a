//! System calls on signals: dispositions, masks, waiting, sending.

use guest_memory::{UserAddr, read_value};
use linux_abi::{Errno, Result};
use task::Task;
use task::signal::{SigInfo, SigSet};

pub mod action;
pub mod send;
pub mod signalfd;
pub mod wait;

/// Checks the size of a signal set, which all calls are told.
///
/// # Errors
/// `EINVAL`.
fn check_size(size: usize) -> Result<()> {
    if size == size_of::<u64>() { Ok(()) } else { Err(Errno::EINVAL) }
}

/// Takes a pending signal of a set: the thread's own first, then its process's.
fn take(task: &Task, wanted: SigSet) -> Option<SigInfo> {
    let others = SigSet(!wanted.0);
    let own = task.signals.lock().pending.take_next(others);
    own.or_else(|| task.process.pending.lock().take_next(others))
}

fn read_set(address: UserAddr) -> Result<SigSet> {
    read_value(address).map(SigSet)
}
