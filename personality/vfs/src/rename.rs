//! Renaming, in all its cases.

use alloc::sync::Arc;

use linux_abi::{Errno, Result};
use rt::sync::MutexGuard;

use crate::context::Caller;
use crate::credentials::Access;
use crate::dentry::{Children, Dentry};
use crate::inode::{RenameMode, Renamed};
use crate::path::Path;
use crate::walk::{Last, Parent, resolve_parent};

/// What `renameat2` is to do with an existing target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenameRule {
    /// Replace it.
    Replace,
    /// Fail.
    NoReplace,
    /// Swap the two.
    Exchange,
}

/// Both directories of a rename, locked; one and the same perhaps.
struct LockedPair<'a> {
    old: MutexGuard<'a, Children>,
    new: Option<MutexGuard<'a, Children>>,
}

impl<'a> LockedPair<'a> {
    /// Locks both; the caller holds the file system's rename lock unless they are one.
    fn lock(old: &'a Arc<Dentry>, new: &'a Arc<Dentry>) -> LockedPair<'a> {
        if Arc::ptr_eq(old, new) {
            return LockedPair { old: old.lock_children(), new: None };
        }
        let old_is_first = old.is_ancestor_of(new) || (!new.is_ancestor_of(old) && Arc::as_ptr(old) < Arc::as_ptr(new));
        if old_is_first {
            let old = old.lock_children();
            return LockedPair { old, new: Some(new.lock_children()) };
        }
        let new = new.lock_children();
        LockedPair { old: old.lock_children(), new: Some(new) }
    }

    fn new_children(&mut self) -> &mut Children {
        self.new.as_mut().unwrap_or(&mut self.old)
    }
}

impl Caller<'_> {
    /// Renames `old` to `new`.
    ///
    /// # Errors
    /// As rename(2).
    pub fn rename(
        &self,
        old_base: Option<&Path>,
        old: &[u8],
        new_base: Option<&Path>,
        new: &[u8],
        rule: RenameRule,
    ) -> Result<()> {
        let old = resolve_parent(*self, old_base, old)?;
        let new = resolve_parent(*self, new_base, new)?;
        if !Arc::ptr_eq(&old.directory.mount, &new.directory.mount) {
            return Err(Errno::EXDEV);
        }
        if !matches!(old.last, Last::Name(_)) {
            return Err(Errno::EBUSY);
        }
        if !matches!(new.last, Last::Name(_)) {
            return Err(if rule == RenameRule::NoReplace { Errno::EEXIST } else { Errno::EBUSY });
        }
        old.directory.mount.require_writable()?;
        let super_block = old.directory.mount.super_block().clone();
        let _tree = super_block.rename.lock();
        let mut locked = LockedPair::lock(&old.directory.dentry, &new.directory.dentry);
        let replaced = self.rename_locked(&mut locked, &old, &new, rule)?;
        drop(locked);
        drop(replaced);
        Ok(())
    }

    fn rename_locked(
        &self,
        locked: &mut LockedPair<'_>,
        old: &Parent,
        new: &Parent,
        rule: RenameRule,
    ) -> Result<Option<Arc<Dentry>>> {
        let (old_directory, new_directory) = (&old.directory.dentry, &new.directory.dentry);
        let source = locked.old.lookup(old_directory, &old.name)?;
        let target = match locked.new_children().lookup(new_directory, &new.name) {
            Ok(target) => Some(target),
            Err(Errno::ENOENT) => None,
            Err(error) => return Err(error),
        };
        check_rule(rule, target.is_some())?;
        check_trailing_slashes(old, new, &source, target.as_ref(), rule)?;
        if source.is_ancestor_of(new_directory) {
            return Err(Errno::EINVAL);
        }
        if target.as_ref().is_some_and(|target| target.is_ancestor_of(old_directory)) {
            return Err(if rule == RenameRule::Exchange { Errno::EINVAL } else { Errno::ENOTEMPTY });
        }
        if target.as_ref().is_some_and(|target| is_same_inode(&source, target)) {
            return Ok(None);
        }
        self.check_rename_permission(old_directory, new_directory, &source, target.as_ref(), rule)?;
        if locked.new_children().is_removed() {
            return Err(Errno::ENOENT);
        }
        let mode = if rule == RenameRule::Exchange { RenameMode::Exchange } else { RenameMode::Replace };
        let renamed = Renamed { source: source.inode(), target: target.as_ref().map(|target| target.inode()), mode };
        old_directory.inode().rename(&old.name, new_directory.inode(), &new.name, renamed)?;
        locked.old.leave(&old.name);
        match (&target, rule) {
            (Some(target), RenameRule::Exchange) => locked.old.enter(old_directory, &old.name, target),
            (Some(target), _) => {
                if target.is_directory() {
                    target.lock_children().set_removed();
                }
                locked.new_children().remove(&new.name, target);
            }
            (None, _) => {}
        }
        locked.new_children().enter(new_directory, &new.name, &source);
        Ok(target)
    }

    fn check_rename_permission(
        &self,
        old_directory: &Arc<Dentry>,
        new_directory: &Arc<Dentry>,
        source: &Dentry,
        target: Option<&Arc<Dentry>>,
        rule: RenameRule,
    ) -> Result<()> {
        self.require_removal(old_directory, source)?;
        match target {
            None => self.require_change(new_directory)?,
            Some(target) => {
                self.require_removal(new_directory, target)?;
                match (source.is_directory(), target.is_directory()) {
                    _ if rule == RenameRule::Exchange => {}
                    (true, false) => return Err(Errno::ENOTDIR),
                    (false, true) => return Err(Errno::EISDIR),
                    _ => {}
                }
            }
        }
        if !Arc::ptr_eq(old_directory, new_directory) {
            // A directory that moves gets another `..`, which is a change of its contents.
            let moved = [Some(source), target.map(Arc::as_ref).filter(|_| rule == RenameRule::Exchange)];
            for directory in moved.into_iter().flatten().filter(|dentry| dentry.is_directory()) {
                self.credentials.require(Access::WRITE, directory.inode().ownership()?, true)?;
            }
        }
        let is_mount_point = |dentry: &Dentry| dentry.is_mount_point();
        if is_mount_point(source) || target.is_some_and(|target| is_mount_point(target)) {
            return Err(Errno::EBUSY);
        }
        Ok(())
    }
}

fn check_rule(rule: RenameRule, target_exists: bool) -> Result<()> {
    match (rule, target_exists) {
        (RenameRule::NoReplace, true) => Err(Errno::EEXIST),
        (RenameRule::Exchange, false) => Err(Errno::ENOENT),
        _ => Ok(()),
    }
}

fn check_trailing_slashes(
    old: &Parent,
    new: &Parent,
    source: &Dentry,
    target: Option<&Arc<Dentry>>,
    rule: RenameRule,
) -> Result<()> {
    if rule == RenameRule::Exchange && new.has_trailing_slash && target.is_some_and(|target| !target.is_directory()) {
        return Err(Errno::ENOTDIR);
    }
    let new_matters = new.has_trailing_slash && rule != RenameRule::Exchange;
    if !source.is_directory() && (old.has_trailing_slash || new_matters) { Err(Errno::ENOTDIR) } else { Ok(()) }
}

fn is_same_inode(one: &Dentry, other: &Dentry) -> bool {
    core::ptr::addr_eq(Arc::as_ptr(one.inode()), Arc::as_ptr(other.inode()))
}
