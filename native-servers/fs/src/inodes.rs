//! The inode tables: reading, writing, allocation and release of inodes.

use interfaces::FsError;

use crate::Result;
use crate::bitmap::{self, Either};
use crate::buffers::{Kind, Place};
use crate::bytes::{high16, le16, low16, put_le16};
use crate::checksum::crc32c;
use crate::geometry::field;
use crate::groups::{BLOCK_UNINIT, Count};
use crate::inode::Inode;
use crate::volume::Volume;

/// The root directory.
pub(crate) const ROOT: u32 = 2;
const LOW_SUM: usize = 0x7c;

/// What an inode is allocated for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Directory,
    Other,
}

impl Volume {
    /// An inode that clients may name: not one of the file system's own.
    ///
    /// # Errors
    /// `NotFound`: it is not in use. `Corrupt`, `Disk`.
    pub(crate) fn inode(&mut self, number: u64) -> Result<Inode> {
        let number = u32::try_from(number).map_err(|_| FsError::NotFound)?;
        if number != ROOT && (number < self.geometry.first_inode || number > self.geometry.inodes) {
            return Err(FsError::NotFound);
        }
        let (group, bit) = self.inode_place(number)?;
        if self.is_inode_used(group, bit)? { self.read_inode(number) } else { Err(FsError::NotFound) }
    }

    /// Any inode's record.
    ///
    /// # Errors
    /// `Corrupt`, `Disk`.
    pub(crate) fn read_inode(&mut self, number: u32) -> Result<Inode> {
        let place = self.record_place(number)?;
        let bytes = self.geometry.inode_bytes;
        let buffer = self.buffer(place.block, place.kind)?;
        let raw = buffer.data.get(place.at..place.at + bytes).ok_or(FsError::Corrupt)?.to_vec();
        let is_known = buffer.is_record_known(place.index);
        let inode = Inode { number, raw };
        if is_known {
            return Ok(inode);
        }
        if self.geometry.has_block_sums() {
            let sum = self.inode_sum(&inode);
            let high = inode.high_sum().map(|at| le16(&inode.raw, at) == high16(sum));
            if le16(&inode.raw, LOW_SUM) != low16(sum) || high == Some(false) {
                return Err(FsError::Corrupt);
            }
        }
        self.buffer(place.block, place.kind)?.set_record_known(place.index);
        Ok(inode)
    }

    /// Puts a record back. Its sum is made when the transaction is sealed.
    pub(crate) fn put_inode(&mut self, inode: &mut Inode) -> Result<()> {
        let place = self.record_place(inode.number)?;
        self.put_record(&place, &inode.raw)
    }

    /// Makes the sum of the inode at `index` of a block that starts with inode `first`.
    pub(crate) fn make_inode_sum(&mut self, block: u64, first: u32, index: usize) -> Result<()> {
        if !self.geometry.has_block_sums() {
            return Ok(());
        }
        let (at, bytes) = (index * self.geometry.inode_bytes, self.geometry.inode_bytes);
        let data = self.block(block, Kind::Inodes(first))?;
        let raw = data.get(at..at + bytes).ok_or(FsError::Corrupt)?.to_vec();
        drop(data);
        let inode = Inode { number: first + index as u32, raw };
        let (sum, high) = (self.inode_sum(&inode), inode.high_sum());
        let data = self.change_part(block, Kind::Inodes(first), at..at + bytes)?;
        put_le16(data, LOW_SUM, low16(sum));
        if let Some(high) = high {
            put_le16(data, high, high16(sum));
        }
        Ok(())
    }

    fn inode_sum(&self, inode: &Inode) -> u32 {
        let part = |from: usize, to: usize| inode.raw.get(from..to).unwrap_or_default();
        let seed = self.owner_seed(inode.owner());
        let sum = crc32c(crc32c(crc32c(seed, part(0, LOW_SUM)), &[0; 2]), part(LOW_SUM + 2, 128));
        let end = inode.raw.len();
        match inode.high_sum() {
            Some(at) => crc32c(crc32c(crc32c(sum, part(128, at)), &[0; 2]), part(at + 2, end)),
            None => crc32c(sum, part(128, end)),
        }
    }

    fn inode_place(&self, number: u32) -> Result<(u32, u32)> {
        let index = number.checked_sub(1).filter(|_| number <= self.geometry.inodes).ok_or(FsError::Corrupt)?;
        Ok((index / self.geometry.inodes_per_group, index % self.geometry.inodes_per_group))
    }

    fn record_place(&mut self, number: u32) -> Result<Place> {
        let (group, index) = self.inode_place(number)?;
        let table = self.descriptor(group)?.inode_table();
        let per_block = (self.geometry.block_bytes / self.geometry.inode_bytes) as u32;
        let block = table.checked_add(u64::from(index / per_block)).ok_or(FsError::Corrupt)?;
        let in_block = index % per_block;
        let at = in_block as usize * self.geometry.inode_bytes;
        Ok(Place { block, kind: Kind::Inodes(number - in_block), index: in_block as usize, at })
    }

    /// Blocks of inodes in a group's table from the one that starts with inode `first` on, and inodes in each.
    pub(crate) fn inode_blocks_from(&self, first: u32) -> (u64, u32) {
        let in_block = (self.geometry.block_bytes / self.geometry.inode_bytes) as u32;
        let index = first.saturating_sub(1) % self.geometry.inodes_per_group;
        (self.inode_table_blocks().saturating_sub(u64::from(index / in_block)), in_block)
    }

    /// Group of an inode.
    pub(crate) fn group_of(&self, inode: u32) -> u32 {
        inode.saturating_sub(1) / self.geometry.inodes_per_group
    }

    /// Takes the free inode `number`, because a change is repeated.
    ///
    /// # Errors
    /// `Invalid`: there is no such inode, or it is in use.
    pub(crate) fn take_inode(&mut self, number: u64, purpose: Purpose) -> Result<u32> {
        let number = u32::try_from(number).map_err(|_| FsError::Invalid)?;
        if number < self.geometry.first_inode || number > self.geometry.inodes {
            return Err(FsError::Invalid);
        }
        let (group, bit) = self.inode_place(number)?;
        let (_, used) = self.inode_bitmap(group)?;
        if bitmap::is_set(&used, bit) {
            return Err(FsError::Invalid);
        }
        self.mark_inode(group, bit, purpose)?;
        Ok(number)
    }

    /// Takes a free inode, in `parent`'s group if possible.
    ///
    /// # Errors
    /// `NoSpace`.
    pub(crate) fn allocate_inode(&mut self, parent: u32, purpose: Purpose) -> Result<u32> {
        let home = self.group_of(parent);
        for step in 0..self.geometry.groups {
            let group = ((u64::from(home) + u64::from(step)) % u64::from(self.geometry.groups)) as u32;
            if self.descriptor(group)?.count(Count::FreeInodes) == 0 {
                continue;
            }
            let (_, used) = self.inode_bitmap(group)?;
            let reserved = if group == 0 { self.geometry.first_inode - 1 } else { 0 };
            let bits = self.geometry.inodes_per_group;
            let either = Either { first: &used, second: &[], bits };
            let hint = self.inode_hints.get(&group).map_or(reserved, |hint| reserved.max(*hint));
            // A hint may be too high where an operation was taken back.
            if let Some(bit) = either.next_clear(hint).or_else(|| either.next_clear(reserved)) {
                drop(used);
                self.inode_hints.insert(group, bit + 1);
                self.mark_inode(group, bit, purpose)?;
                return Ok(group * bits + bit + 1);
            }
        }
        Err(FsError::NoSpace)
    }

    fn mark_inode(&mut self, group: u32, bit: u32, purpose: Purpose) -> Result<()> {
        let (block, _) = self.inode_bitmap(group)?;
        self.change_bits((block, Kind::InodeBitmap(group)), bit..bit + 1, bitmap::set)?;
        if self.descriptor(group)?.has_flag(BLOCK_UNINIT) {
            // A group with inodes has both bitmaps.
            self.block_bitmap(group)?;
        }
        let mut descriptor = self.descriptor(group)?;
        let untouched = self.geometry.inodes_per_group - bit - 1;
        let unused = descriptor.count(Count::UnusedInodes).min(untouched);
        descriptor.set_count(Count::UnusedInodes, unused);
        let free = descriptor.count(Count::FreeInodes).checked_sub(1).ok_or(FsError::Corrupt)?;
        descriptor.set_count(Count::FreeInodes, free);
        if purpose == Purpose::Directory {
            let directories = descriptor.count(Count::Directories).saturating_add(1);
            descriptor.set_count(Count::Directories, directories);
        }
        self.put_descriptor(group, descriptor)?;
        self.count_inodes(-1)
    }

    /// Gives an inode back, whose blocks are free already.
    pub(crate) fn free_inode(&mut self, inode: &Inode) -> Result<()> {
        let (group, bit) = self.inode_place(inode.number)?;
        let (block, used) = self.inode_bitmap(group)?;
        if !bitmap::is_set(&used, bit) || inode.number < self.geometry.first_inode {
            return Err(FsError::Corrupt);
        }
        drop(used);
        self.change_bits((block, Kind::InodeBitmap(group)), bit..bit + 1, bitmap::clear)?;
        let mut descriptor = self.descriptor(group)?;
        let free = descriptor.count(Count::FreeInodes).saturating_add(1);
        descriptor.set_count(Count::FreeInodes, free);
        if inode.is_directory() {
            let directories = descriptor.count(Count::Directories).saturating_sub(1);
            descriptor.set_count(Count::Directories, directories);
        }
        self.put_descriptor(group, descriptor)?;
        self.names.forget(inode.number);
        let hint = self.inode_hints.entry(group).or_insert(bit);
        *hint = bit.min(*hint);
        self.count_inodes(1)
    }

    fn count_inodes(&mut self, change: i32) -> Result<()> {
        let free = self.superblock_field(field::FREE_INODES)?.checked_add_signed(change).ok_or(FsError::Corrupt)?;
        self.set_superblock_field(field::FREE_INODES, free)
    }
}
