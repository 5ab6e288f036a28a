//! Entries of a directory block ("ext4 Data Structures and Algorithms", 4.4.1).

use interfaces::FsError;

use crate::Result;
use crate::bytes::{le16, le32, low16, put, put_le16, put_le32};
use crate::inode::format;

/// Bytes of an entry before its name.
pub(crate) const HEADER: usize = 8;
/// Bytes of the sum's pretended entry at a block's end.
pub(crate) const TAIL: usize = 12;
const TAIL_TYPE: u8 = 0xde;

/// An entry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    /// Where it starts in the block.
    pub(crate) at: usize,
    /// Bytes up to the next one.
    pub(crate) length: usize,
    /// What it names; 0: nothing.
    pub(crate) inode: u32,
    /// Type, in the directory's encoding.
    pub(crate) kind: u8,
    pub(crate) name: &'a [u8],
}

impl Entry<'_> {
    /// Bytes that it needs.
    pub(crate) const fn needs(&self) -> usize {
        if self.inode == 0 { 0 } else { needs(self.name.len()) }
    }
}

/// Bytes of an entry with a name of so many.
pub(crate) const fn needs(name_bytes: usize) -> usize {
    (HEADER + name_bytes).next_multiple_of(4)
}

/// The entry at byte `at`; `None` at the block's end.
///
/// # Errors
/// `Corrupt`: its lengths cannot be right.
pub(crate) fn read(block: &[u8], at: usize) -> Result<Option<Entry<'_>>> {
    if at == block.len() {
        return Ok(None);
    }
    let length = usize::from(le16(block, at + 4));
    let name_bytes = usize::from(block.get(at + 6).copied().unwrap_or(0));
    let is_sound = length >= HEADER
        && length.is_multiple_of(4)
        && at.checked_add(length).is_some_and(|end| end <= block.len())
        && HEADER + name_bytes <= length;
    if !is_sound {
        return Err(FsError::Corrupt);
    }
    let name = block.get(at + HEADER..at + HEADER + name_bytes).unwrap_or_default();
    let kind = block.get(at + 7).copied().unwrap_or(0);
    Ok(Some(Entry { at, length, inode: le32(block, at), kind, name }))
}

/// All entries of a block, up to the first that cannot be right.
pub(crate) fn all(block: &[u8]) -> impl Iterator<Item = Result<Entry<'_>>> {
    let mut next = Some(0);
    core::iter::from_fn(move || {
        let entry = read(block, next?).transpose()?;
        next = entry.as_ref().ok().map(|entry| entry.at + entry.length);
        Some(entry)
    })
}

/// Writes an entry with a name.
pub(crate) fn write(block: &mut [u8], at: usize, length: usize, (inode, kind): (u32, u8), name: &[u8]) {
    put_le32(block, at, inode);
    put_le16(block, at + 4, low16(length as u32));
    put(block, at + 6, &[name.len() as u8, kind]);
    put(block, at + HEADER, name);
}

pub(crate) fn set_length(block: &mut [u8], at: usize, length: usize) {
    put_le16(block, at + 4, low16(length as u32));
}

pub(crate) fn set_target(block: &mut [u8], at: usize, (inode, kind): (u32, u8)) {
    put_le32(block, at, inode);
    put(block, at + 7, &[kind]);
}

/// Writes the sum's pretended entry at the block's end.
pub(crate) fn write_tail(block: &mut [u8]) {
    let at = block.len() - TAIL;
    write(block, at, TAIL, (0, TAIL_TYPE), &[]);
}

/// Whether the block ends with a sum's pretended entry.
pub(crate) fn has_tail(block: &[u8]) -> bool {
    let Some(at) = block.len().checked_sub(TAIL) else { return false };
    le32(block, at) == 0 && le32(block, at + 4) == u32::from(TAIL_TYPE) << 24 | TAIL as u32
}

/// The directory's encoding of an inode's type.
pub(crate) const fn kind_of(mode: u32) -> u8 {
    match mode & format::MASK {
        format::FILE => 1,
        format::DIRECTORY => 2,
        format::CHARACTER => 3,
        format::BLOCK => 4,
        format::FIFO => 5,
        format::SOCKET => 6,
        format::SYMLINK => 7,
        _ => 0,
    }
}

/// `d_type` for the directory's encoding.
pub(crate) const fn d_type(kind: u8) -> u8 {
    match kind {
        1 => 8,
        2 => 4,
        3 => 2,
        4 => 6,
        5 => 1,
        6 => 12,
        7 => 10,
        _ => 0,
    }
}
