//! Numbers of processes, threads, groups and sessions.

use linux_abi::raw::general as raw;
use linux_abi::{Errno, Result};
use task::{Pid, Task, system};

use guest_memory::write_value;

use crate::{Args, SysResult};

/// getpid(2)
pub fn sys_getpid(task: &Task, _args: &Args) -> SysResult {
    Ok(task.pid() as u64)
}

/// gettid(2)
pub fn sys_gettid(task: &Task, _args: &Args) -> SysResult {
    Ok(task.tid() as u64)
}

/// getppid(2)
pub fn sys_getppid(task: &Task, _args: &Args) -> SysResult {
    Ok(system().tree().get(task.pid()).map_or(0, |entry| entry.parent) as u64)
}

fn group_and_session(task: &Task, pid: Pid) -> Result<(Pid, Pid)> {
    let tree = system().tree();
    let pid = if pid == 0 { task.pid() } else { pid };
    let pid = tree.thread(pid).map_or(pid, |thread| thread.pid());
    tree.get(pid).map(|entry| (entry.group, entry.session)).ok_or(Errno::ESRCH)
}

/// getpgrp(2)
pub fn sys_getpgrp(task: &Task, _args: &Args) -> SysResult {
    group_and_session(task, 0).map(|(group, _)| group as u64)
}

/// getpgid(2)
pub fn sys_getpgid(task: &Task, args: &Args) -> SysResult {
    group_and_session(task, args.int(0)).map(|(group, _)| group as u64)
}

/// getsid(2)
pub fn sys_getsid(task: &Task, args: &Args) -> SysResult {
    group_and_session(task, args.int(0)).map(|(_, session)| session as u64)
}

/// setpgid(2)
pub fn sys_setpgid(task: &Task, args: &Args) -> SysResult {
    if args.int(1) < 0 {
        return Err(Errno::EINVAL);
    }
    system().tree().set_group(task.pid(), args.int(0), args.int(1)).map(|()| 0)
}

/// setsid(2)
pub fn sys_setsid(task: &Task, _args: &Args) -> SysResult {
    system().tree().new_session(task.pid()).map(|session| session as u64)
}

/// set_tid_address(2)
pub fn sys_set_tid_address(task: &Task, args: &Args) -> SysResult {
    task.clear_child_tid.store(args.raw(0), core::sync::atomic::Ordering::Relaxed);
    Ok(task.tid() as u64)
}

/// set_robust_list(2)
pub fn sys_set_robust_list(task: &Task, args: &Args) -> SysResult {
    if args.size(1) != size_of::<raw::robust_list_head>() {
        return Err(Errno::EINVAL);
    }
    task.robust_list.store(args.raw(0), core::sync::atomic::Ordering::Relaxed);
    Ok(0)
}

/// get_robust_list(2)
pub fn sys_get_robust_list(task: &Task, args: &Args) -> SysResult {
    let tid = args.int(0);
    let head = if tid == 0 || tid == task.tid() {
        task.robust_list.load(core::sync::atomic::Ordering::Relaxed)
    } else {
        let other = system().tree().thread(tid).cloned().ok_or(Errno::ESRCH)?;
        if other.pid() != task.pid() && !task.credentials().has(vfs::Capability::SysPtrace) {
            return Err(Errno::EPERM);
        }
        other.robust_list.load(core::sync::atomic::Ordering::Relaxed)
    };
    write_value(args.addr(2), &size_of::<raw::robust_list_head>())?;
    write_value(args.addr(1), &head)?;
    Ok(0)
}
