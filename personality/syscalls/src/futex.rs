//! futex(2).

use guest_memory::{UserAddr, read_value};
use linux_abi::raw::general as raw;
use linux_abi::{Errno, Result};
use task::Task;
use task::futex::{self, FutexWait, Scope, TwoWords};
use task::timer::SleepRestart;

use crate::time::{Timespec, realtime_deadline};
use crate::{Args, SysResult};

/// futex(2). Priority inheritance is missing.
pub fn sys_futex(task: &Task, args: &Args) -> SysResult {
    let command = args.uint(1) & !(raw::FUTEX_PRIVATE_FLAG | raw::FUTEX_CLOCK_REALTIME);
    let scope = if args.uint(1) & raw::FUTEX_PRIVATE_FLAG != 0 { Scope::Private } else { Scope::Shared };
    let by_wall_clock = args.uint(1) & raw::FUTEX_CLOCK_REALTIME != 0;
    if by_wall_clock && command != raw::FUTEX_WAIT_BITSET {
        return Err(Errno::ENOSYS);
    }
    let (space, address) = (task.address_space(), args.addr(0));
    let words = TwoWords { from: address, to: args.addr(4), scope };
    let second_count = || count(args.uint(3));
    let woken = match command {
        raw::FUTEX_WAIT | raw::FUTEX_WAIT_BITSET => return wait(task, args, command, scope, by_wall_clock),
        raw::FUTEX_WAKE => futex::wake_bits(&space, address, scope, u32::MAX, at_least_one(args.int(2)))?,
        raw::FUTEX_WAKE_BITSET => futex::wake_bits(&space, address, scope, args.uint(5), at_least_one(args.int(2)))?,
        raw::FUTEX_REQUEUE => {
            let (woken, _) = futex::requeue(&space, words, (count(args.uint(2))?, second_count()?), None)?;
            woken
        }
        raw::FUTEX_CMP_REQUEUE => {
            let counts = (count(args.uint(2))?, second_count()?);
            let (woken, moved) = futex::requeue(&space, words, counts, Some(args.uint(5)))?;
            woken + moved
        }
        raw::FUTEX_WAKE_OP => {
            futex::wake_op(&space, words, (at_least_one(args.int(2)), at_least_one(args.int(3))), args.uint(5))?
        }
        _ => return Err(Errno::ENOSYS),
    };
    Ok(woken as u64)
}

/// A number of threads to wake: Linux looks at it only after the first.
fn at_least_one(count: i32) -> usize {
    count.max(1) as usize
}

/// A number of threads, which must not be negative.
fn count(raw: u32) -> Result<usize> {
    i32::try_from(raw).map(|count| count as usize).map_err(|_| Errno::EINVAL)
}

fn wait(task: &Task, args: &Args, command: u32, scope: Scope, by_wall_clock: bool) -> SysResult {
    let deadline_ns = match (args.addr(3), command) {
        (UserAddr::NULL, _) => None,
        (timeout, raw::FUTEX_WAIT) => Some(rt::time::now_ns().saturating_add(read_ns(timeout)?)),
        (timeout, _) if by_wall_clock => Some(realtime_deadline(read_ns(timeout)?)),
        (timeout, _) => Some(read_ns(timeout)?),
    };
    let bits = if command == raw::FUTEX_WAIT { raw::FUTEX_BITSET_MATCH_ANY } else { args.uint(5) };
    wait_again(task, FutexWait { address: args.addr(0), scope, expected: args.uint(2), bits, deadline_ns })
}

fn read_ns(address: UserAddr) -> Result<u64> {
    read_value::<[i64; 2]>(address).map(Timespec)?.ns()
}

/// Waits, perhaps once more after a signal without a handler: a wait with a timeout keeps its deadline.
pub(crate) fn wait_again(task: &Task, wait: FutexWait) -> SysResult {
    match futex::wait(&task.address_space(), &wait) {
        Ok(()) => Ok(0),
        Err(Errno::ERESTARTSYS) if wait.deadline_ns.is_some() => {
            *task.sleep_restart.lock() = Some(SleepRestart::Futex(wait));
            Err(Errno::ERESTART_RESTARTBLOCK)
        }
        Err(error) => Err(error),
    }
}
