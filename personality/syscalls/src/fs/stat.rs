//! stat, statx, access, statfs.

use guest_memory::{UserAddr, write_value, zeroed};
use linux_abi::Errno;
use linux_abi::raw::general as raw;
use task::Task;
use vfs::mount::{Mount, MountFlags};
use vfs::{Access, Metadata, Path, Timestamp};

use super::{Actor, only_flags};
use crate::{Args, SysResult};

fn write_stat(address: UserAddr, metadata: &Metadata) -> SysResult {
    let mut stat: raw::stat = zeroed();
    stat.st_dev = metadata.device.encoded();
    stat.st_ino = metadata.inode;
    stat.st_nlink = u64::from(metadata.links);
    stat.st_mode = metadata.mode();
    stat.st_uid = metadata.uid;
    stat.st_gid = metadata.gid;
    stat.st_rdev = metadata.rdev.encoded();
    stat.st_size = metadata.size as i64;
    stat.st_blksize = i64::from(metadata.block_size);
    stat.st_blocks = metadata.blocks as i64;
    (stat.st_atime, stat.st_atime_nsec) = time_words(metadata.accessed);
    (stat.st_mtime, stat.st_mtime_nsec) = time_words(metadata.modified);
    (stat.st_ctime, stat.st_ctime_nsec) = time_words(metadata.changed);
    write_value(address, &stat).map(|()| 0)
}

fn time_words(time: Timestamp) -> (u64, u64) {
    (time.seconds as u64, u64::from(time.nanoseconds))
}

/// stat(2)
pub fn sys_stat(task: &Task, args: &Args) -> SysResult {
    let path = Actor::of(task).path_at(raw::AT_FDCWD, args.addr(0), 0)?;
    write_stat(args.addr(1), &path.inode().metadata()?)
}

/// lstat(2)
pub fn sys_lstat(task: &Task, args: &Args) -> SysResult {
    let path = Actor::of(task).path_at(raw::AT_FDCWD, args.addr(0), raw::AT_SYMLINK_NOFOLLOW)?;
    write_stat(args.addr(1), &path.inode().metadata()?)
}

/// fstat(2)
pub fn sys_fstat(task: &Task, args: &Args) -> SysResult {
    let file = task.files().get_any(args.int(0))?;
    write_stat(args.addr(1), &file.metadata()?)
}

/// newfstatat(2)
pub fn sys_newfstatat(task: &Task, args: &Args) -> SysResult {
    let flags = args.uint(3);
    only_flags(flags, raw::AT_SYMLINK_NOFOLLOW | raw::AT_EMPTY_PATH | raw::AT_NO_AUTOMOUNT)?;
    let path = Actor::of(task).path_at(args.int(0), args.addr(1), flags)?;
    write_stat(args.addr(2), &path.inode().metadata()?)
}

/// statx(2)
pub fn sys_statx(task: &Task, args: &Args) -> SysResult {
    let (flags, mask) = (args.uint(2), args.uint(3));
    let known = raw::AT_SYMLINK_NOFOLLOW | raw::AT_EMPTY_PATH | raw::AT_NO_AUTOMOUNT | raw::AT_STATX_SYNC_TYPE;
    only_flags(flags, known)?;
    if mask & raw::STATX__RESERVED != 0 || flags & raw::AT_STATX_SYNC_TYPE == raw::AT_STATX_SYNC_TYPE {
        return Err(Errno::EINVAL);
    }
    let path = Actor::of(task).path_at(args.int(0), args.addr(1), flags)?;
    let statx = statx(&path, &path.inode().metadata()?);
    write_value(args.addr(4), &statx).map(|()| 0)
}

fn statx(path: &Path, metadata: &Metadata) -> raw::statx {
    let mut statx: raw::statx = zeroed();
    statx.stx_mask = raw::STATX_BASIC_STATS | raw::STATX_MNT_ID;
    statx.stx_blksize = metadata.block_size;
    statx.stx_attributes_mask = u64::from(raw::STATX_ATTR_MOUNT_ROOT);
    if alloc::sync::Arc::ptr_eq(&path.dentry, path.mount.root()) {
        statx.stx_attributes = u64::from(raw::STATX_ATTR_MOUNT_ROOT);
    }
    statx.stx_nlink = metadata.links;
    statx.stx_uid = metadata.uid;
    statx.stx_gid = metadata.gid;
    statx.stx_mode = metadata.mode() as u16;
    statx.stx_ino = metadata.inode;
    statx.stx_size = metadata.size;
    statx.stx_blocks = metadata.blocks;
    fill_time(&mut statx.stx_atime, metadata.accessed);
    fill_time(&mut statx.stx_mtime, metadata.modified);
    fill_time(&mut statx.stx_ctime, metadata.changed);
    if let Some(born) = metadata.born {
        statx.stx_mask |= raw::STATX_BTIME;
        fill_time(&mut statx.stx_btime, born);
    }
    (statx.stx_rdev_major, statx.stx_rdev_minor) = (metadata.rdev.major(), metadata.rdev.minor());
    (statx.stx_dev_major, statx.stx_dev_minor) = (metadata.device.major(), metadata.device.minor());
    statx.stx_mnt_id = u64::from(path.mount.id());
    statx
}

fn fill_time(place: &mut raw::statx_timestamp, time: Timestamp) {
    place.tv_sec = time.seconds;
    place.tv_nsec = time.nanoseconds;
}

/// access(2)
pub fn sys_access(task: &Task, args: &Args) -> SysResult {
    access(task, raw::AT_FDCWD, args.addr(0), args.uint(1), 0)
}

/// faccessat(2): the call without flags
pub fn sys_faccessat(task: &Task, args: &Args) -> SysResult {
    access(task, args.int(0), args.addr(1), args.uint(2), 0)
}

/// faccessat2(2)
pub fn sys_faccessat2(task: &Task, args: &Args) -> SysResult {
    access(task, args.int(0), args.addr(1), args.uint(2), args.uint(3))
}

fn access(task: &Task, directory: i32, path: UserAddr, mode: u32, flags: u32) -> SysResult {
    let wanted = Access::from_bits(mode).ok_or(Errno::EINVAL)?;
    only_flags(flags, raw::AT_EACCESS | raw::AT_SYMLINK_NOFOLLOW | raw::AT_EMPTY_PATH)?;
    let mut actor = Actor::of(task);
    if flags & raw::AT_EACCESS == 0 {
        actor.credentials = alloc::sync::Arc::new(actor.credentials.with_real_ids());
    }
    let path = actor.path_at(directory, path, flags)?;
    if !wanted.is_empty() {
        actor.caller().check_access(&actor.credentials, &path, wanted)?;
    }
    Ok(0)
}

fn write_statfs(address: UserAddr, mount: &Mount) -> SysResult {
    let statistics = mount.file_system().statistics();
    let mut statfs: raw::statfs = zeroed();
    statfs.f_type = statistics.magic as i64;
    statfs.f_bsize = statistics.block_size as i64;
    statfs.f_frsize = statistics.block_size as i64;
    statfs.f_blocks = statistics.blocks as i64;
    statfs.f_bfree = statistics.free_blocks as i64;
    statfs.f_bavail = statistics.available_blocks as i64;
    statfs.f_files = statistics.inodes as i64;
    statfs.f_ffree = statistics.free_inodes as i64;
    statfs.f_namelen = statistics.name_limit as i64;
    statfs.f_fsid.val = [statistics.id as i32, (statistics.id >> 32) as i32];
    statfs.f_flags = statfs_flags(mount.flags());
    write_value(address, &statfs).map(|()| 0)
}

/// The `ST_*` flags of statfs(2), which the kernel's headers do not export.
fn statfs_flags(flags: MountFlags) -> i64 {
    const VALID: i64 = 0x20;
    let names = [
        (MountFlags::RDONLY, 1),
        (MountFlags::NOSUID, 2),
        (MountFlags::NODEV, 4),
        (MountFlags::NOEXEC, 8),
        (MountFlags::NOATIME, 1024),
        (MountFlags::NODIRATIME, 2048),
        (MountFlags::RELATIME, 4096),
    ];
    names.iter().filter(|(flag, _)| flags.contains(*flag)).fold(VALID, |bits, (_, bit)| bits | bit)
}

/// statfs(2)
pub fn sys_statfs(task: &Task, args: &Args) -> SysResult {
    let path = Actor::of(task).path_at(raw::AT_FDCWD, args.addr(0), 0)?;
    write_statfs(args.addr(1), &path.mount)
}

/// fstatfs(2)
pub fn sys_fstatfs(task: &Task, args: &Args) -> SysResult {
    let file = task.files().get_any(args.int(0))?;
    write_statfs(args.addr(1), &file.path().mount)
}
