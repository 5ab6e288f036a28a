//! Inodes without names, and files that are being cut off: a list on the disk, from the superblock from inode to inode.
//!
//! What is on it after a crash is finished at the next start: an inode with names is cut off at its size (a cut takes more
//! than one transaction where it frees much); one without names is freed, unless the client still has it open.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use interfaces::FsError;
use interfaces::file_system::Orphans;

use crate::Result;
use crate::blocks::Content;
use crate::buffers::Kind;
use crate::bytes::{le32, put_le32};
use crate::checksum::crc32c;
use crate::geometry::{Checksums, field};
use crate::inode::Inode;
use crate::volume::Volume;

/// First bytes of a block with extended attributes.
const ATTRIBUTES_MAGIC: u32 = 0xea02_0000;
/// Where it has the number of inodes that share it, and its sum.
const ATTRIBUTES_SHARERS: usize = 4;
const ATTRIBUTES_SUM: usize = 16;

/// What is known of the list: of each inode on it the one before, 0 for the superblock.
#[derive(Debug, Default)]
pub(crate) struct Chain {
    before: BTreeMap<u32, u32>,
    /// It was read from the disk.
    is_known: bool,
    /// What the running operation has changed: the inode, and what was known of it.
    undo: Vec<(u32, Option<u32>)>,
}

impl Chain {
    pub(crate) fn keep(&mut self) {
        self.undo.clear();
    }

    pub(crate) fn undo(&mut self) {
        while let Some((inode, before)) = self.undo.pop() {
            match before {
                Some(before) => self.before.insert(inode, before),
                None => self.before.remove(&inode),
            };
        }
    }

    fn set(&mut self, inode: u32, before: u32) {
        let old = self.before.insert(inode, before);
        self.undo.push((inode, old));
    }

    fn remove(&mut self, inode: u32) -> Option<u32> {
        let before = self.before.remove(&inode)?;
        self.undo.push((inode, Some(before)));
        Some(before)
    }
}

impl Volume {
    /// Puts an inode on the list. Its record is to be put back by the caller.
    pub(crate) fn add_orphan(&mut self, inode: &mut Inode) -> Result<()> {
        self.know_orphans()?;
        let first = self.superblock_field(field::LAST_ORPHAN)?;
        inode.set_next_orphan(first);
        if first != 0 {
            self.orphans.set(first, inode.number);
        }
        self.orphans.set(inode.number, 0);
        self.set_superblock_field(field::LAST_ORPHAN, inode.number)
    }

    /// Takes an inode from the list. Its record is to be put back by the caller.
    ///
    /// # Errors
    /// `Corrupt`: it is not there.
    pub(crate) fn remove_orphan(&mut self, inode: &mut Inode) -> Result<()> {
        self.know_orphans()?;
        let next = inode.next_orphan();
        inode.set_next_orphan(0);
        let before = self.orphans.remove(inode.number).ok_or(FsError::Corrupt)?;
        if next != 0 {
            self.orphans.set(next, before);
        }
        if before == 0 {
            return self.set_superblock_field(field::LAST_ORPHAN, next);
        }
        let mut before = self.orphan(before)?;
        if before.next_orphan() != inode.number {
            return Err(FsError::Corrupt);
        }
        before.set_next_orphan(next);
        self.put_inode(&mut before)
    }

    /// Whether an inode is on the list.
    pub(crate) fn is_orphan(&mut self, number: u32) -> Result<bool> {
        self.know_orphans()?;
        Ok(self.orphans.before.contains_key(&number))
    }

    /// Reads the list, once.
    ///
    /// # Errors
    /// `Corrupt`: it has no end, or leads to what cannot be on it.
    fn know_orphans(&mut self) -> Result<()> {
        if self.orphans.is_known {
            return Ok(());
        }
        let mut list = BTreeMap::new();
        let (mut before, mut at) = (0, self.superblock_field(field::LAST_ORPHAN)?);
        while at != 0 {
            if list.insert(at, before).is_some() {
                return Err(FsError::Corrupt);
            }
            (before, at) = (at, self.orphan(at)?.next_orphan());
        }
        self.orphans = Chain { before: list, is_known: true, undo: Vec::new() };
        Ok(())
    }

    fn orphan(&mut self, number: u32) -> Result<Inode> {
        if number < self.geometry.first_inode {
            return Err(FsError::Corrupt);
        }
        self.read_inode(number)
    }

    /// Finishes what was begun before a crash, and frees inodes without names if that is asked for.
    pub(crate) fn process_orphans(&mut self, orphans: Orphans) -> Result<()> {
        let mut at = self.superblock_field(field::LAST_ORPHAN)?;
        for _ in 0..self.geometry.inodes {
            if at == 0 {
                return self.commit().map(drop);
            }
            let inode = self.orphan(at)?;
            at = inode.next_orphan();
            if inode.links() > 0 {
                self.finish_cut(inode.number)?;
            } else if orphans == Orphans::Free {
                self.release(inode.number)?;
            }
            self.commit_if_large()?;
        }
        Err(FsError::Corrupt)
    }

    /// Frees an inode without names and all of its blocks, in as many transactions as that takes.
    pub(crate) fn release(&mut self, number: u32) -> Result<()> {
        while !self.operation(|volume| volume.cut_step(number, 0))? {
            self.commit_if_large()?;
        }
        self.operation(|volume| {
            let mut inode = volume.read_inode(number)?;
            if inode.links() > 0 {
                return Err(FsError::Corrupt);
            }
            volume.remove_orphan(&mut inode)?;
            volume.free_attributes(&mut inode)?;
            volume.free_inode(&inode)?;
            inode.set_size(0);
            inode.set_mode(0);
            // What tells a freed inode from one that was never used.
            inode.set_next_orphan(inode.time_of_change().max(1));
            volume.put_inode(&mut inode)
        })
    }

    /// Frees the block of extended attributes, or leaves it to the inodes that share it.
    fn free_attributes(&mut self, inode: &mut Inode) -> Result<()> {
        let block = inode.attribute_block();
        if block == 0 {
            return Ok(());
        }
        let data = self.block(block, Kind::Plain)?;
        if le32(&data, 0) != ATTRIBUTES_MAGIC {
            return Err(FsError::Corrupt);
        }
        let sharers = le32(&data, ATTRIBUTES_SHARERS);
        drop(data);
        inode.set_attribute_block(0);
        self.count_sectors(inode, -1)?;
        if sharers <= 1 {
            return self.free(block, 1, Content::Metadata);
        }
        let seed =
            (self.geometry.checksums == Checksums::All).then(|| crc32c(self.geometry.seed, &block.to_le_bytes()));
        let data = self.change_block(block, Kind::Plain)?;
        put_le32(data, ATTRIBUTES_SHARERS, sharers - 1);
        if let Some(seed) = seed {
            put_le32(data, ATTRIBUTES_SUM, 0);
            let sum = crc32c(seed, data);
            put_le32(data, ATTRIBUTES_SUM, sum);
        }
        Ok(())
    }
}
