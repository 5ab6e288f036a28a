//! Limits and use of resources: getrlimit, setrlimit, prlimit64, getrusage, times.

use core::sync::atomic::Ordering;

use guest_memory::{read_value, write_value, zeroed};
use linux_abi::raw::general as raw;
use linux_abi::{Errno, Result};
use task::{Process, Task, Usage, system};
use vfs::Capability;

use super::process_or_own;
use crate::time::Timeval;
use crate::{Args, SysResult};

/// `times(2)` counts hundredths of a second.
const NS_PER_TICK: u64 = 10_000_000;

fn set(task: &Task, target: &Process, which: u32, pair: (u64, u64)) -> Result<()> {
    let may_raise = task.credentials().has(Capability::SysResource);
    let limits = {
        let mut limits = target.limits.lock();
        limits.set(which, pair, may_raise)?;
        *limits
    };
    let resources = target.first_task().and_then(|first| first.try_resources());
    if let Some(resources) = resources {
        resources.space.set_limits(limits.of_memory());
    }
    Ok(())
}

/// getrlimit(2)
pub fn sys_getrlimit(task: &Task, args: &Args) -> SysResult {
    let (soft, hard) = task.process.limits.lock().get(args.uint(0))?;
    write_value(args.addr(1), &[soft, hard])?;
    Ok(0)
}

/// setrlimit(2)
pub fn sys_setrlimit(task: &Task, args: &Args) -> SysResult {
    let [soft, hard]: [u64; 2] = read_value(args.addr(1))?;
    set(task, &task.process, args.uint(0), (soft, hard)).map(|()| 0)
}

/// prlimit64(2)
pub fn sys_prlimit64(task: &Task, args: &Args) -> SysResult {
    let target = process_or_own(task, args.int(0))?;
    if target.pid != task.pid() {
        check_ids(task, &target)?;
    }
    let old = target.limits.lock().get(args.uint(1))?;
    if !args.addr(2).is_null() {
        let [soft, hard]: [u64; 2] = read_value(args.addr(2))?;
        set(task, &target, args.uint(1), (soft, hard))?;
    }
    if !args.addr(3).is_null() {
        write_value(args.addr(3), &[old.0, old.1])?;
    }
    Ok(0)
}

/// Another process's limits concern only its owner, by all its ids.
fn check_ids(task: &Task, target: &Process) -> Result<()> {
    let own = task.credentials();
    if own.has(Capability::SysResource) {
        return Ok(());
    }
    let first = target.first_task().and_then(|first| first.try_resources()).ok_or(Errno::EPERM)?;
    let other = first.credentials;
    let same_user = [other.uid, other.euid, other.suid].iter().all(|id| *id == own.uid);
    let same_group = [other.gid, other.egid, other.sgid].iter().all(|id| *id == own.gid);
    if same_user && same_group { Ok(()) } else { Err(Errno::EPERM) }
}

/// Use of resources as programs see it.
pub(crate) fn rusage(usage: &Usage) -> raw::rusage {
    let timeval = |ns| {
        let Timeval([tv_sec, tv_usec]) = Timeval::from_ns(ns);
        raw::__kernel_old_timeval { tv_sec, tv_usec }
    };
    let mut shown = zeroed::<raw::rusage>();
    shown.ru_utime = timeval(usage.user_ns);
    shown.ru_stime = timeval(usage.system_ns);
    shown.ru_maxrss = usage.max_rss_kib as i64;
    shown.ru_minflt = usage.minor_faults as i64;
    shown.ru_nvcsw = usage.voluntary_switches as i64;
    shown
}

fn children_usage(task: &Task) -> Usage {
    system().tree().get(task.pid()).map_or_else(Usage::default, |entry| entry.children_usage)
}

/// getrusage(2)
pub fn sys_getrusage(task: &Task, args: &Args) -> SysResult {
    const SELF: i32 = raw::RUSAGE_SELF as i32;
    const THREAD: i32 = raw::RUSAGE_THREAD as i32;
    let usage = match args.int(0) {
        SELF => task.process.usage(),
        THREAD => task.usage(),
        raw::RUSAGE_CHILDREN => children_usage(task),
        _ => return Err(Errno::EINVAL),
    };
    write_value(args.addr(1), &rusage(&usage))?;
    Ok(0)
}

/// times(2)
pub fn sys_times(task: &Task, args: &Args) -> SysResult {
    if !args.addr(0).is_null() {
        let (own, children) = (task.process.usage(), children_usage(task));
        let ticks = [own.user_ns, own.system_ns, children.user_ns, children.system_ns].map(|ns| ns / NS_PER_TICK);
        write_value(args.addr(0), &ticks)?;
    }
    Ok(rt::time::now_ns() / NS_PER_TICK)
}

/// getpriority(2): 20 less the nice value, the best of all that are meant.
pub fn sys_getpriority(task: &Task, args: &Args) -> SysResult {
    let targets = super::schedule::targets(task, args.uint(0), args.int(1))?;
    let nice = targets.iter().map(|process| process.nice.load(Ordering::Relaxed)).min().ok_or(Errno::ESRCH)?;
    Ok(u64::try_from(20 - nice).unwrap_or(0))
}

/// setpriority(2)
pub fn sys_setpriority(task: &Task, args: &Args) -> SysResult {
    let nice = args.int(2).clamp(raw::PRIO_MIN, raw::PRIO_MAX as i32 - 1);
    let targets = super::schedule::targets(task, args.uint(0), args.int(1))?;
    if targets.is_empty() {
        return Err(Errno::ESRCH);
    }
    for process in targets {
        if process.pid != task.pid() {
            let resources = process.first_task().and_then(|first| first.try_resources()).ok_or(Errno::ESRCH)?;
            let (own, other) = (task.credentials(), resources.credentials);
            if own.euid != other.uid && own.euid != other.euid && !own.has(Capability::SysNice) {
                return Err(Errno::EPERM);
            }
        }
        // RLIMIT_NICE counts from 40 (nice -20) to 1 (nice 19).
        let (limit, _) = process.limits.lock().get(raw::RLIMIT_NICE)?;
        let lower = nice < process.nice.load(Ordering::Relaxed);
        if lower && !task.credentials().has(Capability::SysNice) && (20 - nice) as u64 > limit {
            return Err(Errno::EACCES);
        }
        process.nice.store(nice, Ordering::Relaxed);
    }
    Ok(0)
}
