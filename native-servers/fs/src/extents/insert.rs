//! Putting extents into a tree: joined with a neighbour where they fit, else as an entry, for which full nodes are split.

use alloc::vec::Vec;

use interfaces::FsError;

use super::lookup::{Place, Step};
use super::{Extent, MAX_DEPTH, node};
use crate::Result;
use crate::buffers::Kind;
use crate::inode::Inode;
use crate::volume::Volume;

/// More splits than the deepest tree needs.
const MAX_SPLITS: usize = 2 * MAX_DEPTH as usize + 2;

impl Volume {
    /// Adds `extent`, where the file has a hole.
    ///
    /// # Errors
    /// `NoSpace`: no block for a node. `Corrupt`.
    pub(crate) fn insert_extent(&mut self, inode: &mut Inode, extent: &Extent) -> Result<()> {
        for _ in 0..MAX_SPLITS {
            let path = self.path(inode, extent.logical)?;
            if self.insert_at(inode, &path, extent)? {
                return Ok(());
            }
            self.split(inode, &path)?;
        }
        Err(FsError::Corrupt)
    }

    /// Puts it into the leaf at the path's end; whether there was room.
    fn insert_at(&mut self, inode: &mut Inode, path: &[Step], extent: &Extent) -> Result<bool> {
        let leaf = path.last().ok_or(FsError::Corrupt)?;
        let next = leaf.index.map_or(0, |index| index + 1);
        let before = leaf.index.map(|index| node::extent(&leaf.bytes, index));
        let after = (next < node::count(&leaf.bytes)).then(|| node::extent(&leaf.bytes, next));
        if before.is_some_and(|before| before.end() > u64::from(extent.logical))
            || after.is_some_and(|after| extent.end() > u64::from(after.logical))
        {
            return Err(FsError::Corrupt);
        }
        let (place, mut joined, mut index) = (leaf.place, *extent, next);
        let left = before.filter(|before| before.joins(&joined));
        if let Some(left) = left {
            (joined, index) = (Extent { blocks: left.blocks + joined.blocks, ..left }, next - 1);
        }
        let right = after.filter(|after| joined.joins(after));
        if let Some(right) = right {
            joined.blocks += right.blocks;
        }
        if left.is_none() && right.is_none() {
            if node::count(&leaf.bytes) >= node::capacity(&leaf.bytes) {
                return Ok(false);
            }
            self.change_node(inode, place, |node| node::insert_extent(node, index, &joined))?;
        } else {
            self.change_node(inode, place, |node| {
                node::set_extent(node, index, &joined);
                if left.is_some() && right.is_some() {
                    node::remove(node, index + 1);
                }
            })?;
        }
        if index == 0 {
            self.correct_keys(inode, path, joined.logical)?;
        }
        Ok(true)
    }

    /// Makes the keys above a leaf whose first key became `key` right.
    pub(super) fn correct_keys(&mut self, inode: &mut Inode, path: &[Step], key: u32) -> Result<()> {
        for step in path.iter().rev().skip(1) {
            let index = step.index.ok_or(FsError::Corrupt)?;
            self.change_node(inode, step.place, |node| node::set_key(node, index, key))?;
            if index > 0 {
                break;
            }
        }
        Ok(())
    }

    /// Changes a node's bytes.
    pub(super) fn change_node(
        &mut self,
        inode: &mut Inode,
        place: Place,
        change: impl FnOnce(&mut [u8]),
    ) -> Result<()> {
        match place {
            Place::Root => change(inode.map_mut()),
            Place::Block(block) => change(self.change_block(block, Kind::Extents(inode.owner()))?),
        }
        Ok(())
    }

    /// Makes room on a path whose leaf is full, at one level; to be repeated until the leaf has room.
    fn split(&mut self, inode: &mut Inode, path: &[Step]) -> Result<()> {
        let is_full = |step: &Step| node::count(&step.bytes) >= node::capacity(&step.bytes);
        // The highest of the full nodes above the leaf that hang together.
        let above = path.iter().rev().take_while(|step| is_full(step)).count();
        let level = path.len() - above.max(1);
        let step = path.get(level).ok_or(FsError::Corrupt)?;
        match level.checked_sub(1).and_then(|parent| path.get(parent)) {
            Some(parent) => self.split_node(inode, step, parent),
            None => self.grow(inode, step),
        }
    }

    /// Moves a part of a full node to a new one beside it.
    fn split_node(&mut self, inode: &mut Inode, step: &Step, parent: &Step) -> Result<()> {
        let mut old = step.bytes.to_vec();
        let count = node::count(&old);
        // Files grow at their ends: full nodes stay full.
        let at_end = step.index.is_some_and(|index| index + 1 == count);
        let from = if at_end { count - 1 } else { count / 2 };
        if from == 0 {
            return Err(FsError::Corrupt);
        }
        let mut new = self.empty_node(node::depth(&old));
        node::move_entries(&mut old, from, &mut new);
        let (key, block) = (node::key(&new, 0), self.create_node(inode, step.place, new)?);
        self.change_node(inode, step.place, |node| node.copy_from_slice(&old))?;
        let index = parent.index.ok_or(FsError::Corrupt)? + 1;
        self.change_node(inode, parent.place, |node| node::insert_child(node, index, key, block))
    }

    /// Moves the root's entries to a new node below it.
    fn grow(&mut self, inode: &mut Inode, root: &Step) -> Result<()> {
        let depth = node::depth(&root.bytes);
        if depth >= MAX_DEPTH {
            return Err(FsError::TooLarge);
        }
        let (mut old, mut new) = (root.bytes.to_vec(), self.empty_node(depth));
        node::move_entries(&mut old, 0, &mut new);
        let (key, block) = (node::key(&new, 0), self.create_node(inode, Place::Root, new)?);
        self.change_node(inode, Place::Root, |node| {
            node::clear(node, depth + 1);
            node::insert_child(node, 0, key, block);
        })
    }

    fn empty_node(&self, depth: u16) -> Vec<u8> {
        let mut bytes = alloc::vec![0; self.geometry.block_bytes];
        // 12 bytes of header and of each entry leave room for the sum in every block size.
        node::clear(&mut bytes, depth);
        bytes
    }

    fn create_node(&mut self, inode: &mut Inode, beside: Place, bytes: Vec<u8>) -> Result<u64> {
        let goal = match beside {
            Place::Block(block) => block,
            Place::Root => self.geometry.group_start(self.group_of(inode.number)),
        };
        let block = self.allocate_metadata(goal)?;
        self.buffers.create(block, bytes, Kind::Extents(inode.owner()));
        self.count_sectors(inode, 1)?;
        Ok(block)
    }

    /// Adds blocks to what an inode uses.
    pub(crate) fn count_sectors(&self, inode: &mut Inode, blocks: i64) -> Result<()> {
        let block_bytes = self.geometry.block_bytes;
        let sectors = inode.sectors(block_bytes).checked_add_signed(blocks * (block_bytes as i64 / 512));
        inode.set_sectors(sectors.ok_or(FsError::Corrupt)?, block_bytes);
        Ok(())
    }
}
