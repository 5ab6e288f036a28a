//! Bytes of journal blocks. All numbers are big-endian.

use alloc::vec::Vec;

use interfaces::FsError;

use crate::Result;
use crate::bytes::{be16, be32, halves, join, put, put_be32};
use crate::checksum::crc32c;

pub(crate) const MAGIC: u32 = 0xc03b_3998;
/// Magic number, type, sequence number.
pub(crate) const HEADER: usize = 12;

/// Types of blocks.
pub(crate) mod kind {
    pub(crate) const DESCRIPTOR: u32 = 1;
    pub(crate) const COMMIT: u32 = 2;
    pub(crate) const SUPERBLOCK: u32 = 4;
    pub(crate) const REVOKE: u32 = 5;
}

/// Features without which a journal cannot be read, and one with which it can.
pub(crate) mod feature {
    pub(crate) const COMPAT_SUM_V1: u32 = 1;

    pub(crate) const REVOKE: u32 = 1;
    pub(crate) const WIDE: u32 = 2;
    pub(crate) const SUM_V2: u32 = 8;
    pub(crate) const SUM_V3: u32 = 0x10;
    pub(crate) const KNOWN: u32 = REVOKE | WIDE | SUM_V2 | SUM_V3;
}

/// Flags of a tag.
const ESCAPED: u32 = 1;
const SAME_UUID: u32 = 2;
const LAST: u32 = 8;
const UUID_BYTES: usize = 16;
/// Bytes of a sum at a block's end.
const TAIL: usize = 4;

/// How blocks of a journal are written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    pub(crate) features: u32,
    /// Where sums start.
    pub(crate) seed: u32,
}

/// What a descriptor says about a block of the transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    /// Where it belongs.
    pub(crate) block: u64,
    /// Whether its first four bytes, which were the magic number, are missing.
    pub(crate) is_escaped: bool,
    sum: u32,
}

pub(crate) fn put_header(block: &mut [u8], kind: u32, sequence: u32) {
    put_be32(block, 0, MAGIC);
    put_be32(block, 4, kind);
    put_be32(block, 8, sequence);
}

/// Type of a block that belongs to transaction `sequence`.
pub(crate) fn kind_in(block: &[u8], sequence: u32) -> Option<u32> {
    (be32(block, 0) == MAGIC && be32(block, 8) == sequence).then(|| be32(block, 4))
}

impl Style {
    const fn has(self, feature: u32) -> bool {
        self.features & feature != 0
    }

    const fn has_sums(self) -> bool {
        self.has(feature::SUM_V2 | feature::SUM_V3)
    }

    const fn tag_bytes(self) -> usize {
        let short = if self.has(feature::WIDE) { 12 } else { 8 };
        if self.has(feature::SUM_V3) {
            16
        } else if self.has(feature::SUM_V2) {
            short + 2
        } else {
            short
        }
    }

    const fn tail(self) -> usize {
        if self.has_sums() { TAIL } else { 0 }
    }

    /// Tags that fit into a descriptor of so many bytes.
    pub(crate) const fn tags_in(self, block_bytes: usize) -> usize {
        (block_bytes - HEADER - UUID_BYTES - self.tail()) / self.tag_bytes()
    }

    /// Revoked blocks that fit into a block of so many bytes.
    pub(crate) const fn revokes_in(self, block_bytes: usize) -> usize {
        (block_bytes - HEADER - 4 - self.tail()) / self.revoke_bytes()
    }

    const fn revoke_bytes(self) -> usize {
        if self.has(feature::WIDE) { 8 } else { 4 }
    }

    fn block_sum(self, sequence: u32, data: &[u8]) -> u32 {
        crc32c(crc32c(self.seed, &sequence.to_be_bytes()), data)
    }

    /// A descriptor of blocks, given as they are in the journal. The style is the one that we write: wide, sums of version 3.
    pub(crate) fn descriptor<'a>(
        self,
        block_bytes: usize,
        sequence: u32,
        blocks: impl ExactSizeIterator<Item = (u64, &'a [u8], bool)>,
        uuid: &[u8; 16],
    ) -> Vec<u8> {
        let mut out = alloc::vec![0; block_bytes];
        put_header(&mut out, kind::DESCRIPTOR, sequence);
        let (count, mut at) = (blocks.len(), HEADER);
        for (index, (block, data, is_escaped)) in blocks.enumerate() {
            let flags = if is_escaped { ESCAPED } else { 0 }
                | if index > 0 { SAME_UUID } else { 0 }
                | if index + 1 == count { LAST } else { 0 };
            let (low, high) = halves(block);
            put_be32(&mut out, at, low);
            put_be32(&mut out, at + 4, flags);
            put_be32(&mut out, at + 8, high);
            put_be32(&mut out, at + 12, self.block_sum(sequence, data));
            at += self.tag_bytes();
            if index == 0 {
                put(&mut out, at, uuid);
                at += UUID_BYTES;
            }
        }
        self.put_tail(&mut out);
        out
    }

    /// The tags of a descriptor. The last one says so, but for e2fsprogs' in a block that is full.
    ///
    /// # Errors
    /// `Corrupt`: its sum is wrong.
    pub(crate) fn tags(self, block: &[u8]) -> Result<Vec<Tag>> {
        self.check_tail(block)?;
        let (mut at, mut tags) = (HEADER, Vec::new());
        while at + self.tag_bytes() + self.tail() <= block.len() {
            let (flags, sum) = if self.has(feature::SUM_V3) {
                (be32(block, at + 4), be32(block, at + 12))
            } else {
                (u32::from(be16(block, at + 6)), u32::from(be16(block, at + 4)))
            };
            let high = if self.has(feature::WIDE) { be32(block, at + 8) } else { 0 };
            tags.push(Tag { block: join(be32(block, at), high), is_escaped: flags & ESCAPED != 0, sum });
            at += self.tag_bytes() + if flags & SAME_UUID == 0 { UUID_BYTES } else { 0 };
            if flags & LAST != 0 {
                break;
            }
        }
        Ok(tags)
    }

    /// Whether a block is what its tag says.
    pub(crate) fn is_tagged(self, tag: &Tag, sequence: u32, data: &[u8]) -> bool {
        let sum = self.block_sum(sequence, data);
        if self.has(feature::SUM_V3) { sum == tag.sum } else { !self.has(feature::SUM_V2) || sum & 0xffff == tag.sum }
    }

    /// A revoke block.
    pub(crate) fn revoke(self, block_bytes: usize, sequence: u32, blocks: &[u64]) -> Vec<u8> {
        let mut out = alloc::vec![0; block_bytes];
        put_header(&mut out, kind::REVOKE, sequence);
        put_be32(&mut out, HEADER, (HEADER + 4 + blocks.len() * self.revoke_bytes()) as u32);
        for (index, block) in blocks.iter().enumerate() {
            put(&mut out, HEADER + 4 + index * 8, &block.to_be_bytes());
        }
        self.put_tail(&mut out);
        out
    }

    /// The blocks of a revoke block.
    ///
    /// # Errors
    /// `Corrupt`.
    pub(crate) fn revoked(self, block: &[u8]) -> Result<Vec<u64>> {
        self.check_tail(block)?;
        let used = be32(block, HEADER) as usize;
        let entries = block.get(HEADER + 4..used).filter(|_| used + self.tail() <= block.len());
        let entries = entries.ok_or(FsError::Corrupt)?.chunks_exact(self.revoke_bytes());
        Ok(entries.map(|entry| entry.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))).collect())
    }

    /// A commit block.
    pub(crate) fn commit(self, block_bytes: usize, sequence: u32) -> Vec<u8> {
        let mut out = alloc::vec![0; block_bytes];
        put_header(&mut out, kind::COMMIT, sequence);
        let sum = crc32c(self.seed, &out);
        put_be32(&mut out, COMMIT_SUM, sum);
        out
    }

    /// Whether a commit block is sound.
    pub(crate) fn is_commit_sound(self, block: &[u8]) -> bool {
        if !self.has_sums() {
            return true;
        }
        let (before, after) = (block.get(..COMMIT_SUM), block.get(COMMIT_SUM + 4..));
        let sum = crc32c(crc32c(self.seed, before.unwrap_or_default()), &[0; 4]);
        be32(block, COMMIT_SUM) == crc32c(sum, after.unwrap_or_default())
    }

    fn put_tail(self, block: &mut [u8]) {
        if self.has_sums() {
            let at = block.len() - TAIL;
            let sum = crc32c(self.seed, block);
            put_be32(block, at, sum);
        }
    }

    fn check_tail(self, block: &[u8]) -> Result<()> {
        let at = block.len() - TAIL;
        let sum = crc32c(crc32c(self.seed, block.get(..at).unwrap_or_default()), &[0; TAIL]);
        if !self.has_sums() || be32(block, at) == sum { Ok(()) } else { Err(FsError::Corrupt) }
    }
}

/// Where a commit block's sum is: behind type and size of an older kind of sum.
const COMMIT_SUM: usize = HEADER + 4;
