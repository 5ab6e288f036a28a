//! Extent trees: which blocks of the disk hold which blocks of a file.
//!
//! [`node`] is one node's bytes; [`lookup`] walks down; [`insert`] and [`remove`] change the tree. Every index entry's key is
//! the first key of the node below it, and no node but the root is empty: other implementations insist on both.

pub(crate) mod insert;
pub(crate) mod lookup;
pub(crate) mod node;
pub(crate) mod remove;

/// Deepest tree: 4 entries in the root and at least 84 in each node below reach all of a file's blocks long before.
pub(crate) const MAX_DEPTH: u16 = 5;
/// Longest run of one extent, and of one that was never written.
pub(crate) const MAX_BLOCKS: u32 = 32_768;
pub(crate) const MAX_UNWRITTEN_BLOCKS: u32 = 32_767;

/// Whether an extent's blocks hold what the file contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Written,
    /// Allocated, but to be read as zeros.
    Unwritten,
}

/// Blocks of a file that lie together on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// First block of the file.
    pub(crate) logical: u32,
    /// First block on the disk.
    pub(crate) physical: u64,
    /// How many.
    pub(crate) blocks: u32,
    pub(crate) content: Content,
}

impl Extent {
    /// The first block of the file behind it.
    pub(crate) fn end(&self) -> u64 {
        u64::from(self.logical) + u64::from(self.blocks)
    }

    /// Whether `next` continues it and both fit into one.
    pub(crate) fn joins(&self, next: &Self) -> bool {
        let most = if self.content == Content::Written { MAX_BLOCKS } else { MAX_UNWRITTEN_BLOCKS };
        self.content == next.content
            && self.end() == u64::from(next.logical)
            && self.physical + u64::from(self.blocks) == next.physical
            && self.blocks + next.blocks <= most
    }
}
