//! Group descriptors, and the bitmaps that they lead to.
//!
//! Bitmaps of groups that were never used are not on the disk (`BLOCK_UNINIT`, `INODE_UNINIT`): they are made when needed.

use alloc::sync::Arc;
use alloc::vec::Vec;

use interfaces::FsError;

use crate::Result;
use crate::bitmap;
use crate::buffers::{Kind, Place};
use crate::bytes::{high16, join, le16, le32, low16, put, put_le16};
use crate::checksum::{crc16, crc32c};
use crate::geometry::{Checksums, Geometry, field};
use crate::volume::Volume;

/// Flags of a descriptor.
pub(crate) const INODE_UNINIT: u16 = 1;
pub(crate) const BLOCK_UNINIT: u16 = 2;
const FLAGS: usize = 0x12;
const SUM: usize = 0x1e;

/// Numbers of a descriptor that are stored in two halves of 16 bits.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Count {
    FreeBlocks,
    FreeInodes,
    Directories,
    UnusedInodes,
    BlockBitmapSum,
    InodeBitmapSum,
}

impl Count {
    const fn offsets(self) -> (usize, usize) {
        match self {
            Self::FreeBlocks => (0x0c, 0x2c),
            Self::FreeInodes => (0x0e, 0x2e),
            Self::Directories => (0x10, 0x30),
            Self::UnusedInodes => (0x1c, 0x32),
            Self::BlockBitmapSum => (0x18, 0x38),
            Self::InodeBitmapSum => (0x1a, 0x3a),
        }
    }
}

/// Bytes of a descriptor with 64-bit numbers; longer ones have nothing in the rest that is known here.
const WIDE_BYTES: usize = 64;

/// A group's descriptor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Descriptor {
    bytes: [u8; WIDE_BYTES],
    /// How many of them it has.
    length: usize,
}

impl Descriptor {
    fn new(record: &[u8]) -> Self {
        let length = record.len().min(WIDE_BYTES);
        let mut bytes = [0; WIDE_BYTES];
        put(&mut bytes, 0, record.get(..length).unwrap_or_default());
        Self { bytes, length }
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    pub(crate) fn block_bitmap(&self) -> u64 {
        self.pointer(0, 0x20)
    }

    pub(crate) fn inode_bitmap(&self) -> u64 {
        self.pointer(4, 0x24)
    }

    pub(crate) fn inode_table(&self) -> u64 {
        self.pointer(8, 0x28)
    }

    pub(crate) fn has_flag(&self, flag: u16) -> bool {
        le16(&self.bytes, FLAGS) & flag != 0
    }

    pub(crate) fn clear_flag(&mut self, flag: u16) {
        let flags = le16(&self.bytes, FLAGS) & !flag;
        put_le16(&mut self.bytes, FLAGS, flags);
    }

    pub(crate) fn count(&self, count: Count) -> u32 {
        let (low, high) = count.offsets();
        let high = if self.is_wide() { le16(&self.bytes, high) } else { 0 };
        u32::from(le16(&self.bytes, low)) | u32::from(high) << 16
    }

    pub(crate) fn set_count(&mut self, count: Count, value: u32) {
        let (low, high) = count.offsets();
        put_le16(&mut self.bytes, low, low16(value));
        if self.is_wide() {
            put_le16(&mut self.bytes, high, high16(value));
        }
    }

    const fn is_wide(&self) -> bool {
        self.length >= WIDE_BYTES
    }

    fn pointer(&self, low: usize, high: usize) -> u64 {
        join(le32(&self.bytes, low), if self.is_wide() { le32(&self.bytes, high) } else { 0 })
    }
}

/// The sum that belongs into a descriptor.
fn sum_of(record: &[u8], geometry: &Geometry, group: u32) -> u16 {
    let (before, after) = (record.get(..SUM).unwrap_or_default(), record.get(SUM + 2..).unwrap_or_default());
    let group = group.to_le_bytes();
    match geometry.checksums {
        Checksums::None => le16(record, SUM),
        Checksums::Groups => {
            [&group, before, after].iter().fold(crc16(!0, &geometry.uuid), |sum, part| crc16(sum, part))
        }
        Checksums::All => {
            [&group, before, &[0; 2], after].iter().fold(geometry.seed, |sum, part| crc32c(sum, part)) as u16
        }
    }
}

impl Volume {
    /// A group's descriptor.
    pub(crate) fn descriptor(&mut self, group: u32) -> Result<Descriptor> {
        let place = self.descriptor_place(group)?;
        self.load(place.block, place.kind)?;
        let buffer = self.buffers.get(place.block).ok_or(FsError::Corrupt)?;
        let record = buffer.data.get(place.at..place.at + self.geometry.descriptor_bytes).ok_or(FsError::Corrupt)?;
        let descriptor = Descriptor::new(record);
        if !buffer.is_record_known(place.index) {
            if le16(record, SUM) != sum_of(record, &self.geometry, group) {
                return Err(FsError::Corrupt);
            }
            buffer.set_record_known(place.index);
        }
        Ok(descriptor)
    }

    /// Puts a changed descriptor back. Its sum is made when the transaction is sealed.
    pub(crate) fn put_descriptor(&mut self, group: u32, descriptor: Descriptor) -> Result<()> {
        let place = self.descriptor_place(group)?;
        self.put_record(&place, descriptor.bytes())
    }

    /// Makes the sum of the descriptor at `index` of a block that starts with group `first`.
    pub(crate) fn make_descriptor_sum(&mut self, block: u64, first: u32, index: usize) -> Result<()> {
        let (at, bytes) = (index * self.geometry.descriptor_bytes, self.geometry.descriptor_bytes);
        let data = self.block(block, Kind::Descriptors(first))?;
        let sum = sum_of(data.get(at..at + bytes).ok_or(FsError::Corrupt)?, &self.geometry, first + index as u32);
        drop(data);
        put_le16(self.change_part(block, Kind::Descriptors(first), at + SUM..at + SUM + 2)?, 0, sum);
        Ok(())
    }

    /// Makes the superblock's numbers of free blocks and inodes the sums of the groups': Linux brings them up to date only
    /// when it unmounts, so that after a power cut they are old.
    pub(crate) fn correct_counts(&mut self) -> Result<()> {
        let (mut blocks, mut inodes) = (0, 0);
        for group in 0..self.geometry.groups {
            let descriptor = self.descriptor(group)?;
            blocks += u64::from(descriptor.count(Count::FreeBlocks));
            inodes += u64::from(descriptor.count(Count::FreeInodes));
        }
        let inodes = u32::try_from(inodes).map_err(|_| FsError::Corrupt)?;
        if blocks != self.free_blocks()? {
            self.set_free_blocks(blocks)?;
        }
        if inodes != self.superblock_field(field::FREE_INODES)? {
            self.set_superblock_field(field::FREE_INODES, inodes)?;
        }
        Ok(())
    }

    fn descriptor_place(&self, group: u32) -> Result<Place> {
        if group >= self.geometry.groups {
            return Err(FsError::Corrupt);
        }
        let bytes = self.geometry.descriptor_bytes;
        let per_block = (self.geometry.block_bytes / bytes) as u32;
        let block = self.geometry.superblock().0 + 1 + u64::from(group / per_block);
        let index = (group % per_block) as usize;
        Ok(Place { block, kind: Kind::Descriptors(group - index as u32), index, at: index * bytes })
    }

    /// A group's blocks in use. Makes the bitmap if it was never used.
    pub(crate) fn block_bitmap(&mut self, group: u32) -> Result<(u64, Arc<Vec<u8>>)> {
        let mut descriptor = self.descriptor(group)?;
        let (block, kind) = (descriptor.block_bitmap(), Kind::BlockBitmap(group));
        self.check_metadata_block(block)?;
        if descriptor.has_flag(BLOCK_UNINIT) {
            let data = self.initial_block_bitmap(group)?;
            descriptor.clear_flag(BLOCK_UNINIT);
            self.put_descriptor(group, descriptor)?;
            self.buffers.create(block, data, kind);
        }
        Ok((block, self.block(block, kind)?))
    }

    /// A group's inodes in use. Makes the bitmap if it was never used.
    pub(crate) fn inode_bitmap(&mut self, group: u32) -> Result<(u64, Arc<Vec<u8>>)> {
        let mut descriptor = self.descriptor(group)?;
        let (block, kind) = (descriptor.inode_bitmap(), Kind::InodeBitmap(group));
        self.check_metadata_block(block)?;
        if descriptor.has_flag(INODE_UNINIT) {
            let mut data = alloc::vec![0; self.geometry.block_bytes];
            pad(&mut data, self.geometry.inodes_per_group);
            descriptor.clear_flag(INODE_UNINIT);
            descriptor.set_count(Count::UnusedInodes, self.geometry.inodes_per_group);
            self.put_descriptor(group, descriptor)?;
            self.buffers.create(block, data, kind);
        }
        Ok((block, self.block(block, kind)?))
    }

    /// Whether an inode is in use, where the group is as it is.
    pub(crate) fn is_inode_used(&mut self, group: u32, bit: u32) -> Result<bool> {
        let descriptor = self.descriptor(group)?;
        if descriptor.has_flag(INODE_UNINIT) {
            return Ok(false);
        }
        let block = descriptor.inode_bitmap();
        self.check_metadata_block(block)?;
        Ok(bitmap::is_set(&self.buffer(block, Kind::InodeBitmap(group))?.data, bit))
    }

    fn check_metadata_block(&self, block: u64) -> Result<()> {
        let (superblock, _) = self.geometry.superblock();
        let first_free = superblock + 1 + self.geometry.descriptor_blocks();
        if block >= first_free && block < self.geometry.blocks { Ok(()) } else { Err(FsError::Corrupt) }
    }

    /// What is in use in a group that was never used: copies of the superblock and the descriptors, and what lies there of
    /// the bitmaps and tables of the groups whose metadata may lie together with its own.
    fn initial_block_bitmap(&mut self, group: u32) -> Result<Vec<u8>> {
        let mut data = alloc::vec![0; self.geometry.block_bytes];
        let (start, blocks) = (self.geometry.group_start(group), self.geometry.group_blocks(group));
        let mut mark = |from: u64, count: u64| {
            let end = (from + count).min(start + u64::from(blocks));
            (from.max(start)..end).for_each(|block| bitmap::set(&mut data, (block - start) as u32));
        };
        mark(start, self.geometry.base_blocks(group));
        let first = group / self.geometry.flex_groups * self.geometry.flex_groups;
        let table_blocks = self.inode_table_blocks();
        for other in first..first.saturating_add(self.geometry.flex_groups).min(self.geometry.groups) {
            let descriptor = self.descriptor(other)?;
            self.check_metadata_block(descriptor.inode_table())?;
            mark(descriptor.block_bitmap(), 1);
            mark(descriptor.inode_bitmap(), 1);
            mark(descriptor.inode_table(), table_blocks);
        }
        pad(&mut data, blocks);
        Ok(data)
    }

    /// Blocks of a group's inode table.
    pub(crate) fn inode_table_blocks(&self) -> u64 {
        let bytes = u64::from(self.geometry.inodes_per_group) * self.geometry.inode_bytes as u64;
        bytes.div_ceil(self.geometry.block_bytes as u64)
    }

    pub(crate) fn is_bitmap_sum_right(&mut self, group: u32, data: &[u8], kind: Kind) -> Result<bool> {
        if !self.geometry.has_block_sums() {
            return Ok(true);
        }
        let descriptor = self.descriptor(group)?;
        let (count, sum) = self.bitmap_sum(data, kind);
        let mask = if descriptor.is_wide() { u32::MAX } else { 0xffff };
        Ok(descriptor.count(count) == sum & mask)
    }

    pub(crate) fn make_bitmap_sum(&mut self, group: u32, data: &[u8], kind: Kind) -> Result<()> {
        let (count, sum) = self.bitmap_sum(data, kind);
        let mut descriptor = self.descriptor(group)?;
        descriptor.set_count(count, sum);
        self.put_descriptor(group, descriptor)
    }

    fn bitmap_sum(&self, data: &[u8], kind: Kind) -> (Count, u32) {
        let (count, bits) = match kind {
            Kind::InodeBitmap(_) => (Count::InodeBitmapSum, self.geometry.inodes_per_group),
            _ => (Count::BlockBitmapSum, self.geometry.blocks_per_group),
        };
        (count, crc32c(self.geometry.seed, data.get(..bits as usize / 8).unwrap_or(data)))
    }
}

/// Sets the bits from `bits` on: they stand for nothing.
fn pad(data: &mut [u8], bits: u32) {
    (bits..data.len() as u32 * 8).for_each(|bit| bitmap::set(data, bit));
}
