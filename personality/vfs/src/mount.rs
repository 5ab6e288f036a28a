//! Mounted file systems and the tree that they form.
//!
//! The namespace's list is the only record of what is mounted; a mount knows its mount point. A mount is busy while
//! anybody but the list holds it: open files, working directories, mounts on top of it.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};

use linux_abi::raw::general as raw;
use linux_abi::{Errno, Result};
use rt::sync::{Mutex, RwLock};

use crate::dentry::Dentry;
use crate::inode::FileSystem;
use crate::path::Path;

bitflags::bitflags! {
    /// Mount flags that last.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct MountFlags: u32 {
        /// Nothing can be written.
        const RDONLY = raw::MS_RDONLY;
        /// Set-id bits mean nothing.
        const NOSUID = raw::MS_NOSUID;
        /// Device nodes cannot be opened.
        const NODEV = raw::MS_NODEV;
        /// Nothing can be executed.
        const NOEXEC = raw::MS_NOEXEC;
        /// Access times are not kept.
        const NOATIME = raw::MS_NOATIME;
        /// Access times of directories are not kept.
        const NODIRATIME = raw::MS_NODIRATIME;
        /// Access times are kept where they matter.
        const RELATIME = raw::MS_RELATIME;
    }
}

/// A file system and its tree of names, shared by all mounts of it.
pub struct SuperBlock {
    file_system: Arc<dyn FileSystem>,
    root: Arc<Dentry>,
    /// Held by renames across directories.
    pub(crate) rename: Mutex<()>,
}

impl Drop for SuperBlock {
    fn drop(&mut self) {
        self.root.forget_tree();
    }
}

/// A file system, or a part of it, in the mount tree.
pub struct Mount {
    id: u32,
    super_block: Arc<SuperBlock>,
    root: Arc<Dentry>,
    source: Box<str>,
    flags: AtomicU32,
    mount_point: Mutex<Option<Path>>,
    is_internal: bool,
}

impl Mount {
    fn new(super_block: Arc<SuperBlock>, root: Arc<Dentry>, source: &str, flags: MountFlags) -> Mount {
        static NEXT_ID: AtomicU32 = AtomicU32::new(20);
        Mount {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            super_block,
            root,
            source: source.into(),
            flags: AtomicU32::new(flags.bits()),
            mount_point: Mutex::new(None),
            is_internal: false,
        }
    }

    /// Makes a mount that is in no namespace.
    #[must_use]
    pub fn detached(file_system: Arc<dyn FileSystem>, source: &str, flags: MountFlags) -> Mount {
        let root = Dentry::new_root(file_system.root(), b"/");
        let super_block = SuperBlock { file_system, root: root.clone(), rename: Mutex::new(()) };
        Mount::new(Arc::new(super_block), root, source, flags)
    }

    /// Makes the mount of an internal file system (pipes and the like), whose names are not paths.
    #[must_use]
    pub fn internal(file_system: Arc<dyn FileSystem>) -> Mount {
        let mut mount = Mount::detached(file_system, "none", MountFlags::empty());
        mount.is_internal = true;
        mount
    }

    /// Returns the mount's number in `/proc/PID/mountinfo`.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Returns the file system.
    #[must_use]
    pub fn file_system(&self) -> &Arc<dyn FileSystem> {
        &self.super_block.file_system
    }

    pub(crate) fn super_block(&self) -> &Arc<SuperBlock> {
        &self.super_block
    }

    /// Returns the root of what is mounted.
    #[must_use]
    pub fn root(&self) -> &Arc<Dentry> {
        &self.root
    }

    /// Returns the device or other source, as given.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Returns the flags.
    #[must_use]
    pub fn flags(&self) -> MountFlags {
        let mut flags = MountFlags::from_bits_truncate(self.flags.load(Ordering::Relaxed));
        if self.file_system().is_read_only() {
            flags |= MountFlags::RDONLY;
        }
        flags
    }

    /// Tells whether nothing can be written here.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.flags().contains(MountFlags::RDONLY)
    }

    /// Checks that files here can be written.
    ///
    /// # Errors
    /// `EROFS` if not.
    pub fn require_writable(&self) -> Result<()> {
        if self.is_read_only() { Err(Errno::EROFS) } else { Ok(()) }
    }

    /// Tells whether names here are no paths.
    #[must_use]
    pub fn is_internal(&self) -> bool {
        self.is_internal
    }

    /// Returns where this is mounted; the root mount and detached mounts are mounted nowhere.
    #[must_use]
    pub fn mount_point(&self) -> Option<Path> {
        self.mount_point.lock().clone()
    }
}

/// Makes file systems of one type, for `mount(2)`.
pub trait FileSystemType: Send + Sync {
    /// Returns the type's name.
    fn name(&self) -> &'static str;

    /// Tells whether it needs no device (`nodev` in `/proc/filesystems`).
    fn is_without_device(&self) -> bool {
        true
    }

    /// Makes the file system that `mount` asks for.
    ///
    /// # Errors
    /// `EINVAL` for unknown options.
    fn make(&self, source: &str, options: &str) -> Result<Arc<dyn FileSystem>>;
}

/// A tree of mounts.
pub struct Namespace {
    mounts: RwLock<Vec<Arc<Mount>>>,
    types: RwLock<Vec<Arc<dyn FileSystemType>>>,
    root: Arc<Mount>,
}

/// What happens when a mount that is in use is unmounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmount {
    /// Refuse.
    IfUnused,
    /// Take it out of the tree, let its users go on.
    Lazily,
}

impl Namespace {
    /// Makes a namespace with a root file system.
    #[must_use]
    pub fn new(root: Arc<dyn FileSystem>, source: &str) -> Arc<Namespace> {
        let root = Arc::new(Mount::detached(root, source, MountFlags::RELATIME));
        Arc::new(Namespace { mounts: RwLock::new(Vec::from([root.clone()])), types: RwLock::default(), root })
    }

    /// Returns the root of the tree.
    #[must_use]
    pub fn root(&self) -> Path {
        let mut path = Path { mount: self.root.clone(), dentry: self.root.root().clone() };
        self.enter_mounts(&mut path);
        path
    }

    /// Makes a type known to `mount(2)`.
    pub fn register_type(&self, file_system_type: Arc<dyn FileSystemType>) {
        self.types.write().push(file_system_type);
    }

    /// Returns all types.
    #[must_use]
    pub fn types(&self) -> Vec<Arc<dyn FileSystemType>> {
        self.types.read().clone()
    }

    /// Finds a type by name.
    ///
    /// # Errors
    /// `ENODEV` if there is none.
    pub fn type_by_name(&self, name: &[u8]) -> Result<Arc<dyn FileSystemType>> {
        self.types.read().iter().find(|kind| kind.name().as_bytes() == name).cloned().ok_or(Errno::ENODEV)
    }

    /// Returns all mounts, in the order in which they were made.
    #[must_use]
    pub fn mounts(&self) -> Vec<Arc<Mount>> {
        self.mounts.read().clone()
    }

    /// Steps from a mount point to the root of what is mounted on it, as often as needed.
    pub(crate) fn enter_mounts(&self, path: &mut Path) {
        while path.dentry.is_mount_point() {
            let mounts = self.mounts.read();
            let on_top = |mount: &&Arc<Mount>| mount.mount_point.lock().as_ref().is_some_and(|at| at.is_same(path));
            let Some(mount) = mounts.iter().rev().find(on_top).cloned() else { return };
            drop(mounts);
            *path = Path { dentry: mount.root.clone(), mount };
        }
    }

    /// Mounts a file system.
    ///
    /// # Errors
    /// As [`Namespace::attach`].
    pub fn mount(&self, at: &Path, file_system: Arc<dyn FileSystem>, source: &str, flags: MountFlags) -> Result<()> {
        self.attach(at, Mount::detached(file_system, source, flags))
    }

    /// Shows the tree at `what` in a second place.
    ///
    /// # Errors
    /// As [`Namespace::attach`].
    pub fn bind(&self, what: &Path, at: &Path) -> Result<()> {
        let mount = &what.mount;
        let bound = Mount::new(mount.super_block.clone(), what.dentry.clone(), &mount.source, mount.flags());
        self.attach(at, bound)
    }

    /// Puts a mount into the tree.
    ///
    /// # Errors
    /// `ENOTDIR` if one is a directory and the other is not, `ENOENT` if the mount point was removed.
    fn attach(&self, at: &Path, mount: Mount) -> Result<()> {
        if at.dentry.is_directory() != mount.root.is_directory() {
            return Err(Errno::ENOTDIR);
        }
        if at.dentry.is_unlinked() {
            return Err(Errno::ENOENT);
        }
        if at.mount.is_internal() {
            return Err(Errno::EINVAL);
        }
        let mut at = at.clone();
        self.enter_mounts(&mut at);
        at.dentry.count_mount();
        *mount.mount_point.lock() = Some(at);
        self.mounts.write().push(Arc::new(mount));
        Ok(())
    }

    /// Changes a mount's flags and its file system's options.
    ///
    /// # Errors
    /// `EINVAL` if `at` is not the root of a mount, `EROFS` if it is to be written and cannot be, or as the file system finds.
    pub fn remount(&self, at: &Path, flags: MountFlags, options: &str) -> Result<()> {
        if !Arc::ptr_eq(&at.dentry, at.mount.root()) {
            return Err(Errno::EINVAL);
        }
        if at.mount.file_system().is_read_only() && !flags.contains(MountFlags::RDONLY) {
            return Err(Errno::EROFS);
        }
        at.mount.file_system().remount(options)?;
        at.mount.flags.store(flags.bits(), Ordering::Relaxed);
        Ok(())
    }

    /// Takes a mount out of the tree. `at` is consumed: a path held by the caller would keep the mount busy.
    ///
    /// # Errors
    /// `EINVAL` if `at` is not the root of a mount or is the root of all, `EBUSY` if it is in use.
    pub fn unmount(&self, at: Path, how: Unmount) -> Result<()> {
        let Path { mount, dentry } = at;
        if !Arc::ptr_eq(&dentry, mount.root()) || mount.is_internal() {
            return Err(Errno::EINVAL);
        }
        let mut mounts = self.mounts.write();
        let index = mounts.iter().position(|other| Arc::ptr_eq(other, &mount)).ok_or(Errno::EINVAL)?;
        let Some(mount_point) = mount.mount_point() else {
            return Err(Errno::EINVAL);
        };
        // One in the list, one in our hand; mounts on top of it hold it by their mount point.
        if how == Unmount::IfUnused && Arc::strong_count(&mount) > 2 {
            return Err(Errno::EBUSY);
        }
        let mut gone = Vec::from([mounts.remove(index)]);
        if how == Unmount::Lazily {
            Self::take_mounts_on(&mut mounts, &mut gone);
        }
        drop(mounts);
        for mount in &gone {
            let point = mount.mount_point.lock().take();
            if let Some(point) = point {
                point.dentry.uncount_mount();
            }
        }
        drop(mount_point);
        Ok(())
    }

    /// Moves every mount that sits on one of `gone` there as well.
    fn take_mounts_on(mounts: &mut Vec<Arc<Mount>>, gone: &mut Vec<Arc<Mount>>) {
        let sits_on_gone = |mount: &Arc<Mount>, gone: &[Arc<Mount>]| {
            let point = mount.mount_point.lock();
            point.as_ref().is_some_and(|point| gone.iter().any(|other| Arc::ptr_eq(other, &point.mount)))
        };
        while let Some(index) = mounts.iter().position(|mount| sits_on_gone(mount, gone)) {
            gone.push(mounts.remove(index));
        }
    }

    /// Returns the lines of `/proc/mounts` as seen from `root`.
    #[must_use]
    pub fn show_mounts(&self, root: &Path) -> Vec<u8> {
        let mut text = Vec::new();
        for mount in self.mounts() {
            let Some(place) = mount.show_place(root) else { continue };
            escape_into(&mut text, mount.source.as_bytes());
            text.push(b' ');
            escape_into(&mut text, &place);
            let tail = alloc::format!(
                " {} {}{} 0 0\n",
                mount.file_system().type_name(),
                mount.show_flags(),
                mount.file_system().show_options()
            );
            text.extend_from_slice(tail.as_bytes());
        }
        text
    }
}

impl Mount {
    /// Returns the path at which this mount is seen from `root`, if it is.
    #[must_use]
    pub fn show_place(self: &Arc<Self>, root: &Path) -> Option<Vec<u8>> {
        let here = Path { mount: self.clone(), dentry: self.root.clone() };
        let text = here.text(root);
        (!text.is_unreachable).then_some(text.bytes)
    }

    /// Returns the flags as `/proc/mounts` shows them.
    #[must_use]
    pub fn show_flags(&self) -> String {
        let flags = self.flags();
        let mut text = String::from(if self.is_read_only() { "ro" } else { "rw" });
        let names = [
            (MountFlags::NOSUID, ",nosuid"),
            (MountFlags::NODEV, ",nodev"),
            (MountFlags::NOEXEC, ",noexec"),
            (MountFlags::NOATIME, ",noatime"),
            (MountFlags::NODIRATIME, ",nodiratime"),
            (MountFlags::RELATIME, ",relatime"),
        ];
        names.iter().filter(|(flag, _)| flags.contains(*flag)).for_each(|(_, name)| text.push_str(name));
        text
    }
}

/// Escapes what separates fields in `/proc/mounts`.
fn escape_into(text: &mut Vec<u8>, field: &[u8]) {
    for &byte in field {
        match byte {
            b' ' | b'\t' | b'\n' | b'\\' | b'#' => text.extend_from_slice(alloc::format!("\\{byte:03o}").as_bytes()),
            _ => text.push(byte),
        }
    }
}
