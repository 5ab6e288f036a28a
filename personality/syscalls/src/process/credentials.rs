//! User and group ids (credentials(7)), and what becomes of capabilities when they change (capabilities(7)).

use alloc::vec::Vec;

use guest_memory::{read_value, write_value};
use linux_abi::{Errno, Result};
use task::Task;
use vfs::{Capability, Credentials};

use crate::{Args, SysResult};

/// Most supplementary groups: `NGROUPS_MAX`.
const MAX_GROUPS: usize = 65536;
/// "Leave it".
const SAME: u32 = u32::MAX;

/// getuid(2)
pub fn sys_getuid(task: &Task, _args: &Args) -> SysResult {
    Ok(task.credentials().uid.into())
}

/// geteuid(2)
pub fn sys_geteuid(task: &Task, _args: &Args) -> SysResult {
    Ok(task.credentials().euid.into())
}

/// getgid(2)
pub fn sys_getgid(task: &Task, _args: &Args) -> SysResult {
    Ok(task.credentials().gid.into())
}

/// getegid(2)
pub fn sys_getegid(task: &Task, _args: &Args) -> SysResult {
    Ok(task.credentials().egid.into())
}

/// Makes a changed copy of the caller's credentials its own.
fn change(task: &Task, change: impl FnOnce(&mut Credentials) -> Result<()>) -> SysResult {
    let old = task.credentials();
    let mut new = (*old).clone();
    change(&mut new)?;
    adjust_capabilities(&old, &mut new);
    task.set_credentials(new);
    Ok(0)
}

/// capabilities(7), "Effect of user ID changes on capabilities".
fn adjust_capabilities(old: &Credentials, new: &mut Credentials) {
    /// Chown, DacOverride, DacReadSearch, Fowner, Fsetid, LinuxImmutable, Mknod, MacOverride: what `fsuid` governs.
    const OF_FILES: u64 = 0b1_1111 | 1 << 9 | 1 << 27 | 1 << 32;
    let had_root = [old.uid, old.euid, old.suid].contains(&0);
    let has_root = [new.uid, new.euid, new.suid].contains(&0);
    if had_root && !has_root {
        (new.permitted, new.effective) = (0, 0);
    }
    if old.euid == 0 && new.euid != 0 {
        new.effective = 0;
    } else if old.euid != 0 && new.euid == 0 {
        new.effective = new.permitted;
    } else if old.fsuid == 0 && new.fsuid != 0 {
        new.effective &= !OF_FILES;
    } else if old.fsuid != 0 && new.fsuid == 0 {
        new.effective |= new.permitted & OF_FILES;
    }
}

/// Whether a process with this right, or one of these ids, may take an id; `SAME` asks for nothing.
fn check(wanted: u32, privileged: bool, own: &[u32]) -> Result<()> {
    if wanted == SAME || privileged || own.contains(&wanted) { Ok(()) } else { Err(Errno::EPERM) }
}

/// setuid(2)
pub fn sys_setuid(task: &Task, args: &Args) -> SysResult {
    let uid = valid(args.uint(0))?;
    change(task, |c| {
        let privileged = c.has(Capability::Setuid);
        check(uid, privileged, &[c.uid, c.suid])?;
        if privileged {
            (c.uid, c.suid) = (uid, uid);
        }
        (c.euid, c.fsuid) = (uid, uid);
        Ok(())
    })
}

/// setgid(2)
pub fn sys_setgid(task: &Task, args: &Args) -> SysResult {
    let gid = valid(args.uint(0))?;
    change(task, |c| {
        let privileged = c.has(Capability::Setgid);
        check(gid, privileged, &[c.gid, c.sgid])?;
        if privileged {
            (c.gid, c.sgid) = (gid, gid);
        }
        (c.egid, c.fsgid) = (gid, gid);
        Ok(())
    })
}

fn valid(id: u32) -> Result<u32> {
    if id == SAME { Err(Errno::EINVAL) } else { Ok(id) }
}

const fn or(wanted: u32, old: u32) -> u32 {
    if wanted == SAME { old } else { wanted }
}

/// setreuid(2)
pub fn sys_setreuid(task: &Task, args: &Args) -> SysResult {
    let (real, effective) = (args.uint(0), args.uint(1));
    change(task, |c| {
        let privileged = c.has(Capability::Setuid);
        check(real, privileged, &[c.uid, c.euid])?;
        check(effective, privileged, &[c.uid, c.euid, c.suid])?;
        let old_real = c.uid;
        (c.uid, c.euid) = (or(real, c.uid), or(effective, c.euid));
        if real != SAME || effective != SAME && effective != old_real {
            c.suid = c.euid;
        }
        c.fsuid = c.euid;
        Ok(())
    })
}

/// setregid(2)
pub fn sys_setregid(task: &Task, args: &Args) -> SysResult {
    let (real, effective) = (args.uint(0), args.uint(1));
    change(task, |c| {
        let privileged = c.has(Capability::Setgid);
        check(real, privileged, &[c.gid, c.egid])?;
        check(effective, privileged, &[c.gid, c.egid, c.sgid])?;
        let old_real = c.gid;
        (c.gid, c.egid) = (or(real, c.gid), or(effective, c.egid));
        if real != SAME || effective != SAME && effective != old_real {
            c.sgid = c.egid;
        }
        c.fsgid = c.egid;
        Ok(())
    })
}

/// setresuid(2)
pub fn sys_setresuid(task: &Task, args: &Args) -> SysResult {
    let wanted = [args.uint(0), args.uint(1), args.uint(2)];
    change(task, |c| {
        let (privileged, own) = (c.has(Capability::Setuid), [c.uid, c.euid, c.suid]);
        wanted.iter().try_for_each(|id| check(*id, privileged, &own))?;
        (c.uid, c.euid, c.suid) = (or(wanted[0], c.uid), or(wanted[1], c.euid), or(wanted[2], c.suid));
        c.fsuid = c.euid;
        Ok(())
    })
}

/// setresgid(2)
pub fn sys_setresgid(task: &Task, args: &Args) -> SysResult {
    let wanted = [args.uint(0), args.uint(1), args.uint(2)];
    change(task, |c| {
        let (privileged, own) = (c.has(Capability::Setgid), [c.gid, c.egid, c.sgid]);
        wanted.iter().try_for_each(|id| check(*id, privileged, &own))?;
        (c.gid, c.egid, c.sgid) = (or(wanted[0], c.gid), or(wanted[1], c.egid), or(wanted[2], c.sgid));
        c.fsgid = c.egid;
        Ok(())
    })
}

fn write_three(args: &Args, ids: [u32; 3]) -> SysResult {
    for (index, id) in ids.iter().enumerate() {
        write_value(args.addr(index), id)?;
    }
    Ok(0)
}

/// getresuid(2)
pub fn sys_getresuid(task: &Task, args: &Args) -> SysResult {
    let c = task.credentials();
    write_three(args, [c.uid, c.euid, c.suid])
}

/// getresgid(2)
pub fn sys_getresgid(task: &Task, args: &Args) -> SysResult {
    let c = task.credentials();
    write_three(args, [c.gid, c.egid, c.sgid])
}

/// setfsuid(2): returns the old id whether it changed or not.
pub fn sys_setfsuid(task: &Task, args: &Args) -> SysResult {
    let old = task.credentials().fsuid;
    let _ = change(task, |c| {
        check(valid(args.uint(0))?, c.has(Capability::Setuid), &[c.uid, c.euid, c.suid, c.fsuid])?;
        c.fsuid = args.uint(0);
        Ok(())
    });
    Ok(old.into())
}

/// setfsgid(2)
pub fn sys_setfsgid(task: &Task, args: &Args) -> SysResult {
    let old = task.credentials().fsgid;
    let _ = change(task, |c| {
        check(valid(args.uint(0))?, c.has(Capability::Setgid), &[c.gid, c.egid, c.sgid, c.fsgid])?;
        c.fsgid = args.uint(0);
        Ok(())
    });
    Ok(old.into())
}

/// getgroups(2)
pub fn sys_getgroups(task: &Task, args: &Args) -> SysResult {
    let room = usize::try_from(args.int(0)).map_err(|_| Errno::EINVAL)?;
    let credentials = task.credentials();
    let count = credentials.groups.len();
    if room != 0 {
        if count > room {
            return Err(Errno::EINVAL);
        }
        for (index, group) in credentials.groups.iter().enumerate() {
            write_value(args.addr(1).offset(index as u64 * 4), group)?;
        }
    }
    Ok(count as u64)
}

/// setgroups(2)
pub fn sys_setgroups(task: &Task, args: &Args) -> SysResult {
    if !task.credentials().has(Capability::Setgid) {
        return Err(Errno::EPERM);
    }
    let count = usize::try_from(args.int(0)).ok().filter(|count| *count <= MAX_GROUPS).ok_or(Errno::EINVAL)?;
    let groups: Vec<u32> =
        (0..count).map(|index| read_value(args.addr(1).offset(index as u64 * 4))).collect::<Result<_>>()?;
    change(task, |c| {
        c.groups = groups.into();
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn giving_up_user_0_gives_up_all_capabilities_and_coming_back_regains_effective_ones() {
        let root = Credentials::root();
        let mut user = root.clone();
        (user.uid, user.euid, user.suid, user.fsuid) = (5, 5, 5, 5);
        adjust_capabilities(&root, &mut user);
        assert_eq!((user.permitted, user.effective), (0, 0));

        let mut masked = root.clone();
        (masked.euid, masked.fsuid) = (5, 5);
        adjust_capabilities(&root, &mut masked);
        assert_eq!((masked.permitted, masked.effective), (root.permitted, 0));
        let mut back = masked.clone();
        (back.euid, back.fsuid) = (0, 0);
        adjust_capabilities(&masked, &mut back);
        assert_eq!(back.effective, root.effective);
    }
}
