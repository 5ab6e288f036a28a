//! Walking down an extent tree.

use alloc::sync::Arc;
use alloc::vec::Vec;

use interfaces::FsError;

use super::{Content, Extent, node};
use crate::Result;
use crate::buffers::Kind;
use crate::inode::{Inode, flag};
use crate::volume::Volume;

/// Where a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the inode.
    Root,
    /// In a block.
    Block(u64),
}

/// One step of a path: a node, and the entry that the path takes (in the leaf: the last one at or before the block looked
/// for, if any).
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) place: Place,
    pub(crate) index: Option<usize>,
    pub(crate) bytes: Arc<Vec<u8>>,
}

/// What a range of a file's blocks is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Run {
    /// On the disk, from this block on.
    Data { physical: u64, blocks: u32 },
    /// To be read as zeros.
    Hole { blocks: u32 },
}

impl Run {
    pub(crate) const fn blocks(&self) -> u32 {
        match self {
            Self::Data { blocks, .. } | Self::Hole { blocks } => *blocks,
        }
    }
}

impl Volume {
    /// The path from the root to the leaf where `logical` is or would be.
    ///
    /// # Errors
    /// `Corrupt`; `Unsupported`: the inode has no extents.
    pub(crate) fn path(&mut self, inode: &Inode, logical: u32) -> Result<Vec<Step>> {
        if !inode.has_flag(flag::EXTENTS) {
            return Err(FsError::Unsupported);
        }
        let kind = Kind::Extents(inode.owner());
        let (mut place, mut bytes) = (Place::Root, Arc::new(inode.map().to_vec()));
        node::check(&bytes)?;
        let mut path = Vec::new();
        loop {
            let (depth, index) = (node::depth(&bytes), node::position(&bytes, logical));
            if depth == 0 {
                path.push(Step { place, index, bytes });
                return Ok(path);
            }
            if node::count(&bytes) == 0 {
                return Err(FsError::Corrupt);
            }
            let index = index.unwrap_or(0);
            let (block, key) = (node::child(&bytes, index), node::key(&bytes, index));
            path.push(Step { place, index: Some(index), bytes });
            (place, bytes) = (Place::Block(block), self.block(block, kind)?);
            // With its first key as above no node can be in a tree twice.
            if node::depth(&bytes) + 1 != depth || node::count(&bytes) == 0 || node::key(&bytes, 0) != key {
                return Err(FsError::Corrupt);
            }
        }
    }

    /// The extent that holds `logical`, or else the first one behind it.
    pub(crate) fn extent_from(&mut self, inode: &Inode, logical: u32) -> Result<Option<Extent>> {
        let path = self.path(inode, logical)?;
        let leaf = path.last().ok_or(FsError::Corrupt)?;
        let before = leaf.index.map(|index| node::extent(&leaf.bytes, index));
        if let Some(extent) = before.filter(|extent| extent.end() > u64::from(logical)) {
            return self.checked(extent).map(Some);
        }
        let next = leaf.index.map_or(0, |index| index + 1);
        if next < node::count(&leaf.bytes) {
            return self.checked(node::extent(&leaf.bytes, next)).map(Some);
        }
        // The first extent of the next leaf: its key is in the lowest inner node that has another entry.
        let key = path.iter().rev().skip(1).find_map(|step| {
            let next = step.index? + 1;
            (next < node::count(&step.bytes)).then(|| node::key(&step.bytes, next))
        });
        match key {
            Some(key) if key > logical => self.first_at(inode, key).map(Some),
            _ => Ok(None),
        }
    }

    /// The extent that starts at `logical`.
    fn first_at(&mut self, inode: &Inode, logical: u32) -> Result<Extent> {
        let path = self.path(inode, logical)?;
        let leaf = path.last().ok_or(FsError::Corrupt)?;
        let extent = leaf.index.map(|index| node::extent(&leaf.bytes, index));
        self.checked(extent.filter(|extent| extent.logical == logical).ok_or(FsError::Corrupt)?)
    }

    fn checked(&self, extent: Extent) -> Result<Extent> {
        let end = extent.physical.checked_add(u64::from(extent.blocks));
        let is_inside =
            extent.physical > self.geometry.first_data_block && end.is_some_and(|end| end <= self.geometry.blocks);
        if is_inside { Ok(extent) } else { Err(FsError::Corrupt) }
    }

    /// What `blocks` blocks from `logical` on are, in order.
    pub(crate) fn runs(&mut self, inode: &Inode, logical: u32, blocks: u32) -> Result<Vec<Run>> {
        if !inode.has_flag(flag::EXTENTS) {
            return self.indirect_runs(inode, logical, blocks);
        }
        let end = logical.checked_add(blocks).ok_or(FsError::TooLarge)?;
        let (mut at, mut runs) = (logical, Vec::new());
        while at < end {
            let extent = self.extent_from(inode, at)?.filter(|extent| extent.logical < end);
            let Some(extent) = extent else {
                runs.push(Run::Hole { blocks: end - at });
                break;
            };
            if extent.logical > at {
                runs.push(Run::Hole { blocks: extent.logical - at });
                at = extent.logical;
            }
            let count = (extent.end().min(u64::from(end)) - u64::from(at)) as u32;
            runs.push(match extent.content {
                Content::Written => {
                    Run::Data { physical: extent.physical + u64::from(at - extent.logical), blocks: count }
                }
                Content::Unwritten => Run::Hole { blocks: count },
            });
            at += count;
        }
        Ok(runs)
    }

    /// The block of the disk that holds a block of a file or directory.
    pub(crate) fn physical(&mut self, inode: &Inode, logical: u32) -> Result<Option<u64>> {
        match self.runs(inode, logical, 1)?.first() {
            Some(Run::Data { physical, .. }) => Ok(Some(*physical)),
            _ => Ok(None),
        }
    }
}
