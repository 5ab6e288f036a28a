//! Tests of the VFS and tmpfs together: names, permissions, mounts, links, renames, contents.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use guest_memory::{SliceSink, SliceSource};
use linux_abi::Errno;
use vfs::mount::{MountFlags, Unmount};
use vfs::{
    Allocation, Caller, Credentials, DeviceNumber, FileKind, FsContext, Metadata, Namespace, NewTime, OpenFile,
    OpenFlags, Path, RenameRule, SeekFrom, Timestamp, WalkFlags, resolve,
};

use crate::{Options, Tmpfs};

mod contents;
mod model;
mod names;
mod resolution;

/// A process with a file system of its own.
pub(crate) struct World {
    namespace: Arc<Namespace>,
    fs: FsContext,
    credentials: Credentials,
}

pub(crate) fn world() -> World {
    let options = Options { pages: 256, inodes: 200, permissions: 0o755, uid: 0, gid: 0 };
    let tmpfs = Tmpfs::new(options).expect("room for the root");
    let namespace = Namespace::new(tmpfs, "rootfs");
    World { fs: FsContext::new(namespace.clone()), namespace, credentials: Credentials::root() }
}

impl World {
    fn caller(&self) -> Caller<'_> {
        Caller { credentials: &self.credentials, fs: &self.fs }
    }

    fn become_user(&mut self, uid: u32) {
        self.credentials = Credentials::new(uid, uid);
    }

    fn find(&self, path: &str) -> Result<Path, Errno> {
        resolve(self.caller(), None, path.as_bytes(), WalkFlags::FOLLOW)
    }

    fn stat(&self, path: &str) -> Result<Metadata, Errno> {
        self.find(path)?.inode().metadata()
    }

    fn lstat(&self, path: &str) -> Result<Metadata, Errno> {
        resolve(self.caller(), None, path.as_bytes(), WalkFlags::empty())?.inode().metadata()
    }

    fn open(&self, path: &str, flags: OpenFlags) -> Result<Arc<OpenFile>, Errno> {
        self.caller().open(None, path.as_bytes(), flags, 0o666, WalkFlags::empty())
    }

    fn mkdir(&self, path: &str) -> Result<(), Errno> {
        self.caller().make_directory(None, path.as_bytes(), 0o777)
    }

    fn symlink(&self, target: &str, path: &str) -> Result<(), Errno> {
        self.caller().make_symlink(target.as_bytes(), None, path.as_bytes())
    }

    fn link(&self, old: &str, new: &str) -> Result<(), Errno> {
        let old = resolve(self.caller(), None, old.as_bytes(), WalkFlags::empty())?;
        self.caller().link(&old, None, new.as_bytes())
    }

    fn unlink(&self, path: &str) -> Result<(), Errno> {
        self.caller().unlink(None, path.as_bytes())
    }

    fn rmdir(&self, path: &str) -> Result<(), Errno> {
        self.caller().remove_directory(None, path.as_bytes())
    }

    fn rename(&self, old: &str, new: &str, rule: RenameRule) -> Result<(), Errno> {
        self.caller().rename(None, old.as_bytes(), None, new.as_bytes(), rule)
    }

    fn put(&self, path: &str, text: &str) -> Result<(), Errno> {
        let file = self.open(path, OpenFlags::WRONLY | OpenFlags::CREAT | OpenFlags::TRUNC)?;
        file.write(&mut SliceSource::new(text.as_bytes())).map(drop)
    }

    fn get(&self, path: &str) -> Result<Vec<u8>, Errno> {
        read_all(&*self.open(path, OpenFlags::empty())?)
    }

    fn list(&self, path: &str) -> Vec<Vec<u8>> {
        let directory = self.open(path, OpenFlags::DIRECTORY).expect("a directory");
        let mut names = Vec::new();
        let mut emit = |entry: vfs::DirectoryEntry<'_>| {
            names.push(entry.name.to_vec());
            core::ops::ControlFlow::Continue(())
        };
        directory.read_directory(&mut emit).expect("listable");
        names
    }

    fn cwd_text(&self) -> vfs::PathText {
        self.fs.working_directory().text(&self.fs.root())
    }
}

fn read_all(file: &OpenFile) -> Result<Vec<u8>, Errno> {
    let mut bytes = vec![0; 1 << 16];
    let mut sink = SliceSink::new(&mut bytes);
    let count = file.read(&mut sink)?;
    bytes.truncate(count);
    Ok(bytes)
}
