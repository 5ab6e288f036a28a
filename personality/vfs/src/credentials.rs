//! Who acts: user and group ids and capabilities of a thread, as file permission checks see them.

use alloc::sync::Arc;

use linux_abi::{Errno, Result};

use crate::metadata::Ownership;

/// The ids and capabilities of a thread. Immutable; a change makes a new value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Real user id.
    pub uid: u32,
    /// Effective user id.
    pub euid: u32,
    /// Saved user id.
    pub suid: u32,
    /// User id for file access.
    pub fsuid: u32,
    /// Real group id.
    pub gid: u32,
    /// Effective group id.
    pub egid: u32,
    /// Saved group id.
    pub sgid: u32,
    /// Group id for file access.
    pub fsgid: u32,
    /// Supplementary groups.
    pub groups: Arc<[u32]>,
    /// Effective capabilities, a bit each.
    pub effective: u64,
    /// Permitted capabilities.
    pub permitted: u64,
    /// Inheritable capabilities.
    pub inheritable: u64,
    /// Capabilities that exec can still gain.
    pub bounding: u64,
}

/// A capability that this system checks, by its number in `capabilities(7)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Capability {
    /// Change owners.
    Chown = 0,
    /// Ignore read, write and search permission.
    DacOverride = 1,
    /// Read files and search directories without permission.
    DacReadSearch = 2,
    /// Act as the owner of any file.
    Fowner = 3,
    /// Keep set-id bits over changes.
    Fsetid = 4,
    /// Signal any process.
    Kill = 5,
    /// Change group ids.
    Setgid = 6,
    /// Change user ids.
    Setuid = 7,
    /// Use privileged ports.
    NetBindService = 10,
    /// Configure the network.
    NetAdmin = 12,
    /// Use raw sockets.
    NetRaw = 13,
    /// Call chroot.
    SysChroot = 18,
    /// Trace any process.
    SysPtrace = 19,
    /// Mount and the like.
    SysAdmin = 21,
    /// Call reboot.
    SysBoot = 22,
    /// Raise priorities.
    SysNice = 23,
    /// Exceed limits.
    SysResource = 24,
    /// Set the clock.
    SysTime = 25,
    /// Configure terminals, vhangup.
    SysTtyConfig = 26,
    /// Make device nodes.
    Mknod = 27,
}

/// All capabilities of Linux 6.1 (`CAP_CHECKPOINT_RESTORE` is the last, 40).
pub const ALL_CAPABILITIES: u64 = (1 << 41) - 1;

bitflags::bitflags! {
    /// What a caller wants to do with an inode: the bits of one `rwx` group.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Access: u32 {
        /// Execute, or search a directory.
        const EXECUTE = 1;
        /// Write.
        const WRITE = 2;
        /// Read.
        const READ = 4;
    }
}

impl Credentials {
    /// Returns the superuser's credentials.
    #[must_use]
    pub fn root() -> Credentials {
        Credentials::new(0, 0)
    }

    /// Returns the credentials of a user with one group; user 0 has all capabilities.
    #[must_use]
    pub fn new(uid: u32, gid: u32) -> Credentials {
        let capabilities = if uid == 0 { ALL_CAPABILITIES } else { 0 };
        Credentials {
            uid,
            euid: uid,
            suid: uid,
            fsuid: uid,
            gid,
            egid: gid,
            sgid: gid,
            fsgid: gid,
            groups: Arc::new([]),
            effective: capabilities,
            permitted: capabilities,
            inheritable: 0,
            bounding: ALL_CAPABILITIES,
        }
    }

    /// Tells whether a capability is effective.
    #[must_use]
    pub const fn has(&self, capability: Capability) -> bool {
        self.effective & (1 << capability as u8) != 0
    }

    /// Tells whether the caller is in a group, for file access.
    #[must_use]
    pub fn in_group(&self, gid: u32) -> bool {
        self.fsgid == gid || self.groups.contains(&gid)
    }

    /// Tells whether the caller may act as the owner.
    #[must_use]
    pub const fn is_owner_or_capable(&self, uid: u32) -> bool {
        self.fsuid == uid || self.has(Capability::Fowner)
    }

    /// Checks permission on an inode.
    ///
    /// # Errors
    /// `EACCES` if neither the permission bits nor a capability allow it.
    pub fn require(&self, wanted: Access, inode: Ownership, is_directory: bool) -> Result<()> {
        let shift = match () {
            () if self.fsuid == inode.uid => 6,
            () if self.in_group(inode.gid) => 3,
            () => 0,
        };
        if inode.permissions >> shift & wanted.bits() == wanted.bits() {
            return Ok(());
        }
        let someone_may_execute = is_directory || inode.permissions & 0o111 != 0;
        if self.has(Capability::DacOverride) && (!wanted.contains(Access::EXECUTE) || someone_may_execute) {
            return Ok(());
        }
        let only_looks = wanted == Access::READ || (is_directory && !wanted.contains(Access::WRITE));
        if only_looks && self.has(Capability::DacReadSearch) { Ok(()) } else { Err(Errno::EACCES) }
    }

    /// Returns a copy whose file access uses the real ids, for `access(2)`: capabilities only for real user 0.
    #[must_use]
    pub fn with_real_ids(&self) -> Credentials {
        let mut real = self.clone();
        (real.fsuid, real.fsgid) = (self.uid, self.gid);
        real.effective = if self.uid == 0 { self.permitted } else { 0 };
        real
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(permissions: u32) -> Ownership {
        Ownership { permissions, uid: 10, gid: 20 }
    }

    #[test]
    fn the_owner_class_is_used_even_if_others_have_more() {
        let owner = Credentials::new(10, 99);
        assert_eq!(owner.require(Access::READ, file(0o077), false), Err(Errno::EACCES));
        assert_eq!(Credentials::new(11, 20).require(Access::READ, file(0o040), false), Ok(()));
        assert_eq!(Credentials::new(11, 21).require(Access::READ, file(0o040), false), Err(Errno::EACCES));
    }

    #[test]
    fn root_executes_only_what_somebody_may_execute() {
        let root = Credentials::root();
        assert_eq!(root.require(Access::EXECUTE, file(0o600), false), Err(Errno::EACCES));
        assert_eq!(root.require(Access::EXECUTE, file(0o010), false), Ok(()));
        assert_eq!(root.require(Access::EXECUTE, file(0), true), Ok(()));
        assert_eq!(root.require(Access::READ | Access::WRITE, file(0), false), Ok(()));
    }

    #[test]
    fn real_ids_decide_for_access() {
        let mut caller = Credentials::root();
        caller.uid = 1000;
        assert!(!caller.with_real_ids().has(Capability::DacOverride));
    }
}
