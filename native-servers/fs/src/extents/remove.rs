//! Taking ranges out of an extent tree. Nodes that become empty go; a root with one small node below takes it in.

use interfaces::FsError;

use super::lookup::{Place, Step};
use super::{Extent, node};
use crate::Result;
use crate::blocks::Content as Freed;
use crate::buffers::Kind;
use crate::inode::Inode;
use crate::volume::Volume;

/// What becomes of blocks that are taken out of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// They are freed, as such content.
    Free(Freed),
    /// They go on being used.
    Keep,
}

impl Volume {
    /// Takes the blocks from `from` up to before `to` out, from at most `most` extents; whether that was all.
    ///
    /// # Errors
    /// `Corrupt`; `NoSpace`: an extent becomes two, and there is no room for that.
    pub(crate) fn remove_range(
        &mut self,
        inode: &mut Inode,
        (from, to): (u32, u64),
        then: Then,
        most: usize,
    ) -> Result<bool> {
        for _ in 0..most {
            let found = self.extent_from(inode, from)?.filter(|extent| u64::from(extent.logical) < to);
            let Some(extent) = found else {
                self.shrink_root(inode)?;
                return Ok(true);
            };
            let cut = self.remove_part(inode, &extent, (from, to))?;
            if let Then::Free(content) = then {
                self.free(cut.physical, u64::from(cut.blocks), content)?;
                self.count_sectors(inode, -i64::from(cut.blocks))?;
            }
        }
        Ok(false)
    }

    /// Takes the part of `extent` that lies in the range out: that part.
    fn remove_part(&mut self, inode: &mut Inode, extent: &Extent, (from, to): (u32, u64)) -> Result<Extent> {
        let start = from.max(extent.logical);
        let end = to.min(extent.end());
        let (head, tail) = (start - extent.logical, (extent.end() - end) as u32);
        let blocks = extent.blocks - head - tail;
        let physical = extent.physical + u64::from(head);
        let cut = Extent { logical: start, physical, blocks, ..*extent };
        let rest = Extent { logical: end as u32, physical: physical + u64::from(blocks), blocks: tail, ..*extent };
        let path = self.path(inode, extent.logical)?;
        let leaf = path.last().ok_or(FsError::Corrupt)?;
        let index = leaf.index.ok_or(FsError::Corrupt)?;
        match (head, tail) {
            (0, 0) => self.remove_entry(inode, &path)?,
            (0, _) => {
                self.change_node(inode, leaf.place, |node| node::set_extent(node, index, &rest))?;
                if index == 0 {
                    self.correct_keys(inode, &path, rest.logical)?;
                }
            }
            (_, _) => {
                let kept = Extent { blocks: head, ..*extent };
                self.change_node(inode, leaf.place, |node| node::set_extent(node, index, &kept))?;
                if tail > 0 {
                    self.insert_extent(inode, &rest)?;
                }
            }
        }
        Ok(cut)
    }

    /// Removes the entry that a path ends at, and the nodes that become empty.
    fn remove_entry(&mut self, inode: &mut Inode, path: &[Step]) -> Result<()> {
        for (level, step) in path.iter().enumerate().rev() {
            let index = step.index.ok_or(FsError::Corrupt)?;
            let is_last = node::count(&step.bytes) == 1;
            match step.place {
                Place::Block(block) if is_last => {
                    self.free(block, 1, Freed::Metadata)?;
                    self.count_sectors(inode, -1)?;
                    continue;
                }
                Place::Root if is_last => node::clear(inode.map_mut(), 0),
                place => {
                    self.change_node(inode, place, |node| node::remove(node, index))?;
                    if index == 0 {
                        let key = node::key(&step.bytes, 1);
                        self.correct_keys(inode, path.get(..=level).unwrap_or_default(), key)?;
                    }
                }
            }
            break;
        }
        Ok(())
    }

    /// Takes the only node below the root into it, while it fits.
    fn shrink_root(&mut self, inode: &mut Inode) -> Result<()> {
        while node::depth(inode.map()) > 0 && node::count(inode.map()) == 1 {
            let block = node::child(inode.map(), 0);
            let below = self.block(block, Kind::Extents(inode.owner()))?;
            if node::count(&below) > node::capacity(inode.map()) || node::depth(&below) + 1 != node::depth(inode.map())
            {
                break;
            }
            let mut old = below.to_vec();
            node::clear(inode.map_mut(), node::depth(&old));
            node::move_entries(&mut old, 0, inode.map_mut());
            self.free(block, 1, Freed::Metadata)?;
            self.count_sectors(inode, -1)?;
        }
        Ok(())
    }
}
