//! Extended attributes, which no file system here has: existing files answer `EOPNOTSUPP`, listings are empty.

use linux_abi::Errno;
use linux_abi::raw::general as raw;
use task::Task;

use super::{Actor, file};
use crate::{Args, SysResult};

/// setxattr(2), getxattr(2), removexattr(2)
pub fn sys_xattr_of_path(task: &Task, args: &Args) -> SysResult {
    Actor::of(task).path_at(raw::AT_FDCWD, args.addr(0), 0)?;
    Err(Errno::EOPNOTSUPP)
}

/// lsetxattr(2), lgetxattr(2), lremovexattr(2)
pub fn sys_xattr_of_link(task: &Task, args: &Args) -> SysResult {
    Actor::of(task).path_at(raw::AT_FDCWD, args.addr(0), raw::AT_SYMLINK_NOFOLLOW)?;
    Err(Errno::EOPNOTSUPP)
}

/// fsetxattr(2), fgetxattr(2), fremovexattr(2)
pub fn sys_xattr_of_descriptor(task: &Task, args: &Args) -> SysResult {
    file(task, args.int(0))?;
    Err(Errno::EOPNOTSUPP)
}

/// listxattr(2)
pub fn sys_listxattr(task: &Task, args: &Args) -> SysResult {
    Actor::of(task).path_at(raw::AT_FDCWD, args.addr(0), 0)?;
    Ok(0)
}

/// llistxattr(2)
pub fn sys_llistxattr(task: &Task, args: &Args) -> SysResult {
    Actor::of(task).path_at(raw::AT_FDCWD, args.addr(0), raw::AT_SYMLINK_NOFOLLOW)?;
    Ok(0)
}

/// flistxattr(2)
pub fn sys_flistxattr(task: &Task, args: &Args) -> SysResult {
    file(task, args.int(0))?;
    Ok(0)
}
