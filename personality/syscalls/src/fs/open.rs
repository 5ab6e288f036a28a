//! Making and closing descriptors: open, close, pipe, memfd_create.

use alloc::sync::Arc;
use alloc::vec::Vec;

use guest_memory::{UserAddr, read_bytes, read_c_string, read_value, write_value};
use linux_abi::raw::general as raw;
use linux_abi::{Errno, Result};
use task::Task;
use vfs::anonymous::{self, Reopen};
use vfs::eventfd::{EventCounter, Taking};
use vfs::{Descriptor, FdTable, FileKind, OpenFile, OpenFlags, WalkFlags};

use super::{Actor, descriptor_limit, only_flags, read_path};
use crate::{Args, SysResult};

const MODE_BITS: u32 = 0o7777;
/// Flags of close_range(2): include/uapi/linux/close_range.h.
const CLOSE_RANGE_UNSHARE: u32 = 1 << 1;
const CLOSE_RANGE_CLOEXEC: u32 = 1 << 2;
/// Longest name of a memfd, without the prefix that Linux adds.
const MEMFD_NAME_LIMIT: usize = 249;

struct Request {
    flags: OpenFlags,
    permissions: u32,
    resolution: WalkFlags,
}

fn open(task: &Task, directory: i32, path: UserAddr, request: &Request) -> SysResult {
    let actor = Actor::of(task);
    let text = read_path(path)?;
    if request.flags.is_tmpfile() && !request.flags.is_writable() {
        return Err(Errno::EINVAL);
    }
    if request.flags.contains(OpenFlags::CREAT | OpenFlags::DIRECTORY) {
        return Err(Errno::EINVAL);
    }
    let reserved = actor.files.reserve(0, descriptor_limit(task))?;
    let base = actor.base(directory, &text)?;
    let Request { flags, permissions, resolution } = *request;
    let file = actor.caller().open(base.as_ref(), &text, flags, permissions, resolution)?;
    let closes_on_exec = flags.contains(OpenFlags::CLOEXEC);
    Ok(reserved.fill(Descriptor { file, closes_on_exec }) as u64)
}

fn plain(flags: u32, mode: u32) -> Request {
    Request { flags: OpenFlags::from_open(flags), permissions: mode & MODE_BITS, resolution: WalkFlags::empty() }
}

/// open(2)
pub fn sys_open(task: &Task, args: &Args) -> SysResult {
    open(task, raw::AT_FDCWD, args.addr(0), &plain(args.uint(1), args.uint(2)))
}

/// openat(2)
pub fn sys_openat(task: &Task, args: &Args) -> SysResult {
    open(task, args.int(0), args.addr(1), &plain(args.uint(2), args.uint(3)))
}

/// creat(2)
pub fn sys_creat(task: &Task, args: &Args) -> SysResult {
    open(task, raw::AT_FDCWD, args.addr(0), &plain(raw::O_CREAT | raw::O_WRONLY | raw::O_TRUNC, args.uint(1)))
}

/// openat2(2)
pub fn sys_openat2(task: &Task, args: &Args) -> SysResult {
    let how = read_open_how(args.addr(2), args.size(3))?;
    let flags = u32::try_from(how.flags).ok().and_then(OpenFlags::from_bits).ok_or(Errno::EINVAL)?;
    let creates = flags.contains(OpenFlags::CREAT) || flags.is_tmpfile();
    let mode_is_fine = if creates { how.mode & !u64::from(MODE_BITS) == 0 } else { how.mode == 0 };
    let resolve = u32::try_from(how.resolve).map_err(|_| Errno::EINVAL)?;
    let known = raw::RESOLVE_NO_XDEV
        | raw::RESOLVE_NO_MAGICLINKS
        | raw::RESOLVE_NO_SYMLINKS
        | raw::RESOLVE_BENEATH
        | raw::RESOLVE_IN_ROOT;
    only_flags(resolve, known)?;
    let resolution = WalkFlags::from_bits_truncate(resolve);
    if !mode_is_fine || resolution.contains(WalkFlags::BENEATH | WalkFlags::IN_ROOT) {
        return Err(Errno::EINVAL);
    }
    open(task, args.int(0), args.addr(1), &Request { flags, permissions: how.mode as u32, resolution })
}

/// Copies a `struct open_how` of any size; what this system does not know must be zero.
fn read_open_how(address: UserAddr, size: usize) -> Result<raw::open_how> {
    let known = size_of::<raw::open_how>();
    if size < known {
        return Err(Errno::EINVAL);
    }
    if size > 4096 {
        return Err(Errno::E2BIG);
    }
    let mut rest = alloc::vec![0; size - known];
    read_bytes(address.offset(known as u64), &mut rest)?;
    if rest.iter().any(|&byte| byte != 0) {
        return Err(Errno::E2BIG);
    }
    read_value(address)
}

/// close(2)
pub fn sys_close(task: &Task, args: &Args) -> SysResult {
    task.files().close(args.int(0)).map(|()| 0)
}

/// close_range(2)
pub fn sys_close_range(task: &Task, args: &Args) -> SysResult {
    let (first, last, flags) = (args.uint(0), args.uint(1), args.uint(2));
    only_flags(flags, CLOSE_RANGE_CLOEXEC | CLOSE_RANGE_UNSHARE)?;
    if first > last {
        return Err(Errno::EINVAL);
    }
    if flags & CLOSE_RANGE_UNSHARE != 0 {
        task.unshare_files();
    }
    let files = task.files();
    if flags & CLOSE_RANGE_CLOEXEC != 0 {
        files.set_range_closes_on_exec(first, last);
    } else {
        files.close_where(|fd, _| (first..=last).contains(&(fd as u32)));
    }
    Ok(0)
}

/// pipe(2)
pub fn sys_pipe(task: &Task, args: &Args) -> SysResult {
    pipe(task, args.addr(0), OpenFlags::empty())
}

/// pipe2(2)
pub fn sys_pipe2(task: &Task, args: &Args) -> SysResult {
    // Packet mode (O_DIRECT) is not supported.
    only_flags(args.uint(1), raw::O_CLOEXEC | raw::O_NONBLOCK)?;
    pipe(task, args.addr(0), OpenFlags::from_open(args.uint(1)))
}

fn pipe(task: &Task, address: UserAddr, flags: OpenFlags) -> SysResult {
    let (files, limit) = (task.files(), descriptor_limit(task));
    let read_end = files.reserve(0, limit)?;
    let write_end = files.reserve(0, limit)?;
    let (reader, writer) = anonymous::make_pipe(flags & OpenFlags::NONBLOCK, &task.credentials())?;
    write_value(address, &[read_end.number(), write_end.number()])?;
    let closes_on_exec = flags.contains(OpenFlags::CLOEXEC);
    read_end.fill(Descriptor { file: reader, closes_on_exec });
    write_end.fill(Descriptor { file: writer, closes_on_exec });
    Ok(0)
}

/// memfd_create(2); sealing is not supported.
pub fn sys_memfd_create(task: &Task, args: &Args) -> SysResult {
    only_flags(args.uint(1), raw::MFD_CLOEXEC)?;
    let name: Vec<u8> = read_c_string(args.addr(0), MEMFD_NAME_LIMIT).map_err(|error| match error {
        Errno::ENAMETOOLONG => Errno::EINVAL,
        other => other,
    })?;
    let actor = Actor::of(task);
    let file = tmpfs::memfd::create(actor.caller(), &name, 0o777)?;
    install(&actor.files, descriptor_limit(task), file, args.uint(1) & raw::MFD_CLOEXEC != 0)
}

/// eventfd(2): the call without flags
pub fn sys_eventfd(task: &Task, args: &Args) -> SysResult {
    event_counter(task, args.uint(0), 0)
}

/// eventfd2(2)
pub fn sys_eventfd2(task: &Task, args: &Args) -> SysResult {
    only_flags(args.uint(1), raw::EFD_SEMAPHORE | raw::EFD_CLOEXEC | raw::EFD_NONBLOCK)?;
    event_counter(task, args.uint(0), args.uint(1))
}

fn event_counter(task: &Task, value: u32, flags: u32) -> SysResult {
    let taking = if flags & raw::EFD_SEMAPHORE == 0 { Taking::All } else { Taking::One };
    let counter = Arc::new(EventCounter::new(u64::from(value), taking));
    let status = OpenFlags::RDWR | (OpenFlags::from_open(flags) & OpenFlags::NONBLOCK);
    let class = "anon_inode:[eventfd]";
    let file = anonymous::open_object(counter, class, FileKind::Regular, status, Reopen::Refused)?;
    install(&task.files(), descriptor_limit(task), file, flags & raw::EFD_CLOEXEC != 0)
}

/// Enters a new description at the lowest free number.
pub(crate) fn install(files: &FdTable, limit: u64, file: Arc<OpenFile>, closes_on_exec: bool) -> SysResult {
    files.insert(0, limit, Descriptor { file, closes_on_exec }).map(|fd| fd as u64)
}
