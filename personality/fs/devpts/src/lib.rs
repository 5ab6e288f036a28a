//! devpts: the directory `/dev/pts`, with a node for each pseudo-terminal and `ptmx`.
//!
//! Nodes come and go with the terminals; their owners and permissions live in the [`PtyTable`], so that all mounts show
//! the same. The nodes are device nodes; opening them goes through the character devices of the `tty` crate.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use core::any::Any;
use core::ops::ControlFlow;
use guest_memory::Sink;
use linux_abi::raw::general as linux;
use linux_abi::{Errno, Result};
use tty::pty::{MULTIPLEXER, PtyTable, TERMINAL_MAJOR};
use vfs::{
    AttributeChanges, DeviceNumber, DirectoryEntry, EmitEntry, FIRST_COOKIE, File, FileKind, FileSystem,
    FileSystemStatistics, FileSystemType, Inode, Metadata, OpenFlags, Positioning, Timestamp,
};

/// Inode number of the root; `ptmx` follows, and then terminal N has `FIRST_TERMINAL + N`.
const ROOT: u64 = 1;
const PTMX: u64 = 2;
const FIRST_TERMINAL: u64 = 3;

/// The file system; all mounts show the same terminals.
pub struct DevPts(Arc<Shared>);

struct Shared {
    table: Arc<PtyTable>,
    device: DeviceNumber,
    mounted_ns: u64,
}

impl DevPts {
    /// Makes the file system over the table of pseudo-terminals.
    pub fn make(table: Arc<PtyTable>) -> Arc<dyn FileSystem> {
        let device = vfs::anonymous_device();
        Arc::new(Self(Arc::new(Shared { table, device, mounted_ns: vfs::clock::realtime_ns() })))
    }
}

impl FileSystem for DevPts {
    fn type_name(&self) -> &'static str {
        "devpts"
    }

    fn root(&self) -> Arc<dyn Inode> {
        Arc::new(Node { shared: self.0.clone(), what: What::Root })
    }

    fn statistics(&self) -> FileSystemStatistics {
        FileSystemStatistics {
            magic: u64::from(linux::DEVPTS_SUPER_MAGIC),
            block_size: 4096,
            name_limit: 255,
            ..FileSystemStatistics::default()
        }
    }

    fn device(&self) -> DeviceNumber {
        self.0.device
    }

    fn show_options(&self) -> String {
        String::from(",gid=5,mode=620,ptmxmode=666")
    }

    fn remount(&self, options: &str) -> Result<()> {
        check_options(options)
    }
}

/// The type, for mount(2): every mount shows the one file system.
pub struct DevPtsType(pub Arc<dyn FileSystem>);

impl FileSystemType for DevPtsType {
    fn name(&self) -> &'static str {
        "devpts"
    }

    fn make(&self, _source: &str, options: &str) -> Result<Arc<dyn FileSystem>> {
        check_options(options)?;
        Ok(self.0.clone())
    }
}

/// Accepts the options that are in force anyway, which is what systems mount with.
fn check_options(options: &str) -> Result<()> {
    let known = ["", "gid=5", "mode=620", "mode=0620", "ptmxmode=666", "ptmxmode=0666"];
    if options.split(',').all(|option| known.contains(&option)) { Ok(()) } else { Err(Errno::EINVAL) }
}

#[derive(Clone, Copy)]
enum What {
    Root,
    Ptmx,
    Terminal(u32),
}

impl What {
    fn number(self) -> u64 {
        match self {
            What::Root => ROOT,
            What::Ptmx => PTMX,
            What::Terminal(index) => FIRST_TERMINAL + u64::from(index),
        }
    }
}

struct Node {
    shared: Arc<Shared>,
    what: What,
}

impl Inode for Node {
    fn kind(&self) -> FileKind {
        match self.what {
            What::Root => FileKind::Directory,
            What::Ptmx | What::Terminal(_) => FileKind::CharDevice,
        }
    }

    fn metadata(&self) -> Result<Metadata> {
        let permissions = if let What::Root = self.what { 0o755 } else { 0o666 };
        let mut metadata = Metadata::new(self.shared.device, self.what.number(), self.kind(), permissions);
        metadata.block_size = 1024;
        let mut created_ns = self.shared.mounted_ns;
        match self.what {
            What::Root => metadata.links = 2,
            What::Ptmx => metadata.rdev = MULTIPLEXER,
            What::Terminal(index) => {
                let node = self.shared.table.attributes(index).ok_or(Errno::ENOENT)?;
                metadata.rdev = DeviceNumber::new(TERMINAL_MAJOR, index);
                (metadata.uid, metadata.gid, metadata.permissions) = (node.uid, node.gid, node.permissions);
                created_ns = node.created_ns;
            }
        }
        let time = Timestamp::from_ns(created_ns);
        (metadata.accessed, metadata.modified, metadata.changed) = (time, time, time);
        Ok(metadata)
    }

    fn set_attributes(&self, changes: &AttributeChanges) -> Result<()> {
        let What::Terminal(index) = self.what else { return Err(Errno::EPERM) };
        self.shared.table.change_attributes(index, |node| {
            node.uid = changes.uid.unwrap_or(node.uid);
            node.gid = changes.gid.unwrap_or(node.gid);
            node.permissions = changes.permissions.unwrap_or(node.permissions);
        })
    }

    fn open(self: Arc<Self>, _flags: OpenFlags) -> Result<Arc<dyn File>> {
        match self.what {
            What::Root => Ok(Arc::new(Directory(self))),
            What::Ptmx | What::Terminal(_) => Err(Errno::ENXIO),
        }
    }

    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>> {
        let What::Root = self.what else { return Err(Errno::ENOTDIR) };
        let text = core::str::from_utf8(name).map_err(|_| Errno::ENOENT)?;
        let what = if text == "ptmx" {
            What::Ptmx
        } else {
            let index: u32 = text.parse().map_err(|_| Errno::ENOENT)?;
            // "+1" and "01" parse as well, but are no names.
            if index.to_string() != text || self.shared.table.attributes(index).is_none() {
                return Err(Errno::ENOENT);
            }
            What::Terminal(index)
        };
        Ok(Arc::new(Node { shared: self.shared.clone(), what }))
    }

    fn remembers_lookups(&self) -> bool {
        false
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The open directory.
struct Directory(Arc<Node>);

impl File for Directory {
    fn positioning(&self) -> Positioning {
        Positioning::Seekable
    }

    fn read(&self, _offset: u64, _sink: &mut dyn Sink, _flags: OpenFlags) -> Result<usize> {
        Err(Errno::EISDIR)
    }

    fn size(&self) -> Result<u64> {
        Ok(0)
    }

    fn read_directory(&self, cookie: u64, emit: &mut EmitEntry<'_>) -> Result<()> {
        let terminals = self.0.shared.table.indices().into_iter().map(What::Terminal);
        for what in core::iter::once(What::Ptmx).chain(terminals) {
            // Inode numbers ascend in listing order and start at 2, so they serve as cookies.
            let here = FIRST_COOKIE - PTMX + what.number();
            if here < cookie {
                continue;
            }
            let name = match what {
                What::Terminal(index) => index.to_string(),
                What::Root | What::Ptmx => String::from("ptmx"),
            };
            let entry = DirectoryEntry {
                inode: what.number(),
                kind: FileKind::CharDevice,
                name: name.as_bytes(),
                next_cookie: here + 1,
            };
            if let ControlFlow::Break(()) = emit(entry) {
                break;
            }
        }
        Ok(())
    }
}
