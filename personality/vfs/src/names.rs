//! Operations that make and remove names: mkdir, mknod, symlink, link, unlink, rmdir.
//!
//! The order of the checks is Linux's, as far as a program can tell by the error it gets.

use alloc::sync::Arc;

use linux_abi::{Errno, Result};

use crate::context::Caller;
use crate::credentials::{Access, Capability};
use crate::dentry::{Children, Dentry, Naming};
use crate::inode::NewInode;
use crate::metadata::{DeviceNumber, FileKind, Ownership};
use crate::path::Path;
use crate::walk::{Last, Parent, resolve_parent};

const SET_GROUP_ID: u32 = 0o2000;
const STICKY: u32 = 0o1000;

impl Caller<'_> {
    /// Checks that the caller may add names to a directory or remove them.
    pub(crate) fn require_change(&self, directory: &Dentry) -> Result<()> {
        let ownership = directory.inode().ownership()?;
        self.credentials.require(Access::WRITE | Access::EXECUTE, ownership, true)
    }

    /// Checks that the caller may remove a name: permission on the directory, and the sticky bit.
    pub(crate) fn require_removal(&self, directory: &Dentry, victim: &Dentry) -> Result<()> {
        self.require_change(directory)?;
        let parent = directory.inode().ownership()?;
        let caller = self.credentials;
        if parent.permissions & STICKY == 0 || caller.fsuid == parent.uid || caller.has(Capability::Fowner) {
            return Ok(());
        }
        if victim.inode().ownership()?.uid == caller.fsuid { Ok(()) } else { Err(Errno::EPERM) }
    }

    /// Completes a new inode's owner and permissions from caller, umask and parent directory.
    fn complete<'n>(&self, parent: Ownership, mut new: NewInode<'n>) -> NewInode<'n> {
        new.uid = self.credentials.fsuid;
        new.gid = self.credentials.fsgid;
        if new.kind != FileKind::Symlink {
            new.permissions &= !self.fs.umask();
        }
        if parent.permissions & SET_GROUP_ID != 0 {
            new.gid = parent.gid;
            let may_keep = self.credentials.in_group(parent.gid) || self.credentials.has(Capability::Fsetid);
            if new.kind == FileKind::Directory {
                new.permissions |= SET_GROUP_ID;
            } else if new.permissions & 0o2010 == 0o2010 && !may_keep {
                new.permissions &= !SET_GROUP_ID;
            }
        }
        new
    }

    /// Makes an inode in a directory whose children are locked, where the name is known to be free.
    pub(crate) fn create_in(
        &self,
        directory: &Path,
        children: &mut Children,
        name: &[u8],
        new: NewInode<'_>,
    ) -> Result<Arc<Dentry>> {
        directory.mount.require_writable()?;
        if children.is_removed() {
            return Err(Errno::ENOENT);
        }
        self.require_change(&directory.dentry)?;
        let new = self.complete(directory.inode().ownership()?, new);
        let inode = directory.inode().create(name, &new)?;
        Ok(children.insert(&directory.dentry, name, inode))
    }

    /// Makes an unnamed inode in a directory's file system.
    pub(crate) fn create_unnamed_in(&self, directory: &Path, new: NewInode<'_>) -> Result<Arc<Dentry>> {
        directory.mount.require_writable()?;
        self.require_change(&directory.dentry)?;
        let new = self.complete(directory.inode().ownership()?, new);
        let inode = directory.inode().create_unnamed(&new)?;
        let name = alloc::format!("#{}", inode.metadata()?.inode);
        Ok(Dentry::new_unlinked(inode, &directory.dentry, name.as_bytes()))
    }

    /// Makes a name for something new.
    fn create(&self, parent: &Parent, new: NewInode<'_>) -> Result<Arc<Dentry>> {
        if !matches!(parent.last, Last::Name(_)) {
            return Err(Errno::EEXIST);
        }
        let directory = &parent.directory;
        let mut children = directory.dentry.lock_children();
        require_free(&mut children, parent, new.kind == FileKind::Directory)?;
        self.create_in(directory, &mut children, &parent.name, new)
    }

    /// Makes a directory.
    ///
    /// # Errors
    /// As mkdir(2).
    pub fn make_directory(&self, base: Option<&Path>, path: &[u8], permissions: u32) -> Result<()> {
        let parent = resolve_parent(*self, base, path)?;
        self.create(&parent, NewInode::new(FileKind::Directory, permissions & 0o1777)).map(drop)
    }

    /// Makes a file, FIFO, socket or device node.
    ///
    /// # Errors
    /// As mknod(2).
    pub fn make_node(
        &self,
        base: Option<&Path>,
        path: &[u8],
        kind: FileKind,
        permissions: u32,
        rdev: DeviceNumber,
    ) -> Result<()> {
        let parent = resolve_parent(*self, base, path)?;
        let is_device = matches!(kind, FileKind::CharDevice | FileKind::BlockDevice);
        let mut new = NewInode::new(kind, permissions & 0o7777);
        if is_device {
            new.rdev = rdev;
            if !self.credentials.has(Capability::Mknod) {
                return self.create_refused(&parent);
            }
        }
        self.create(&parent, new).map(drop)
    }

    /// Makes a socket's name, and returns where it is.
    ///
    /// # Errors
    /// As mknod(2).
    pub fn make_socket(&self, path: &[u8], permissions: u32) -> Result<Path> {
        let parent = resolve_parent(*self, None, path)?;
        let dentry = self.create(&parent, NewInode::new(FileKind::Socket, permissions & 0o7777))?;
        Ok(Path { mount: parent.directory.mount.clone(), dentry })
    }

    /// Finds the error that making a name gives when it is not allowed anyway.
    fn create_refused(&self, parent: &Parent) -> Result<()> {
        require_free(&mut parent.directory.dentry.lock_children(), parent, false)?;
        self.require_change(&parent.directory.dentry)?;
        Err(Errno::EPERM)
    }

    /// Makes a symbolic link.
    ///
    /// # Errors
    /// As symlink(2).
    pub fn make_symlink(&self, target: &[u8], base: Option<&Path>, path: &[u8]) -> Result<()> {
        if target.is_empty() {
            return Err(Errno::ENOENT);
        }
        let parent = resolve_parent(*self, base, path)?;
        let mut new = NewInode::new(FileKind::Symlink, 0o777);
        new.target = target;
        self.create(&parent, new).map(drop)
    }

    /// Gives `old` one more name.
    ///
    /// # Errors
    /// As link(2).
    pub fn link(&self, old: &Path, base: Option<&Path>, path: &[u8]) -> Result<()> {
        let parent = resolve_parent(*self, base, path)?;
        if !matches!(parent.last, Last::Name(_)) {
            return Err(Errno::EEXIST);
        }
        let directory = &parent.directory;
        let mut children = directory.dentry.lock_children();
        require_free(&mut children, &parent, false)?;
        directory.mount.require_writable()?;
        if !Arc::ptr_eq(&old.mount, &directory.mount) {
            return Err(Errno::EXDEV);
        }
        if children.is_removed() {
            return Err(Errno::ENOENT);
        }
        self.require_change(&directory.dentry)?;
        if old.dentry.is_directory() {
            return Err(Errno::EPERM);
        }
        // One that had names and lost them gets no new one.
        if !old.dentry.may_be_named() && old.inode().metadata()?.links == 0 {
            return Err(Errno::ENOENT);
        }
        directory.inode().link(&parent.name, old.inode())?;
        old.dentry.set_naming(Naming::Refused);
        children.insert(&directory.dentry, &parent.name, old.inode().clone());
        Ok(())
    }

    /// Removes a name of something that is no directory.
    ///
    /// # Errors
    /// As unlink(2).
    pub fn unlink(&self, base: Option<&Path>, path: &[u8]) -> Result<()> {
        let parent = resolve_parent(*self, base, path)?;
        if !matches!(parent.last, Last::Name(_)) {
            return Err(Errno::EISDIR);
        }
        let directory = &parent.directory;
        directory.mount.require_writable()?;
        let mut children = directory.dentry.lock_children();
        let victim = children.lookup(&directory.dentry, &parent.name)?;
        if parent.has_trailing_slash {
            return Err(if victim.is_directory() { Errno::EISDIR } else { Errno::ENOTDIR });
        }
        self.require_removal(&directory.dentry, &victim)?;
        if victim.is_directory() {
            return Err(Errno::EISDIR);
        }
        if victim.is_mount_point() {
            return Err(Errno::EBUSY);
        }
        directory.inode().unlink(&parent.name, victim.inode())?;
        children.remove(&parent.name, &victim);
        // The inode may end with the victim: not under the directory's lock.
        drop(children);
        Ok(())
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// As rmdir(2).
    pub fn remove_directory(&self, base: Option<&Path>, path: &[u8]) -> Result<()> {
        let parent = resolve_parent(*self, base, path)?;
        match parent.last {
            Last::Name(_) => {}
            Last::Dot => return Err(Errno::EINVAL),
            Last::DotDot => return Err(Errno::ENOTEMPTY),
            Last::Root => return Err(Errno::EBUSY),
        }
        let directory = &parent.directory;
        directory.mount.require_writable()?;
        let mut children = directory.dentry.lock_children();
        let victim = children.lookup(&directory.dentry, &parent.name)?;
        self.require_removal(&directory.dentry, &victim)?;
        if !victim.is_directory() {
            return Err(Errno::ENOTDIR);
        }
        if victim.is_mount_point() {
            return Err(Errno::EBUSY);
        }
        let mut below = victim.lock_children();
        directory.inode().remove_directory(&parent.name, victim.inode())?;
        below.set_removed();
        drop(below);
        children.remove(&parent.name, &victim);
        drop(children);
        Ok(())
    }
}

/// Checks that a name is free; a trailing slash is only good for a directory to be made.
fn require_free(children: &mut Children, parent: &Parent, makes_directory: bool) -> Result<()> {
    match children.lookup(&parent.directory.dentry, &parent.name) {
        Ok(_) => Err(Errno::EEXIST),
        Err(Errno::ENOENT) if parent.has_trailing_slash && !makes_directory => Err(Errno::ENOENT),
        Err(Errno::ENOENT) => Ok(()),
        Err(error) => Err(error),
    }
}
