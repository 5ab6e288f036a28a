//! What a file system implements: inodes and the file system as a whole.
//!
//! The VFS serialises changes of one directory (it holds the directory's lock around `create`, `unlink` and so on) and
//! has checked names, permissions and types before it calls; an implementation checks existence and its own limits.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;

use linux_abi::{Errno, Result};

use crate::file::File;
use crate::flags::OpenFlags;
use crate::metadata::{AttributeChanges, DeviceNumber, FileKind, FileSystemStatistics, Metadata, Ownership};
use crate::path::Path;
use crate::pipe::Fifo;

/// An inode to be made.
#[derive(Clone, Copy, Debug)]
pub struct NewInode<'a> {
    /// Type.
    pub kind: FileKind,
    /// Permission bits, after the umask.
    pub permissions: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Device number, for device nodes.
    pub rdev: DeviceNumber,
    /// Target, for symbolic links.
    pub target: &'a [u8],
}

impl<'a> NewInode<'a> {
    /// Describes an inode of the superuser.
    #[must_use]
    pub const fn new(kind: FileKind, permissions: u32) -> NewInode<'a> {
        NewInode { kind, permissions, uid: 0, gid: 0, rdev: DeviceNumber::from_encoded(0), target: &[] }
    }
}

/// What `rename` does with an existing target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenameMode {
    /// Replace it.
    Replace,
    /// Swap the two.
    Exchange,
}

/// What a rename is about, as the VFS looked it up; the directories are locked, so it stays true.
#[derive(Clone, Copy)]
pub struct Renamed<'a> {
    /// What moves.
    pub source: &'a Arc<dyn Inode>,
    /// What is at the new name already.
    pub target: Option<&'a Arc<dyn Inode>>,
    /// What happens to the target.
    pub mode: RenameMode,
}

/// Where a symbolic link leads.
pub enum LinkTarget {
    /// To a path, resolved as text.
    Text(Vec<u8>),
    /// Straight to an object, as in `/proc/PID/fd`.
    Jump(Path),
}

/// An inode of any file system.
#[expect(unused_variables, reason = "the default methods refuse without looking at their arguments")]
pub trait Inode: Any + Send + Sync {
    /// Returns the type, which never changes.
    fn kind(&self) -> FileKind;

    /// Returns what `stat` tells.
    ///
    /// # Errors
    /// What the file system finds, such as `ESRCH` for a process that is gone.
    fn metadata(&self) -> Result<Metadata>;

    /// Returns what permission checks need; to be overridden where that is cheaper than all of `metadata`.
    ///
    /// # Errors
    /// As [`Inode::metadata`].
    fn ownership(&self) -> Result<Ownership> {
        self.metadata().map(|metadata| metadata.ownership())
    }

    /// Changes attributes; the VFS has checked permission.
    ///
    /// # Errors
    /// `EPERM` if the file system does not allow it.
    fn set_attributes(&self, changes: &AttributeChanges) -> Result<()> {
        Err(Errno::EPERM)
    }

    /// Opens a regular file or a directory; device nodes and FIFOs are opened by the VFS.
    ///
    /// # Errors
    /// What the file system finds.
    fn open(self: Arc<Self>, flags: OpenFlags) -> Result<Arc<dyn File>>;

    /// Finds a name in this directory.
    ///
    /// # Errors
    /// `ENOENT` if it does not exist, `ENOTDIR` if this is no directory.
    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>> {
        Err(Errno::ENOTDIR)
    }

    /// Tells whether the VFS may remember lookups in this directory: not where names come and go by themselves.
    fn remembers_lookups(&self) -> bool {
        true
    }

    /// Makes a new inode in this directory.
    ///
    /// # Errors
    /// `EEXIST`, `ENOSPC`, or `EPERM`/`EACCES` if the file system does not allow it.
    fn create(&self, name: &[u8], new: &NewInode<'_>) -> Result<Arc<dyn Inode>> {
        Err(Errno::EACCES)
    }

    /// Makes a file of this file system without a name, for `O_TMPFILE`.
    ///
    /// # Errors
    /// `EOPNOTSUPP` if the file system cannot.
    fn create_unnamed(&self, new: &NewInode<'_>) -> Result<Arc<dyn Inode>> {
        Err(Errno::EOPNOTSUPP)
    }

    /// Gives `target`, an inode of the same file system, one more name.
    ///
    /// # Errors
    /// `EEXIST`, `ENOSPC`, `EMLINK`, `EPERM`.
    fn link(&self, name: &[u8], target: &Arc<dyn Inode>) -> Result<()> {
        Err(Errno::EPERM)
    }

    /// Removes the name of `victim`, which is no directory.
    ///
    /// # Errors
    /// `ENOENT`, `EPERM`.
    fn unlink(&self, name: &[u8], victim: &Arc<dyn Inode>) -> Result<()> {
        Err(Errno::EPERM)
    }

    /// Removes `victim`, an empty directory.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTEMPTY`, `EPERM`.
    fn remove_directory(&self, name: &[u8], victim: &Arc<dyn Inode>) -> Result<()> {
        Err(Errno::EPERM)
    }

    /// Moves `name` to `new_name` in `new_parent`, a directory of the same file system. Types fit already.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTEMPTY` if a directory to be replaced is not empty, `EPERM`.
    fn rename(&self, name: &[u8], new_parent: &Arc<dyn Inode>, new_name: &[u8], renamed: Renamed<'_>) -> Result<()> {
        Err(Errno::EPERM)
    }

    /// Reads a symbolic link, as `readlink` shows it.
    ///
    /// # Errors
    /// `EINVAL` if this is none.
    fn read_link(&self) -> Result<Vec<u8>> {
        Err(Errno::EINVAL)
    }

    /// Follows a symbolic link.
    ///
    /// # Errors
    /// As [`Inode::read_link`]; `ENOENT` and the like if a magic link leads nowhere.
    fn follow(&self) -> Result<LinkTarget> {
        self.read_link().map(LinkTarget::Text)
    }

    /// Sets the size of a regular file.
    ///
    /// # Errors
    /// `EINVAL` if it has none, `ENOSPC`, `EFBIG`.
    fn truncate(&self, size: u64) -> Result<()> {
        Err(Errno::EINVAL)
    }

    /// Returns the pipe behind a FIFO.
    fn fifo(&self) -> Option<&Fifo> {
        None
    }

    /// Returns the inode as [`Any`], by which a file system recognises its own inodes.
    fn as_any(&self) -> &dyn Any;
}

/// A file system that can be mounted.
pub trait FileSystem: Send + Sync {
    /// Returns the type's name, as in `/proc/filesystems`.
    fn type_name(&self) -> &'static str;

    /// Returns the root directory, always the same inode.
    fn root(&self) -> Arc<dyn Inode>;

    /// Returns what `statfs` tells.
    fn statistics(&self) -> FileSystemStatistics;

    /// Returns the device number of its inodes.
    fn device(&self) -> DeviceNumber;

    /// Tells whether it can only be read, however it is mounted.
    fn is_read_only(&self) -> bool {
        false
    }

    /// Writes everything that is only in memory to the device, for `sync` and `syncfs`.
    ///
    /// # Errors
    /// `EIO`, `ENOSPC`: something could not be written.
    fn sync(&self) -> Result<()> {
        Ok(())
    }

    /// Returns its own mount options as `/proc/mounts` shows them: empty, or starting with a comma.
    fn show_options(&self) -> String {
        String::new()
    }

    /// Changes options, for `MS_REMOUNT`.
    ///
    /// # Errors
    /// `EINVAL` for options it does not know or cannot change.
    fn remount(&self, options: &str) -> Result<()> {
        if options.is_empty() { Ok(()) } else { Err(Errno::EINVAL) }
    }
}

/// Returns a fresh device number for a file system without a device (`0:N`).
#[must_use]
pub fn anonymous_device() -> DeviceNumber {
    use core::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(1);
    DeviceNumber::new(0, NEXT.fetch_add(1, Ordering::Relaxed))
}
