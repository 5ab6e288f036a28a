//! mount, umount2, pivot_root.

use alloc::string::String;

use guest_memory::{UserAddr, read_c_string};
use linux_abi::raw::general as raw;
use linux_abi::{Errno, Result};
use task::Task;
use vfs::mount::{MountFlags, Unmount};
use vfs::{Capability, WalkFlags, resolve};

use super::{Actor, only_flags, read_path};
use crate::{Args, SysResult};

/// What old programs put into the upper half of the flags (`MS_MGC_VAL`).
const MAGIC: u32 = 0xc0ed_0000;
const MAGIC_MASK: u32 = 0xffff_0000;
/// Changes of propagation. All mounts here are private.
const PROPAGATION: u32 = raw::MS_SHARED | raw::MS_SLAVE | raw::MS_PRIVATE | raw::MS_UNBINDABLE;

fn require_admin(task: &Task) -> Result<()> {
    if task.credentials().has(Capability::SysAdmin) { Ok(()) } else { Err(Errno::EPERM) }
}

/// Copies a string argument that may be null.
fn text(address: UserAddr) -> Result<String> {
    if address.is_null() {
        return Ok(String::new());
    }
    let bytes = read_c_string(address, raw::PATH_MAX as usize - 1)?;
    String::from_utf8(bytes).map_err(|_| Errno::EINVAL)
}

/// mount(2)
pub fn sys_mount(task: &Task, args: &Args) -> SysResult {
    let mut flags = args.raw(3) as u32;
    if flags & MAGIC_MASK == MAGIC {
        flags &= !MAGIC_MASK;
    }
    let (kind, source, options) = (text(args.addr(2))?, text(args.addr(0))?, text(args.addr(4))?);
    let actor = Actor::of(task);
    let at = actor.path_at(raw::AT_FDCWD, args.addr(1), 0)?;
    require_admin(task)?;
    let namespace = actor.fs.namespace();
    let lasting = lasting_flags(flags);
    if flags & raw::MS_REMOUNT != 0 {
        let options = if flags & raw::MS_BIND == 0 { options.as_str() } else { "" };
        return namespace.remount(&at, lasting, options).map(|()| 0);
    }
    if flags & raw::MS_BIND != 0 {
        let what = resolve(actor.caller(), None, source.as_bytes(), WalkFlags::FOLLOW)?;
        return namespace.bind(&what, &at).map(|()| 0);
    }
    if flags & PROPAGATION != 0 {
        let is_private = flags & PROPAGATION == raw::MS_PRIVATE;
        return if is_private { Ok(0) } else { Err(Errno::EINVAL) };
    }
    if flags & raw::MS_MOVE != 0 {
        return Err(Errno::EINVAL);
    }
    if kind.is_empty() {
        return Err(Errno::EINVAL);
    }
    let file_system = namespace.type_by_name(kind.as_bytes())?.make(&source, &options)?;
    let shown = if source.is_empty() { "none" } else { source.as_str() };
    namespace.mount(&at, file_system, shown, lasting).map(|()| 0)
}

fn lasting_flags(flags: u32) -> MountFlags {
    let mut lasting = MountFlags::from_bits_truncate(flags) - MountFlags::RELATIME;
    if !lasting.contains(MountFlags::NOATIME) && flags & raw::MS_STRICTATIME == 0 {
        lasting |= MountFlags::RELATIME;
    }
    lasting
}

/// umount2(2)
pub fn sys_umount2(task: &Task, args: &Args) -> SysResult {
    let flags = args.uint(1);
    // A mount of ours does not expire, and none hangs so that force would help.
    only_flags(flags, raw::MNT_DETACH | raw::MNT_FORCE | raw::UMOUNT_NOFOLLOW)?;
    require_admin(task)?;
    let actor = Actor::of(task);
    let text = read_path(args.addr(0))?;
    let follow = if flags & raw::UMOUNT_NOFOLLOW == 0 { WalkFlags::FOLLOW } else { WalkFlags::empty() };
    let at = resolve(actor.caller(), None, &text, follow)?;
    let how = if flags & raw::MNT_DETACH == 0 { Unmount::IfUnused } else { Unmount::Lazily };
    actor.fs.namespace().unmount(at, how).map(|()| 0)
}

/// pivot_root(2): the root mount cannot be exchanged here.
pub fn sys_pivot_root(task: &Task, _args: &Args) -> SysResult {
    require_admin(task)?;
    Err(Errno::EINVAL)
}
