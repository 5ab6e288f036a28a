//! Finding and listing names.

use alloc::vec::Vec;

use interfaces::FsError;

use super::entry::{self, Entry};
use crate::Result;
use crate::buffers::Kind;
use crate::extents::lookup::Run;
use crate::inode::Inode;
use crate::volume::Volume;

/// Most bytes of one listing.
const LISTING_BYTES: usize = 3584;
/// Bytes of a listed entry before its name.
const LISTED_HEADER: usize = 18;

/// Where a name was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Block of the disk.
    pub(crate) block: u64,
    /// Where the entry starts in it.
    pub(crate) at: usize,
    /// What it names.
    pub(crate) inode: u32,
    /// Type, in the directory's encoding.
    pub(crate) kind: u8,
}

impl Volume {
    /// The blocks of a directory, in order.
    ///
    /// # Errors
    /// `NotDirectory`; `Corrupt`: it has holes, or is larger than the disk.
    pub(crate) fn directory_blocks(&mut self, directory: &Inode) -> Result<Vec<u64>> {
        if !directory.is_directory() {
            return Err(FsError::NotDirectory);
        }
        let (size, block_bytes) = (directory.size(), self.geometry.block_bytes as u64);
        if !size.is_multiple_of(block_bytes) || size / block_bytes > self.geometry.blocks {
            return Err(FsError::Corrupt);
        }
        let count = u32::try_from(size / block_bytes).map_err(|_| FsError::Corrupt)?;
        let mut blocks = Vec::new();
        for run in self.runs(directory, 0, count)? {
            let Run::Data { physical, blocks: length } = run else { return Err(FsError::Corrupt) };
            blocks.extend(physical..physical + u64::from(length));
        }
        Ok(blocks)
    }

    /// Looks a name up.
    pub(crate) fn find(&mut self, directory: &Inode, name: &[u8]) -> Result<Option<Found>> {
        if let Some(answer) = self.find_by_index(directory, name)? {
            return Ok(answer);
        }
        let kind = Kind::Directory(directory.owner());
        let blocks = self.directory_blocks(directory)?;
        if self.index_if_due(directory, &blocks)?
            && let Some(answer) = self.find_by_index(directory, name)?
        {
            return Ok(answer);
        }
        for block in blocks {
            let data = self.block(block, kind)?;
            for entry in entry::all(&data) {
                let entry = entry?;
                if entry.inode != 0 && entry.name == name {
                    return Ok(Some(Found { block, at: entry.at, inode: entry.inode, kind: entry.kind }));
                }
            }
        }
        Ok(None)
    }

    /// Looks a name up that must be there.
    ///
    /// # Errors
    /// `NotFound`.
    pub(crate) fn find_existing(&mut self, directory: &Inode, name: &[u8]) -> Result<Found> {
        self.find(directory, name)?.ok_or(FsError::NotFound)
    }

    /// Whether a directory has no entries but `.` and `..`.
    pub(crate) fn is_empty(&mut self, directory: &Inode) -> Result<bool> {
        let kind = Kind::Directory(directory.owner());
        for block in self.directory_blocks(directory)? {
            let data = self.block(block, kind)?;
            for entry in entry::all(&data) {
                let entry = entry?;
                if entry.inode != 0 && !is_dot(entry.name) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Entries from `cookie` on: the offset in the directory of the first entry that may be listed.
    pub(crate) fn listing(&mut self, directory: &Inode, cookie: u64) -> Result<Vec<u8>> {
        let kind = Kind::Directory(directory.owner());
        let block_bytes = self.geometry.block_bytes as u64;
        let blocks = self.directory_blocks(directory)?;
        let first = usize::try_from(cookie / block_bytes).unwrap_or(usize::MAX);
        let mut out = Vec::new();
        for (index, block) in blocks.iter().enumerate().skip(first) {
            let data = self.block(*block, kind)?;
            let start = index as u64 * block_bytes;
            for entry in entry::all(&data) {
                let entry = entry?;
                if start + (entry.at as u64) < cookie || entry.inode == 0 || is_dot(entry.name) {
                    continue;
                }
                if out.len() + LISTED_HEADER + entry.name.len() > LISTING_BYTES {
                    return Ok(out);
                }
                out.extend(u64::from(entry.inode).to_le_bytes());
                // The entry's own end: one that is made behind it later, in its room, is then still to come.
                out.extend((start + (entry.at + entry.needs()) as u64).to_le_bytes());
                out.extend([self.type_of(&entry), entry.name.len() as u8]);
                out.extend(entry.name);
            }
        }
        Ok(out)
    }

    /// `d_type` of an entry; without the feature for that entries do not tell it.
    fn type_of(&mut self, entry: &Entry<'_>) -> u8 {
        let kind = match entry.kind {
            0 => self.inode(u64::from(entry.inode)).map_or(0, |inode| entry::kind_of(inode.mode())),
            kind => kind,
        };
        entry::d_type(kind)
    }
}

fn is_dot(name: &[u8]) -> bool {
    name == b"." || name == b".."
}
