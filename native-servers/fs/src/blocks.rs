//! Allocation of blocks: near a goal, in runs, and never what the running transaction has freed.
//!
//! Until a transaction is committed, its freed blocks may still be needed as they are: after a crash the state before it is
//! what counts.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use interfaces::FsError;

use crate::Result;
use crate::bitmap::{self, Either};
use crate::buffers::{Kind, State};
use crate::bytes::halves;
use crate::geometry::field;
use crate::groups::Count;
use crate::volume::Volume;

/// A run that is shorter than asked for is still taken at the goal if it has so many blocks.
const WORTHWHILE: u32 = 16;
/// Longer runs than this are not searched for.
const LONG_RUN: u32 = 2048;

/// What was in blocks that are freed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// File contents.
    Data,
    /// What went through the journal: it must not be replayed over what comes next.
    Metadata,
}

/// Blocks that the running transaction has freed.
#[derive(Debug, Default)]
pub(crate) struct Freed {
    by_group: BTreeMap<u32, Vec<u8>>,
    revoked: BTreeSet<u64>,
    /// Of these, what the running operation has freed: runs of bits of a group, and revoked blocks.
    runs: Vec<(u32, u32, u32)>,
    newly_revoked: Vec<u64>,
}

impl Freed {
    /// Whether there are any.
    pub(crate) fn is_some(&self) -> bool {
        !self.by_group.is_empty()
    }

    /// Freed metadata blocks.
    pub(crate) const fn revoked(&self) -> &BTreeSet<u64> {
        &self.revoked
    }

    pub(crate) fn keep(&mut self) {
        self.runs.clear();
        self.newly_revoked.clear();
    }

    pub(crate) fn undo(&mut self) {
        for (group, start, count) in core::mem::take(&mut self.runs) {
            let Some(bits) = self.by_group.get_mut(&group) else { continue };
            (start..start + count).for_each(|bit| bitmap::clear(bits, bit));
        }
        for block in core::mem::take(&mut self.newly_revoked) {
            self.revoked.remove(&block);
        }
    }

    fn add(&mut self, group: u32, start: u32, count: u32, bytes: usize) {
        let bits = self.by_group.entry(group).or_insert_with(|| alloc::vec![0; bytes]);
        (start..start + count).for_each(|bit| bitmap::set(bits, bit));
        self.runs.push((group, start, count));
    }

    fn revoke(&mut self, block: u64) {
        if self.revoked.insert(block) {
            self.newly_revoked.push(block);
        }
    }
}

impl Volume {
    /// Takes at least one and at most `want` blocks that lie together, at `goal` if possible: first block and number.
    ///
    /// # Errors
    /// `NoSpace`; `Corrupt`.
    pub(crate) fn allocate(&mut self, goal: u64, want: u32) -> Result<(u64, u32)> {
        let want = want.clamp(1, self.geometry.blocks_per_group);
        let (home, bit) =
            self.geometry.locate(goal).or_else(|_| self.geometry.locate(self.geometry.first_data_block))?;
        for least in [want.min(LONG_RUN), 1] {
            for step in 0..self.geometry.groups {
                let group = (u64::from(home) + u64::from(step)) % u64::from(self.geometry.groups);
                let from = if step == 0 { bit } else { 0 };
                if let Some(run) = self.allocate_in(group as u32, from, least, want)? {
                    return Ok(run);
                }
            }
            if least == 1 {
                break;
            }
        }
        Err(FsError::NoSpace)
    }

    fn allocate_in(&mut self, group: u32, from: u32, least: u32, want: u32) -> Result<Option<(u64, u32)>> {
        if self.descriptor(group)?.count(Count::FreeBlocks) < least {
            return Ok(None);
        }
        let (block, used) = self.block_bitmap(group)?;
        let freed = self.freed.by_group.get(&group).map(Vec::as_slice).unwrap_or_default();
        let bits = self.geometry.group_blocks(group);
        let either = Either { first: &used, second: freed, bits };
        let here = either.clear_run(from, want);
        let run = if here >= least.min(WORTHWHILE) && here > 0 {
            Some((from, here))
        } else {
            either.find_run(from, least, want).or_else(|| either.find_run(0, least, want))
        };
        let Some((start, count)) = run else { return Ok(None) };
        drop(used);
        let first = self.geometry.group_start(group) + u64::from(start);
        self.take_cached(first, count)?;
        self.change_bits((block, Kind::BlockBitmap(group)), start..start + count, bitmap::set)?;
        self.count_blocks(group, -i64::from(count))?;
        Ok(Some((first, count)))
    }

    /// Drops what is cached of blocks that get another use.
    fn take_cached(&mut self, first: u64, count: u32) -> Result<()> {
        for block in first..first + u64::from(count) {
            match self.buffers.get(block).map(|buffer| buffer.state) {
                Some(State::Clean) => self.buffers.forget(block),
                // The bitmap says that metadata in use is free.
                Some(_) => return Err(FsError::Corrupt),
                None => {}
            }
        }
        Ok(())
    }

    /// Takes one block for metadata.
    pub(crate) fn allocate_metadata(&mut self, goal: u64) -> Result<u64> {
        self.allocate(goal, 1).map(|(block, _)| block)
    }

    /// Frees blocks that lie together.
    ///
    /// # Errors
    /// `Corrupt`: some are not in use.
    pub(crate) fn free(&mut self, first: u64, count: u64, content: Content) -> Result<()> {
        let end = first.checked_add(count).filter(|end| *end <= self.geometry.blocks).ok_or(FsError::Corrupt)?;
        let mut at = first;
        while at < end {
            let (group, bit) = self.geometry.locate(at)?;
            let part = u64::from(self.geometry.group_blocks(group) - bit).min(end - at) as u32;
            self.free_in(group, bit, part)?;
            at += u64::from(part);
        }
        if content == Content::Metadata {
            for block in first..end {
                self.freed.revoke(block);
                self.buffers.forget(block);
            }
        }
        Ok(())
    }

    fn free_in(&mut self, group: u32, start: u32, count: u32) -> Result<()> {
        let (block, used) = self.block_bitmap(group)?;
        if !(start..start + count).all(|bit| bitmap::is_set(&used, bit)) {
            return Err(FsError::Corrupt);
        }
        drop(used);
        self.change_bits((block, Kind::BlockBitmap(group)), start..start + count, bitmap::clear)?;
        self.freed.add(group, start, count, self.geometry.block_bytes);
        self.count_blocks(group, i64::from(count))
    }

    /// Adds to the numbers of free blocks.
    fn count_blocks(&mut self, group: u32, change: i64) -> Result<()> {
        let mut descriptor = self.descriptor(group)?;
        let free = i64::from(descriptor.count(Count::FreeBlocks)) + change;
        let free = u32::try_from(free).ok().filter(|free| *free <= self.geometry.blocks_per_group);
        descriptor.set_count(Count::FreeBlocks, free.ok_or(FsError::Corrupt)?);
        self.put_descriptor(group, descriptor)?;
        let all = self.free_blocks()?.checked_add_signed(change).filter(|all| *all <= self.geometry.blocks);
        self.set_free_blocks(all.ok_or(FsError::Corrupt)?)
    }

    /// Sets the file system's number of free blocks.
    pub(crate) fn set_free_blocks(&mut self, blocks: u64) -> Result<()> {
        let (low, high) = halves(blocks);
        if self.geometry.descriptor_bytes > 32 {
            self.set_superblock_field(field::FREE_BLOCKS_HIGH, high)?;
        }
        self.set_superblock_field(field::FREE_BLOCKS_LOW, low)
    }
}
