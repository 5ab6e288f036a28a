//! A client: counts its changes, moves contents through one region.

use std::sync::Arc;

use fs_server::Ext4;
use interfaces::file_system::{
    Attributes, Change, Changed, FsInfo, NewAttributes, NewNode, Orphans, Piece, Target, Time, set,
};
use interfaces::{BlockDevice, FileSystem, FsError};
use ipc::{Capability, List};
use rt::memory::Shared;

pub const FILE: u32 = 0o100_644;
pub const DIRECTORY: u32 = 0o040_755;
pub const SYMLINK: u32 = 0o120_777;
pub const ROOT: u64 = 2;
const REGION_BYTES: u64 = 1 << 20;
/// A time that is some day, for tests.
const SOME_DAY: u64 = 1_750_000_000;

/// A client of a file system that it has begun.
pub struct Client {
    pub fs: Arc<Ext4>,
    pub info: FsInfo,
    pub memory: Shared,
    pub region: u64,
    /// The last number used.
    pub number: u64,
}

impl Client {
    pub fn begin(disk: Arc<dyn BlockDevice>, orphans: Orphans) -> Result<Self, FsError> {
        let fs = Arc::new(Ext4::new(disk));
        let info = fs.begin(orphans)?;
        let memory = Shared::allocate(REGION_BYTES).expect("there is memory");
        let region = fs.attach(Capability(memory.memory().slot()), REGION_BYTES)?;
        let number = info.committed;
        Ok(Self { fs, info, memory, region, number })
    }

    pub fn new(disk: Arc<dyn BlockDevice>) -> Self {
        Self::begin(disk, Orphans::Free).expect("it is a sound file system")
    }

    /// The next change, at a time that depends on its number.
    pub fn next(&mut self) -> Change {
        self.number += 1;
        self.again(self.number)
    }

    pub fn again(&self, number: u64) -> Change {
        Change { number, now: Time { seconds: SOME_DAY + number, nanoseconds: (number % 1000) as u32 } }
    }

    pub fn create(&mut self, directory: u64, name: &str, mode: u32) -> Result<Attributes, FsError> {
        self.create_with(directory, name, node(mode), b"")
    }

    pub fn create_with(
        &mut self,
        directory: u64,
        name: &str,
        node: NewNode,
        target: &[u8],
    ) -> Result<Attributes, FsError> {
        let change = self.next();
        self.fs.create(change, directory, name.as_bytes(), node, target).map(|changed| changed.attributes)
    }

    /// Writes `bytes` from `offset` on, which is on a page's border.
    pub fn write(&mut self, inode: u64, offset: u64, bytes: &[u8]) -> Result<Changed, FsError> {
        let change = self.next();
        self.write_as(change, inode, offset, bytes)
    }

    pub fn write_as(&self, change: Change, inode: u64, offset: u64, bytes: &[u8]) -> Result<Changed, FsError> {
        // Behind the bytes lies rubbish, as behind a mapped file's end.
        let window = self.memory.window();
        window.copy_in(0, bytes).expect("it fits");
        let rest = (bytes.len().next_multiple_of(4096) - bytes.len()).min(window.bytes() - bytes.len());
        window.copy_in(bytes.len(), &vec![0xee; rest]).expect("it fits");
        // The first page by itself, so that there are often two pieces.
        let first = bytes.len().min(4096);
        let pieces = [(0, first), (first, bytes.len() - first)].map(|(at, bytes)| (offset + at as u64, at, bytes));
        let count = if bytes.len() > first { 2 } else { 1 };
        self.write_pieces(change, inode, &pieces[..count])
    }

    /// Writes what lies in the region: pieces of the file, each with its offset, its place in the region, its length.
    pub fn write_pieces(&self, change: Change, inode: u64, pieces: &[(u64, usize, usize)]) -> Result<Changed, FsError> {
        let piece = |&(offset, at, bytes): &(u64, usize, usize)| Piece {
            offset,
            bytes: bytes as u32,
            region: self.region,
            at: at as u64,
        };
        self.fs.write(change, inode, List(pieces.iter().map(piece).collect()))
    }

    /// All of a file's contents.
    pub fn read(&self, inode: u64) -> Result<Vec<u8>, FsError> {
        let (mut contents, size) = (Vec::new(), self.fs.attributes(inode)?.size);
        while (contents.len() as u64) < size {
            let offset = contents.len() as u64;
            let window = self.memory.window();
            window.copy_in(0, &vec![0xdd; window.bytes()]).expect("it fits");
            let bytes = (size - offset).min(REGION_BYTES) as u32;
            let got = self.fs.read(inode, Piece { offset, bytes, region: self.region, at: 0 })?;
            assert_eq!(got, bytes);
            let mut part = vec![0; (got as usize).next_multiple_of(4096)];
            window.copy_out(0, &mut part).expect("it fits");
            assert!(part[got as usize..].iter().all(|byte| *byte == 0), "what lies behind the end is zero");
            part.truncate(got as usize);
            contents.extend(part);
        }
        Ok(contents)
    }

    pub fn resize(&mut self, inode: u64, size: u64) -> Result<Attributes, FsError> {
        let change = self.next();
        self.fs.set_attributes(change, inode, size_of(size)).map(|changed| changed.attributes)
    }

    pub fn unlink(&mut self, directory: u64, name: &str) -> Result<Attributes, FsError> {
        let change = self.next();
        self.fs.unlink(change, directory, name.as_bytes()).map(|changed| changed.attributes)
    }

    pub fn remove_directory(&mut self, directory: u64, name: &str) -> Result<Attributes, FsError> {
        let change = self.next();
        self.fs.remove_directory(change, directory, name.as_bytes()).map(|changed| changed.attributes)
    }

    pub fn rename(&mut self, from: (u64, &str), to: (u64, &str), target: Target) -> Result<Attributes, FsError> {
        let change = self.next();
        let changed = self.fs.rename(change, (from.0, to.0), from.1.as_bytes(), to.1.as_bytes(), target);
        changed.map(|changed| changed.attributes)
    }

    pub fn forget(&mut self, inode: u64) -> Result<Attributes, FsError> {
        let change = self.next();
        self.fs.forget(change, inode).map(|changed| changed.attributes)
    }

    pub fn lookup(&self, directory: u64, name: &str) -> Result<Attributes, FsError> {
        self.fs.lookup(directory, name.as_bytes())
    }

    /// The inode at a path from the root.
    pub fn walk(&self, path: &str) -> Result<Attributes, FsError> {
        let mut at = self.fs.attributes(ROOT)?;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            at = self.lookup(at.inode, name)?;
        }
        Ok(at)
    }

    /// Names, inode numbers and types of a directory's entries, in the order of the listing.
    pub fn list(&self, directory: u64) -> Result<Vec<(String, u64, u8)>, FsError> {
        let (mut cookie, mut all) = (0, Vec::new());
        loop {
            let listing = self.fs.list(directory, cookie)?;
            if listing.entries.is_empty() {
                return Ok(all);
            }
            for (name, inode, after, kind) in entries(&listing.entries) {
                all.push((name, inode, kind));
                assert!(after > cookie, "cookies grow");
                cookie = after;
            }
        }
    }
}

/// Takes a listing apart: name, inode, cookie, type.
pub fn entries(mut bytes: &[u8]) -> Vec<(String, u64, u64, u8)> {
    let mut all = Vec::new();
    while let Some((head, rest)) = bytes.split_at_checked(18) {
        let word = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().expect("eight bytes"));
        let (name, rest) = rest.split_at(usize::from(head[17]));
        all.push((String::from_utf8_lossy(name).into_owned(), word(0), word(8), head[16]));
        bytes = rest;
    }
    all
}

pub fn node(mode: u32) -> NewNode {
    NewNode { mode, uid: 1000, gid: 100, rdev: 0, inode: 0 }
}

pub fn size_of(size: u64) -> NewAttributes {
    let zero = || Time { seconds: 0, nanoseconds: 0 };
    NewAttributes { set: set::SIZE, mode: 0, uid: 0, gid: 0, size, accessed: zero(), modified: zero() }
}
