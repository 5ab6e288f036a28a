//! Unpacking a `newc` cpio archive (as Linux's initramfs) into a directory.
//!
//! The archive may be hostile: every length is checked, names cannot leave the target (`..` is refused, links inside
//! are never followed to create something), and a broken entry ends the unpacking with its offset.
//! Format: Linux, Documentation/driver-api/early-userspace/buffer-format.rst.

use alloc::sync::Arc;
use alloc::vec::Vec;

use guest_memory::SliceSource;
use hashbrown::HashMap;
use linux_abi::Errno;
use vfs::{AttributeChanges, DeviceNumber, FileKind, Inode, NewInode, OpenFlags, Timestamp};

const HEADER_BYTES: usize = 110;
const TRAILER: &[u8] = b"TRAILER!!!";

/// Why an archive could not be unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnpackError {
    /// Where in the archive the entry starts.
    pub offset: usize,
    /// What is wrong.
    pub reason: Reason,
}

/// What is wrong with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The archive ends inside an entry, or without a trailer.
    Truncated,
    /// No `newc` header.
    BadHeader,
    /// A name that is empty, has no end, or leaves the target.
    BadName,
    /// A mode that is no file type.
    BadMode,
    /// A directory of the name is missing or not a directory.
    NoParent,
    /// The file system refused.
    Refused(Errno),
}

impl core::fmt::Display for UnpackError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "cpio archive, entry at byte {}: {:?}", self.offset, self.reason)
    }
}

struct Entry<'a> {
    inode: u64,
    mode: u32,
    uid: u32,
    gid: u32,
    links: u32,
    modified: i64,
    device: (u32, u32),
    rdev: DeviceNumber,
    name: &'a [u8],
    data: &'a [u8],
}

/// Unpacks `archive` into `root`, a directory; returns how many entries there were.
///
/// # Errors
/// Where and why it stopped; what was unpacked before stays.
pub fn unpack(root: &Arc<dyn Inode>, archive: &[u8]) -> Result<usize, UnpackError> {
    let mut unpacker = Unpacker { root, links: HashMap::new(), directories: Vec::new() };
    let mut offset = 0;
    let mut count = 0;
    loop {
        let at = |reason| UnpackError { offset, reason };
        let (entry, next) = parse(archive, offset).map_err(at)?;
        if entry.name == TRAILER {
            unpacker.finish().map_err(at)?;
            return Ok(count);
        }
        unpacker.add(&entry).map_err(at)?;
        count += 1;
        offset = next;
    }
}

/// Reads the entry at `offset`; also returns where the next one starts.
fn parse(archive: &[u8], offset: usize) -> Result<(Entry<'_>, usize), Reason> {
    let rest = archive.get(offset..).ok_or(Reason::Truncated)?;
    let header = rest.get(..HEADER_BYTES).ok_or(Reason::Truncated)?;
    if !matches!(header.get(..6), Some(b"070701" | b"070702")) {
        return Err(Reason::BadHeader);
    }
    let field = |index: usize| {
        let digits = header.get(6 + index * 8..14 + index * 8)?;
        u32::from_str_radix(core::str::from_utf8(digits).ok()?, 16).ok()
    };
    let field = |index| field(index).ok_or(Reason::BadHeader);
    let (name_size, data_size) = (field(11)? as usize, field(6)? as usize);
    let name_end = HEADER_BYTES.checked_add(name_size).ok_or(Reason::Truncated)?;
    let name = rest.get(HEADER_BYTES..name_end).ok_or(Reason::Truncated)?;
    let data_start = name_end.next_multiple_of(4);
    let data_end = data_start.checked_add(data_size).ok_or(Reason::Truncated)?;
    let data = rest.get(data_start..data_end).ok_or(Reason::Truncated)?;
    let entry = Entry {
        inode: u64::from(field(0)?),
        mode: field(1)?,
        uid: field(2)?,
        gid: field(3)?,
        links: field(4)?,
        modified: i64::from(field(5)?),
        device: (field(7)?, field(8)?),
        rdev: DeviceNumber::new(field(9)?, field(10)?),
        name: name.strip_suffix(b"\0").ok_or(Reason::BadName)?,
        data,
    };
    Ok((entry, offset + data_end.next_multiple_of(4)))
}

struct Unpacker<'a> {
    root: &'a Arc<dyn Inode>,
    /// Files with several names, by inode number and device in the archive.
    links: HashMap<(u64, (u32, u32)), Arc<dyn Inode>>,
    /// Directories' times are set last, since filling them changes them.
    directories: Vec<(Arc<dyn Inode>, Timestamp)>,
}

impl Unpacker<'_> {
    fn add(&mut self, entry: &Entry<'_>) -> Result<(), Reason> {
        let kind = FileKind::from_mode(entry.mode).ok_or(Reason::BadMode)?;
        if entry.name.contains(&0) {
            return Err(Reason::BadName);
        }
        let mut names = entry.name.split(|&byte| byte == b'/').filter(|name| !name.is_empty() && *name != b".");
        let Some(last) = names.next_back() else {
            let root = self.root.clone();
            return self.apply(&root, entry, kind);
        };
        let mut parent = self.root.clone();
        for name in names {
            check_name(name)?;
            parent = parent.lookup(name).map_err(|_| Reason::NoParent)?;
            if parent.kind() != FileKind::Directory {
                return Err(Reason::NoParent);
            }
        }
        check_name(last)?;
        let inode = self.find_or_make(&parent, last, entry, kind)?;
        if kind == FileKind::Regular && !entry.data.is_empty() {
            fill(&inode, entry.data)?;
        }
        self.apply(&inode, entry, kind)
    }

    fn find_or_make(
        &mut self,
        parent: &Arc<dyn Inode>,
        name: &[u8],
        entry: &Entry<'_>,
        kind: FileKind,
    ) -> Result<Arc<dyn Inode>, Reason> {
        match parent.lookup(name) {
            Ok(existing) if existing.kind() == FileKind::Directory && kind == FileKind::Directory => {
                return Ok(existing);
            }
            Ok(existing) if existing.kind() == FileKind::Directory => return Err(Reason::Refused(Errno::EISDIR)),
            // A later entry replaces an earlier one, as in Linux's own unpacking.
            Ok(victim) => parent.unlink(name, &victim).map_err(Reason::Refused)?,
            Err(_) => {}
        }
        let key = (entry.inode, entry.device);
        let has_more_names = entry.links > 1 && kind == FileKind::Regular;
        if has_more_names && let Some(target) = self.links.get(&key) {
            parent.link(name, target).map_err(Reason::Refused)?;
            return Ok(target.clone());
        }
        let mut new = NewInode::new(kind, entry.mode & 0o7777);
        (new.uid, new.gid, new.rdev) = (entry.uid, entry.gid, entry.rdev);
        if kind == FileKind::Symlink {
            new.target = entry.data;
        }
        let inode = parent.create(name, &new).map_err(Reason::Refused)?;
        if has_more_names {
            self.links.insert(key, inode.clone());
        }
        Ok(inode)
    }

    /// Sets owner, permissions and times.
    fn apply(&mut self, inode: &Arc<dyn Inode>, entry: &Entry<'_>, kind: FileKind) -> Result<(), Reason> {
        let time = Timestamp { seconds: entry.modified, nanoseconds: 0 };
        let changes = AttributeChanges {
            permissions: Some(entry.mode & 0o7777),
            uid: Some(entry.uid),
            gid: Some(entry.gid),
            accessed: Some(time),
            modified: Some(time),
        };
        inode.set_attributes(&changes).map_err(Reason::Refused)?;
        if kind == FileKind::Directory {
            self.directories.push((inode.clone(), time));
        }
        Ok(())
    }

    fn finish(&self) -> Result<(), Reason> {
        for (directory, time) in &self.directories {
            let changes =
                AttributeChanges { accessed: Some(*time), modified: Some(*time), ..AttributeChanges::default() };
            directory.set_attributes(&changes).map_err(Reason::Refused)?;
        }
        Ok(())
    }
}

fn check_name(name: &[u8]) -> Result<(), Reason> {
    if name == b".." || name.len() > 255 { Err(Reason::BadName) } else { Ok(()) }
}

/// Writes a file's contents. The last of several hard links carries the data, so it may exist already.
fn fill(inode: &Arc<dyn Inode>, data: &[u8]) -> Result<(), Reason> {
    let file = inode.clone().open(OpenFlags::WRONLY).map_err(Reason::Refused)?;
    let mut offset = 0;
    while let Some(rest) = data.get(offset..).filter(|rest| !rest.is_empty()) {
        let mut source = SliceSource::new(rest);
        match file.write(offset as u64, &mut source, OpenFlags::WRONLY).map_err(Reason::Refused)? {
            0 => return Err(Reason::Refused(Errno::EIO)),
            count => offset += count,
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "cpio_tests.rs"]
pub(crate) mod tests;
