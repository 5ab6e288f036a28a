//! prctl, arch_prctl, personality.

use core::sync::atomic::Ordering;

use guest_memory::{USER_END, read_value, write_bytes, write_value};
use linux_abi::raw::prctl as raw;
use linux_abi::{Errno, Result};
use task::signal::Signal;
use task::{Task, system};

use crate::{Args, SysResult};

/// Bytes of a thread's name, with its zero byte.
const NAME_BYTES: usize = 16;
/// Default of Linux; timers here are exact.
const TIMER_SLACK_NS: u64 = 50_000;

/// prctl(2): names, signals at the parent's death, and the flags that are kept. Everything else is `EINVAL`.
pub fn sys_prctl(task: &Task, args: &Args) -> SysResult {
    match args.uint(0) {
        raw::PR_SET_PDEATHSIG => {
            let signal = if args.raw(1) == 0 { 0 } else { Signal::new(args.raw(1))?.number() };
            task.parent_death_signal.store(signal.into(), Ordering::Relaxed);
            Ok(0)
        }
        raw::PR_GET_PDEATHSIG => {
            write_value(args.addr(1), &task.parent_death_signal.load(Ordering::Relaxed))?;
            Ok(0)
        }
        raw::PR_GET_DUMPABLE => Ok(task.process.dumpable.load(Ordering::Relaxed).into()),
        raw::PR_SET_DUMPABLE => {
            task.process.dumpable.store(flag(args.raw(1))?, Ordering::Relaxed);
            Ok(0)
        }
        raw::PR_SET_NAME => set_name(task, args),
        raw::PR_GET_NAME => {
            let name = *task.name.lock();
            write_bytes(args.addr(1), &name)?;
            Ok(0)
        }
        raw::PR_SET_NO_NEW_PRIVS => {
            if args.raw(1) != 1 || [2, 3, 4].iter().any(|index| args.raw(*index) != 0) {
                return Err(Errno::EINVAL);
            }
            task.no_new_privileges.store(true, Ordering::Relaxed);
            Ok(0)
        }
        raw::PR_GET_NO_NEW_PRIVS => Ok(task.no_new_privileges.load(Ordering::Relaxed).into()),
        raw::PR_SET_CHILD_SUBREAPER => {
            if let Some(entry) = system().tree().get_mut(task.pid()) {
                entry.is_subreaper = args.raw(1) != 0;
            }
            Ok(0)
        }
        raw::PR_GET_CHILD_SUBREAPER => {
            let is_subreaper = system().tree().get(task.pid()).is_some_and(|entry| entry.is_subreaper);
            write_value(args.addr(1), &i32::from(is_subreaper))?;
            Ok(0)
        }
        raw::PR_GET_TID_ADDRESS => {
            write_value(args.addr(1), &task.clear_child_tid.load(Ordering::Relaxed))?;
            Ok(0)
        }
        raw::PR_GET_TIMERSLACK => Ok(TIMER_SLACK_NS),
        raw::PR_GET_KEEPCAPS | raw::PR_GET_SECUREBITS | raw::PR_GET_SECCOMP => Ok(0),
        raw::PR_CAPBSET_READ | raw::PR_CAPBSET_DROP => bounding_set(task, args),
        _ => Err(Errno::EINVAL),
    }
}

fn flag(value: u64) -> Result<bool> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Errno::EINVAL),
    }
}

fn set_name(task: &Task, args: &Args) -> SysResult {
    let mut name = [0; NAME_BYTES];
    // A name may end, with its zero byte, right before memory that is not there.
    for (index, place) in name.iter_mut().take(NAME_BYTES - 1).enumerate() {
        *place = read_value(args.addr(1).offset(index as u64))?;
        if *place == 0 {
            break;
        }
    }
    let length = name.iter().position(|byte| *byte == 0).unwrap_or(NAME_BYTES);
    task.set_name(name.get(..length).unwrap_or_default());
    Ok(0)
}

fn bounding_set(task: &Task, args: &Args) -> SysResult {
    let bit = u32::try_from(args.raw(1)).ok().and_then(|number| 1u64.checked_shl(number)).unwrap_or(0);
    if bit & vfs::credentials::ALL_CAPABILITIES == 0 {
        return Err(Errno::EINVAL);
    }
    let credentials = task.credentials();
    if args.uint(0) == raw::PR_CAPBSET_READ {
        return Ok(u64::from(credentials.bounding & bit != 0));
    }
    const SETPCAP: u64 = 1 << 8;
    if credentials.effective & SETPCAP == 0 {
        return Err(Errno::EPERM);
    }
    let mut new = (*credentials).clone();
    new.bounding &= !bit;
    task.set_credentials(new);
    Ok(0)
}

/// arch_prctl(2): the bases of `fs` and `gs`.
pub fn sys_arch_prctl(task: &Task, args: &Args) -> SysResult {
    // arch/x86/include/uapi/asm/prctl.h
    const ARCH_SET_GS: u32 = 0x1001;
    const ARCH_SET_FS: u32 = 0x1002;
    const ARCH_GET_FS: u32 = 0x1003;
    const ARCH_GET_GS: u32 = 0x1004;
    const ARCH_GET_CPUID: u32 = 0x1011;
    const ARCH_SET_CPUID: u32 = 0x1012;
    let value = args.raw(1);
    let state = &task.seat.state;
    match args.uint(0) {
        ARCH_SET_FS | ARCH_SET_GS if value >= USER_END => return Err(Errno::EPERM),
        ARCH_SET_FS => state.with(|state| state.fs_base = value),
        ARCH_SET_GS => state.with(|state| state.gs_base = value),
        ARCH_GET_FS => write_value(args.addr(1), &state.with(|state| state.fs_base))?,
        ARCH_GET_GS => write_value(args.addr(1), &state.with(|state| state.gs_base))?,
        ARCH_GET_CPUID => return Ok(1),
        ARCH_SET_CPUID => return Err(Errno::ENODEV),
        _ => return Err(Errno::EINVAL),
    }
    Ok(0)
}

/// personality(2). Kept and shown; none of its flags does anything.
pub fn sys_personality(task: &Task, args: &Args) -> SysResult {
    const ASK: u32 = u32::MAX;
    let persona = &task.process.persona;
    match args.uint(0) {
        ASK => Ok(persona.load(Ordering::Relaxed)),
        new => Ok(persona.swap(new.into(), Ordering::Relaxed)),
    }
}
