//! Reading and setting clocks.

use alloc::sync::Arc;

use guest_memory::{UserAddr, read_value, write_value, zeroed};
use linux_abi::raw::general as raw;
use linux_abi::{Errno, Result};
use task::{Process, Task, Usage, system};
use vfs::Capability;

use super::{Timespec, Timeval};
use crate::{Args, SysResult};

/// A clock, decoded from its number.
enum Clock {
    Realtime,
    Monotonic,
    /// Of a process.
    Process(Arc<Process>),
    /// Of a thread: what it used so far.
    Thread(u64),
}

const fn used(usage: &Usage) -> u64 {
    usage.user_ns.saturating_add(usage.system_ns)
}

impl Clock {
    fn new(task: &Task, id: i32) -> Result<Self> {
        let Ok(number) = u32::try_from(id) else { return Self::of_processor(task, id) };
        match number {
            raw::CLOCK_REALTIME | raw::CLOCK_REALTIME_COARSE | raw::CLOCK_REALTIME_ALARM | raw::CLOCK_TAI => {
                Ok(Self::Realtime)
            }
            raw::CLOCK_MONOTONIC | raw::CLOCK_MONOTONIC_RAW | raw::CLOCK_MONOTONIC_COARSE => Ok(Self::Monotonic),
            raw::CLOCK_BOOTTIME | raw::CLOCK_BOOTTIME_ALARM => Ok(Self::Monotonic),
            raw::CLOCK_PROCESS_CPUTIME_ID => Ok(Self::Process(task.process.clone())),
            raw::CLOCK_THREAD_CPUTIME_ID => Ok(Self::Thread(used(&task.usage()))),
            _ => Err(Errno::EINVAL),
        }
    }

    /// clock_getcpuclockid(3): the inverted number above three bits, of which the third tells threads from processes.
    fn of_processor(task: &Task, id: i32) -> Result<Self> {
        const PER_THREAD: i32 = 4;
        const KIND: i32 = 3;
        let number = !(id >> 3);
        if id & KIND == KIND {
            return Err(Errno::EINVAL);
        }
        if id & PER_THREAD != 0 {
            let number = if number == 0 { task.tid() } else { number };
            let thread = system().tree().thread(number).cloned().filter(|thread| thread.pid() == task.pid());
            return thread.map(|thread| Self::Thread(used(&thread.usage()))).ok_or(Errno::EINVAL);
        }
        let number = if number == 0 { task.pid() } else { number };
        system().process(number).map(Self::Process).ok_or(Errno::EINVAL)
    }

    fn now_ns(&self) -> u64 {
        match self {
            Self::Realtime => vfs::clock::realtime_ns(),
            Self::Monotonic => rt::time::now_ns(),
            Self::Process(process) => used(&process.usage()),
            Self::Thread(ns) => *ns,
        }
    }
}

/// clock_gettime(2)
pub fn sys_clock_gettime(task: &Task, args: &Args) -> SysResult {
    let now = match args.uint(0) {
        raw::CLOCK_MONOTONIC => rt::time::now_ns(),
        _ => Clock::new(task, args.int(0))?.now_ns(),
    };
    write_value(args.addr(1), &Timespec::from_ns(now).0)?;
    Ok(0)
}

/// clock_getres(2)
pub fn sys_clock_getres(task: &Task, args: &Args) -> SysResult {
    Clock::new(task, args.int(0))?;
    if !args.addr(1).is_null() {
        write_value(args.addr(1), &Timespec::from_ns(1).0)?;
    }
    Ok(0)
}

fn set_realtime(task: &Task, ns: u64) -> SysResult {
    if !task.credentials().has(Capability::SysTime) {
        return Err(Errno::EPERM);
    }
    if ns < rt::time::now_ns() {
        // As on Linux: the system cannot have started before 1970.
        return Err(Errno::EINVAL);
    }
    vfs::clock::set_realtime_ns(ns);
    Ok(0)
}

/// clock_settime(2)
pub fn sys_clock_settime(task: &Task, args: &Args) -> SysResult {
    let time: [i64; 2] = read_value(args.addr(1))?;
    if args.uint(0) != raw::CLOCK_REALTIME {
        return Err(Errno::EINVAL);
    }
    set_realtime(task, Timespec(time).ns()?)
}

/// gettimeofday(2)
pub fn sys_gettimeofday(_task: &Task, args: &Args) -> SysResult {
    if !args.addr(0).is_null() {
        write_value(args.addr(0), &Timeval::from_ns(vfs::clock::realtime_ns()).0)?;
    }
    if !args.addr(1).is_null() {
        write_value(args.addr(1), &zeroed::<raw::timezone>())?;
    }
    Ok(0)
}

/// settimeofday(2). A time zone is checked and forgotten: only Linux's drivers for old file systems look at it.
pub fn sys_settimeofday(task: &Task, args: &Args) -> SysResult {
    let zone = args.addr(1);
    if !zone.is_null() {
        let zone: raw::timezone = read_value(zone)?;
        if !task.credentials().has(Capability::SysTime) {
            return Err(Errno::EPERM);
        }
        if !(-15 * 60..=15 * 60).contains(&zone.tz_minuteswest) {
            return Err(Errno::EINVAL);
        }
    }
    match args.addr(0) {
        UserAddr::NULL => Ok(0),
        address => set_realtime(task, Timeval(read_value(address)?).ns()?),
    }
}

/// time(2)
pub fn sys_time(_task: &Task, args: &Args) -> SysResult {
    let seconds = vfs::clock::realtime_ns() / super::NS_PER_SECOND;
    if !args.addr(0).is_null() {
        write_value(args.addr(0), &seconds)?;
    }
    Ok(seconds)
}

/// Words of `struct timex`, which the headers in use do not have (include/uapi/linux/timex.h).
const TIMEX_WORDS: usize = 26;

/// adjtimex(2), for reading: the clock is not disciplined by anything.
pub fn sys_adjtimex(_task: &Task, args: &Args) -> SysResult {
    adjust(args.addr(0))
}

/// clock_adjtime(2), for reading.
pub fn sys_clock_adjtime(_task: &Task, args: &Args) -> SysResult {
    if args.uint(0) != raw::CLOCK_REALTIME {
        return Err(Errno::EOPNOTSUPP);
    }
    adjust(args.addr(1))
}

fn adjust(address: UserAddr) -> SysResult {
    const STA_UNSYNC: i64 = 0x40;
    const TIME_ERROR: u64 = 5;
    const WORST_ERROR_MICROSECONDS: i64 = 16_000_000;
    let mut timex: [i64; TIMEX_WORDS] = read_value(address)?;
    if timex[0] as u32 != 0 {
        return Err(Errno::EPERM);
    }
    let Timeval([seconds, microseconds]) = Timeval::from_ns(vfs::clock::realtime_ns());
    timex = [0; TIMEX_WORDS];
    (timex[3], timex[4], timex[5]) = (WORST_ERROR_MICROSECONDS, WORST_ERROR_MICROSECONDS, STA_UNSYNC);
    // Precision in microseconds, tolerance in scaled parts per million, microseconds of a tick of 100 Hz.
    (timex[7], timex[8], timex[11]) = (1, 500 << 16, 10_000);
    (timex[9], timex[10]) = (seconds, microseconds);
    write_value(address, &timex)?;
    Ok(TIME_ERROR)
}
