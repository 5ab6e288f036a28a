//! Objects without a name: unnamed pipes, event counters, whatever else is reached only through descriptors.
//!
//! They have inodes all the same, in internal file systems that are never mounted, so that `fstat` and
//! `/proc/PID/fd` work for them as for any file.

use alloc::string::String;
use alloc::sync::{Arc, Weak};
use core::any::Any;
use core::sync::atomic::{AtomicU64, Ordering};

use linux_abi::raw::general as raw;
use linux_abi::{Errno, Result};
use rt::sync::{Mutex, OnceCell};

use crate::credentials::Credentials;
use crate::dentry::Dentry;
use crate::file::File;
use crate::flags::OpenFlags;
use crate::inode::{FileSystem, Inode, anonymous_device};
use crate::metadata::{AttributeChanges, DeviceNumber, FileKind, FileSystemStatistics, Metadata};
use crate::mount::Mount;
use crate::open_file::OpenFile;
use crate::path::Path;
use crate::pipe::Fifo;

/// The inode of an object without a name.
pub struct AnonymousInode {
    metadata: Mutex<Metadata>,
    kind: FileKind,
    content: Content,
}

enum Content {
    Pipe(Fifo),
    /// Opening again through `/proc/PID/fd` gives the same file.
    Shared(Weak<dyn File>),
    /// Cannot be opened again.
    Closed,
}

impl Inode for AnonymousInode {
    fn kind(&self) -> FileKind {
        self.kind
    }

    fn metadata(&self) -> Result<Metadata> {
        Ok(*self.metadata.lock())
    }

    fn set_attributes(&self, changes: &AttributeChanges) -> Result<()> {
        let mut metadata = self.metadata.lock();
        metadata.permissions = changes.permissions.unwrap_or(metadata.permissions);
        metadata.uid = changes.uid.unwrap_or(metadata.uid);
        metadata.gid = changes.gid.unwrap_or(metadata.gid);
        metadata.accessed = changes.accessed.unwrap_or(metadata.accessed);
        metadata.modified = changes.modified.unwrap_or(metadata.modified);
        metadata.changed = crate::clock::now();
        Ok(())
    }

    fn open(self: Arc<Self>, _flags: OpenFlags) -> Result<Arc<dyn File>> {
        match &self.content {
            Content::Shared(file) => file.upgrade().ok_or(Errno::ENXIO),
            _ => Err(Errno::ENXIO),
        }
    }

    fn fifo(&self) -> Option<&Fifo> {
        match &self.content {
            Content::Pipe(fifo) => Some(fifo),
            _ => None,
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// An internal file system: a device number and a magic number.
struct Internal {
    device: DeviceNumber,
    name: &'static str,
    magic: u64,
    root: Arc<AnonymousInode>,
}

impl FileSystem for Internal {
    fn type_name(&self) -> &'static str {
        self.name
    }

    fn root(&self) -> Arc<dyn Inode> {
        self.root.clone()
    }

    fn statistics(&self) -> FileSystemStatistics {
        FileSystemStatistics { magic: self.magic, block_size: 4096, name_limit: 255, ..Default::default() }
    }

    fn device(&self) -> DeviceNumber {
        self.device
    }
}

fn internal(name: &'static str, magic: u64) -> Arc<Mount> {
    let device = anonymous_device();
    let metadata = Metadata::new(device, 1, FileKind::Directory, 0o555);
    let root = AnonymousInode { metadata: Mutex::new(metadata), kind: FileKind::Directory, content: Content::Closed };
    Arc::new(Mount::internal(Arc::new(Internal { device, name, magic, root: Arc::new(root) })))
}

fn pipes() -> &'static Arc<Mount> {
    static MOUNT: OnceCell<Arc<Mount>> = OnceCell::new();
    MOUNT.get_or_init(|| internal("pipefs", u64::from(raw::PIPEFS_MAGIC)))
}

fn objects() -> &'static Arc<Mount> {
    const ANON_INODE_FS_MAGIC: u64 = 0x0904_1934; // include/uapi/linux/magic.h
    static MOUNT: OnceCell<Arc<Mount>> = OnceCell::new();
    MOUNT.get_or_init(|| internal("anon_inodefs", ANON_INODE_FS_MAGIC))
}

fn sockets() -> &'static Arc<Mount> {
    static MOUNT: OnceCell<Arc<Mount>> = OnceCell::new();
    MOUNT.get_or_init(|| internal("sockfs", u64::from(raw::SOCKFS_MAGIC)))
}

fn new_metadata(mount: &Mount, kind: FileKind, credentials: &Credentials) -> Metadata {
    static NEXT_INODE: AtomicU64 = AtomicU64::new(2);
    let number = NEXT_INODE.fetch_add(1, Ordering::Relaxed);
    let now = crate::clock::now();
    let mut metadata = Metadata::new(mount.file_system().device(), number, kind, 0o600);
    (metadata.uid, metadata.gid) = (credentials.fsuid, credentials.fsgid);
    (metadata.accessed, metadata.modified, metadata.changed) = (now, now, now);
    metadata
}

/// Makes an unnamed pipe: its reading and its writing end.
///
/// # Errors
/// `ENFILE` if there are too many.
pub fn make_pipe(flags: OpenFlags, credentials: &Credentials) -> Result<(Arc<OpenFile>, Arc<OpenFile>)> {
    let mount = pipes();
    let metadata = new_metadata(mount, FileKind::Fifo, credentials);
    let fifo = Fifo::unnamed();
    let (reader, writer) = fifo.open_both()?;
    let name = alloc::format!("pipe:[{}]", metadata.inode);
    let inode = AnonymousInode { metadata: Mutex::new(metadata), kind: FileKind::Fifo, content: Content::Pipe(fifo) };
    let path = Path { mount: mount.clone(), dentry: Dentry::new_root(Arc::new(inode), name.as_bytes()) };
    let reader = OpenFile::new(reader, path.clone(), flags)?;
    let writer = OpenFile::new(writer, path, flags | OpenFlags::WRONLY)?;
    Ok((reader, writer))
}

/// Opens a socket. It cannot be opened again.
///
/// # Errors
/// `ENFILE` if too many files are open.
pub fn open_socket(file: Arc<dyn File>, flags: OpenFlags, credentials: &Credentials) -> Result<Arc<OpenFile>> {
    let mount = sockets();
    let mut metadata = new_metadata(mount, FileKind::Socket, credentials);
    metadata.permissions = 0o777;
    let name = alloc::format!("socket:[{}]", metadata.inode);
    let inode = AnonymousInode { metadata: Mutex::new(metadata), kind: FileKind::Socket, content: Content::Closed };
    let path = Path { mount: mount.clone(), dentry: Dentry::new_root(Arc::new(inode), name.as_bytes()) };
    OpenFile::new(file, path, flags)
}

/// Whether an object can be opened again through `/proc/PID/fd`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reopen {
    /// It gives the same file.
    Shared,
    /// It fails with `ENXIO`.
    Refused,
}

/// Opens an object that has no name. `class` is what `/proc/PID/fd` shows, as in `anon_inode:[eventfd]`; a `kind` of
/// FIFO or character device shows as `class:[inode]`.
///
/// # Errors
/// `ENFILE` if too many files are open.
pub fn open_object(
    file: Arc<dyn File>,
    class: &str,
    kind: FileKind,
    flags: OpenFlags,
    reopen: Reopen,
) -> Result<Arc<OpenFile>> {
    let mount = objects();
    let metadata = new_metadata(mount, kind, &Credentials::root());
    let name = match kind {
        FileKind::Regular => String::from(class),
        _ => alloc::format!("{class}:[{}]", metadata.inode),
    };
    let content = match reopen {
        Reopen::Shared => Content::Shared(Arc::downgrade(&file)),
        Reopen::Refused => Content::Closed,
    };
    let inode = AnonymousInode { metadata: Mutex::new(metadata), kind, content };
    let path = Path { mount: mount.clone(), dentry: Dentry::new_root(Arc::new(inode), name.as_bytes()) };
    OpenFile::new(file, path, flags)
}
