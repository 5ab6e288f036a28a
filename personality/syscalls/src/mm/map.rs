//! mmap, munmap, mremap, brk.

use alloc::sync::Arc;

use guest_memory::PAGE_BYTES;
use linux_abi::raw::general as raw;
use linux_abi::{Errno, Result};
use mm::{MapRequest, MappedObject, Placement, Protection, RemapPlacement, RemapRequest, Sharing};
use task::Task;
use vfs::OpenFlags;

use crate::{Args, SysResult};

/// Flags that ask for nothing that is not done anyway.
const WITHOUT_EFFECT: u32 = raw::MAP_DENYWRITE | raw::MAP_EXECUTABLE | raw::MAP_STACK | raw::MAP_NONBLOCK;
const KNOWN: u32 = WITHOUT_EFFECT
    | raw::MAP_TYPE
    | raw::MAP_FIXED
    | raw::MAP_FIXED_NOREPLACE
    | raw::MAP_ANONYMOUS
    | raw::MAP_GROWSDOWN
    | raw::MAP_LOCKED
    | raw::MAP_NORESERVE
    | raw::MAP_POPULATE;

/// mmap(2).
pub fn sys_mmap(task: &Task, args: &Args) -> SysResult {
    let (addr, bytes, flags, offset) = (args.raw(0), args.raw(1), args.uint(3), args.raw(5));
    if !offset.is_multiple_of(PAGE_BYTES) || bytes == 0 {
        return Err(Errno::EINVAL);
    }
    let sharing = match flags & raw::MAP_TYPE {
        raw::MAP_PRIVATE => Sharing::Private,
        raw::MAP_SHARED => Sharing::Shared,
        raw::MAP_SHARED_VALIDATE if flags & !KNOWN != 0 => return Err(Errno::EOPNOTSUPP),
        raw::MAP_SHARED_VALIDATE => Sharing::Shared,
        _ => return Err(Errno::EINVAL),
    };
    // Huge pages and the lowest 2 GiB are not to be had; other unknown bits are ignored, as Linux does.
    if flags & (raw::MAP_HUGETLB | raw::MAP_32BIT) != 0 {
        return Err(Errno::EINVAL);
    }
    let mut request = MapRequest::anonymous(placement(addr, flags), bytes, Protection::from_mmap(args.raw(2)));
    request.sharing = sharing;
    request.grows_down = flags & raw::MAP_GROWSDOWN != 0;
    request.no_reserve = flags & raw::MAP_NORESERVE != 0;
    request.populate = flags & raw::MAP_POPULATE != 0;
    request.locked = flags & raw::MAP_LOCKED != 0;
    if flags & raw::MAP_ANONYMOUS == 0 {
        map_file(task, args.int(4), &mut request, offset)?;
    }
    task.address_space().map(&request)
}

fn placement(addr: u64, flags: u32) -> Placement {
    if flags & raw::MAP_FIXED_NOREPLACE != 0 {
        Placement::FixedIfFree(addr)
    } else if flags & raw::MAP_FIXED != 0 {
        Placement::Fixed(addr)
    } else {
        Placement::Near(addr)
    }
}

/// Makes the request one for a file, if the descriptor's access mode allows it.
fn map_file(task: &Task, fd: i32, request: &mut MapRequest, offset: u64) -> Result<()> {
    let file = task.files().get(fd)?;
    if !file.flags().is_readable() {
        return Err(Errno::EACCES);
    }
    let writable = file.flags().is_writable();
    if request.sharing == Sharing::Shared {
        if request.protection.contains(Protection::WRITE) && (!writable || file.flags().contains(OpenFlags::APPEND)) {
            return Err(Errno::EACCES);
        }
        if !writable {
            request.may_become = Protection::READ_EXECUTE;
        }
    }
    if request.grows_down {
        return Err(Errno::EINVAL);
    }
    let name = file.path().display(&task.fs().root());
    let object: Arc<MappedObject> = elf_loader::mapped_object(&file, name)?;
    request.object = Some((object, offset / PAGE_BYTES));
    Ok(())
}

/// munmap(2).
pub fn sys_munmap(task: &Task, args: &Args) -> SysResult {
    task.address_space().unmap(args.raw(0), args.raw(1)).map(|()| 0)
}

/// mremap(2).
pub fn sys_mremap(task: &Task, args: &Args) -> SysResult {
    const KNOWN: u32 = raw::MREMAP_MAYMOVE | raw::MREMAP_FIXED | raw::MREMAP_DONTUNMAP;
    let flags = args.uint(3);
    let may_move = flags & raw::MREMAP_MAYMOVE != 0;
    let placement = match (flags & raw::MREMAP_FIXED != 0, may_move) {
        (true, true) => RemapPlacement::To(args.raw(4)),
        (true, false) => return Err(Errno::EINVAL),
        (false, true) => RemapPlacement::MayMove,
        (false, false) => RemapPlacement::Stay,
    };
    let keep_old = flags & raw::MREMAP_DONTUNMAP != 0;
    if flags & !KNOWN != 0 || keep_old && !may_move {
        return Err(Errno::EINVAL);
    }
    let request =
        RemapRequest { addr: args.raw(0), old_bytes: args.raw(1), new_bytes: args.raw(2), placement, keep_old };
    task.address_space().remap(&request)
}

/// brk(2).
pub fn sys_brk(task: &Task, args: &Args) -> SysResult {
    Ok(task.address_space().set_brk(args.raw(0)))
}
