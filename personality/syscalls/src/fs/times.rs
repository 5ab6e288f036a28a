//! utime, utimes, futimesat, utimensat.

use guest_memory::{UserAddr, read_value};
use linux_abi::raw::general as raw;
use linux_abi::{Errno, Result};
use task::Task;
use vfs::{NewTime, Timestamp};

use super::{Actor, file, only_flags};
use crate::{Args, SysResult};

type Times = (NewTime, NewTime);

const NOW: Times = (NewTime::Now, NewTime::Now);

fn set(task: &Task, directory: i32, path: UserAddr, times: Times, flags: u32) -> SysResult {
    let actor = Actor::of(task);
    if path.is_null() && directory != raw::AT_FDCWD {
        only_flags(flags, 0)?;
        let file = file(task, directory)?;
        return actor.caller().change_times(file.path(), times.0, times.1).map(|()| 0);
    }
    let path = actor.path_at(directory, path, flags)?;
    actor.caller().change_times(&path, times.0, times.1).map(|()| 0)
}

/// utime(2)
pub fn sys_utime(task: &Task, args: &Args) -> SysResult {
    let times = match args.addr(1) {
        UserAddr::NULL => NOW,
        address => {
            let [accessed, modified]: [i64; 2] = read_value(address)?;
            let at = |seconds| NewTime::At(Timestamp { seconds, nanoseconds: 0 });
            (at(accessed), at(modified))
        }
    };
    set(task, raw::AT_FDCWD, args.addr(0), times, 0)
}

/// Reads two `struct timeval`.
fn read_timevals(address: UserAddr) -> Result<Times> {
    if address.is_null() {
        return Ok(NOW);
    }
    let [accessed, modified]: [[i64; 2]; 2] = read_value(address)?;
    let time = |[seconds, microseconds]: [i64; 2]| match u32::try_from(microseconds) {
        Ok(microseconds @ 0..1_000_000) => Ok(NewTime::At(Timestamp { seconds, nanoseconds: microseconds * 1000 })),
        _ => Err(Errno::EINVAL),
    };
    Ok((time(accessed)?, time(modified)?))
}

/// utimes(2)
pub fn sys_utimes(task: &Task, args: &Args) -> SysResult {
    set(task, raw::AT_FDCWD, args.addr(0), read_timevals(args.addr(1))?, 0)
}

/// futimesat(2)
pub fn sys_futimesat(task: &Task, args: &Args) -> SysResult {
    set(task, args.int(0), args.addr(1), read_timevals(args.addr(2))?, 0)
}

/// utimensat(2)
pub fn sys_utimensat(task: &Task, args: &Args) -> SysResult {
    let flags = args.uint(3);
    let times = match args.addr(2) {
        UserAddr::NULL => NOW,
        address => {
            let [accessed, modified]: [[i64; 2]; 2] = read_value(address)?;
            (read_timespec(accessed)?, read_timespec(modified)?)
        }
    };
    if times == (NewTime::Keep, NewTime::Keep) {
        return Ok(0);
    }
    only_flags(flags, raw::AT_SYMLINK_NOFOLLOW | raw::AT_EMPTY_PATH)?;
    set(task, args.int(0), args.addr(1), times, flags)
}

fn read_timespec([seconds, nanoseconds]: [i64; 2]) -> Result<NewTime> {
    const NOW: u32 = raw::UTIME_NOW;
    const OMIT: u32 = raw::UTIME_OMIT;
    match u32::try_from(nanoseconds) {
        Ok(NOW) => Ok(NewTime::Now),
        Ok(OMIT) => Ok(NewTime::Keep),
        Ok(nanoseconds @ 0..1_000_000_000) => Ok(NewTime::At(Timestamp { seconds, nanoseconds })),
        _ => Err(Errno::EINVAL),
    }
}
