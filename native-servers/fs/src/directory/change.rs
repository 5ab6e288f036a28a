//! Adding, removing and redirecting entries.

use alloc::vec::Vec;

use interfaces::FsError;

use super::entry::{self, Entry, TAIL};
use super::search::Found;
use crate::Result;
use crate::buffers::Kind;
use crate::extents::{Content, Extent};
use crate::inode::{Inode, flag};
use crate::volume::Volume;

impl Volume {
    /// Adds an entry, which must not be there. The directory's record is to be put back by the caller.
    ///
    /// # Errors
    /// `NoSpace`; `Corrupt`.
    pub(crate) fn add_entry(&mut self, directory: &mut Inode, name: &[u8], target: (u32, u8)) -> Result<()> {
        if directory.has_flag(flag::INDEX) {
            self.remove_index(directory)?;
        }
        let (owner, needed) = (directory.owner(), entry::needs(name.len()));
        let kind = Kind::Directory(owner);
        let blocks = match self.names.candidates(owner, needed) {
            Some(blocks) => blocks,
            None => self.directory_blocks(directory)?,
        };
        for block in blocks {
            let data = self.block(block, kind)?;
            let room = room(&data, needed)?;
            drop(data);
            if let Some((at, used, length)) = room {
                let part = self.change_part(block, kind, at..at + used + needed)?;
                if used > 0 {
                    entry::set_length(part, 0, used);
                }
                entry::write(part, used, length - used, target, name);
                self.names.added(owner, name, (block, at + used));
                return Ok(());
            }
            self.names.is_full(owner, block, needed);
        }
        let block = self.extend_directory(directory)?;
        let mut data = self.empty_directory_block();
        let length = self.entries_bytes();
        entry::write(&mut data, 0, length, target, name);
        self.buffers.create(block, data, kind);
        self.names.extended(owner, block);
        self.names.added(owner, name, (block, 0));
        Ok(())
    }

    /// Bytes of a directory block that entries may use.
    pub(super) const fn entries_bytes(&self) -> usize {
        self.geometry.block_bytes - if self.geometry.has_block_sums() { TAIL } else { 0 }
    }

    /// A directory block without entries.
    pub(super) fn empty_directory_block(&self) -> Vec<u8> {
        let mut data = alloc::vec![0; self.geometry.block_bytes];
        entry::set_length(&mut data, 0, self.entries_bytes());
        if self.geometry.has_block_sums() {
            entry::write_tail(&mut data);
        }
        data
    }

    /// Adds a block to a directory, which the caller fills.
    fn extend_directory(&mut self, directory: &mut Inode) -> Result<u64> {
        self.use_extents(directory)?;
        let block_bytes = self.geometry.block_bytes as u64;
        let logical = u32::try_from(directory.size() / block_bytes).map_err(|_| FsError::TooLarge)?;
        let before = logical.checked_sub(1).map(|last| self.physical(directory, last)).transpose()?.flatten();
        let goal = before.map_or_else(|| self.geometry.group_start(self.group_of(directory.number)), |block| block + 1);
        let physical = self.allocate_metadata(goal)?;
        self.insert_extent(directory, &Extent { logical, physical, blocks: 1, content: Content::Written })?;
        self.count_sectors(directory, 1)?;
        directory.set_size(directory.size() + block_bytes);
        Ok(physical)
    }

    /// Gives a new directory its first block.
    pub(crate) fn make_directory_block(&mut self, directory: &mut Inode, parent: u32) -> Result<()> {
        let block = self.extend_directory(directory)?;
        let mut data = self.empty_directory_block();
        let length = self.entries_bytes();
        let kind = entry::kind_of(directory.mode());
        entry::write(&mut data, 0, 12, (directory.number, kind), b".");
        entry::write(&mut data, 12, length - 12, (parent, kind), b"..");
        self.buffers.create(block, data, Kind::Directory(directory.owner()));
        Ok(())
    }

    /// Takes an entry away.
    pub(crate) fn remove_entry_of(&mut self, directory: &Inode, found: &Found) -> Result<()> {
        let kind = Kind::Directory(directory.owner());
        let data = self.block(found.block, kind)?;
        let (before, entry) = with_before(&data, found.at)?;
        self.names.removed(directory.owner(), entry.name, (found.block, found.at));
        let longer = before.map(|before| (before.at, before.length + entry.length));
        drop(data);
        let at = longer.map_or(found.at, |(at, _)| at);
        let header = self.change_part(found.block, kind, at..at + entry::HEADER)?;
        match longer {
            Some((_, length)) => entry::set_length(header, 0, length),
            None => entry::set_target(header, 0, (0, 0)),
        }
        Ok(())
    }

    /// Makes an entry name something else.
    pub(crate) fn redirect(&mut self, directory: &Inode, found: &Found, target: (u32, u8)) -> Result<()> {
        let header = found.at..found.at + entry::HEADER;
        let part = self.change_part(found.block, Kind::Directory(directory.owner()), header)?;
        entry::set_target(part, 0, target);
        Ok(())
    }

    /// The directory that a directory is in.
    ///
    /// # Errors
    /// `Corrupt`: it does not say.
    pub(crate) fn parent_of(&mut self, directory: &Inode) -> Result<u32> {
        Ok(self.find(directory, b"..")?.ok_or(FsError::Corrupt)?.inode)
    }
}

/// The entry at byte `at` of a block, and the one before it, if it is not the first.
fn with_before(block: &[u8], at: usize) -> Result<(Option<Entry<'_>>, Entry<'_>)> {
    let mut before = None;
    for entry in entry::all(block) {
        let entry = entry?;
        if entry.at == at {
            return Ok((before, entry));
        }
        before = Some(entry);
    }
    Err(FsError::Corrupt)
}

/// The first entry of a block with room for `needed` bytes behind it: where it starts, what it uses, its length.
fn room(block: &[u8], needed: usize) -> Result<Option<(usize, usize, usize)>> {
    for entry in entry::all(block) {
        let entry = entry?;
        // The pretended entry of the sum has length 12 and no name: it must not be taken for room.
        let is_tail = entry.at + TAIL == block.len() && entry::has_tail(block);
        if !is_tail && entry.length - entry.needs() >= needed {
            return Ok(Some((entry.at, entry.needs(), entry.length)));
        }
    }
    Ok(None)
}
