//! Changing attributes: mode, owner, times, size; and asking for permission.

use linux_abi::{Errno, Result};

use crate::clock;
use crate::context::Caller;
use crate::credentials::{Access, Capability, Credentials};
use crate::metadata::{AttributeChanges, FileKind, Timestamp};
use crate::mount::MountFlags;
use crate::path::Path;

const SET_USER_ID: u32 = 0o4000;
const SET_GROUP_ID: u32 = 0o2000;

/// A time to be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewTime {
    /// Leave as is.
    Keep,
    /// The current time.
    Now,
    /// A given time.
    At(Timestamp),
}

impl Caller<'_> {
    /// Sets permission bits.
    ///
    /// # Errors
    /// As chmod(2).
    pub fn change_mode(&self, path: &Path, permissions: u32) -> Result<()> {
        path.mount.require_writable()?;
        let old = path.inode().ownership()?;
        if !self.credentials.is_owner_or_capable(old.uid) {
            return Err(Errno::EPERM);
        }
        if path.dentry.kind() == FileKind::Symlink {
            return Err(Errno::EOPNOTSUPP);
        }
        let mut permissions = permissions & 0o7777;
        if !self.credentials.in_group(old.gid) && !self.credentials.has(Capability::Fsetid) {
            permissions &= !SET_GROUP_ID;
        }
        path.inode().set_attributes(&AttributeChanges { permissions: Some(permissions), ..Default::default() })
    }

    /// Sets owner and group; `None` leaves as is. Set-id bits of files go.
    ///
    /// # Errors
    /// As chown(2).
    pub fn change_owner(&self, path: &Path, uid: Option<u32>, gid: Option<u32>) -> Result<()> {
        path.mount.require_writable()?;
        let old = path.inode().ownership()?;
        let is_owner = self.credentials.fsuid == old.uid;
        if !self.credentials.has(Capability::Chown) {
            let uid_is_fine = uid.is_none_or(|uid| is_owner && uid == old.uid);
            let gid_is_fine = gid.is_none_or(|gid| is_owner && (gid == old.gid || self.credentials.in_group(gid)));
            if !uid_is_fine || !gid_is_fine {
                return Err(Errno::EPERM);
            }
        }
        let mut changes = AttributeChanges { uid, gid, ..Default::default() };
        if path.dentry.kind() != FileKind::Directory && path.dentry.kind() != FileKind::Symlink {
            let mut cleared = old.permissions & !SET_USER_ID;
            if old.permissions & 0o010 != 0 {
                cleared &= !SET_GROUP_ID;
            }
            changes.permissions = (cleared != old.permissions).then_some(cleared);
        }
        path.inode().set_attributes(&changes)
    }

    /// Sets access and modification time.
    ///
    /// # Errors
    /// As utimensat(2).
    pub fn change_times(&self, path: &Path, accessed: NewTime, modified: NewTime) -> Result<()> {
        if (accessed, modified) == (NewTime::Keep, NewTime::Keep) {
            return Ok(());
        }
        path.mount.require_writable()?;
        let ownership = path.inode().ownership()?;
        if !self.credentials.is_owner_or_capable(ownership.uid) {
            if (accessed, modified) != (NewTime::Now, NewTime::Now) {
                return Err(Errno::EPERM);
            }
            self.credentials.require(Access::WRITE, ownership, path.dentry.is_directory())?;
        }
        let now = clock::now();
        let value = |time| match time {
            NewTime::Keep => None,
            NewTime::Now => Some(now),
            NewTime::At(time) => Some(time),
        };
        let changes = AttributeChanges { accessed: value(accessed), modified: value(modified), ..Default::default() };
        path.inode().set_attributes(&changes)
    }

    /// Sets the size of the file that a path names.
    ///
    /// # Errors
    /// As truncate(2).
    pub fn truncate(&self, path: &Path, size: u64) -> Result<()> {
        match path.dentry.kind() {
            FileKind::Regular => {}
            FileKind::Directory => return Err(Errno::EISDIR),
            _ => return Err(Errno::EINVAL),
        }
        path.mount.require_writable()?;
        self.credentials.require(Access::WRITE, path.inode().ownership()?, false)?;
        path.inode().truncate(size)
    }

    /// Checks whether a path may be used in a way, as access(2) does; `credentials` decide.
    ///
    /// # Errors
    /// `EACCES`, `EROFS`.
    pub fn check_access(&self, credentials: &Credentials, path: &Path, wanted: Access) -> Result<()> {
        let kind = path.dentry.kind();
        let no_exec = path.mount.flags().contains(MountFlags::NOEXEC);
        if wanted.contains(Access::EXECUTE) && kind == FileKind::Regular && no_exec {
            return Err(Errno::EACCES);
        }
        credentials.require(wanted, path.inode().ownership()?, kind == FileKind::Directory)?;
        let is_stored = matches!(kind, FileKind::Regular | FileKind::Directory | FileKind::Symlink);
        if wanted.contains(Access::WRITE) && is_stored { path.mount.require_writable() } else { Ok(()) }
    }
}
