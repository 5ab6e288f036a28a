//! A process whose root is a disk, and what tests share. Each test uses its part of it.

use std::sync::Arc;

use guest_memory::{SliceSink, SliceSource};
use interfaces::FileSystem;
use interfaces::file_system::Orphans;
use linux_abi::Errno;
use vfs::{
    Caller, Credentials, DeviceNumber, FsContext, Metadata, Namespace, OpenFile, OpenFlags, Path, RenameRule,
    WalkFlags, resolve,
};

use diskfs::{DiskFs, MountOptions};

pub mod fake;
pub mod model;

/// A process with the disk as its root.
pub struct World {
    pub disk: Arc<DiskFs>,
    pub fs: FsContext,
    pub credentials: Credentials,
}

impl World {
    pub fn over(server: Arc<dyn FileSystem>, orphans: Orphans) -> World {
        let options = MountOptions { device: DeviceNumber::new(254, 0), orphans };
        let disk = DiskFs::mount(server, options).expect("mountable");
        let namespace = Namespace::new(disk.clone(), "/dev/vda");
        World { disk, fs: FsContext::new(namespace), credentials: Credentials::root() }
    }

    pub fn caller(&self) -> Caller<'_> {
        Caller { credentials: &self.credentials, fs: &self.fs }
    }

    pub fn find(&self, path: &str) -> Result<Path, Errno> {
        resolve(self.caller(), None, path.as_bytes(), WalkFlags::empty())
    }

    pub fn stat(&self, path: &str) -> Result<Metadata, Errno> {
        self.find(path)?.inode().metadata()
    }

    pub fn open(&self, path: &str, flags: OpenFlags) -> Result<Arc<OpenFile>, Errno> {
        self.caller().open(None, path.as_bytes(), flags, 0o666, WalkFlags::empty())
    }

    pub fn create(&self, path: &str) -> Result<Arc<OpenFile>, Errno> {
        self.open(path, OpenFlags::RDWR | OpenFlags::CREAT)
    }

    pub fn mkdir(&self, path: &str) -> Result<(), Errno> {
        self.caller().make_directory(None, path.as_bytes(), 0o777)
    }

    pub fn symlink(&self, target: &str, path: &str) -> Result<(), Errno> {
        self.caller().make_symlink(target.as_bytes(), None, path.as_bytes())
    }

    pub fn link(&self, old: &str, new: &str) -> Result<(), Errno> {
        let old = self.find(old)?;
        self.caller().link(&old, None, new.as_bytes())
    }

    pub fn unlink(&self, path: &str) -> Result<(), Errno> {
        self.caller().unlink(None, path.as_bytes())
    }

    pub fn rmdir(&self, path: &str) -> Result<(), Errno> {
        self.caller().remove_directory(None, path.as_bytes())
    }

    pub fn rename(&self, old: &str, new: &str, rule: RenameRule) -> Result<(), Errno> {
        self.caller().rename(None, old.as_bytes(), None, new.as_bytes(), rule)
    }

    pub fn put(&self, path: &str, bytes: &[u8]) -> Result<(), Errno> {
        let file = self.open(path, OpenFlags::WRONLY | OpenFlags::CREAT | OpenFlags::TRUNC)?;
        assert_eq!(file.write(&mut SliceSource::new(bytes))?, bytes.len());
        Ok(())
    }

    pub fn get(&self, path: &str) -> Result<Vec<u8>, Errno> {
        contents(&*self.open(path, OpenFlags::empty())?)
    }

    pub fn list(&self, path: &str) -> Vec<Vec<u8>> {
        let directory = self.open(path, OpenFlags::DIRECTORY).expect("a directory");
        let mut names = Vec::new();
        loop {
            let before = names.len();
            // One at a time, so that every cookie is used.
            let mut emit = |entry: vfs::DirectoryEntry<'_>| {
                if names.len() > before {
                    return core::ops::ControlFlow::Break(());
                }
                names.push(entry.name.to_vec());
                core::ops::ControlFlow::Continue(())
            };
            directory.read_directory(&mut emit).expect("listable");
            if names.len() == before {
                break;
            }
        }
        names.retain(|name| name != b"." && name != b"..");
        names.sort();
        names
    }
}

pub fn contents(file: &OpenFile) -> Result<Vec<u8>, Errno> {
    let mut bytes = vec![0; file.file().size()? as usize + 10];
    let mut sink = SliceSink::new(&mut bytes);
    let count = file.read_at(0, &mut sink)?;
    bytes.truncate(count);
    Ok(bytes)
}

pub fn write_at(file: &OpenFile, offset: u64, bytes: &[u8]) -> Result<usize, Errno> {
    file.write_at(offset, &mut SliceSource::new(bytes))
}
