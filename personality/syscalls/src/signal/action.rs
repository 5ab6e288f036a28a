//! rt_sigaction, rt_sigprocmask, rt_sigpending, rt_sigreturn, sigaltstack.

use guest_memory::{UserAddr, bytes_of, read_value, write_bytes, write_value};
use linux_abi::raw::general as raw;
use linux_abi::{Errno, Result};
use task::signal::{ACTION_BYTES, Action, SigSet, Signal};
use task::{AlternateStack, Task};

use super::{check_size, read_set};
use crate::{Args, SysResult};

const SIG_BLOCK: u32 = raw::SIG_BLOCK;
/// Between `SIG_BLOCK` and `SIG_SETMASK`.
const SIG_UNBLOCK: u32 = 1;
const SIG_SETMASK: u32 = raw::SIG_SETMASK;

/// rt_sigaction(2)
pub fn sys_rt_sigaction(task: &Task, args: &Args) -> SysResult {
    check_size(args.size(3))?;
    let signal = Signal::new(u64::from(args.uint(0)))?;
    let new = match args.addr(1) {
        UserAddr::NULL => None,
        address => Some(Action::from_bytes(&read_value::<[u8; ACTION_BYTES]>(address)?)),
    };
    if new.is_some() && SigSet::UNBLOCKABLE.contains(signal) {
        return Err(Errno::EINVAL);
    }
    let actions = task.process.actions();
    let mut table = actions.lock();
    let old = table.get(signal);
    if let Some(new) = new {
        table.set(signal, new);
    }
    let forget = new.is_some() && table.ignores(signal);
    drop(table);
    if forget {
        discard(task, SigSet::of(signal));
    }
    if !args.addr(2).is_null() {
        write_bytes(args.addr(2), &old.to_bytes())?;
    }
    Ok(0)
}

/// A signal that is ignored from now on is no longer pending either (sigaction(2), POSIX).
fn discard(task: &Task, signals: SigSet) {
    task.process.pending.lock().discard(signals);
    for thread in task.process.task_list() {
        thread.signals.lock().pending.discard(signals);
    }
}

/// rt_sigprocmask(2)
pub fn sys_rt_sigprocmask(task: &Task, args: &Args) -> SysResult {
    check_size(args.size(3))?;
    let new = match args.addr(1) {
        UserAddr::NULL => None,
        address => Some(read_set(address)?),
    };
    let old = task.signals.lock().blocked;
    if let Some(set) = new {
        task.set_blocked(match args.uint(0) {
            SIG_BLOCK => old.union(set),
            SIG_UNBLOCK => old.without(set),
            SIG_SETMASK => set,
            _ => return Err(Errno::EINVAL),
        });
    }
    if !args.addr(2).is_null() {
        write_value(args.addr(2), &old.0)?;
    }
    Ok(0)
}

/// rt_sigpending(2)
pub fn sys_rt_sigpending(task: &Task, args: &Args) -> SysResult {
    let shared = task.process.pending.lock().set();
    let signals = task.signals.lock();
    let set = signals.pending.set().union(shared).and(signals.blocked);
    drop(signals);
    // A program may know of fewer signals than there are.
    let shown = bytes_of(&set.0).get(..args.size(1)).ok_or(Errno::EINVAL)?;
    write_bytes(args.addr(0), shown)?;
    Ok(0)
}

/// rt_sigreturn(2)
pub fn sys_rt_sigreturn(task: &Task, _args: &Args) -> SysResult {
    task::return_from_signal(task)
}

/// sigaltstack(2)
pub fn sys_sigaltstack(task: &Task, args: &Args) -> SysResult {
    let pointer = task.seat.state.with(|state| state.rsp);
    let old = task.signals.lock().stack;
    if !args.addr(0).is_null() {
        let [start, flags, bytes]: [u64; 3] = read_value(args.addr(0))?;
        if old.holds(pointer) {
            return Err(Errno::EPERM);
        }
        let new = new_stack(start, flags as u32, bytes)?;
        task.signals.lock().stack = new;
    }
    if !args.addr(1).is_null() {
        write_value(args.addr(1), &[old.start, u64::from(flags_of(&old, pointer)), old.bytes])?;
    }
    Ok(0)
}

fn new_stack(start: u64, flags: u32, bytes: u64) -> Result<AlternateStack> {
    let disarms = flags & raw::SS_AUTODISARM != 0;
    match flags & !raw::SS_AUTODISARM {
        raw::SS_DISABLE => Ok(AlternateStack { start: 0, bytes: 0, disarms }),
        0 | raw::SS_ONSTACK if bytes < u64::from(raw::MINSIGSTKSZ) => Err(Errno::ENOMEM),
        0 | raw::SS_ONSTACK => Ok(AlternateStack { start, bytes, disarms }),
        _ => Err(Errno::EINVAL),
    }
}

fn flags_of(stack: &AlternateStack, pointer: u64) -> u32 {
    let disarms = if stack.disarms { raw::SS_AUTODISARM } else { 0 };
    let state = match stack.bytes {
        0 => raw::SS_DISABLE,
        _ if stack.holds(pointer) => raw::SS_ONSTACK,
        _ => 0,
    };
    state | disarms
}
