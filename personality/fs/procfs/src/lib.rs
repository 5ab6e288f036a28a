//! The process file system: facts about processes and the system as text, in the formats of Linux 6.1.
//!
//! Everything comes from a [`ProcessSource`] at the moment of asking; this crate keeps no state but an open file's
//! text, which is made when the file is read from its start and stays the same until it is read from there again.
//! [`tree`] says what exists, [`node`] is the inode, [`process`], [`memory`], [`system`], [`network`] and [`sysctl`] make the
//! texts.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod links;
mod memory;
mod network;
mod network_source;
#[cfg(test)]
mod network_tests;
mod node;
mod process;
mod source;
mod sysctl;
mod system;
#[cfg(test)]
mod tests;
mod text_file;
mod tree;

pub use network_source::{InetSocket, LocalSocket, LocalState, NetworkSource, Traffic, Transport};
pub use source::{
    Ids, Inspect, Mapping, MemoryLayout, MemoryUse, Pid, ProcessSource, RunState, SignalSets, Snapshot, SystemSnapshot,
    Usage,
};

use alloc::sync::Arc;
use linux_abi::raw::general as linux;
use linux_abi::{Errno, Result};
use node::Node;
#[cfg(test)]
use tree::Subject;
use tree::What;
use vfs::{DeviceNumber, FileSystem, FileSystemStatistics, FileSystemType, Inode};

/// The file system; all mounts of it show the same.
pub struct ProcFs {
    source: Arc<dyn ProcessSource>,
    device: DeviceNumber,
}

impl ProcFs {
    /// Makes the file system over the system's processes.
    pub fn make(source: Arc<dyn ProcessSource>) -> Arc<dyn FileSystem> {
        Arc::new(Mounted(Arc::new(Self { source, device: vfs::anonymous_device() })))
    }
}

/// The file system behind a counted reference, which its inodes share.
struct Mounted(Arc<ProcFs>);

impl FileSystem for Mounted {
    fn type_name(&self) -> &'static str {
        "proc"
    }

    fn root(&self) -> Arc<dyn Inode> {
        Node::new(self.0.clone(), What::Root)
    }

    fn statistics(&self) -> FileSystemStatistics {
        FileSystemStatistics {
            magic: u64::from(linux::PROC_SUPER_MAGIC),
            block_size: 4096,
            name_limit: 255,
            ..FileSystemStatistics::default()
        }
    }

    fn device(&self) -> DeviceNumber {
        self.0.device
    }
}

/// The type, for mount(2): every mount shows the one file system.
pub struct ProcFsType(pub Arc<dyn FileSystem>);

impl FileSystemType for ProcFsType {
    fn name(&self) -> &'static str {
        "proc"
    }

    fn make(&self, _source: &str, options: &str) -> Result<Arc<dyn FileSystem>> {
        if options.is_empty() { Ok(self.0.clone()) } else { Err(Errno::EINVAL) }
    }
}
