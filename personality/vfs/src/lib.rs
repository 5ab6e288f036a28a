//! The virtual file system: what stands between system calls on files and those who implement files.
//!
//! * for implementers: [`Inode`], [`FileSystem`], [`File`], [`CharDevice`], [`PollTable`]
//! * what processes hold: [`OpenFile`] (a description), [`FdTable`], [`FsContext`], [`Credentials`]
//! * names: [`Dentry`], [`Path`], [`Mount`], [`Namespace`], resolution  and the operations on names
//! * built in: pipes and FIFOs ([`pipe`]), [`epoll`], advisory locks ([`locks`]), objects without a name ([`anonymous`])
//!
//! Lock order: descriptor table, file position, namespace list, directory (parent before child), inode, pipe.
//! Nothing is locked that a page fault needs while user memory is touched.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod anonymous;
mod attributes;
pub mod clock;
mod context;
pub mod credentials;
mod dentry;
pub mod device;
pub mod epoll;
pub mod eventfd;
mod fd_table;
pub mod file;
mod flags;
pub mod inode;
pub mod locks;
pub mod metadata;
pub mod mount;
mod names;
mod open;
pub mod open_file;
mod path;
pub mod pipe;
pub mod poll;
mod rename;
mod ring;
pub mod walk;

pub use attributes::NewTime;
pub use context::{Caller, FsContext};
pub use credentials::{Access, Capability, Credentials};
pub use dentry::Dentry;
pub use device::{BLOCK_DEVICES, CHAR_DEVICES, CharDevice, CharDevices, Opened};
pub use fd_table::{Descriptor, FdTable, Reservation};
pub use file::{Allocation, DirectoryEntry, EmitEntry, FIRST_COOKIE, File, Positioning, SeekTarget};
pub use flags::OpenFlags;
pub use inode::{FileSystem, Inode, LinkTarget, NewInode, RenameMode, Renamed, anonymous_device};
pub use metadata::{AttributeChanges, DeviceNumber, FileKind, FileSystemStatistics, Metadata, Ownership, Timestamp};
pub use mount::{FileSystemType, Mount, MountFlags, Namespace, Unmount};
pub use open_file::{OpenFile, SeekFrom};
pub use path::{Path, PathText};
pub use poll::{PollEvents, PollTable};
pub use rename::RenameRule;
pub use walk::{WalkFlags, resolve};
