//! Opening files by name.

use alloc::sync::Arc;

use linux_abi::{Errno, Result};

use crate::context::Caller;
use crate::credentials::Access;
use crate::dentry::Naming;
use crate::device::{BLOCK_DEVICES, CHAR_DEVICES, Opened};
use crate::file::File;
use crate::flags::OpenFlags;
use crate::inode::NewInode;
use crate::metadata::FileKind;
use crate::mount::MountFlags;
use crate::open_file::OpenFile;
use crate::path::Path;
use crate::walk::{Last, Walk, WalkFlags, resolve};

/// What a description opened with `O_PATH` has for a file: nothing works on it.
struct NameOnly;

impl File for NameOnly {}

/// Whether the inode that is opened was made by this very call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Found,
    Created,
}

impl Caller<'_> {
    /// Opens a file by name.
    ///
    /// # Errors
    /// As open(2).
    pub fn open(
        &self,
        base: Option<&Path>,
        path: &[u8],
        flags: OpenFlags,
        permissions: u32,
        resolution: WalkFlags,
    ) -> Result<Arc<OpenFile>> {
        if flags.contains(OpenFlags::PATH) {
            let kept = OpenFlags::PATH | OpenFlags::DIRECTORY | OpenFlags::NOFOLLOW;
            let found = resolve(*self, base, path, walk_flags(flags, resolution))?;
            return OpenFile::new(Arc::new(NameOnly), found, flags & kept);
        }
        if flags.is_tmpfile() {
            return self.open_unnamed(base, path, flags, permissions, resolution);
        }
        if !flags.contains(OpenFlags::CREAT) {
            let found = resolve(*self, base, path, walk_flags(flags, resolution))?;
            return self.open_path(found, flags, Origin::Found);
        }
        let (path, origin) = self.find_or_create(base, path, flags, permissions, resolution)?;
        if origin == Origin::Found {
            if flags.contains(OpenFlags::EXCL) {
                return Err(Errno::EEXIST);
            }
            if path.dentry.is_directory() {
                return Err(Errno::EISDIR);
            }
        }
        self.open_path(path, flags, origin)
    }

    fn find_or_create(
        &self,
        base: Option<&Path>,
        text: &[u8],
        flags: OpenFlags,
        permissions: u32,
        resolution: WalkFlags,
    ) -> Result<(Path, Origin)> {
        let follows = !flags.intersects(OpenFlags::NOFOLLOW | OpenFlags::EXCL);
        let mut walk = Walk::start(*self, base, text, resolution)?;
        loop {
            let last = walk.go_to_last()?;
            if !matches!(last, Last::Name(_)) {
                walk.step(&last, true)?;
                return Ok((walk.into_path(), Origin::Found));
            }
            if walk.has_trailing_slash() {
                return Err(Errno::EISDIR);
            }
            let directory = walk.path().clone();
            let found = if directory.inode().remembers_lookups() {
                let mut children = directory.dentry.lock_children();
                match children.lookup(&directory.dentry, walk.name(&last)) {
                    Err(Errno::ENOENT) => {
                        let new = NewInode::new(FileKind::Regular, permissions & 0o7777);
                        let dentry = self.create_in(&directory, &mut children, walk.name(&last), new)?;
                        return Ok((Path { mount: directory.mount.clone(), dentry }, Origin::Created));
                    }
                    found => found?,
                }
            } else {
                directory.dentry.child(walk.name(&last))?
            };
            if !walk.enter(found, follows)? {
                return Ok((walk.into_path(), Origin::Found));
            }
        }
    }

    fn open_unnamed(
        &self,
        base: Option<&Path>,
        path: &[u8],
        flags: OpenFlags,
        permissions: u32,
        resolution: WalkFlags,
    ) -> Result<Arc<OpenFile>> {
        let directory = resolve(*self, base, path, walk_flags(flags, resolution) | WalkFlags::DIRECTORY)?;
        let new = NewInode::new(FileKind::Regular, permissions & 0o7777);
        let dentry = self.create_unnamed_in(&directory, new)?;
        if !flags.contains(OpenFlags::EXCL) {
            dentry.set_naming(Naming::Allowed);
        }
        self.open_path(Path { mount: directory.mount, dentry }, flags, Origin::Created)
    }

    /// Checks and opens what a path names.
    fn open_path(&self, path: Path, flags: OpenFlags, origin: Origin) -> Result<Arc<OpenFile>> {
        let kind = path.dentry.kind();
        if flags.contains(OpenFlags::DIRECTORY) && !flags.is_tmpfile() && kind != FileKind::Directory {
            return Err(Errno::ENOTDIR);
        }
        if origin == Origin::Found {
            self.require_open(&path, kind, flags)?;
        }
        if flags.contains(OpenFlags::TRUNC) && kind == FileKind::Regular && origin == Origin::Found {
            path.inode().truncate(0)?;
        }
        let Opened { file, path: own_path } = open_inode(&path, kind, flags)?;
        let path = own_path.unwrap_or(path);
        OpenFile::new(file, path, flags)
    }

    fn require_open(&self, path: &Path, kind: FileKind, flags: OpenFlags) -> Result<()> {
        let wanted = flags.required_access();
        let writes = wanted.contains(Access::WRITE);
        let is_device = matches!(kind, FileKind::CharDevice | FileKind::BlockDevice);
        match kind {
            FileKind::Symlink => return Err(Errno::ELOOP),
            FileKind::Directory if writes => return Err(Errno::EISDIR),
            _ if is_device && path.mount.flags().contains(MountFlags::NODEV) => return Err(Errno::EACCES),
            _ => {}
        }
        if writes && matches!(kind, FileKind::Regular | FileKind::Directory) {
            path.mount.require_writable()?;
        }
        let ownership = path.inode().ownership()?;
        self.credentials.require(wanted, ownership, kind == FileKind::Directory)?;
        if flags.contains(OpenFlags::NOATIME) && !self.credentials.is_owner_or_capable(ownership.uid) {
            return Err(Errno::EPERM);
        }
        Ok(())
    }

    /// Opens a program for `exec`: a regular file that the caller may execute, on a mount that allows it.
    ///
    /// # Errors
    /// `EACCES`, or as path resolution finds.
    pub fn open_program(&self, base: Option<&Path>, path: &[u8], flags: WalkFlags) -> Result<Arc<OpenFile>> {
        self.open_program_at(resolve(*self, base, path, flags)?)
    }

    /// As [`Caller::open_program`], for a path that is resolved already.
    ///
    /// # Errors
    /// `EACCES`; `ELOOP` for a symbolic link that was not followed.
    pub fn open_program_at(&self, path: Path) -> Result<Arc<OpenFile>> {
        match path.dentry.kind() {
            FileKind::Symlink => return Err(Errno::ELOOP),
            FileKind::Regular if !path.mount.flags().contains(MountFlags::NOEXEC) => {}
            _ => return Err(Errno::EACCES),
        }
        self.credentials.require(Access::EXECUTE, path.inode().ownership()?, false)?;
        let file = path.inode().clone().open(OpenFlags::empty())?;
        OpenFile::new(file, path, OpenFlags::empty())
    }
}

/// Opens an inode by its type.
fn open_inode(path: &Path, kind: FileKind, flags: OpenFlags) -> Result<Opened> {
    let inode = path.inode();
    match kind {
        FileKind::Regular | FileKind::Directory => Ok(inode.clone().open(flags)?.into()),
        FileKind::Fifo => {
            let end: Arc<dyn File> = match inode.fifo() {
                Some(fifo) => fifo.open(flags)?,
                None => inode.clone().open(flags)?,
            };
            Ok(end.into())
        }
        FileKind::CharDevice if path.mount.is_internal() => Ok(inode.clone().open(flags)?.into()),
        FileKind::CharDevice => CHAR_DEVICES.open(inode.metadata()?.rdev, flags),
        FileKind::BlockDevice => BLOCK_DEVICES.open(inode.metadata()?.rdev, flags),
        FileKind::Symlink => Err(Errno::ELOOP),
        FileKind::Socket => Err(Errno::ENXIO),
    }
}

/// Returns how `open` resolves a path with these flags.
fn walk_flags(flags: OpenFlags, mut resolution: WalkFlags) -> WalkFlags {
    resolution.set(WalkFlags::FOLLOW, !flags.contains(OpenFlags::NOFOLLOW));
    resolution.set(WalkFlags::DIRECTORY, flags.contains(OpenFlags::DIRECTORY));
    resolution
}
