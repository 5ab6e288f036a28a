//! alarm, getitimer, setitimer, and the timers of timer_create.

use guest_memory::{UserAddr, read_value, write_value};
use linux_abi::raw::general as raw;
use linux_abi::{Errno, Result};
use task::Task;
use task::signal::Signal;
use task::timer::{self, IntervalTimer, Notice, Setting, TimerClock};

use super::{NS_PER_SECOND, Timespec, Timeval, realtime_deadline};
use crate::{Args, SysResult};

fn interval_timer(which: u32) -> Result<IntervalTimer> {
    match which {
        raw::ITIMER_REAL => Ok(IntervalTimer::Real),
        raw::ITIMER_VIRTUAL => Ok(IntervalTimer::Virtual),
        raw::ITIMER_PROF => Ok(IntervalTimer::Profiling),
        _ => Err(Errno::EINVAL),
    }
}

/// Writes `struct itimerval`.
fn write_itimerval(address: UserAddr, setting: Setting) -> Result<()> {
    // What is left is more than nothing, though less than a microsecond.
    let left = setting.value_ns.div_ceil(super::NS_PER_MICROSECOND).saturating_mul(super::NS_PER_MICROSECOND);
    write_value(address, &[Timeval::from_ns(setting.interval_ns).0, Timeval::from_ns(left).0])
}

/// getitimer(2)
pub fn sys_getitimer(task: &Task, args: &Args) -> SysResult {
    let which = interval_timer(args.uint(0))?;
    write_itimerval(args.addr(1), timer::interval(&task.process, which))?;
    Ok(0)
}

/// setitimer(2)
pub fn sys_setitimer(task: &Task, args: &Args) -> SysResult {
    let new = match args.addr(1) {
        UserAddr::NULL => Setting::default(),
        address => {
            let [interval, value]: [[i64; 2]; 2] = read_value(address)?;
            Setting { value_ns: Timeval(value).ns()?, interval_ns: Timeval(interval).ns()? }
        }
    };
    let old = timer::set_interval(&task.process, interval_timer(args.uint(0))?, new);
    if !args.addr(2).is_null() {
        write_itimerval(args.addr(2), old)?;
    }
    Ok(0)
}

/// alarm(2): the rest of the old one, in seconds, rounded but never to 0.
pub fn sys_alarm(task: &Task, args: &Args) -> SysResult {
    let new = Setting { value_ns: u64::from(args.uint(0)) * NS_PER_SECOND, interval_ns: 0 };
    let left = timer::set_interval(&task.process, IntervalTimer::Real, new).value_ns;
    let rounded = left.saturating_add(NS_PER_SECOND / 2) / NS_PER_SECOND;
    Ok(if left > 0 { rounded.max(1) } else { 0 })
}

/// Whether a clock is one of time, and which.
fn timer_clock(id: u32) -> Result<TimerClock> {
    match id {
        raw::CLOCK_REALTIME | raw::CLOCK_TAI | raw::CLOCK_MONOTONIC | raw::CLOCK_BOOTTIME => Ok(TimerClock::Monotonic),
        raw::CLOCK_PROCESS_CPUTIME_ID => Ok(TimerClock::Processor),
        raw::CLOCK_THREAD_CPUTIME_ID => Err(Errno::EOPNOTSUPP),
        _ => Err(Errno::EINVAL),
    }
}

/// timer_create(2). Absolute times of the wall clock are turned into monotonic ones when they are set.
pub fn sys_timer_create(task: &Task, args: &Args) -> SysResult {
    let clock = timer_clock(args.uint(0))?;
    let notice = match args.addr(1) {
        UserAddr::NULL => Notice { signal: Some(Signal::SIGALRM), thread: None, value: None },
        address => read_notice(task, address)?,
    };
    let id = timer::create(&task.process, clock, notice)?;
    let wall_clock = matches!(args.uint(0), raw::CLOCK_REALTIME | raw::CLOCK_TAI);
    let number = id << 1 | i32::from(wall_clock);
    write_value(args.addr(2), &number).inspect_err(|_| {
        let _ = timer::delete(&task.process, id);
    })?;
    Ok(0)
}

/// Reads `struct sigevent`: value, signal, kind, thread.
fn read_notice(task: &Task, address: UserAddr) -> Result<Notice> {
    let [value, signal_and_kind, thread]: [u64; 3] = read_value(address)?;
    let signal = Signal::new(signal_and_kind & u64::from(u32::MAX));
    let (kind, thread) = ((signal_and_kind >> 32) as u32, thread as i32);
    let to = |signal, thread| Notice { signal, thread, value: Some(value) };
    match kind {
        raw::SIGEV_NONE => Ok(to(None, None)),
        raw::SIGEV_SIGNAL | raw::SIGEV_THREAD => Ok(to(Some(signal?), None)),
        raw::SIGEV_THREAD_ID => {
            let found = task::system().tree().thread(thread).cloned();
            found.filter(|found| found.pid() == task.pid()).ok_or(Errno::EINVAL)?;
            Ok(to(Some(signal?), Some(thread)))
        }
        _ => Err(Errno::EINVAL),
    }
}

fn timer_id(args: &Args) -> Result<(i32, bool)> {
    let number = args.int(0);
    if number < 0 { Err(Errno::EINVAL) } else { Ok((number >> 1, number & 1 != 0)) }
}

pub(crate) fn write_itimerspec(address: UserAddr, setting: Setting) -> Result<()> {
    write_value(address, &[Timespec::from_ns(setting.interval_ns).0, Timespec::from_ns(setting.value_ns).0])
}

/// timer_settime(2)
pub fn sys_timer_settime(task: &Task, args: &Args) -> SysResult {
    let (id, wall_clock) = timer_id(args)?;
    let [interval, value]: [[i64; 2]; 2] = read_value(args.addr(2))?;
    let mut new = Setting { value_ns: Timespec(value).ns()?, interval_ns: Timespec(interval).ns()? };
    let absolute = args.uint(1) & raw::TIMER_ABSTIME != 0;
    if absolute && wall_clock && new.value_ns != 0 {
        new.value_ns = realtime_deadline(new.value_ns);
    }
    let old = timer::set_timer(&task.process, id, new, absolute)?;
    if !args.addr(3).is_null() {
        write_itimerspec(args.addr(3), old)?;
    }
    Ok(0)
}

/// timer_gettime(2)
pub fn sys_timer_gettime(task: &Task, args: &Args) -> SysResult {
    let setting = timer::timer(&task.process, timer_id(args)?.0)?;
    write_itimerspec(args.addr(1), setting)?;
    Ok(0)
}

/// timer_getoverrun(2)
pub fn sys_timer_getoverrun(task: &Task, args: &Args) -> SysResult {
    timer::overruns(&task.process, timer_id(args)?.0).map(|count| count as u64)
}

/// timer_delete(2)
pub fn sys_timer_delete(task: &Task, args: &Args) -> SysResult {
    timer::delete(&task.process, timer_id(args)?.0).map(|()| 0)
}
