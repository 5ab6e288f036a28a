//! System calls on files: thin handlers over the `vfs` crate, one file for each family.
//!
//! A handler reads its arguments, copies what they point to once, checks flags, and calls the VFS. [`Actor`] is all
//! that these handlers know of a task.

use alloc::sync::Arc;
use alloc::vec::Vec;

use guest_memory::{UserAddr, read_c_string};
use linux_abi::raw::general as raw;
use linux_abi::{Errno, Result};
use task::Task;
use vfs::{Caller, Credentials, FdTable, FsContext, OpenFile, Path, WalkFlags, resolve};

pub mod attributes;
pub mod descriptor;
pub mod directory;
pub mod io;
pub mod lock;
pub mod mount;
pub mod names;
pub mod open;
pub mod stat;
pub mod times;
pub mod transfer;
pub mod xattr;

/// Most bytes that one call reads or writes: `MAX_RW_COUNT` of include/linux/fs.h.
pub(crate) const TRANSFER_LIMIT_BYTES: usize = 0x7fff_f000;

/// The side of a task that file calls see.
pub(crate) struct Actor {
    pub(crate) files: Arc<FdTable>,
    pub(crate) fs: Arc<FsContext>,
    pub(crate) credentials: Arc<Credentials>,
}

impl Actor {
    pub(crate) fn of(task: &Task) -> Actor {
        Actor { files: task.files(), fs: task.fs(), credentials: task.credentials() }
    }

    pub(crate) fn caller(&self) -> Caller<'_> {
        Caller { credentials: &self.credentials, fs: &self.fs }
    }

    /// Returns the directory that a relative path starts at; `None` stands for the working directory.
    ///
    /// # Errors
    /// `EBADF` if it is needed and not open.
    pub(crate) fn base(&self, directory: i32, path: &[u8]) -> Result<Option<Path>> {
        if directory == raw::AT_FDCWD || path.is_empty() || path.first() == Some(&b'/') {
            return Ok(None);
        }
        Ok(Some(self.files.get_any(directory)?.path().clone()))
    }

    /// Resolves the path at `address`, relative to `directory`. An empty one is the directory itself if
    /// `AT_EMPTY_PATH` is among `flags`; a final link is followed unless `AT_SYMLINK_NOFOLLOW` is.
    ///
    /// # Errors
    /// As path resolution finds.
    pub(crate) fn path_at(&self, directory: i32, address: UserAddr, flags: u32) -> Result<Path> {
        let text = read_path(address)?;
        if text.is_empty() && flags & raw::AT_EMPTY_PATH != 0 {
            return match directory {
                raw::AT_FDCWD => Ok(self.fs.working_directory()),
                _ => Ok(self.files.get_any(directory)?.path().clone()),
            };
        }
        let follow = if flags & raw::AT_SYMLINK_NOFOLLOW == 0 { WalkFlags::FOLLOW } else { WalkFlags::empty() };
        resolve(self.caller(), self.base(directory, &text)?.as_ref(), &text, follow)
    }
}

/// Copies a path from the process.
///
/// # Errors
/// `EFAULT`, `ENAMETOOLONG`.
pub(crate) fn read_path(address: UserAddr) -> Result<Vec<u8>> {
    read_c_string(address, raw::PATH_MAX as usize - 1)
}

/// Checks that no flags but `known` are set.
///
/// # Errors
/// `EINVAL`.
pub(crate) fn only_flags(flags: u32, known: u32) -> Result<()> {
    if flags & !known == 0 { Ok(()) } else { Err(Errno::EINVAL) }
}

/// Reads an offset that must not be negative.
///
/// # Errors
/// `EINVAL`.
pub(crate) fn offset(raw: u64) -> Result<u64> {
    if (raw as i64) < 0 { Err(Errno::EINVAL) } else { Ok(raw) }
}

/// Returns the soft limit of descriptors.
pub(crate) fn descriptor_limit(task: &Task) -> u64 {
    task.soft_limit(raw::RLIMIT_NOFILE)
}

/// Returns the description behind a descriptor.
pub(crate) fn file(task: &Task, fd: i32) -> Result<Arc<OpenFile>> {
    task.files().get(fd)
}
