//! mprotect, madvise, msync, mincore, mlock and its relatives, membarrier.

use core::sync::atomic::{Ordering, fence};

use guest_memory::{PAGE_BYTES, UserAddr, write_bytes};
use linux_abi::Errno;
use linux_abi::raw::general as raw;
use mm::{Advice, Protection};
use task::Task;

use crate::{Args, SysResult};

/// Pages that `mincore` reports in one step.
const STEP_PAGES: u64 = 4096;

/// mprotect(2).
pub fn sys_mprotect(task: &Task, args: &Args) -> SysResult {
    let (addr, bytes, bits) = (args.raw(0), args.raw(1), args.raw(2));
    let protection = Protection::from_mprotect(bits)?;
    let space = task.address_space();
    if bits & u64::from(raw::PROT_GROWSDOWN) != 0 {
        return space.protect_growing_down(addr, bytes, protection).map(|()| 0);
    }
    space.protect(addr, bytes, protection).map(|()| 0)
}

/// madvise(2).
pub fn sys_madvise(task: &Task, args: &Args) -> SysResult {
    let advice = Advice::from_linux(u64::from(args.uint(2)))?;
    task.address_space().advise(args.raw(0), args.raw(1), advice).map(|()| 0)
}

/// msync(2). Shared mappings are the file's own pages, so there is nothing to copy; with `MS_SYNC` the file is written.
pub fn sys_msync(task: &Task, args: &Args) -> SysResult {
    const KNOWN: u32 = raw::MS_ASYNC | raw::MS_SYNC | raw::MS_INVALIDATE;
    let (addr, flags) = (args.raw(0), args.uint(2));
    let contradiction = flags & raw::MS_ASYNC != 0 && flags & raw::MS_SYNC != 0;
    if flags & !KNOWN != 0 || contradiction || !addr.is_multiple_of(PAGE_BYTES) {
        return Err(Errno::EINVAL);
    }
    let objects = task.address_space().check_sync(addr, args.raw(1), flags & raw::MS_INVALIDATE != 0)?;
    if flags & raw::MS_SYNC != 0 {
        objects.iter().try_for_each(|object| object.source.sync())?;
    }
    Ok(0)
}

/// mincore(2).
pub fn sys_mincore(task: &Task, args: &Args) -> SysResult {
    let (addr, bytes) = (args.raw(0), args.raw(1));
    if !addr.is_multiple_of(PAGE_BYTES) {
        return Err(Errno::EINVAL);
    }
    if !UserAddr(addr).has_room_for(bytes) {
        return Err(Errno::ENOMEM);
    }
    let pages = bytes.div_ceil(PAGE_BYTES);
    let space = task.address_space();
    let mut done = 0;
    while done < pages {
        let count = STEP_PAGES.min(pages - done);
        let present = space.residency(addr + done * PAGE_BYTES, count as usize)?;
        write_bytes(args.addr(2).offset(done), &present)?;
        done += count;
    }
    Ok(0)
}

/// mlock(2).
pub fn sys_mlock(task: &Task, args: &Args) -> SysResult {
    task.address_space().lock_range(args.raw(0), args.raw(1), false).map(|()| 0)
}

/// mlock2(2).
pub fn sys_mlock2(task: &Task, args: &Args) -> SysResult {
    let flags = args.uint(2);
    if flags & !raw::MLOCK_ONFAULT != 0 {
        return Err(Errno::EINVAL);
    }
    task.address_space().lock_range(args.raw(0), args.raw(1), flags != 0).map(|()| 0)
}

/// munlock(2).
pub fn sys_munlock(task: &Task, args: &Args) -> SysResult {
    task.address_space().unlock_range(args.raw(0), args.raw(1)).map(|()| 0)
}

/// mlockall(2).
pub fn sys_mlockall(task: &Task, args: &Args) -> SysResult {
    const KNOWN: u32 = raw::MCL_CURRENT | raw::MCL_FUTURE | raw::MCL_ONFAULT;
    let flags = args.uint(0);
    if flags == 0 || flags & !KNOWN != 0 || flags == raw::MCL_ONFAULT {
        return Err(Errno::EINVAL);
    }
    let (current, future) = (flags & raw::MCL_CURRENT != 0, flags & raw::MCL_FUTURE != 0);
    task.address_space().lock_all(current, future).map(|()| 0)
}

/// munlockall(2).
pub fn sys_munlockall(task: &Task, _args: &Args) -> SysResult {
    task.address_space().unlock_all();
    Ok(0)
}

/// membarrier(2), the global commands: on one CPU every entry to the kernel orders everything.
pub fn sys_membarrier(_task: &Task, args: &Args) -> SysResult {
    const QUERY: i32 = 0;
    const GLOBAL: i32 = 1;
    match (args.int(0), args.uint(1)) {
        (QUERY, 0) => Ok(GLOBAL as u64),
        (GLOBAL, 0) => {
            fence(Ordering::SeqCst);
            Ok(0)
        }
        _ => Err(Errno::EINVAL),
    }
}
