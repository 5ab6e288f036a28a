//! What `stat` tells about an inode, and what can be changed of it.
//!
//! Permission bits and file type are kept apart ([`Metadata::mode`] and [`FileKind`]); `st_mode` joins them.

use linux_abi::raw::general as raw;

/// The type of an inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A named or unnamed pipe.
    Fifo,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A socket.
    Socket,
}

impl FileKind {
    /// Returns the `S_IF*` bits of `st_mode`.
    #[must_use]
    pub const fn mode_bits(self) -> u32 {
        match self {
            FileKind::Regular => raw::S_IFREG,
            FileKind::Directory => raw::S_IFDIR,
            FileKind::Symlink => raw::S_IFLNK,
            FileKind::Fifo => raw::S_IFIFO,
            FileKind::CharDevice => raw::S_IFCHR,
            FileKind::BlockDevice => raw::S_IFBLK,
            FileKind::Socket => raw::S_IFSOCK,
        }
    }

    /// Returns the kind that the `S_IF*` bits of a mode name.
    #[must_use]
    pub const fn from_mode(mode: u32) -> Option<FileKind> {
        Some(match mode & raw::S_IFMT {
            raw::S_IFREG => FileKind::Regular,
            raw::S_IFDIR => FileKind::Directory,
            raw::S_IFLNK => FileKind::Symlink,
            raw::S_IFIFO => FileKind::Fifo,
            raw::S_IFCHR => FileKind::CharDevice,
            raw::S_IFBLK => FileKind::BlockDevice,
            raw::S_IFSOCK => FileKind::Socket,
            _ => return None,
        })
    }

    /// Returns the `d_type` of a directory entry.
    #[must_use]
    pub const fn directory_entry_type(self) -> u8 {
        (self.mode_bits() >> 12) as u8
    }
}

/// A device number, `makedev(major, minor)` in Linux's 64-bit encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct DeviceNumber(u64);

impl DeviceNumber {
    /// Joins major and minor number.
    #[must_use]
    pub const fn new(major: u32, minor: u32) -> DeviceNumber {
        let (major, minor) = (major as u64, minor as u64);
        DeviceNumber((minor & 0xff) | ((major & 0xfff) << 8) | ((minor & !0xff) << 12) | ((major & !0xfff) << 32))
    }

    /// Reads the encoding that programs use (`st_rdev`, `mknod`).
    #[must_use]
    pub const fn from_encoded(encoded: u64) -> DeviceNumber {
        DeviceNumber(encoded)
    }

    /// Returns the encoding that programs use.
    #[must_use]
    pub const fn encoded(self) -> u64 {
        self.0
    }

    /// Returns the major number.
    #[must_use]
    pub const fn major(self) -> u32 {
        (((self.0 >> 8) & 0xfff) | ((self.0 >> 32) & !0xfff)) as u32
    }

    /// Returns the minor number.
    #[must_use]
    pub const fn minor(self) -> u32 {
        ((self.0 & 0xff) | ((self.0 >> 12) & 0xffff_ff00)) as u32
    }
}

/// A point in time: seconds and nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Timestamp {
    /// Seconds since 1970, possibly negative.
    pub seconds: i64,
    /// Nanoseconds, below 1,000,000,000.
    pub nanoseconds: u32,
}

impl Timestamp {
    /// Converts nanoseconds since 1970.
    #[must_use]
    pub const fn from_ns(ns: u64) -> Timestamp {
        Timestamp { seconds: (ns / 1_000_000_000) as i64, nanoseconds: (ns % 1_000_000_000) as u32 }
    }
}

/// What `stat` tells.
#[derive(Clone, Copy, Debug)]
pub struct Metadata {
    /// The file system (`st_dev`).
    pub device: DeviceNumber,
    /// Inode number.
    pub inode: u64,
    /// Type.
    pub kind: FileKind,
    /// Permission bits with set-id and sticky bits (07777).
    pub permissions: u32,
    /// Number of hard links.
    pub links: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Device number of a device node.
    pub rdev: DeviceNumber,
    /// Size in bytes.
    pub size: u64,
    /// Blocks in use, of 512 bytes.
    pub blocks: u64,
    /// Preferred I/O size.
    pub block_size: u32,
    /// Last access.
    pub accessed: Timestamp,
    /// Last change of contents.
    pub modified: Timestamp,
    /// Last change of anything.
    pub changed: Timestamp,
    /// Creation, where the file system records it.
    pub born: Option<Timestamp>,
}

impl Metadata {
    /// Returns metadata with all times at zero, one link and size zero: a start for synthetic files.
    #[must_use]
    pub const fn new(device: DeviceNumber, inode: u64, kind: FileKind, permissions: u32) -> Metadata {
        const EPOCH: Timestamp = Timestamp { seconds: 0, nanoseconds: 0 };
        Metadata {
            device,
            inode,
            kind,
            permissions,
            links: 1,
            uid: 0,
            gid: 0,
            rdev: DeviceNumber(0),
            size: 0,
            blocks: 0,
            block_size: 4096,
            accessed: EPOCH,
            modified: EPOCH,
            changed: EPOCH,
            born: None,
        }
    }

    /// Returns `st_mode`.
    #[must_use]
    pub const fn mode(&self) -> u32 {
        self.kind.mode_bits() | (self.permissions & 0o7777)
    }

    /// Returns what a permission check needs.
    #[must_use]
    pub const fn ownership(&self) -> Ownership {
        Ownership { permissions: self.permissions, uid: self.uid, gid: self.gid }
    }
}

/// The part of the metadata that a permission check needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ownership {
    /// Permission bits with set-id and sticky bits (07777).
    pub permissions: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// Changes of attributes; `None` leaves as is. The change time becomes now.
#[derive(Clone, Copy, Debug, Default)]
pub struct AttributeChanges {
    /// New permission bits (07777).
    pub permissions: Option<u32>,
    /// New owner.
    pub uid: Option<u32>,
    /// New group.
    pub gid: Option<u32>,
    /// New access time.
    pub accessed: Option<Timestamp>,
    /// New modification time.
    pub modified: Option<Timestamp>,
}

/// What `statfs` tells.
#[derive(Clone, Copy, Debug, Default)]
pub struct FileSystemStatistics {
    /// Magic number (`f_type`).
    pub magic: u64,
    /// Block size in bytes.
    pub block_size: u64,
    /// Blocks in all.
    pub blocks: u64,
    /// Free blocks.
    pub free_blocks: u64,
    /// Free blocks that ordinary users may take.
    pub available_blocks: u64,
    /// Inodes in all.
    pub inodes: u64,
    /// Free inodes.
    pub free_inodes: u64,
    /// Longest name.
    pub name_limit: u64,
    /// The file system's identity (`f_fsid`), zero where it has none.
    pub id: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_numbers_survive_the_encoding() {
        for (major, minor) in [(1, 3), (136, 0), (0xfff, 0xff), (0x12345, 0x6789a), (0, u32::MAX >> 8)] {
            let number = DeviceNumber::new(major, minor);
            assert_eq!((number.major(), number.minor()), (major, minor));
        }
        assert_eq!(DeviceNumber::new(5, 1).encoded(), 0x501);
    }

    #[test]
    fn kinds_survive_the_mode() {
        for kind in [FileKind::Regular, FileKind::Directory, FileKind::Symlink, FileKind::Fifo, FileKind::Socket] {
            assert_eq!(FileKind::from_mode(kind.mode_bits() | 0o777), Some(kind));
        }
        assert_eq!(FileKind::Directory.directory_entry_type(), 4);
    }
}
