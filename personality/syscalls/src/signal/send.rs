//! kill, tkill, tgkill, rt_sigqueueinfo, rt_tgsigqueueinfo.

use alloc::sync::Arc;
use alloc::vec::Vec;

use guest_memory::read_value;
use linux_abi::raw::general as raw;
use linux_abi::{Errno, Result};
use task::signal::{SIGINFO_BYTES, SigInfo, Signal};
use task::{INIT, Pid, Process, Task, send_to_process, send_to_task, send_together, system};
use vfs::Credentials;

use crate::{Args, SysResult};

/// The signal with this number; 0 asks only whether one could be sent.
fn signal_or_none(number: i32) -> Result<Option<Signal>> {
    match u64::try_from(number) {
        Ok(0) => Ok(None),
        Ok(number) => Signal::new(number).map(Some),
        Err(_) => Err(Errno::EINVAL),
    }
}

/// Checks whether the caller may send a signal to a process.
fn check(task: &Task, target: &Process, signal: Option<Signal>) -> Result<()> {
    if target.pid == task.pid() {
        return Ok(());
    }
    let resources = target.first_task().and_then(|first| first.try_resources());
    let credentials = match resources {
        Some(resources) => resources.credentials,
        None if target.pid == INIT => Arc::new(Credentials::root()),
        // It has ended and is only still to be waited for.
        None => return Ok(()),
    };
    let allowed = task.require_kill(&credentials);
    if allowed.is_err() && signal == Some(Signal::SIGCONT) && same_session(task.pid(), target.pid) {
        return Ok(());
    }
    allowed
}

fn same_session(a: Pid, b: Pid) -> bool {
    let tree = system().tree();
    let session = |pid| tree.get(pid).map(|entry| entry.session);
    session(a).is_some() && session(a) == session(b)
}

/// The process with a number, or the one that a thread with it belongs to.
fn process_of(pid: Pid) -> Result<Arc<Process>> {
    let tree = system().tree();
    if let Some(entry) = tree.get(pid) {
        return Ok(entry.process.clone());
    }
    tree.thread(pid).map(|thread| thread.process.clone()).ok_or(Errno::ESRCH)
}

fn send_one(task: &Task, target: &Process, signal: Option<Signal>) -> Result<()> {
    check(task, target, signal)?;
    if let Some(signal) = signal {
        send_to_process(target, SigInfo::user(signal, task.pid(), task.credentials().uid));
    }
    Ok(())
}

/// Sends to several at once: it counts as done if it was for one of them.
fn send_all(task: &Task, targets: impl FnOnce() -> Vec<Arc<Process>>, signal: Option<Signal>) -> SysResult {
    send_together(targets, |targets| {
        let mut result = Err(Errno::ESRCH);
        for target in targets {
            match send_one(task, target, signal) {
                Ok(()) => result = Ok(0),
                Err(error) if result != Ok(0) => result = Err(error),
                Err(_) => {}
            }
        }
        result
    })
}

/// All that a signal to "everybody" goes to.
fn everybody_else(task: &Task) -> Vec<Arc<Process>> {
    let mut all = system().processes();
    all.retain(|process| process.pid != INIT && process.pid != task.pid());
    all
}

/// The caller's process group.
fn own_group(task: &Task) -> Vec<Arc<Process>> {
    let tree = system().tree();
    let own = tree.get(task.pid()).map_or(0, |entry| entry.group);
    tree.group_members(own)
}

/// kill(2)
pub fn sys_kill(task: &Task, args: &Args) -> SysResult {
    let (pid, signal) = (args.int(0), signal_or_none(args.int(1))?);
    match pid {
        1.. => send_one(task, &*process_of(pid)?, signal).map(|()| 0),
        0 => send_all(task, || own_group(task), signal),
        -1 => send_all(task, || everybody_else(task), signal),
        _ => {
            let group = pid.checked_neg().ok_or(Errno::ESRCH)?;
            send_all(task, || system().tree().group_members(group), signal)
        }
    }
}

/// The thread with a number, of a process if one is given.
fn thread(process: Option<Pid>, tid: Pid) -> Result<Arc<Task>> {
    if tid <= 0 || process.is_some_and(|pid| pid <= 0) {
        return Err(Errno::EINVAL);
    }
    let found = system().tree().thread(tid).cloned().ok_or(Errno::ESRCH)?;
    if process.is_some_and(|pid| pid != found.pid()) { Err(Errno::ESRCH) } else { Ok(found) }
}

fn send_thread(task: &Task, target: &Task, signal: i32) -> SysResult {
    let signal = signal_or_none(signal)?;
    check(task, &target.process, signal)?;
    if let Some(signal) = signal {
        send_to_task(target, SigInfo::thread(signal, task.pid(), task.credentials().uid));
    }
    Ok(0)
}

/// tkill(2)
pub fn sys_tkill(task: &Task, args: &Args) -> SysResult {
    send_thread(task, &*thread(None, args.int(0))?, args.int(1))
}

/// tgkill(2)
pub fn sys_tgkill(task: &Task, args: &Args) -> SysResult {
    send_thread(task, &*thread(Some(args.int(0)), args.int(1))?, args.int(2))
}

/// Reads a `siginfo_t` whose code a program may give: nobody but itself may be told that the kernel sent it.
fn read_info(task: &Task, target: Pid, signal: Option<Signal>, args: &Args, index: usize) -> Result<Option<SigInfo>> {
    let bytes: [u8; SIGINFO_BYTES] = read_value(args.addr(index))?;
    let Some(signal) = signal else { return Ok(None) };
    let info = SigInfo::from_bytes(signal, &bytes);
    if (info.code >= 0 || info.code == raw::SI_TKILL) && target != task.pid() {
        return Err(Errno::EPERM);
    }
    Ok(Some(info))
}

/// rt_sigqueueinfo(2)
pub fn sys_rt_sigqueueinfo(task: &Task, args: &Args) -> SysResult {
    let signal = signal_or_none(args.int(1))?;
    let target = process_of(args.int(0))?;
    let info = read_info(task, target.pid, signal, args, 2)?;
    check(task, &target, signal)?;
    if let Some(info) = info {
        send_to_process(&target, info);
    }
    Ok(0)
}

/// rt_tgsigqueueinfo(2)
pub fn sys_rt_tgsigqueueinfo(task: &Task, args: &Args) -> SysResult {
    let signal = signal_or_none(args.int(2))?;
    let target = thread(Some(args.int(0)), args.int(1))?;
    let info = read_info(task, target.pid(), signal, args, 3)?;
    check(task, &target.process, signal)?;
    if let Some(info) = info {
        send_to_task(&target, info);
    }
    Ok(0)
}
