//! nanosleep, clock_nanosleep, pause, restart_syscall.

use guest_memory::{UserAddr, read_value, write_value};
use linux_abi::Errno;
use linux_abi::raw::general as raw;
use task::Task;
use task::timer::{SleepRestart, sleep_until};

use super::{Timespec, realtime_deadline};
use crate::{Args, SysResult};

/// Sleeps; a signal without a handler lets the sleep go on until the same deadline.
fn sleep(task: &Task, deadline_ns: u64, rest: UserAddr) -> SysResult {
    if sleep_until(deadline_ns).is_ok() {
        return Ok(0);
    }
    if !rest.is_null() {
        write_value(rest, &Timespec::from_ns(deadline_ns.saturating_sub(rt::time::now_ns())).0)?;
    }
    *task.sleep_restart.lock() = Some(SleepRestart::Sleep { deadline_ns, rest });
    Err(Errno::ERESTART_RESTARTBLOCK)
}

/// nanosleep(2)
pub fn sys_nanosleep(task: &Task, args: &Args) -> SysResult {
    let ns = Timespec(read_value(args.addr(0))?).ns()?;
    sleep(task, rt::time::now_ns().saturating_add(ns), args.addr(1))
}

/// clock_nanosleep(2), on the clocks of time; not on those of processors.
pub fn sys_clock_nanosleep(task: &Task, args: &Args) -> SysResult {
    let is_realtime = match args.uint(0) {
        raw::CLOCK_REALTIME | raw::CLOCK_TAI => true,
        raw::CLOCK_MONOTONIC | raw::CLOCK_BOOTTIME => false,
        raw::CLOCK_PROCESS_CPUTIME_ID => return Err(Errno::EOPNOTSUPP),
        _ => return Err(Errno::EINVAL),
    };
    let ns = Timespec(read_value(args.addr(2))?).ns()?;
    if args.uint(1) & raw::TIMER_ABSTIME == 0 {
        return sleep(task, rt::time::now_ns().saturating_add(ns), args.addr(3));
    }
    // An absolute deadline needs no help to be restarted.
    let deadline = if is_realtime { realtime_deadline(ns) } else { ns };
    sleep_until(deadline).map(|()| 0).map_err(|_| Errno::ERESTARTNOHAND)
}

/// pause(2)
pub fn sys_pause(_task: &Task, _args: &Args) -> SysResult {
    wait_for_signal()
}

/// Waits until a signal needs attention.
pub(crate) fn wait_for_signal() -> SysResult {
    match sleep_until(u64::MAX) {
        Ok(()) => Err(Errno::EINTR),
        Err(_) => Err(Errno::ERESTARTNOHAND),
    }
}

/// restart_syscall(2)
pub fn sys_restart_syscall(task: &Task, _args: &Args) -> SysResult {
    let restart = task.sleep_restart.lock().take();
    match restart {
        Some(SleepRestart::Sleep { deadline_ns, rest }) => sleep(task, deadline_ns, rest),
        Some(SleepRestart::Futex(wait)) => crate::futex::wait_again(task, wait),
        None => Err(Errno::EINTR),
    }
}
