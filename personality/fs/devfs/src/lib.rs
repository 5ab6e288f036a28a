//! `/dev`: a tmpfs named `devtmpfs` with the usual nodes, and the memory devices behind some of them.
//!
//! * [`new`] makes the file system; the nodes of terminals only name numbers that the tty crate serves
//! * [`register`] registers null, zero, full, random and urandom
//! * [`random`] is the system's random number generator
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod memory;
pub mod random;

use alloc::sync::Arc;

use linux_abi::Result;
use tmpfs::{Options, Tmpfs};
use vfs::{DeviceNumber, FileKind, FileSystem, FileSystemType, Inode, NewInode};

pub use memory::register;

/// Group of terminals on Debian.
const TTY_GROUP: u32 = 5;

/// Nodes: name, permissions, group, major and minor number.
const NODES: [(&[u8], u32, u32, u32, u32); 8] = [
    (b"null", 0o666, 0, 1, 3),
    (b"zero", 0o666, 0, 1, 5),
    (b"full", 0o666, 0, 1, 7),
    (b"random", 0o666, 0, 1, 8),
    (b"urandom", 0o666, 0, 1, 9),
    (b"tty", 0o666, TTY_GROUP, 5, 0),
    (b"console", 0o600, 0, 5, 1),
    (b"ptmx", 0o666, TTY_GROUP, 5, 2),
];

const LINKS: [(&[u8], &[u8]); 4] = [
    (b"fd", b"/proc/self/fd"),
    (b"stdin", b"/proc/self/fd/0"),
    (b"stdout", b"/proc/self/fd/1"),
    (b"stderr", b"/proc/self/fd/2"),
];

/// Makes a `/dev` with its usual contents.
///
/// # Errors
/// `ENOSPC` if there is too little memory for it.
pub fn new() -> Result<Arc<dyn FileSystem>> {
    let options = Options { permissions: 0o755, ..Options::for_ram() };
    let dev = Tmpfs::named("devtmpfs", options)?;
    populate(&dev.root())?;
    Ok(dev)
}

fn populate(root: &Arc<dyn Inode>) -> Result<()> {
    for (name, permissions, gid, major, minor) in NODES {
        let mut new = NewInode::new(FileKind::CharDevice, permissions);
        (new.gid, new.rdev) = (gid, DeviceNumber::new(major, minor));
        root.create(name, &new)?;
    }
    for (name, target) in LINKS {
        let mut new = NewInode::new(FileKind::Symlink, 0o777);
        new.target = target;
        root.create(name, &new)?;
    }
    root.create(b"shm", &NewInode::new(FileKind::Directory, 0o1777))?;
    root.create(b"pts", &NewInode::new(FileKind::Directory, 0o755))?;
    Ok(())
}

/// The type `devtmpfs` of `mount(2)`: all mounts show the same files.
pub struct DevfsType(pub Arc<dyn FileSystem>);

impl FileSystemType for DevfsType {
    fn name(&self) -> &'static str {
        "devtmpfs"
    }

    fn make(&self, _source: &str, _options: &str) -> Result<Arc<dyn FileSystem>> {
        Ok(self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use guest_memory::{SliceSink, SliceSource};
    use linux_abi::Errno;
    use vfs::{CHAR_DEVICES, OpenFlags};

    fn open(minor: u32) -> Arc<dyn vfs::File> {
        register();
        CHAR_DEVICES.open(DeviceNumber::new(1, minor), OpenFlags::RDWR).expect("registered").file
    }

    fn read(minor: u32, count: usize) -> alloc::vec::Vec<u8> {
        let mut buffer = vec![0xaa; count];
        let mut sink = SliceSink::new(&mut buffer);
        let count = open(minor).read(0, &mut sink, OpenFlags::empty()).expect("readable");
        buffer.truncate(count);
        buffer
    }

    #[test]
    fn the_usual_nodes_exist() {
        let root = new().expect("memory").root();
        assert_eq!(root.lookup(b"null").expect("null").metadata().expect("metadata").rdev, DeviceNumber::new(1, 3));
        assert_eq!(root.lookup(b"fd").expect("fd").read_link().expect("link"), b"/proc/self/fd");
    }

    #[test]
    fn memory_devices_behave() {
        assert!(read(3, 10).is_empty());
        assert_eq!(read(5, 1000), vec![0; 1000]);
        assert_ne!(read(9, 64), read(9, 64));
        let write = |minor| open(minor).write(0, &mut SliceSource::new(b"abc"), OpenFlags::WRONLY);
        assert_eq!((write(3), write(7)), (Ok(3), Err(Errno::ENOSPC)));
    }
}
