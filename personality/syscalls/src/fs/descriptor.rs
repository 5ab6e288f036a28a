//! dup, fcntl and ioctl.

use guest_memory::{UserAddr, read_value, write_value};
use linux_abi::raw::{general as raw, ioctl};
use linux_abi::{Errno, Result};
use task::Task;
use vfs::pipe::PipeEnd;
use vfs::{Descriptor, FileKind, OpenFile, OpenFlags};

use super::{Actor, descriptor_limit, lock, only_flags};
use crate::{Args, SysResult};

/// dup(2)
pub fn sys_dup(task: &Task, args: &Args) -> SysResult {
    duplicate(task, args.int(0), 0, false)
}

fn duplicate(task: &Task, fd: i32, minimum: usize, closes_on_exec: bool) -> SysResult {
    let files = task.files();
    let file = files.get_any(fd)?;
    files.insert(minimum, descriptor_limit(task), Descriptor { file, closes_on_exec }).map(|fd| fd as u64)
}

/// dup2(2)
pub fn sys_dup2(task: &Task, args: &Args) -> SysResult {
    let (old, new) = (args.int(0), args.int(1));
    if old == new {
        return task.files().get_any(old).map(|_| new as u64);
    }
    duplicate_to(task, old, new, false)
}

/// dup3(2)
pub fn sys_dup3(task: &Task, args: &Args) -> SysResult {
    only_flags(args.uint(2), raw::O_CLOEXEC)?;
    if args.int(0) == args.int(1) {
        return Err(Errno::EINVAL);
    }
    duplicate_to(task, args.int(0), args.int(1), args.uint(2) & raw::O_CLOEXEC != 0)
}

fn duplicate_to(task: &Task, old: i32, new: i32, closes_on_exec: bool) -> SysResult {
    let files = task.files();
    if u64::try_from(new).map_or(true, |new| new >= descriptor_limit(task)) {
        return Err(Errno::EBADF);
    }
    let file = files.get_any(old)?;
    files.replace(new, descriptor_limit(task), Descriptor { file, closes_on_exec })?;
    Ok(new as u64)
}

/// fcntl(2)
pub fn sys_fcntl(task: &Task, args: &Args) -> SysResult {
    let (fd, command, argument) = (args.int(0), args.uint(1), args.raw(2));
    let descriptor = task.files().descriptor(fd)?;
    match command {
        raw::F_DUPFD | raw::F_DUPFD_CLOEXEC => {
            let minimum = u64::from(argument as u32);
            if (argument as i32) < 0 || minimum >= descriptor_limit(task) {
                return Err(Errno::EINVAL);
            }
            duplicate(task, fd, minimum as usize, command == raw::F_DUPFD_CLOEXEC)
        }
        raw::F_GETFD => Ok(u64::from(descriptor.closes_on_exec)),
        raw::F_SETFD => {
            let closes = argument as u32 & raw::FD_CLOEXEC != 0;
            task.files().set_closes_on_exec(fd, closes).map(|()| 0)
        }
        raw::F_GETFL => Ok(u64::from(descriptor.file.flags().bits())),
        _ if descriptor.file.flags().contains(OpenFlags::PATH) => Err(Errno::EBADF),
        _ => file_command(task, &descriptor, command, args),
    }
}

/// The commands that do not work on a description that is only a name.
fn file_command(task: &Task, descriptor: &Descriptor, command: u32, args: &Args) -> SysResult {
    let file = &descriptor.file;
    let argument = args.raw(2);
    match command {
        raw::F_SETFL => set_flags(task, file, argument as u32),
        raw::F_GETLK | raw::F_OFD_GETLK => lock::get(task, file, command, args.addr(2)),
        raw::F_SETLK | raw::F_SETLKW | raw::F_OFD_SETLK | raw::F_OFD_SETLKW => {
            lock::set(task, file, command, args.addr(2))
        }
        raw::F_GETOWN => Ok(file.owner() as i64 as u64),
        raw::F_SETOWN => {
            file.set_owner(argument as i32);
            Ok(0)
        }
        raw::F_GETSIG => Ok(u64::from(file.signal())),
        raw::F_SETSIG if argument <= 64 => {
            file.set_signal(argument as u32);
            Ok(0)
        }
        raw::F_GETPIPE_SZ => Ok(pipe_of(file)?.pipe().capacity() as u64),
        raw::F_SETPIPE_SZ => set_pipe_size(task, pipe_of(file)?, argument as u32),
        _ => Err(Errno::EINVAL),
    }
}

fn pipe_of(file: &OpenFile) -> Result<&PipeEnd> {
    file.downcast::<PipeEnd>().ok_or(Errno::EBADF)
}

fn set_pipe_size(task: &Task, end: &PipeEnd, size: u32) -> SysResult {
    let is_privileged = task.credentials().has(vfs::Capability::SysResource);
    if size as usize > vfs::pipe::CAPACITY_LIMIT_BYTES && !is_privileged {
        return Err(Errno::EPERM);
    }
    if size > 1 << 31 {
        return Err(Errno::EINVAL);
    }
    end.pipe().set_capacity(size as usize).map(|size| size as u64)
}

fn set_flags(task: &Task, file: &OpenFile, flags: u32) -> SysResult {
    let flags = OpenFlags::from_open(flags);
    let old = file.flags();
    let gains = |flag| flags.contains(flag) && !old.contains(flag);
    if gains(OpenFlags::NOATIME) && !task.credentials().is_owner_or_capable(file.metadata()?.uid) {
        return Err(Errno::EPERM);
    }
    // Neither direct I/O nor packet-mode pipes exist here.
    if gains(OpenFlags::DIRECT) {
        return Err(Errno::EINVAL);
    }
    file.set_status_flags(flags).map(|()| 0)
}

/// ioctl(2): the commands that every file knows; the others go to the file.
pub fn sys_ioctl(task: &Task, args: &Args) -> SysResult {
    let actor = Actor::of(task);
    let (fd, command) = (args.int(0), args.uint(1));
    let file = actor.files.get(fd)?;
    match command {
        ioctl::FIOCLEX | ioctl::FIONCLEX => actor.files.set_closes_on_exec(fd, command == ioctl::FIOCLEX).map(|()| 0),
        ioctl::FIONBIO => set_flag(&file, OpenFlags::NONBLOCK, args.addr(2)),
        ioctl::FIOASYNC => set_flag(&file, OpenFlags::ASYNC, args.addr(2)),
        ioctl::FIONREAD if file.path().dentry.kind() == FileKind::Regular => {
            let rest = file.file().size()?.saturating_sub(file.offset());
            write_value(args.addr(2), &i32::try_from(rest).unwrap_or(i32::MAX)).map(|()| 0)
        }
        _ => file.file().ioctl(command, args.raw(2)),
    }
}

fn set_flag(file: &OpenFile, flag: OpenFlags, address: UserAddr) -> SysResult {
    let mut flags = file.flags();
    flags.set(flag, read_value::<i32>(address)? != 0);
    file.set_status_flags(flags).map(|()| 0)
}
