//! flock and the record locks of fcntl.

use alloc::sync::Arc;

use guest_memory::{UserAddr, read_value, write_value};
use linux_abi::raw::general as raw;
use linux_abi::{Errno, Result};
use task::Task;
use vfs::OpenFile;
use vfs::locks::{self, Lock, LockKind, LockOwner, Wait};

use super::file;
use crate::{Args, SysResult};

/// flock(2)
pub fn sys_flock(task: &Task, args: &Args) -> SysResult {
    let file = file(task, args.int(0))?;
    let operation = args.uint(1);
    let owner = LockOwner::Flock(file.id());
    let kind = match operation & !raw::LOCK_NB {
        raw::LOCK_SH => LockKind::Shared,
        raw::LOCK_EX => LockKind::Exclusive,
        raw::LOCK_UN => return locks::release(&file, owner, 0, u64::MAX).map(|()| 0),
        _ => return Err(Errno::EINVAL),
    };
    let wait = if operation & raw::LOCK_NB == 0 { Wait::ForLock } else { Wait::Never };
    locks::acquire(&file, Lock { start: 0, end: u64::MAX, kind, owner }, wait).map(|()| 0)
}

/// The range of a `struct flock` as start and exclusive end.
fn range(file: &OpenFile, lock: &raw::flock) -> Result<(u64, u64)> {
    let base = match lock.l_whence as u32 {
        raw::SEEK_SET => 0,
        raw::SEEK_CUR => file.offset() as i64,
        raw::SEEK_END => file.file().size()? as i64,
        _ => return Err(Errno::EINVAL),
    };
    let start = base.checked_add(lock.l_start).ok_or(Errno::EOVERFLOW)?;
    let (start, end) = match lock.l_len {
        0 => (start, None),
        length if length > 0 => (start, Some(start.checked_add(length).ok_or(Errno::EOVERFLOW)?)),
        length => (start.checked_add(length).ok_or(Errno::EINVAL)?, Some(start)),
    };
    let start = u64::try_from(start).map_err(|_| Errno::EINVAL)?;
    Ok((start, end.map_or(u64::MAX, |end| end as u64)))
}

fn owner(task: &Task, file: &OpenFile, command: u32, lock: &raw::flock) -> Result<LockOwner> {
    match command {
        raw::F_GETLK | raw::F_SETLK | raw::F_SETLKW => {
            Ok(LockOwner::Process { table: task.files().id(), pid: task.pid() })
        }
        _ if lock.l_pid != 0 => Err(Errno::EINVAL),
        _ => Ok(LockOwner::Description(file.id())),
    }
}

/// `F_GETLK` and `F_OFD_GETLK`
pub(crate) fn get(task: &Task, file: &OpenFile, command: u32, address: UserAddr) -> SysResult {
    let mut request: raw::flock = read_value(address)?;
    let kind = match request.l_type as u32 {
        raw::F_RDLCK => LockKind::Shared,
        raw::F_WRLCK => LockKind::Exclusive,
        _ => return Err(Errno::EINVAL),
    };
    let (start, end) = range(file, &request)?;
    let wanted = Lock { start, end, kind, owner: owner(task, file, command, &request)? };
    match locks::find_conflict(file, &wanted)? {
        None => request.l_type = raw::F_UNLCK as i16,
        Some(found) => describe(&mut request, &found),
    }
    write_value(address, &request).map(|()| 0)
}

fn describe(answer: &mut raw::flock, found: &Lock) {
    let kind = if found.kind == LockKind::Shared { raw::F_RDLCK } else { raw::F_WRLCK };
    answer.l_type = kind as i16;
    answer.l_whence = raw::SEEK_SET as i16;
    answer.l_start = found.start as i64;
    answer.l_len = if found.end == u64::MAX { 0 } else { (found.end - found.start) as i64 };
    answer.l_pid = match found.owner {
        LockOwner::Process { pid, .. } => pid,
        _ => -1,
    };
}

/// `F_SETLK`, `F_SETLKW` and their `OFD` relatives
pub(crate) fn set(task: &Task, file: &Arc<OpenFile>, command: u32, address: UserAddr) -> SysResult {
    let request: raw::flock = read_value(address)?;
    let (start, end) = range(file, &request)?;
    let owner = owner(task, file, command, &request)?;
    let kind = match request.l_type as u32 {
        raw::F_UNLCK => return locks::release(file, owner, start, end).map(|()| 0),
        raw::F_RDLCK => {
            file.require_readable()?;
            LockKind::Shared
        }
        raw::F_WRLCK => {
            file.require_writable()?;
            LockKind::Exclusive
        }
        _ => return Err(Errno::EINVAL),
    };
    let wait = if matches!(command, raw::F_SETLKW | raw::F_OFD_SETLKW) { Wait::ForLock } else { Wait::Never };
    locks::acquire(file, Lock { start, end, kind, owner }, wait).map(|()| 0)
}
