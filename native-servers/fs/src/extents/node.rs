//! One node of an extent tree: a header of 12 bytes, entries of 12 bytes, and in a block a sum behind them
//! ("ext4 Data Structures and Algorithms", 4.3.2).

use interfaces::FsError;

use super::{Content, Extent, MAX_BLOCKS, MAX_DEPTH};
use crate::Result;
use crate::bytes::{halves, join, le16, le32, low16, put_le16, put_le32};
use crate::checksum::crc32c;

const MAGIC: u16 = 0xf30a;
const HEADER: usize = 12;
const ENTRY: usize = 12;

/// Entries in use.
pub(crate) fn count(node: &[u8]) -> usize {
    usize::from(le16(node, 2))
}

/// Entries that there is room for.
pub(crate) fn capacity(node: &[u8]) -> usize {
    usize::from(le16(node, 4))
}

/// Levels below: 0 for a leaf.
pub(crate) fn depth(node: &[u8]) -> u16 {
    le16(node, 6)
}

/// The first block of the file that an entry stands for.
pub(crate) fn key(node: &[u8], index: usize) -> u32 {
    le32(node, HEADER + index * ENTRY)
}

pub(crate) fn set_key(node: &mut [u8], index: usize, key: u32) {
    put_le32(node, HEADER + index * ENTRY, key);
}

/// The node below an entry of an inner node.
pub(crate) fn child(node: &[u8], index: usize) -> u64 {
    let at = HEADER + index * ENTRY;
    join(le32(node, at + 4), u32::from(le16(node, at + 8)))
}

/// A leaf's entry.
pub(crate) fn extent(node: &[u8], index: usize) -> Extent {
    let at = HEADER + index * ENTRY;
    let length = u32::from(le16(node, at + 4));
    let (blocks, content) =
        if length > MAX_BLOCKS { (length - MAX_BLOCKS, Content::Unwritten) } else { (length, Content::Written) };
    let physical = join(le32(node, at + 8), u32::from(le16(node, at + 6)));
    Extent { logical: le32(node, at), physical, blocks, content }
}

pub(crate) fn set_extent(node: &mut [u8], index: usize, extent: &Extent) {
    let at = HEADER + index * ENTRY;
    let (low, high) = halves(extent.physical);
    let unwritten = if extent.content == Content::Unwritten { MAX_BLOCKS } else { 0 };
    put_le32(node, at, extent.logical);
    put_le16(node, at + 4, low16(extent.blocks + unwritten));
    put_le16(node, at + 6, low16(high));
    put_le32(node, at + 8, low);
}

fn set_child(node: &mut [u8], index: usize, key: u32, block: u64) {
    let at = HEADER + index * ENTRY;
    let (low, high) = halves(block);
    put_le32(node, at, key);
    put_le32(node, at + 4, low);
    put_le16(node, at + 8, low16(high));
    put_le16(node, at + 10, 0);
}

/// Makes an empty node of `node`, which has a sum behind its entries if it is a block.
pub(crate) fn clear(node: &mut [u8], depth: u16) {
    let capacity = (node.len() - HEADER) / ENTRY;
    node.fill(0);
    put_le16(node, 0, MAGIC);
    put_le16(node, 4, capacity as u16);
    put_le16(node, 6, depth);
}

/// The last entry whose key is at most `logical`, if any.
pub(crate) fn position(node: &[u8], logical: u32) -> Option<usize> {
    let (mut low, mut high) = (0, count(node));
    while low < high {
        let middle = (low + high) / 2;
        if key(node, middle) <= logical { low = middle + 1 } else { high = middle }
    }
    low.checked_sub(1)
}

/// Makes room for an entry at `index`; there must be some.
fn open(node: &mut [u8], index: usize) {
    let (at, end) = (HEADER + index * ENTRY, HEADER + count(node) * ENTRY);
    if end + ENTRY <= node.len() && at <= end {
        node.copy_within(at..end, at + ENTRY);
        let entries = count(node) + 1;
        put_le16(node, 2, entries as u16);
    }
}

pub(crate) fn insert_extent(node: &mut [u8], index: usize, extent: &Extent) {
    open(node, index);
    set_extent(node, index, extent);
}

pub(crate) fn insert_child(node: &mut [u8], index: usize, key: u32, block: u64) {
    open(node, index);
    set_child(node, index, key, block);
}

/// Takes an entry out.
pub(crate) fn remove(node: &mut [u8], index: usize) {
    let (at, end) = (HEADER + index * ENTRY, HEADER + count(node) * ENTRY);
    if index < count(node) && end <= node.len() {
        node.copy_within(at + ENTRY..end, at);
        let entries = count(node) - 1;
        put_le16(node, 2, entries as u16);
    }
}

/// Moves the entries from `from` on to `other`, which is empty.
pub(crate) fn move_entries(node: &mut [u8], from: usize, other: &mut [u8]) {
    let entries = count(node).saturating_sub(from);
    let (start, end) = (HEADER + from * ENTRY, HEADER + (from + entries) * ENTRY);
    crate::bytes::put(other, HEADER, node.get(start..end).unwrap_or_default());
    put_le16(other, 2, entries as u16);
    put_le16(node, 2, from as u16);
}

/// Checks a node's structure; what it points to is checked when it is used.
///
/// # Errors
/// `Corrupt`.
pub(crate) fn check(node: &[u8]) -> Result<()> {
    let entries = count(node);
    let fits = HEADER + capacity(node) * ENTRY <= node.len() && entries <= capacity(node);
    if le16(node, 0) != MAGIC || !fits || depth(node) > MAX_DEPTH {
        return Err(FsError::Corrupt);
    }
    let mut free_from = 0;
    for index in 0..entries {
        if u64::from(key(node, index)) < free_from {
            return Err(FsError::Corrupt);
        }
        free_from = if depth(node) == 0 { extent(node, index).end() } else { u64::from(key(node, index)) + 1 };
        if free_from == u64::from(key(node, index)) || free_from > 1 << 32 {
            return Err(FsError::Corrupt);
        }
    }
    Ok(())
}

fn sum_at(node: &[u8]) -> usize {
    HEADER + capacity(node) * ENTRY
}

pub(crate) fn is_sum_right(node: &[u8], seed: u32) -> bool {
    let at = sum_at(node);
    node.len() >= at + 4 && le32(node, at) == crc32c(seed, node.get(..at).unwrap_or_default())
}

pub(crate) fn make_sum(node: &mut [u8], seed: u32) {
    let at = sum_at(node);
    let sum = crc32c(seed, node.get(..at).unwrap_or_default());
    put_le32(node, at, sum);
}
