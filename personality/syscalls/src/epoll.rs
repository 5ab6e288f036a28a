//! epoll_create, epoll_ctl, epoll_wait and their relatives.

use alloc::sync::Arc;

use guest_memory::{UserAddr, read_value, write_value};
use linux_abi::raw::general::{self as raw, epoll_event};
use linux_abi::{Errno, Result};
use task::Task;
use vfs::anonymous::{self, Reopen};
use vfs::epoll::{Epoll, Interest, is_watchable};
use vfs::{FileKind, OpenFlags};

use crate::fs::open::install;
use crate::fs::{descriptor_limit, file, only_flags};
use crate::poll::{read_mask, with_mask};
use crate::time::Timespec;
use crate::{Args, SysResult};

const EVENT_BYTES: usize = size_of::<epoll_event>();
/// As many events fit into what an `int` counts in bytes (`EP_MAX_EVENTS`).
const EVENT_LIMIT: usize = i32::MAX as usize / EVENT_BYTES;

/// epoll_create(2): the size has no meaning, but must be one.
pub fn sys_epoll_create(task: &Task, args: &Args) -> SysResult {
    if args.int(0) <= 0 { Err(Errno::EINVAL) } else { create(task, 0) }
}

/// epoll_create1(2)
pub fn sys_epoll_create1(task: &Task, args: &Args) -> SysResult {
    only_flags(args.uint(0), raw::EPOLL_CLOEXEC)?;
    create(task, args.uint(0))
}

fn create(task: &Task, flags: u32) -> SysResult {
    let class = "anon_inode:[eventpoll]";
    let file = anonymous::open_object(Epoll::new(), class, FileKind::Regular, OpenFlags::RDWR, Reopen::Refused)?;
    install(&task.files(), descriptor_limit(task), file, flags & raw::EPOLL_CLOEXEC != 0)
}

/// epoll_ctl(2)
pub fn sys_epoll_ctl(task: &Task, args: &Args) -> SysResult {
    let (operation, fd) = (args.uint(1), args.int(2));
    let interest = match operation {
        raw::EPOLL_CTL_DEL => Interest::new(0, 0),
        _ => read_interest(args.addr(3))?,
    };
    let own = file(task, args.int(0))?;
    let target = file(task, fd)?;
    if !is_watchable(&target) {
        return Err(Errno::EPERM);
    }
    let epoll = own.file_as::<Epoll>().filter(|_| !Arc::ptr_eq(&own, &target)).ok_or(Errno::EINVAL)?;
    if target.file_as::<Epoll>().is_some_and(|other| Arc::ptr_eq(&epoll, &other)) {
        return Err(Errno::EINVAL);
    }
    match operation {
        raw::EPOLL_CTL_ADD => epoll.add(fd, &target, interest),
        raw::EPOLL_CTL_MOD => epoll.modify(fd, &target, interest),
        raw::EPOLL_CTL_DEL => epoll.remove(fd, &target),
        _ => Err(Errno::EINVAL),
    }
    .map(|()| 0)
}

fn read_interest(address: UserAddr) -> Result<Interest> {
    let event: epoll_event = read_value(address)?;
    Ok(Interest::new(event.events, event.data))
}

fn wait(task: &Task, args: &Args, deadline_ns: Option<u64>) -> SysResult {
    let (address, limit) = (args.addr(1), args.int(2));
    let limit = usize::try_from(limit).ok().filter(|limit| (1..=EVENT_LIMIT).contains(limit)).ok_or(Errno::EINVAL)?;
    if !address.has_room_for((limit * EVENT_BYTES) as u64) {
        return Err(Errno::EFAULT);
    }
    let file = file(task, args.int(0))?;
    let epoll = file.downcast::<Epoll>().ok_or(Errno::EINVAL)?;
    let mut next = address;
    let count = epoll.wait(limit, deadline_ns, &mut |events, data| {
        write_value(next, &epoll_event { events: events.bits(), data })?;
        next = next.offset(EVENT_BYTES as u64);
        Ok(())
    })?;
    Ok(count as u64)
}

/// A timeout in milliseconds as a monotonic time; a negative one is for ever.
fn deadline(milliseconds: i32) -> Option<u64> {
    const NS_PER_MILLISECOND: u64 = 1_000_000;
    let milliseconds = u64::try_from(milliseconds).ok()?;
    Some(rt::time::now_ns().saturating_add(milliseconds * NS_PER_MILLISECOND))
}

/// No wait of epoll is ever restarted.
fn interrupted(error: Errno) -> Errno {
    if error == Errno::ERESTARTNOHAND { Errno::EINTR } else { error }
}

/// epoll_wait(2)
pub fn sys_epoll_wait(task: &Task, args: &Args) -> SysResult {
    wait(task, args, deadline(args.int(3))).map_err(interrupted)
}

/// epoll_pwait(2)
pub fn sys_epoll_pwait(task: &Task, args: &Args) -> SysResult {
    let mask = read_mask(args.addr(4), args.size(5))?;
    with_mask(task, mask, || wait(task, args, deadline(args.int(3)))).map_err(interrupted)
}

/// epoll_pwait2(2): the timeout is a `timespec`; null waits for ever.
pub fn sys_epoll_pwait2(task: &Task, args: &Args) -> SysResult {
    let deadline = match args.addr(3) {
        UserAddr::NULL => None,
        address => Some(rt::time::now_ns().saturating_add(Timespec(read_value(address)?).ns()?)),
    };
    let mask = read_mask(args.addr(4), args.size(5))?;
    with_mask(task, mask, || wait(task, args, deadline)).map_err(interrupted)
}
