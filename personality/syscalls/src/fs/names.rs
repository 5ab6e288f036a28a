//! Making, removing, renaming and reading names.

use guest_memory::{UserAddr, write_bytes};
use linux_abi::Errno;
use linux_abi::raw::general as raw;
use task::Task;
use vfs::{Capability, DeviceNumber, FileKind, RenameRule};

use super::{Actor, only_flags, read_path};
use crate::{Args, SysResult};

/// mkdir(2)
pub fn sys_mkdir(task: &Task, args: &Args) -> SysResult {
    make_directory(task, raw::AT_FDCWD, args.addr(0), args.uint(1))
}

/// mkdirat(2)
pub fn sys_mkdirat(task: &Task, args: &Args) -> SysResult {
    make_directory(task, args.int(0), args.addr(1), args.uint(2))
}

fn make_directory(task: &Task, directory: i32, path: UserAddr, mode: u32) -> SysResult {
    let (actor, text) = (Actor::of(task), read_path(path)?);
    let base = actor.base(directory, &text)?;
    actor.caller().make_directory(base.as_ref(), &text, mode).map(|()| 0)
}

/// mknod(2)
pub fn sys_mknod(task: &Task, args: &Args) -> SysResult {
    make_node(task, raw::AT_FDCWD, args.addr(0), args.uint(1), args.uint(2))
}

/// mknodat(2)
pub fn sys_mknodat(task: &Task, args: &Args) -> SysResult {
    make_node(task, args.int(0), args.addr(1), args.uint(2), args.uint(3))
}

fn make_node(task: &Task, directory: i32, path: UserAddr, mode: u32, rdev: u32) -> SysResult {
    let kind = match mode & raw::S_IFMT {
        0 => FileKind::Regular,
        raw::S_IFDIR => return Err(Errno::EPERM),
        raw::S_IFLNK => return Err(Errno::EINVAL),
        _ => FileKind::from_mode(mode).ok_or(Errno::EINVAL)?,
    };
    let (actor, text) = (Actor::of(task), read_path(path)?);
    let base = actor.base(directory, &text)?;
    let rdev = DeviceNumber::from_encoded(u64::from(rdev));
    actor.caller().make_node(base.as_ref(), &text, kind, mode & 0o7777, rdev).map(|()| 0)
}

/// rmdir(2)
pub fn sys_rmdir(task: &Task, args: &Args) -> SysResult {
    remove(task, raw::AT_FDCWD, args.addr(0), raw::AT_REMOVEDIR)
}

/// unlink(2)
pub fn sys_unlink(task: &Task, args: &Args) -> SysResult {
    remove(task, raw::AT_FDCWD, args.addr(0), 0)
}

/// unlinkat(2)
pub fn sys_unlinkat(task: &Task, args: &Args) -> SysResult {
    only_flags(args.uint(2), raw::AT_REMOVEDIR)?;
    remove(task, args.int(0), args.addr(1), args.uint(2))
}

fn remove(task: &Task, directory: i32, path: UserAddr, flags: u32) -> SysResult {
    let (actor, text) = (Actor::of(task), read_path(path)?);
    let base = actor.base(directory, &text)?;
    let caller = actor.caller();
    let removed = match flags {
        raw::AT_REMOVEDIR => caller.remove_directory(base.as_ref(), &text),
        _ => caller.unlink(base.as_ref(), &text),
    };
    removed.map(|()| 0)
}

/// rename(2)
pub fn sys_rename(task: &Task, args: &Args) -> SysResult {
    rename(task, (raw::AT_FDCWD, args.addr(0)), (raw::AT_FDCWD, args.addr(1)), 0)
}

/// renameat(2)
pub fn sys_renameat(task: &Task, args: &Args) -> SysResult {
    rename(task, (args.int(0), args.addr(1)), (args.int(2), args.addr(3)), 0)
}

/// renameat2(2)
pub fn sys_renameat2(task: &Task, args: &Args) -> SysResult {
    rename(task, (args.int(0), args.addr(1)), (args.int(2), args.addr(3)), args.uint(4))
}

fn rename(task: &Task, old: (i32, UserAddr), new: (i32, UserAddr), flags: u32) -> SysResult {
    let rule = match flags {
        0 => RenameRule::Replace,
        raw::RENAME_NOREPLACE => RenameRule::NoReplace,
        raw::RENAME_EXCHANGE => RenameRule::Exchange,
        _ => return Err(Errno::EINVAL),
    };
    let actor = Actor::of(task);
    let (old_text, new_text) = (read_path(old.1)?, read_path(new.1)?);
    let (old_base, new_base) = (actor.base(old.0, &old_text)?, actor.base(new.0, &new_text)?);
    actor.caller().rename(old_base.as_ref(), &old_text, new_base.as_ref(), &new_text, rule).map(|()| 0)
}

/// link(2)
pub fn sys_link(task: &Task, args: &Args) -> SysResult {
    link(task, (raw::AT_FDCWD, args.addr(0)), (raw::AT_FDCWD, args.addr(1)), 0)
}

/// linkat(2)
pub fn sys_linkat(task: &Task, args: &Args) -> SysResult {
    link(task, (args.int(0), args.addr(1)), (args.int(2), args.addr(3)), args.uint(4))
}

fn link(task: &Task, old: (i32, UserAddr), new: (i32, UserAddr), flags: u32) -> SysResult {
    only_flags(flags, raw::AT_SYMLINK_FOLLOW | raw::AT_EMPTY_PATH)?;
    let actor = Actor::of(task);
    if flags & raw::AT_EMPTY_PATH != 0 && !actor.credentials.has(Capability::DacReadSearch) {
        return Err(Errno::ENOENT);
    }
    let nofollow = if flags & raw::AT_SYMLINK_FOLLOW == 0 { raw::AT_SYMLINK_NOFOLLOW } else { 0 };
    let target = actor.path_at(old.0, old.1, flags & raw::AT_EMPTY_PATH | nofollow)?;
    let text = read_path(new.1)?;
    let base = actor.base(new.0, &text)?;
    actor.caller().link(&target, base.as_ref(), &text).map(|()| 0)
}

/// symlink(2)
pub fn sys_symlink(task: &Task, args: &Args) -> SysResult {
    symlink(task, args.addr(0), raw::AT_FDCWD, args.addr(1))
}

/// symlinkat(2)
pub fn sys_symlinkat(task: &Task, args: &Args) -> SysResult {
    symlink(task, args.addr(0), args.int(1), args.addr(2))
}

fn symlink(task: &Task, target: UserAddr, directory: i32, path: UserAddr) -> SysResult {
    let actor = Actor::of(task);
    let (target, text) = (read_path(target)?, read_path(path)?);
    let base = actor.base(directory, &text)?;
    actor.caller().make_symlink(&target, base.as_ref(), &text).map(|()| 0)
}

/// readlink(2)
pub fn sys_readlink(task: &Task, args: &Args) -> SysResult {
    read_link(task, raw::AT_FDCWD, args.addr(0), args.addr(1), args.int(2))
}

/// readlinkat(2)
pub fn sys_readlinkat(task: &Task, args: &Args) -> SysResult {
    read_link(task, args.int(0), args.addr(1), args.addr(2), args.int(3))
}

fn read_link(task: &Task, directory: i32, path: UserAddr, buffer: UserAddr, size: i32) -> SysResult {
    let size = usize::try_from(size).ok().filter(|size| *size > 0).ok_or(Errno::EINVAL)?;
    let actor = Actor::of(task);
    // readlinkat(2): an empty path names the link that the descriptor was opened on.
    let path = actor.path_at(directory, path, raw::AT_SYMLINK_NOFOLLOW | empty_path_flag(directory))?;
    let target = path.inode().read_link()?;
    let shown = target.get(..size.min(target.len())).unwrap_or_default();
    write_bytes(buffer, shown)?;
    Ok(shown.len() as u64)
}

const fn empty_path_flag(directory: i32) -> u32 {
    if directory == raw::AT_FDCWD { 0 } else { raw::AT_EMPTY_PATH }
}

/// umask(2)
pub fn sys_umask(task: &Task, args: &Args) -> SysResult {
    Ok(u64::from(task.fs().set_umask(args.uint(0))))
}
