//! rt_sigsuspend, rt_sigtimedwait.

use guest_memory::{UserAddr, read_value, write_bytes};
use linux_abi::{Errno, Result};
use sync::{Waiter, Woken};
use task::Task;
use task::signal::{SigInfo, SigSet};

use super::{check_size, read_set, take};
use crate::time::Timespec;
use crate::{Args, SysResult};

/// rt_sigsuspend(2). The old mask returns when the signal is delivered.
pub fn sys_rt_sigsuspend(task: &Task, args: &Args) -> SysResult {
    check_size(args.size(1))?;
    let mask = read_set(args.addr(0))?;
    task.set_temporary_signal_mask(mask.0);
    crate::time::sleep::wait_for_signal()
}

/// rt_sigtimedwait(2)
pub fn sys_rt_sigtimedwait(task: &Task, args: &Args) -> SysResult {
    check_size(args.size(3))?;
    let wanted = read_set(args.addr(0))?.without(SigSet::UNBLOCKABLE);
    let deadline_ns = match args.addr(2) {
        UserAddr::NULL => None,
        address => Some(rt::time::now_ns().saturating_add(Timespec(read_value(address)?).ns()?)),
    };
    task.signals.lock().waited = wanted;
    let found = wait(task, wanted, deadline_ns);
    task.signals.lock().waited = SigSet::EMPTY;
    let info = found?;
    if !args.addr(1).is_null() {
        write_bytes(args.addr(1), &info.to_bytes())?;
    }
    Ok(u64::from(info.signal.number()))
}

fn wait(task: &Task, wanted: SigSet, deadline_ns: Option<u64>) -> Result<SigInfo> {
    let waiter = Waiter::current();
    let mut timed_out = false;
    loop {
        if let Some(info) = take(task, wanted) {
            return Ok(info);
        }
        if timed_out || deadline_ns.is_some_and(|deadline| deadline <= rt::time::now_ns()) {
            return Err(Errno::EAGAIN);
        }
        if waiter.is_interrupted() {
            return Err(Errno::EINTR);
        }
        timed_out = waiter.park(deadline_ns) == Woken::TimedOut;
    }
}
