//! chmod, chown, truncate, fallocate.

use guest_memory::UserAddr;
use linux_abi::raw::general as raw;
use linux_abi::{Errno, Result};
use task::Task;
use vfs::{Allocation, FileKind, Path};

use super::{Actor, file, offset, only_flags};
use crate::{Args, SysResult};

/// chmod(2)
pub fn sys_chmod(task: &Task, args: &Args) -> SysResult {
    change_mode(task, raw::AT_FDCWD, args.addr(0), args.uint(1))
}

/// fchmodat(2): the call without flags
pub fn sys_fchmodat(task: &Task, args: &Args) -> SysResult {
    change_mode(task, args.int(0), args.addr(1), args.uint(2))
}

fn change_mode(task: &Task, directory: i32, path: UserAddr, mode: u32) -> SysResult {
    let actor = Actor::of(task);
    let path = actor.path_at(directory, path, 0)?;
    actor.caller().change_mode(&path, mode).map(|()| 0)
}

/// fchmod(2)
pub fn sys_fchmod(task: &Task, args: &Args) -> SysResult {
    let file = file(task, args.int(0))?;
    Actor::of(task).caller().change_mode(file.path(), args.uint(1)).map(|()| 0)
}

/// Reads a user or group id; -1 leaves as is.
const fn id(raw: u32) -> Option<u32> {
    if raw == u32::MAX { None } else { Some(raw) }
}

fn change_owner(actor: &Actor, path: &Path, uid: u32, gid: u32) -> SysResult {
    actor.caller().change_owner(path, id(uid), id(gid)).map(|()| 0)
}

/// chown(2)
pub fn sys_chown(task: &Task, args: &Args) -> SysResult {
    let actor = Actor::of(task);
    let path = actor.path_at(raw::AT_FDCWD, args.addr(0), 0)?;
    change_owner(&actor, &path, args.uint(1), args.uint(2))
}

/// lchown(2)
pub fn sys_lchown(task: &Task, args: &Args) -> SysResult {
    let actor = Actor::of(task);
    let path = actor.path_at(raw::AT_FDCWD, args.addr(0), raw::AT_SYMLINK_NOFOLLOW)?;
    change_owner(&actor, &path, args.uint(1), args.uint(2))
}

/// fchown(2)
pub fn sys_fchown(task: &Task, args: &Args) -> SysResult {
    let file = file(task, args.int(0))?;
    change_owner(&Actor::of(task), file.path(), args.uint(1), args.uint(2))
}

/// fchownat(2)
pub fn sys_fchownat(task: &Task, args: &Args) -> SysResult {
    only_flags(args.uint(4), raw::AT_SYMLINK_NOFOLLOW | raw::AT_EMPTY_PATH)?;
    let actor = Actor::of(task);
    let path = actor.path_at(args.int(0), args.addr(1), args.uint(4))?;
    change_owner(&actor, &path, args.uint(2), args.uint(3))
}

/// Checks a new size against `RLIMIT_FSIZE`.
fn require_size(task: &Task, size: u64) -> Result<()> {
    if size > task.soft_limit(raw::RLIMIT_FSIZE) {
        task.raise_signal(raw::SIGXFSZ);
        return Err(Errno::EFBIG);
    }
    Ok(())
}

/// truncate(2)
pub fn sys_truncate(task: &Task, args: &Args) -> SysResult {
    let size = offset(args.raw(1))?;
    let actor = Actor::of(task);
    let path = actor.path_at(raw::AT_FDCWD, args.addr(0), 0)?;
    require_size(task, size)?;
    actor.caller().truncate(&path, size).map(|()| 0)
}

/// ftruncate(2)
pub fn sys_ftruncate(task: &Task, args: &Args) -> SysResult {
    let size = offset(args.raw(1))?;
    let file = file(task, args.int(0))?;
    if file.path().dentry.kind() != FileKind::Regular || !file.flags().is_writable() {
        return Err(Errno::EINVAL);
    }
    require_size(task, size)?;
    file.file().truncate(size).map(|()| 0)
}

/// fallocate(2)
pub fn sys_fallocate(task: &Task, args: &Args) -> SysResult {
    const PUNCH: u32 = raw::FALLOC_FL_PUNCH_HOLE | raw::FALLOC_FL_KEEP_SIZE;
    let file = file(task, args.int(0))?;
    let (start, length) = (offset(args.raw(2))?, offset(args.raw(3))?);
    if length == 0 {
        return Err(Errno::EINVAL);
    }
    let how = match args.uint(1) {
        0 => Allocation::Extend,
        raw::FALLOC_FL_KEEP_SIZE => Allocation::KeepSize,
        PUNCH => Allocation::PunchHole,
        _ => return Err(Errno::EOPNOTSUPP),
    };
    file.require_writable()?;
    match file.path().dentry.kind() {
        FileKind::Regular => {}
        FileKind::Fifo => return Err(Errno::ESPIPE),
        FileKind::Directory => return Err(Errno::EISDIR),
        _ => return Err(Errno::ENODEV),
    }
    let end = start.checked_add(length).filter(|end| *end <= i64::MAX as u64).ok_or(Errno::EFBIG)?;
    if how == Allocation::Extend {
        require_size(task, end)?;
    }
    file.file().allocate(how, start, length).map(|()| 0)
}
