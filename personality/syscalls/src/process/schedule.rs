//! Scheduling: sched_yield and its relatives. There is one processor and one policy, with nice values.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use guest_memory::{read_value, write_bytes, write_value};
use linux_abi::raw::general as raw;
use linux_abi::{Errno, Result};
use task::{Pid, Process, Task, system};

use super::process_or_own;
use crate::time::Timespec;
use crate::{Args, SysResult};

/// What a thread runs before another one's turn.
const SLICE_NS: u64 = 10_000_000;
/// Bytes of the set of processors that the personality keeps: one long.
const SET_BYTES: usize = 8;

/// The processes that getpriority(2) and setpriority(2) mean.
pub(super) fn targets(task: &Task, kind: u32, id: i32) -> Result<Vec<Arc<Process>>> {
    match kind {
        raw::PRIO_PROCESS => Ok(vec![process_or_own(task, id)?]),
        raw::PRIO_PGRP => {
            let tree = system().tree();
            let group = if id == 0 { tree.get(task.pid()).map_or(0, |entry| entry.group) } else { id };
            Ok(tree.group_members(group))
        }
        raw::PRIO_USER => {
            let uid = if id == 0 { task.credentials().uid } else { id as u32 };
            let mut all = system().processes();
            all.retain(|process| {
                let resources = process.first_task().and_then(|first| first.try_resources());
                resources.is_some_and(|resources| resources.credentials.uid == uid)
            });
            Ok(all)
        }
        _ => Err(Errno::EINVAL),
    }
}

/// sched_yield(2)
pub fn sys_sched_yield(_task: &Task, _args: &Args) -> SysResult {
    rt::thread::yield_now();
    Ok(0)
}

/// Checks that a thread is there; 0 is the caller.
fn check_thread(task: &Task, tid: Pid) -> Result<()> {
    if tid < 0 {
        return Err(Errno::EINVAL);
    }
    if tid == 0 || tid == task.tid() || system().tree().thread(tid).is_some() { Ok(()) } else { Err(Errno::ESRCH) }
}

/// sched_getaffinity(2): returns the bytes of the set that were written.
pub fn sys_sched_getaffinity(task: &Task, args: &Args) -> SysResult {
    let room = args.uint(1) as usize;
    if room < SET_BYTES || !room.is_multiple_of(SET_BYTES) {
        return Err(Errno::EINVAL);
    }
    check_thread(task, args.int(0))?;
    write_bytes(args.addr(2), &all_processors().to_le_bytes())?;
    Ok(SET_BYTES as u64)
}

/// All processors, as a set.
fn all_processors() -> u64 {
    u64::MAX >> (64 - rt::cpu::count().clamp(1, 64))
}

/// sched_setaffinity(2): all processors must be in the set; threads cannot be kept from some.
pub fn sys_sched_setaffinity(task: &Task, args: &Args) -> SysResult {
    check_thread(task, args.int(0))?;
    let mut set = [0; SET_BYTES];
    for (index, byte) in set.iter_mut().enumerate().take(args.uint(1) as usize) {
        *byte = read_value(args.addr(2).offset(index as u64))?;
    }
    let all = all_processors();
    if u64::from_le_bytes(set) & all == all { Ok(0) } else { Err(Errno::EINVAL) }
}

fn check_policy(policy: u32, priority: i32) -> Result<()> {
    match (policy & !raw::SCHED_RESET_ON_FORK, priority) {
        (raw::SCHED_NORMAL | raw::SCHED_BATCH | raw::SCHED_IDLE, 0) => Ok(()),
        // There are no real-time policies, not even for the superuser.
        (raw::SCHED_FIFO | raw::SCHED_RR, 1..=99) => Err(Errno::EPERM),
        _ => Err(Errno::EINVAL),
    }
}

/// sched_setscheduler(2)
pub fn sys_sched_setscheduler(task: &Task, args: &Args) -> SysResult {
    check_thread(task, args.int(0))?;
    check_policy(args.uint(1), read_value(args.addr(2))?).map(|()| 0)
}

/// sched_getscheduler(2)
pub fn sys_sched_getscheduler(task: &Task, args: &Args) -> SysResult {
    check_thread(task, args.int(0))?;
    Ok(raw::SCHED_NORMAL.into())
}

/// sched_setparam(2)
pub fn sys_sched_setparam(task: &Task, args: &Args) -> SysResult {
    check_thread(task, args.int(0))?;
    check_policy(raw::SCHED_NORMAL, read_value(args.addr(1))?).map(|()| 0)
}

/// sched_getparam(2)
pub fn sys_sched_getparam(task: &Task, args: &Args) -> SysResult {
    check_thread(task, args.int(0))?;
    write_value(args.addr(1), &0i32)?;
    Ok(0)
}

fn priorities(policy: u32) -> Result<(u64, u64)> {
    match policy {
        raw::SCHED_FIFO | raw::SCHED_RR => Ok((1, 99)),
        raw::SCHED_NORMAL | raw::SCHED_BATCH | raw::SCHED_IDLE | raw::SCHED_DEADLINE => Ok((0, 0)),
        _ => Err(Errno::EINVAL),
    }
}

/// sched_get_priority_min(2)
pub fn sys_sched_get_priority_min(_task: &Task, args: &Args) -> SysResult {
    priorities(args.uint(0)).map(|(min, _)| min)
}

/// sched_get_priority_max(2)
pub fn sys_sched_get_priority_max(_task: &Task, args: &Args) -> SysResult {
    priorities(args.uint(0)).map(|(_, max)| max)
}

/// sched_rr_get_interval(2)
pub fn sys_sched_rr_get_interval(task: &Task, args: &Args) -> SysResult {
    check_thread(task, args.int(0))?;
    write_value(args.addr(1), &Timespec::from_ns(SLICE_NS).0)?;
    Ok(0)
}

/// getcpu(2)
pub fn sys_getcpu(_task: &Task, args: &Args) -> SysResult {
    for (address, value) in [(args.addr(0), rt::cpu::current()), (args.addr(1), 0)] {
        if !address.is_null() {
            write_value(address, &value)?;
        }
    }
    Ok(0)
}
