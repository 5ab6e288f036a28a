//! wait4, waitid.

use guest_memory::{write_bytes, write_value};
use linux_abi::raw::general as raw;
use linux_abi::{Errno, Result};
use task::signal::{Fields, SigInfo, Signal};
use task::{Report, Select, Task, WaitOptions, wait_for_child};

use super::limits::rusage;
use crate::{Args, SysResult};

const WNOTHREAD: u32 = raw::__WNOTHREAD;
/// The part of `siginfo_t` that waitid(2) fills in: up to `si_status`.
const WAITID_BYTES: usize = 28;

fn options(flags: u32, ended: bool) -> WaitOptions {
    WaitOptions {
        ended,
        stopped: flags & raw::WUNTRACED != 0,
        continued: flags & raw::WCONTINUED != 0,
        no_hang: flags & raw::WNOHANG != 0,
        leave: flags & raw::WNOWAIT != 0,
        all_kinds: flags & raw::__WALL != 0,
        clones_only: flags & raw::__WCLONE != 0,
    }
}

/// wait4(2)
pub fn sys_wait4(task: &Task, args: &Args) -> SysResult {
    const KNOWN: u32 = raw::WNOHANG | raw::WUNTRACED | raw::WCONTINUED | WNOTHREAD | raw::__WCLONE | raw::__WALL;
    let flags = args.uint(2);
    if flags & !KNOWN != 0 {
        return Err(Errno::EINVAL);
    }
    let select = match args.int(0) {
        -1 => Select::Any,
        pid @ 1.. => Select::Process(pid),
        pid => Select::Group(pid.checked_neg().ok_or(Errno::ESRCH)?),
    };
    let Some(report) = wait_for_child(task, select, &options(flags, true))? else { return Ok(0) };
    if !args.addr(1).is_null() {
        write_value(args.addr(1), &report.event.wait_status())?;
    }
    if !args.addr(3).is_null() {
        write_value(args.addr(3), &rusage(&report.usage))?;
    }
    Ok(report.pid as u64)
}

fn select(kind: u32, id: i32) -> Result<Select> {
    match (kind, id) {
        (raw::P_ALL, _) => Ok(Select::Any),
        (raw::P_PID, 1..) => Ok(Select::Process(id)),
        (raw::P_PGID, 0..) => Ok(Select::Group(id)),
        (raw::P_PIDFD, _) => Err(Errno::EBADF),
        _ => Err(Errno::EINVAL),
    }
}

/// waitid(2)
pub fn sys_waitid(task: &Task, args: &Args) -> SysResult {
    const EVENTS: u32 = raw::WEXITED | raw::WUNTRACED | raw::WCONTINUED;
    const KNOWN: u32 = EVENTS | raw::WNOHANG | raw::WNOWAIT | WNOTHREAD | raw::__WCLONE | raw::__WALL;
    let flags = args.uint(3);
    if flags & !KNOWN != 0 || flags & EVENTS == 0 {
        return Err(Errno::EINVAL);
    }
    let select = select(args.uint(0), args.int(1))?;
    let report = wait_for_child(task, select, &options(flags, flags & raw::WEXITED != 0))?;
    if let Some(report) = &report
        && !args.addr(4).is_null()
    {
        write_value(args.addr(4), &rusage(&report.usage))?;
    }
    if !args.addr(2).is_null() {
        let shown = report.map_or([0; WAITID_BYTES], |report| describe(&report));
        write_bytes(args.addr(2), &shown)?;
    }
    Ok(0)
}

fn describe(report: &Report) -> [u8; WAITID_BYTES] {
    let (code, status) = report.event.code_and_status();
    let fields = Fields::Child { pid: report.pid, uid: report.uid, status, user_ticks: 0, system_ticks: 0 };
    let bytes = SigInfo { signal: Signal::SIGCHLD, errno: 0, code, fields }.to_bytes();
    let mut shown = [0; WAITID_BYTES];
    for (to, from) in shown.iter_mut().zip(bytes) {
        *to = from;
    }
    shown
}
