//! Sums of directory blocks: in a pretended entry at the end, or, in blocks of a hash tree's index, behind its entries.

use super::entry::{TAIL, has_tail};
use crate::bytes::{le16, le32, put_le32};
use crate::checksum::crc32c;

/// Whether a block's sum is right.
pub(crate) fn is_right(block: &[u8], seed: u32) -> bool {
    sum(block, seed).is_some_and(|(at, sum)| le32(block, at) == sum)
}

/// Puts a block's sum right.
pub(crate) fn make(block: &mut [u8], seed: u32) {
    if let Some((at, sum)) = sum(block, seed) {
        put_le32(block, at, sum);
    }
}

/// Where a block's sum is, and what it has to be.
fn sum(block: &[u8], seed: u32) -> Option<(usize, u32)> {
    // First what is an index: Linux makes it of a plain block, and leaves the pretended entry's bytes where they were. No entry of
    // a plain block reaches to its end.
    let Some(table) = index_table(block) else {
        let covered = block.get(..block.len().checked_sub(TAIL)?)?;
        return has_tail(block).then(|| (block.len() - 4, crc32c(seed, covered)));
    };
    // Limit and count (16 bits each) lie where the first entry of 8 bytes would; the sum is behind the last possible entry:
    // 4 reserved bytes and itself, taken as 0.
    let (limit, count) = (usize::from(le16(block, table)), usize::from(le16(block, table + 2)));
    let tail = table + limit * 8;
    if count > limit || tail + 8 > block.len() {
        return None;
    }
    let sum = crc32c(crc32c(seed, block.get(..table + count * 8)?), block.get(tail..tail + 4)?);
    Some((tail + 4, crc32c(sum, &[0; 4])))
}

/// Where the entries of an index block start: in the root behind `.`, `..` and 8 bytes, elsewhere behind an empty entry.
pub(super) fn index_table(block: &[u8]) -> Option<usize> {
    if usize::from(le16(block, 4)) == block.len() && le32(block, 0) == 0 {
        return Some(8);
    }
    let is_root = le16(block, 4) == 12 && usize::from(le16(block, 16)) == block.len() - 12 && le32(block, 24) == 0;
    (is_root && block.get(29) == Some(&8)).then_some(32)
}
