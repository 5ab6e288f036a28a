//! The ring of blocks that a journal lives in, and its superblock.

use alloc::vec::Vec;

use interfaces::FsError;

use super::format::{HEADER, Style, feature, kind, kind_in};
use crate::Result;
use crate::buffers::Kind;
use crate::bytes::{be32, put, put_be32};
use crate::checksum::crc32c;
use crate::extents::lookup::Run;
use crate::volume::Volume;

/// Fields of the journal's superblock.
mod field {
    pub(super) const BLOCK_BYTES: usize = 12;
    pub(super) const LENGTH: usize = 16;
    pub(super) const FIRST: usize = 20;
    pub(super) const SEQUENCE: usize = 24;
    pub(super) const START: usize = 28;
    pub(super) const ERROR: usize = 32;
    pub(super) const COMPATIBLE: usize = 36;
    pub(super) const INCOMPATIBLE: usize = 40;
    pub(super) const UUID: usize = 48;
    pub(super) const SUM_KIND: usize = 80;
    pub(super) const SUM: usize = 252;
}
/// Bytes that its sum covers.
const SUPERBLOCK_BYTES: usize = 1024;
/// CRC-32C.
const SUM_KIND: u8 = 4;
/// Fewer blocks are no journal (jbd2's own limit).
const LEAST_BLOCKS: u32 = 1024;
/// Most blocks of a transaction, whatever the journal's size: they are all in memory.
const MOST_RUNNING: u32 = 768;

/// A journal.
#[derive(Debug)]
pub(crate) struct Log {
    /// Its blocks on the disk, in order: first one and number.
    runs: Vec<(u64, u32)>,
    superblock: Vec<u8>,
    pub(crate) uuid: [u8; 16],
    pub(crate) style: Style,
    /// The ring is the blocks from `first` up to before `length`.
    pub(crate) first: u32,
    pub(crate) length: u32,
    /// Number of the next transaction.
    pub(crate) sequence: u32,
    /// Where it is written.
    pub(crate) head: u32,
    /// Blocks before `head` that are still needed.
    pub(crate) used: u32,
}

impl Log {
    /// The block of the disk at a position of the ring.
    pub(crate) fn physical(&self, position: u32) -> Result<u64> {
        let mut rest = position;
        for (start, count) in &self.runs {
            if rest < *count {
                return Ok(start + u64::from(rest));
            }
            rest -= count;
        }
        Err(FsError::Corrupt)
    }

    /// The position `count` blocks (at most the ring's length) after `position`.
    pub(crate) const fn after(&self, position: u32, count: u32) -> u32 {
        let next = position + count;
        if next >= self.length { next - self.length + self.first } else { next }
    }

    /// Blocks of the ring.
    pub(crate) const fn ring(&self) -> u32 {
        self.length - self.first
    }

    /// Blocks that a transaction may have before it is committed early.
    pub(crate) fn running_limit(&self) -> usize {
        (self.ring() / 4).min(MOST_RUNNING) as usize
    }

    /// Where a replay would begin; 0: there is nothing to replay.
    pub(crate) fn start(&self) -> u32 {
        be32(&self.superblock, field::START)
    }

    /// The features of a journal that is written here.
    pub(crate) const fn wanted_features(&self) -> u32 {
        self.style.features & !feature::SUM_V2 | feature::REVOKE | feature::WIDE | feature::SUM_V3
    }

    /// Whether it has these already.
    pub(crate) const fn is_as_written_here(&self) -> bool {
        self.style.features == self.wanted_features()
    }

    /// The superblock that says: replay begins at `start` (0: nothing is to be replayed) with the next transaction.
    fn with_start(&mut self, start: u32) -> &[u8] {
        let features = self.style.features;
        let sb = &mut self.superblock;
        put_be32(sb, field::START, start);
        put_be32(sb, field::SEQUENCE, self.sequence);
        // Nobody reads a journal with both the oldest and the newest kind of sums.
        let compatible = be32(sb, field::COMPATIBLE) & !feature::COMPAT_SUM_V1;
        put_be32(sb, field::COMPATIBLE, compatible);
        put_be32(sb, field::INCOMPATIBLE, features);
        put_be32(sb, field::ERROR, 0);
        put(sb, field::SUM_KIND, &[SUM_KIND]);
        put_be32(sb, field::SUM, 0);
        let sum = crc32c(!0, sb.get(..SUPERBLOCK_BYTES).unwrap_or_default());
        put_be32(sb, field::SUM, sum);
        sb
    }
}

impl Volume {
    /// Finds the journal and reads its superblock.
    ///
    /// # Errors
    /// `Corrupt`; `Unsupported`: it is on another disk, or has unknown features.
    pub(crate) fn open_log(&mut self) -> Result<Log> {
        let inode = self.read_inode(self.geometry.journal_inode).map_err(|error| match error {
            FsError::Corrupt if self.geometry.journal_inode == 0 => FsError::Unsupported,
            error => error,
        })?;
        let blocks = inode.size() / self.geometry.block_bytes as u64;
        let blocks = u32::try_from(blocks).ok().filter(|blocks| u64::from(*blocks) <= self.geometry.blocks);
        let mut runs = Vec::new();
        for run in self.runs(&inode, 0, blocks.ok_or(FsError::Corrupt)?)? {
            let Run::Data { physical, blocks } = run else { return Err(FsError::Corrupt) };
            runs.push((physical, blocks));
        }
        let first = runs.first().ok_or(FsError::Corrupt)?.0;
        let superblock = self.block(first, Kind::Plain)?.to_vec();
        self.buffers.forget(first);
        self.keep_changes();
        self.parse_log(runs, superblock, blocks.unwrap_or(0))
    }

    fn parse_log(&self, runs: Vec<(u64, u32)>, superblock: Vec<u8>, blocks: u32) -> Result<Log> {
        let word = |at| be32(&superblock, at);
        let (features, length, first) = (word(field::INCOMPATIBLE), word(field::LENGTH), word(field::FIRST));
        if kind_in(&superblock, word(8)) != Some(kind::SUPERBLOCK) {
            return Err(FsError::Corrupt);
        }
        if features & !feature::KNOWN != 0 {
            return Err(FsError::Unsupported);
        }
        let mut uuid = [0; 16];
        uuid.copy_from_slice(superblock.get(field::UUID..field::UUID + 16).ok_or(FsError::Corrupt)?);
        let is_sound = word(field::BLOCK_BYTES) as usize == self.geometry.block_bytes
            && length <= blocks
            && first >= 1
            && length.checked_sub(first).is_some_and(|ring| ring >= LEAST_BLOCKS - 1)
            && (word(field::START) == 0 || (first..length).contains(&word(field::START)))
            && (features & (feature::SUM_V2 | feature::SUM_V3) == 0 || is_sum_right(&superblock));
        if !is_sound || HEADER >= self.geometry.block_bytes {
            return Err(FsError::Corrupt);
        }
        let style = Style { features, seed: crc32c(!0, &uuid) };
        let sequence = word(field::SEQUENCE);
        Ok(Log { runs, uuid, style, first, length, sequence, head: first, used: 0, superblock })
    }

    /// Writes the journal's superblock, durably: what is in the ring before `head` is not needed any more.
    pub(crate) fn write_log_start(&mut self, has_begun: HasBegun) -> Result<()> {
        let journal = self.journal.as_mut().ok_or(FsError::ReadOnly)?;
        let (start, first) = (journal.head, journal.physical(0)?);
        let bytes = journal.with_start(if has_begun == HasBegun::Yes { start } else { 0 });
        self.disk.write(first * self.geometry.block_bytes as u64, [bytes])?;
        self.disk.flush()
    }
}

/// Whether the journal is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HasBegun {
    Yes,
    No,
}

fn is_sum_right(superblock: &[u8]) -> bool {
    let part = |from: usize, to: usize| superblock.get(from..to).unwrap_or_default();
    let sum = crc32c(crc32c(!0, part(0, field::SUM)), &[0; 4]);
    be32(superblock, field::SUM) == crc32c(sum, part(field::SUM + 4, SUPERBLOCK_BYTES))
}
