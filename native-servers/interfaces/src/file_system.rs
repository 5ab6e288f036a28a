//! A file system on a disk: names, attributes, block maps, journal. File *pages* are the client's business.
//!
//! **Data** moves through a region: memory that the client has attached. `read` fills it, `write` empties it; the server
//! passes the region on to the disk, so the bytes are copied by nobody but the client.
//!
//! **Changes are numbered.** There is one client that changes things; it numbers its changes (`change`: 1, 2, 3, ... for the
//! life of the file system; the server knows the last number that is on the disk) and sends them one at a time, in order.
//! Each answer says up to which number changes are *committed*: on the disk, whatever happens. The client keeps every change
//! above that number, and the pages that its writes sent. When the server dies, the running transaction is lost as a whole:
//! the next incarnation says in [`FileSystem::begin`] what was committed, and the client repeats the rest, with the inode
//! numbers that the lost incarnation had chosen. A change that is repeated although it was committed, or although this very
//! incarnation has done it (its client may be late to learn that there is a new one), is answered with
//! [`FsError::AlreadyDone`]. So each acknowledged change happens exactly once, and the server needs no state but the disk's.
//!
//! **Files without a name** live until the client says [`FileSystem::forget`]: an inode whose last name goes is put on the
//! disk's orphan list, not freed. [`FileSystem::begin`] with [`Orphans::Free`] (the first start after a boot) frees all of
//! the list.
//!
//! Times are the client's, so that repeating a change gives the same result.

use alloc::vec::Vec;
use ipc::{Capability, List};

/// Most pieces that one call writes.
pub const MAX_PIECES: usize = 64;
/// What one call writes.
pub type Pieces = List<Piece, MAX_PIECES>;
/// Longest name, in bytes.
pub const MAX_NAME_BYTES: usize = 255;
/// Longest target of a symbolic link that is made, in bytes: with the longest name it fits into a message.
pub const MAX_TARGET_BYTES: usize = 3496;

ipc::errors! {
    /// Why a request failed.
    pub enum FsError {
        /// There is no such name, or no such inode (any more).
        NotFound = 1,
        /// The name is taken.
        Exists = 2,
        /// It is no directory.
        NotDirectory = 3,
        /// It is a directory.
        IsDirectory = 4,
        /// The directory is not empty.
        NotEmpty = 5,
        /// No blocks or inodes are left.
        NoSpace = 6,
        /// The file would be too large.
        TooLarge = 7,
        /// Too many names.
        TooManyLinks = 8,
        /// The name is too long.
        NameTooLong = 9,
        /// An argument makes no sense: a slash in a name, a number out of order, a region that is too small.
        Invalid = 10,
        /// The file system cannot be written.
        ReadOnly = 11,
        /// The disk failed.
        Disk = 12,
        /// What is on the disk is not a sound file system.
        Corrupt = 13,
        /// The file system uses a feature that this server does not know.
        Unsupported = 14,
        /// The server does not know the region (any more).
        NoRegion = 15,
        /// The change with this number was committed already, or done by this incarnation.
        AlreadyDone = 16,
        /// The service has retired; it serves from somewhere else now.
        Retired = 17,
        /// No room for another region.
        Busy = 18,
        /// A directory would become its own descendant.
        Loop = 19,
        /// [`FileSystem::begin`] was not called since the server started.
        NotBegun = 20,
    }
}

ipc::numbered! {
    /// What [`FileSystem::begin`] does with files that have no name.
    pub enum Orphans {
        /// Frees them: nobody can have them open, the system has just started.
        Free = 1,
        /// Keeps them: the client has them open.
        Keep = 2,
    }
}

ipc::record! {
    /// A file system.
    pub struct FsInfo {
        /// Inode number of the root directory.
        pub root: u64,
        /// Bytes of a block.
        pub block_bytes: u32,
        /// Different for each start of the server.
        pub incarnation: u64,
        /// The last change that is on the disk.
        pub committed: u64,
        /// Whether changes are refused.
        pub read_only: bool,
    }
}

ipc::record! {
    /// What statfs(2) tells.
    pub struct FsStatistics {
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
        /// The file system's identity: the first and the last eight bytes of its UUID, xored.
        pub id: u64,
    }
}

ipc::record! {
    /// A point in time.
    pub struct Time {
        /// Seconds since 1970, a signed number as its two's complement.
        pub seconds: u64,
        /// Nanoseconds, below 1,000,000,000.
        pub nanoseconds: u32,
    }
}

ipc::record! {
    /// What stat(2) tells.
    pub struct Attributes {
        /// Inode number.
        pub inode: u64,
        /// Type and permission bits, as `st_mode`.
        pub mode: u32,
        /// Number of names.
        pub links: u32,
        /// Owner.
        pub uid: u32,
        /// Group.
        pub gid: u32,
        /// Device number of a device node, in Linux's 64-bit encoding.
        pub rdev: u64,
        /// Bytes.
        pub size: u64,
        /// Blocks in use, of 512 bytes.
        pub sectors: u64,
        /// Last access.
        pub accessed: Time,
        /// Last change of contents.
        pub modified: Time,
        /// Last change of anything.
        pub changed: Time,
        /// Creation (zero where the disk does not record it).
        pub born: Time,
    }
}

ipc::record! {
    /// What every change has.
    pub struct Change {
        /// Its number.
        pub number: u64,
        /// When it happens: the new time of last change of what it concerns.
        pub now: Time,
    }
}

ipc::record! {
    /// A piece of a file, and where its bytes are.
    pub struct Piece {
        /// Where it starts in the file; a multiple of 4,096.
        pub offset: u64,
        /// Its length; at most the region's.
        pub bytes: u32,
        /// The region.
        pub region: u64,
        /// Where it starts in the region; a multiple of 4,096.
        pub at: u64,
    }
}

/// Bits of [`NewAttributes::set`].
pub mod set {
    /// Permission bits.
    pub const MODE: u32 = 1;
    /// Owner.
    pub const UID: u32 = 2;
    /// Group.
    pub const GID: u32 = 4;
    /// Time of last access.
    pub const ACCESSED: u32 = 8;
    /// Time of last change of contents.
    pub const MODIFIED: u32 = 16;
    /// Size: grows with a hole, or cuts off.
    pub const SIZE: u32 = 32;
}

ipc::record! {
    /// A change of attributes.
    pub struct NewAttributes {
        /// Which of the fields below count, by the bits of [`set`].
        pub set: u32,
        /// Permission bits (07777).
        pub mode: u32,
        /// Owner.
        pub uid: u32,
        /// Group.
        pub gid: u32,
        /// Bytes.
        pub size: u64,
        /// Last access.
        pub accessed: Time,
        /// Last change of contents.
        pub modified: Time,
    }
}

ipc::record! {
    /// An inode to be made.
    pub struct NewNode {
        /// Type and permission bits, as `st_mode`.
        pub mode: u32,
        /// Owner.
        pub uid: u32,
        /// Group.
        pub gid: u32,
        /// Device number of a device node, in Linux's 64-bit encoding.
        pub rdev: u64,
        /// The inode number that it must get, because this repeats a change of a lost incarnation; 0: any.
        pub inode: u64,
    }
}

ipc::record! {
    /// The result of a change.
    pub struct Changed {
        /// The inode concerned: made, linked, changed, written; for `unlink`, `remove_directory` and `rename` the one that
        /// lost a name (inode number 0: none did). When its `links` are 0 the client has to `forget` it at some time.
        pub attributes: Attributes,
        /// The last change that is on the disk.
        pub committed: u64,
    }
}

ipc::record! {
    /// A part of a directory.
    pub struct Listing {
        /// Entries one after the other: inode number (8 bytes, little-endian), cookie after this entry (8 bytes), type as
        /// `d_type` (1 byte), length of the name (1 byte), name. Neither `.` nor `..`. None: the end.
        pub entries: Vec<u8>,
    }
}

ipc::record! {
    /// What the next incarnation needs not look for on the disk.
    pub struct HandOver {
        /// Number of the next transaction.
        pub sequence: u32,
        /// Where in the journal it is to be written; 0: the disk tells.
        pub start: u32,
        /// The last change that is on the disk.
        pub change: u64,
    }
}

ipc::numbered! {
    /// What `rename` does with a name that is there.
    pub enum Target {
        /// Replaces it.
        Replace = 1,
        /// Swaps the two.
        Exchange = 2,
    }
}

ipc::interface! {
    /// A file system.
    pub trait FileSystem(client FileSystemClient, handler FileSystemHandler, dispatcher FileSystemDispatcher) = 9 {
        /// Starts: replays the journal if need be. To be called first by whoever changes things, after each start of the
        /// server; harmless when repeated with [`Orphans::Keep`].
        1 => fn begin(&self, orphans: Orphans) -> Result<FsInfo, FsError>;
        /// Makes the first `bytes` of `memory` (READ, WRITE, PHYSICAL) a region; its number.
        2 => fn attach(&self, memory: Capability, bytes: u64) -> Result<u64, FsError>;
        /// Ends a region.
        3 => fn detach(&self, region: u64) -> Result<(), FsError>;
        /// Free and used blocks and inodes.
        4 => fn statistics(&self) -> Result<FsStatistics, FsError>;
        /// Finds a name in a directory; `.` and `..` are found too.
        5 => fn lookup(&self, directory: u64, name: &[u8]) -> Result<Attributes, FsError>;
        /// What stat(2) tells.
        6 => fn attributes(&self, inode: u64) -> Result<Attributes, FsError>;
        /// A part of a directory from `cookie` on (0: the start). Cookies stay good as long as the directory lives, also in
        /// another incarnation; entries that are neither made nor removed meanwhile are listed once.
        7 => fn list(&self, directory: u64, cookie: u64) -> Result<Listing, FsError>;
        /// Where a symbolic link leads.
        8 => fn read_link(&self, inode: u64) -> Result<Vec<u8>, FsError>;
        /// Reads a piece of a file, up to the file's end; holes and what lies behind the end up to the next multiple of 4,096
        /// become zero. How many bytes of the file that were.
        9 => fn read(&self, inode: u64, piece: Piece) -> Result<u32, FsError>;
        /// The start of the next data (or, `hole`, of the next hole) at or after `offset`; the file's end counts as hole.
        10 => fn seek(&self, inode: u64, offset: u64, hole: bool) -> Result<u64, FsError>;

        /// Changes attributes.
        16 => fn set_attributes(&self, change: Change, inode: u64, new: NewAttributes) -> Result<Changed, FsError>;
        /// Writes pieces of a file, all or none; the file grows to their end if it is shorter. What lies behind the file's
        /// end in its last block becomes zero on the disk. The pieces are of one region and follow one another in the
        /// file, and all before the last are whole blocks ([`FsError::Invalid`]).
        17 => fn write(&self, change: Change, inode: u64, pieces: Pieces) -> Result<Changed, FsError>;
        /// Makes a file, a directory, a symbolic link to `target` (at most [`MAX_TARGET_BYTES`]), or a special file.
        18 => fn create(
            &self, change: Change, directory: u64, name: &[u8], node: NewNode, target: &[u8],
        ) -> Result<Changed, FsError>;
        /// Makes a file without a name.
        19 => fn create_unnamed(&self, change: Change, node: NewNode) -> Result<Changed, FsError>;
        /// Gives an inode one more name.
        20 => fn link(&self, change: Change, inode: u64, directory: u64, name: &[u8]) -> Result<Changed, FsError>;
        /// Removes the name of something that is no directory.
        21 => fn unlink(&self, change: Change, directory: u64, name: &[u8]) -> Result<Changed, FsError>;
        /// Removes an empty directory.
        22 => fn remove_directory(&self, change: Change, directory: u64, name: &[u8]) -> Result<Changed, FsError>;
        /// Moves `name` in the first of `directories` to `new_name` in the second. Types fit or
        /// [`FsError::IsDirectory`], [`FsError::NotDirectory`].
        23 => fn rename(
            &self, change: Change, directories: (u64, u64), name: &[u8], new_name: &[u8], target: Target,
        ) -> Result<Changed, FsError>;
        /// Gives the blocks of a range back (whole blocks; the edges become zero); the size stays.
        24 => fn punch_hole(&self, change: Change, inode: u64, offset: u64, bytes: u64) -> Result<Changed, FsError>;
        /// Frees an inode without names.
        25 => fn forget(&self, change: Change, inode: u64) -> Result<Changed, FsError>;
        /// Commits all changes so far; the number of the last.
        26 => fn commit(&self) -> Result<u64, FsError>;
        /// Commits, leaves the disk clean and lets go of it: everything after this is [`FsError::Retired`]. The number of
        /// the last change.
        27 => fn retire(&self) -> Result<u64, FsError>;

        /// Commits, and empties the journal, now and after each of the next commits: so that whoever is next has nothing to
        /// replay. For a service that is about to move, while it is still used.
        28 => fn settle(&self) -> Result<(), FsError>;
        /// Ends this incarnation as a crash would, without writing: what is not on the disk its client repeats to the next one.
        /// Everything after this is [`FsError::Retired`].
        29 => fn hand_over(&self) -> Result<HandOver, FsError>;
        /// Does what [`begin`](Self::begin) with [`Orphans::Keep`] does with the disk, so that begin only has to answer; until
        /// then everything else is still [`FsError::NotBegun`]. `left` is what the incarnation before said.
        30 => fn open(&self, left: HandOver) -> Result<(), FsError>;
        /// Whether everything is committed, and the journal empty.
        31 => fn is_settled(&self) -> Result<bool, FsError>;
        /// Reads what stays as it is, while another incarnation has the disk, so that [`open`](Self::open) has less to read. What
        /// fails here fails there again.
        32 => fn prepare(&self) -> Result<(), FsError>;
    }
}
