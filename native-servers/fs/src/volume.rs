//! A mounted file system: its blocks through buffers, and operations that happen as a whole or not at all.
//!
//! An operation changes buffers, and says which blocks it frees. When it fails everything is as before. What succeeded
//! belongs to the running transaction, which `journal` commits.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use interfaces::FsError;
use rt::sync::RwLock;

use crate::Result;
use crate::blocks::Freed;
use crate::buffers::{Buffer, Buffers, Kind, Owner, Place, State};
use crate::bytes::{join, le32, le64, put_le32, put_le64};
use crate::checksum::crc32c;
use crate::directory::index::Names;
use crate::directory::sums as directory_sums;
use crate::disk::Disk;
use crate::extents::node;
use crate::geometry::{CHANGE_MARK, Geometry, SUPERBLOCK_BYTES, field};
use crate::journal::Journal;
use crate::orphans::Chain;

/// Most clean metadata buffers, in bytes.
const BUFFER_BYTES: usize = 4 << 20;

/// Bytes of inodes that are read at once: who asks for one asks for its neighbours.
const INODES_AHEAD_BYTES: usize = 32 << 10;

/// A mounted file system.
pub(crate) struct Volume {
    pub(crate) disk: Arc<Disk>,
    pub(crate) geometry: Geometry,
    pub(crate) buffers: Buffers,
    /// `None`: it is only read.
    pub(crate) journal: Option<Journal>,
    pub(crate) freed: Freed,
    /// Where to look first for the blocks of new files, by group. Changes that are repeated after a death get the same blocks,
    /// or there might be too few of them: so these are forgotten with each commit, and a change that fails leaves none.
    pub(crate) hints: BTreeMap<u32, u32>,
    /// The same for inodes.
    pub(crate) inode_hints: BTreeMap<u32, u32>,
    /// Where names are.
    pub(crate) names: Names,
    /// What is known of the list of orphans.
    pub(crate) orphans: Chain,
    /// Files that the running transaction has cut off within a block: what lies behind their ends becomes zero once that is
    /// committed.
    pub(crate) cut_within_block: BTreeSet<u32>,
    /// Number of the last change, and of the last that is on the disk.
    pub(crate) last: u64,
    pub(crate) committed: u64,
    /// A commit has failed: what is in the buffers is on no disk, and never will be.
    pub(crate) failed: bool,
    /// A commit may have come between the steps of one change, and nothing was settled since.
    pub(crate) is_half_done: bool,
    /// Another incarnation is about to take over: the journal is emptied after each of so many commits.
    pub(crate) commits_before_end: u32,
    /// Held, for reading, while file contents are moved without the volume's lock; freed blocks are not used anew before
    /// all who might still read them are gone.
    pub(crate) moving: Arc<RwLock<()>>,
}

impl Volume {
    /// A volume on `disk` as its superblock describes it, with nothing read yet.
    pub(crate) fn new(disk: Disk, geometry: Geometry) -> Self {
        let buffers = Buffers::new(BUFFER_BYTES / geometry.block_bytes);
        Self {
            disk: Arc::new(disk),
            geometry,
            buffers,
            journal: None,
            freed: Freed::default(),
            hints: BTreeMap::new(),
            inode_hints: BTreeMap::new(),
            names: Names::default(),
            orphans: Chain::default(),
            cut_within_block: BTreeSet::new(),
            last: 0,
            committed: 0,
            failed: false,
            is_half_done: false,
            commits_before_end: 0,
            moving: Arc::new(RwLock::new(())),
        }
    }

    /// Does `operation` as a whole or not at all. Where only blocks are missing that a commit makes free, it commits and
    /// tries once more.
    pub(crate) fn operation<T>(&mut self, operation: impl Fn(&mut Self) -> Result<T>) -> Result<T> {
        if self.failed {
            return Err(FsError::Disk);
        }
        match self.attempt(&operation) {
            Err(FsError::NoSpace) if self.freed.is_some() => {
                self.commit()?;
                self.attempt(&operation)
            }
            result => result,
        }
    }

    fn attempt<T>(&mut self, operation: impl Fn(&mut Self) -> Result<T>) -> Result<T> {
        let result = operation(self);
        match result {
            Ok(_) => self.keep_changes(),
            Err(_) => {
                self.buffers.undo_changes();
                self.freed.undo();
                self.names.undo();
                self.orphans.undo();
            }
        }
        result
    }

    /// What the running operation did so far is there to stay.
    pub(crate) fn keep_changes(&mut self) {
        self.buffers.keep_changes();
        self.freed.keep();
        self.names.keep();
        self.orphans.keep();
    }

    /// Byte address of a block.
    pub(crate) const fn address(&self, block: u64) -> u64 {
        block * self.geometry.block_bytes as u64
    }

    /// A block's contents.
    ///
    /// # Errors
    /// `Corrupt`: it is not what it should be; `Disk`.
    pub(crate) fn block(&mut self, block: u64, kind: Kind) -> Result<Arc<Vec<u8>>> {
        if let Some(buffer) = self.buffers.get(block)
            && buffer.kind == kind
        {
            return Ok(buffer.data.clone());
        }
        self.buffer(block, kind).map(|buffer| buffer.data.clone())
    }

    /// A block's buffer.
    ///
    /// # Errors
    /// As [`block`](Self::block).
    pub(crate) fn buffer(&mut self, block: u64, kind: Kind) -> Result<&mut Buffer> {
        self.load(block, kind)?;
        self.buffers.get(block).ok_or(FsError::Corrupt)
    }

    /// Sees to it that a block has a buffer, as what it is.
    pub(crate) fn load(&mut self, block: u64, kind: Kind) -> Result<()> {
        let Some(buffer) = self.buffers.get(block) else { return self.read_block(block, kind) };
        if buffer.kind == kind {
            return Ok(());
        }
        // Two things cannot be in one block, but what was a directory may be another file's extents since.
        let (data, is_clean) = (buffer.data.clone(), buffer.state == State::Clean);
        if !is_clean || kind == Kind::Superblock {
            return Err(FsError::Corrupt);
        }
        self.verify(&data, kind)?;
        self.buffers.get(block).into_iter().for_each(|buffer| buffer.set_kind(kind));
        Ok(())
    }

    fn read_block(&mut self, block: u64, kind: Kind) -> Result<()> {
        if block < self.geometry.first_data_block || block >= self.geometry.blocks {
            return Err(FsError::Corrupt);
        }
        if let Kind::Inodes(first) = kind {
            return self.read_inode_blocks(block, first);
        }
        let mut data = alloc::vec![0; self.geometry.block_bytes];
        self.disk.read(self.address(block), &mut data)?;
        self.verify(&data, kind)?;
        self.buffers.insert_clean(block, data, kind);
        Ok(())
    }

    /// Reads a block of inodes, from number `first` on, and some that follow it.
    fn read_inode_blocks(&mut self, block: u64, first: u32) -> Result<()> {
        let bytes = self.geometry.block_bytes;
        let (left, in_block) = self.inode_blocks_from(first);
        let count = left.min((INODES_AHEAD_BYTES / bytes) as u64).min(self.geometry.blocks - block).max(1);
        let mut data = alloc::vec![0; count as usize * bytes];
        self.disk.read(self.address(block), &mut data)?;
        // The one that is wanted comes last: nothing that makes room is to take it.
        for (index, part) in data.chunks_exact(bytes).enumerate().rev() {
            let place = block + index as u64;
            // What is here already may be newer than the disk.
            if index == 0 || self.buffers.get(place).is_none() {
                self.buffers.insert_clean(place, part.to_vec(), Kind::Inodes(first + index as u32 * in_block));
            }
        }
        Ok(())
    }

    /// A block's contents, to be changed.
    pub(crate) fn change_block(&mut self, block: u64, kind: Kind) -> Result<&mut [u8]> {
        self.load(block, kind)?;
        self.buffers.change(block).ok_or(FsError::Corrupt)
    }

    /// A range of a block's contents, to be changed.
    pub(crate) fn change_part(&mut self, block: u64, kind: Kind, range: Range<usize>) -> Result<&mut [u8]> {
        self.load(block, kind)?;
        self.buffers.change_part(block, range).ok_or(FsError::Corrupt)
    }

    /// Changes each of some bits of a block, as `change` does with a bitmap and a bit.
    pub(crate) fn change_bits(
        &mut self,
        (block, kind): (u64, Kind),
        bits: Range<u32>,
        change: fn(&mut [u8], u32),
    ) -> Result<()> {
        let first = bits.start / 8;
        let part = self.change_part(block, kind, first as usize..bits.end.div_ceil(8) as usize)?;
        bits.for_each(|bit| change(part, bit - first * 8));
        Ok(())
    }

    /// Replaces a record. Its sum is made when the transaction is sealed.
    pub(crate) fn put_record(&mut self, place: &Place, bytes: &[u8]) -> Result<()> {
        self.load(place.block, place.kind)?;
        self.buffers.change_record(place, bytes).ok_or(FsError::Corrupt)
    }

    fn verify(&mut self, data: &[u8], kind: Kind) -> Result<()> {
        let has_sums = self.geometry.has_block_sums();
        let is_sound = match kind {
            // Records have sums of their own.
            Kind::Plain | Kind::Superblock | Kind::Inodes(_) | Kind::Descriptors(_) => true,
            Kind::Directory(owner) => !has_sums || directory_sums::is_right(data, self.owner_seed(owner)),
            Kind::Extents(owner) => {
                node::check(data).is_ok() && (!has_sums || node::is_sum_right(data, self.owner_seed(owner)))
            }
            Kind::BlockBitmap(group) | Kind::InodeBitmap(group) => self.is_bitmap_sum_right(group, data, kind)?,
        };
        if is_sound { Ok(()) } else { Err(FsError::Corrupt) }
    }

    /// Makes the sums of all blocks that the running transaction has changed, and puts the last change's number there.
    pub(crate) fn seal(&mut self) -> Result<()> {
        let last = self.last;
        self.change_superblock(|sb| {
            put_le32(sb, field::CHANGE_MARK, CHANGE_MARK);
            put_le64(sb, field::CHANGE, last);
        })?;
        if self.geometry.has_block_sums() {
            for block in self.buffers.running() {
                self.make_block_sum(block)?;
            }
        }
        // Behind the bitmaps' sums, which are in the descriptors.
        for block in self.buffers.running() {
            self.make_record_sums(block)?;
        }
        if !self.geometry.has_block_sums() {
            return Ok(());
        }
        self.change_superblock(|sb| {
            let sum = crc32c(!0, sb.get(..field::CHECKSUM).unwrap_or_default());
            put_le32(sb, field::CHECKSUM, sum);
        })
    }

    fn make_block_sum(&mut self, block: u64) -> Result<()> {
        let Some(buffer) = self.buffers.get(block) else { return Ok(()) };
        match buffer.kind {
            Kind::Plain | Kind::Superblock | Kind::Inodes(_) | Kind::Descriptors(_) => {}
            Kind::Directory(owner) => {
                let seed = self.owner_seed(owner);
                self.buffers.change(block).into_iter().for_each(|data| directory_sums::make(data, seed));
            }
            Kind::Extents(owner) => {
                let seed = self.owner_seed(owner);
                self.buffers.change(block).into_iter().for_each(|data| node::make_sum(data, seed));
            }
            kind @ (Kind::BlockBitmap(group) | Kind::InodeBitmap(group)) => {
                let data = buffer.data.clone();
                self.make_bitmap_sum(group, &data, kind)?;
            }
        }
        Ok(())
    }

    fn make_record_sums(&mut self, block: u64) -> Result<()> {
        let Some(buffer) = self.buffers.get(block) else { return Ok(()) };
        match buffer.kind {
            Kind::Inodes(first) => {
                for index in buffer.take_stale() {
                    self.make_inode_sum(block, first, index)?;
                }
            }
            Kind::Descriptors(first) => {
                for index in buffer.take_stale() {
                    self.make_descriptor_sum(block, first, index)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Where the sums of an inode and of its blocks start.
    pub(crate) fn owner_seed(&self, owner: Owner) -> u32 {
        let seed = crc32c(self.geometry.seed, &owner.inode.to_le_bytes());
        crc32c(seed, &owner.generation.to_le_bytes())
    }

    /// The superblock's bytes.
    pub(crate) fn superblock(&mut self) -> Result<Vec<u8>> {
        let (block, at) = self.geometry.superblock();
        let data = self.block(block, Kind::Superblock)?;
        Ok(data.get(at..at + SUPERBLOCK_BYTES).ok_or(FsError::Corrupt)?.to_vec())
    }

    /// One of its fields.
    pub(crate) fn superblock_field(&mut self, at: usize) -> Result<u32> {
        let (block, start) = self.geometry.superblock();
        Ok(le32(&self.buffer(block, Kind::Superblock)?.data, start + at))
    }

    /// Changes one of its fields.
    pub(crate) fn set_superblock_field(&mut self, at: usize, value: u32) -> Result<()> {
        let (block, start) = self.geometry.superblock();
        put_le32(self.change_part(block, Kind::Superblock, start + at..start + at + 4)?, 0, value);
        Ok(())
    }

    /// Changes the superblock.
    pub(crate) fn change_superblock(&mut self, change: impl FnOnce(&mut [u8])) -> Result<()> {
        let (block, at) = self.geometry.superblock();
        let data = self.change_block(block, Kind::Superblock)?;
        change(data.get_mut(at..at + SUPERBLOCK_BYTES).ok_or(FsError::Corrupt)?);
        Ok(())
    }

    /// Free blocks of the whole file system.
    pub(crate) fn free_blocks(&mut self) -> Result<u64> {
        let is_wide = self.geometry.descriptor_bytes > 32;
        let high = if is_wide { self.superblock_field(field::FREE_BLOCKS_HIGH)? } else { 0 };
        Ok(join(self.superblock_field(field::FREE_BLOCKS_LOW)?, high))
    }

    /// The number of the last change, as the superblock has it.
    pub(crate) fn stored_change(&mut self) -> Result<u64> {
        let sb = self.superblock()?;
        Ok(if le32(&sb, field::CHANGE_MARK) == CHANGE_MARK { le64(&sb, field::CHANGE) } else { 0 })
    }
}
