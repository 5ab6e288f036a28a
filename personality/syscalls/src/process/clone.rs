//! fork, vfork, clone, clone3, unshare.

use guest_memory::{UserAddr, bytes_of_mut, read_bytes, zeroed};
use linux_abi::raw::general as raw;
use linux_abi::{Errno, Result};
use task::signal::Signal;
use task::{CloneRequest, Task};

use crate::{Args, SysResult};

fn request(flags: u32, exit_signal: Option<Signal>) -> CloneRequest {
    CloneRequest {
        flags: u64::from(flags),
        exit_signal,
        stack: 0,
        parent_tid: UserAddr::NULL,
        child_tid: UserAddr::NULL,
        tls: 0,
    }
}

fn clone(task: &Task, request: &CloneRequest) -> SysResult {
    task::clone(task, request).map(|pid| pid as u64)
}

/// fork(2)
pub fn sys_fork(task: &Task, _args: &Args) -> SysResult {
    clone(task, &request(0, Some(Signal::SIGCHLD)))
}

/// vfork(2)
pub fn sys_vfork(task: &Task, _args: &Args) -> SysResult {
    clone(task, &request(raw::CLONE_VFORK | raw::CLONE_VM, Some(Signal::SIGCHLD)))
}

fn exit_signal(number: u64) -> Result<Option<Signal>> {
    if number == 0 { Ok(None) } else { Signal::new(number).map(Some) }
}

/// clone(2), with the arguments in the order of x86-64.
pub fn sys_clone(task: &Task, args: &Args) -> SysResult {
    let flags = args.uint(0);
    let request = CloneRequest {
        flags: u64::from(flags & !raw::CSIGNAL),
        exit_signal: exit_signal(u64::from(flags & raw::CSIGNAL))?,
        stack: args.raw(1),
        parent_tid: args.addr(2),
        child_tid: args.addr(3),
        tls: args.raw(4),
    };
    clone(task, &request)
}

/// clone3(2). Chosen numbers and control groups are missing.
pub fn sys_clone3(task: &Task, args: &Args) -> SysResult {
    let wanted = read_clone_args(args.addr(0), args.size(1))?;
    let stack = wanted.stack.checked_add(wanted.stack_size).ok_or(Errno::EINVAL)?;
    let half_a_stack = (wanted.stack == 0) != (wanted.stack_size == 0);
    if wanted.flags & u64::from(raw::CSIGNAL | raw::CLONE_DETACHED) != 0 || half_a_stack {
        return Err(Errno::EINVAL);
    }
    if wanted.set_tid != 0 || wanted.set_tid_size != 0 || wanted.cgroup != 0 {
        return Err(Errno::EINVAL);
    }
    let one_parent = u64::from(raw::CLONE_THREAD | raw::CLONE_PARENT);
    if wanted.flags & one_parent != 0 && wanted.exit_signal != 0 {
        return Err(Errno::EINVAL);
    }
    let request = CloneRequest {
        flags: wanted.flags,
        exit_signal: exit_signal(wanted.exit_signal)?,
        stack,
        parent_tid: UserAddr::new(wanted.parent_tid),
        child_tid: UserAddr::new(wanted.child_tid),
        tls: wanted.tls,
    };
    clone(task, &request)
}

/// Reads a structure that newer programs may have more of: what is not known must be zero.
fn read_clone_args(address: UserAddr, size: usize) -> Result<raw::clone_args> {
    let mut args = zeroed::<raw::clone_args>();
    if size < raw::CLONE_ARGS_SIZE_VER0 as usize {
        return Err(Errno::EINVAL);
    }
    if size > guest_memory::PAGE_BYTES as usize {
        return Err(Errno::E2BIG);
    }
    let mut bytes = alloc::vec![0; size];
    read_bytes(address, &mut bytes)?;
    let known = size.min(size_of::<raw::clone_args>());
    let (head, tail) = bytes.split_at(known);
    if tail.iter().any(|byte| *byte != 0) {
        return Err(Errno::E2BIG);
    }
    for (to, from) in bytes_of_mut(&mut args).iter_mut().zip(head) {
        *to = *from;
    }
    Ok(args)
}

/// unshare(2), of descriptors and of root, working directory and umask; there are no namespaces.
pub fn sys_unshare(task: &Task, args: &Args) -> SysResult {
    const KNOWN: u32 = raw::CLONE_FILES | raw::CLONE_FS | raw::CLONE_SYSVSEM;
    let flags = args.uint(0);
    if flags & !KNOWN != 0 {
        return Err(Errno::EINVAL);
    }
    if flags & raw::CLONE_FILES != 0 {
        task.unshare_files();
    }
    if flags & raw::CLONE_FS != 0 {
        task.unshare_fs();
    }
    Ok(0)
}
