//! Block maps of the time before extents: 12 blocks, and trees of one, two and three levels of tables of block numbers.
//!
//! They are read and cut off; what else would change one gives the file an extent tree first.

use alloc::vec::Vec;

use interfaces::FsError;

use crate::Result;
use crate::blocks::Content;
use crate::buffers::Kind;
use crate::bytes::{le32, put_le32};
use crate::extents::lookup::Run;
use crate::extents::{self, Extent, node};
use crate::inode::{Inode, flag};
use crate::volume::Volume;

/// Blocks that the inode itself names.
const DIRECT: u64 = 12;
/// Bytes of a block's number.
const SLOT: usize = 4;
/// Blocks that one step of a cut takes out at most.
const STEP: usize = 512;
/// Most extents that a map is made into: what that changes fits into a transaction.
const MOST_EXTENTS: usize = 4096;

/// What is taken out of a map, the last blocks first.
struct Cut {
    /// The first block of the file that goes.
    first: u64,
    /// Blocks that may still be taken.
    left: usize,
    /// What was taken.
    extents: Vec<Extent>,
    tables: Vec<u64>,
}

impl Cut {
    const fn new(first: u32, most: usize) -> Self {
        Self { first: first as u64, left: most, extents: Vec::new(), tables: Vec::new() }
    }

    /// Takes a block, which lies before those taken so far.
    fn take(&mut self, logical: u64, physical: u64) -> Result<()> {
        let logical = u32::try_from(logical).map_err(|_| FsError::Corrupt)?;
        let block = Extent { logical, physical, blocks: 1, content: extents::Content::Written };
        self.left -= 1;
        match self.extents.last_mut().filter(|next| block.joins(next)) {
            Some(next) => *next = Extent { blocks: next.blocks + 1, ..block },
            None => self.extents.push(block),
        }
        Ok(())
    }
}

impl Volume {
    /// What `blocks` blocks from `logical` on are.
    pub(crate) fn indirect_runs(&mut self, inode: &Inode, logical: u32, blocks: u32) -> Result<Vec<Run>> {
        if inode.has_flag(flag::UNKNOWN) {
            return Err(FsError::Unsupported);
        }
        let mut runs: Vec<Run> = Vec::new();
        for index in logical..logical.checked_add(blocks).ok_or(FsError::TooLarge)? {
            let block = self.indirect_block(inode, u64::from(index))?;
            match (runs.last_mut(), block) {
                (Some(Run::Hole { blocks }), 0) => *blocks += 1,
                (Some(Run::Data { physical, blocks }), block)
                    if block != 0 && *physical + u64::from(*blocks) == block =>
                {
                    *blocks += 1;
                }
                (_, 0) => runs.push(Run::Hole { blocks: 1 }),
                (_, block) if block < self.geometry.blocks => runs.push(Run::Data { physical: block, blocks: 1 }),
                _ => return Err(FsError::Corrupt),
            }
        }
        Ok(runs)
    }

    /// The block that holds block `index` of a file; 0: a hole.
    fn indirect_block(&mut self, inode: &Inode, index: u64) -> Result<u64> {
        if index < DIRECT {
            return Ok(u64::from(le32(inode.map(), index as usize * 4)));
        }
        let fanout = self.geometry.block_bytes as u64 / 4;
        let (mut rest, mut levels, mut reach) = (index - DIRECT, 1, fanout);
        while rest >= reach {
            rest -= reach;
            levels += 1;
            reach *= fanout;
            if levels > 3 {
                return Err(FsError::TooLarge);
            }
        }
        let mut block = u64::from(le32(inode.map(), (DIRECT as usize + levels - 1) * 4));
        while block != 0 && reach > 1 {
            reach /= fanout;
            let data = self.block(block, Kind::Plain)?;
            block = u64::from(le32(&data, (rest / reach) as usize * 4));
            rest %= reach;
        }
        Ok(block)
    }

    /// One step of freeing the blocks from `first` on, the last ones first; whether nothing is left of them.
    pub(crate) fn cut_indirect(&mut self, inode: &mut Inode, first: u32, content: Content) -> Result<bool> {
        let cut = self.take_out(inode, Cut::new(first, STEP))?;
        for extent in &cut.extents {
            self.free(extent.physical, u64::from(extent.blocks), content)?;
            self.count_sectors(inode, -i64::from(extent.blocks))?;
        }
        Ok(cut.left > 0)
    }

    /// Takes blocks out of an inode's map. Tables that become empty are freed, but not what was taken.
    fn take_out(&mut self, inode: &mut Inode, mut cut: Cut) -> Result<Cut> {
        if inode.has_flag(flag::UNKNOWN) {
            return Err(FsError::Unsupported);
        }
        let (mut map, direct) = (inode.map().to_vec(), DIRECT as usize * SLOT);
        for levels in (1..=3).rev() {
            let (at, base) =
                (direct + (levels as usize - 1) * SLOT, (1..levels).map(|below| self.reach(below)).sum::<u64>());
            let root = map.get_mut(at..at + SLOT).ok_or(FsError::Corrupt)?;
            self.cut_slots(root, (levels, DIRECT + base), &mut cut)?;
        }
        self.cut_slots(map.get_mut(..direct).ok_or(FsError::Corrupt)?, (0, 0), &mut cut)?;
        inode.set_map(&map);
        for table in &cut.tables {
            self.free(*table, 1, Content::Metadata)?;
            self.count_sectors(inode, -1)?;
        }
        Ok(cut)
    }

    /// Takes what goes out of slots that name blocks of the file (0 levels), or tables; the first one stands for block `base`
    /// of the file.
    fn cut_slots(&mut self, slots: &mut [u8], (levels, base): (u32, u64), cut: &mut Cut) -> Result<()> {
        for index in (0..slots.len() / SLOT).rev() {
            let (block, start) = (u64::from(le32(slots, index * SLOT)), base + index as u64 * self.reach(levels));
            if block == 0 || start + self.reach(levels) <= cut.first {
                continue;
            }
            if cut.left == 0 {
                break;
            }
            if levels == 0 {
                cut.take(start, block)?;
            } else if !self.cut_table(block, (levels, start), cut)? {
                continue;
            }
            put_le32(slots, index * SLOT, 0);
        }
        Ok(())
    }

    /// The same for a table; whether nothing is left in it: then it goes as well.
    fn cut_table(&mut self, table: u64, (levels, base): (u32, u64), cut: &mut Cut) -> Result<bool> {
        let old = self.block(table, Kind::Plain)?;
        let mut slots = old.to_vec();
        self.cut_slots(&mut slots, (levels - 1, base), cut)?;
        let is_empty = slots.iter().all(|byte| *byte == 0);
        if is_empty {
            cut.left = cut.left.saturating_sub(1);
            cut.tables.push(table);
        } else if slots != *old {
            self.change_block(table, Kind::Plain)?.copy_from_slice(&slots);
        }
        Ok(is_empty)
    }

    /// Blocks of a file below a slot that has so many levels of tables below it.
    fn reach(&self, levels: u32) -> u64 {
        (self.geometry.block_bytes as u64 / SLOT as u64).pow(levels)
    }

    /// Gives an inode an extent tree instead of its old map, if it has one. Its record is to be put back by the caller.
    ///
    /// # Errors
    /// `Unsupported`: the file is in too many pieces for that; `NoSpace`, `Corrupt`.
    pub(crate) fn use_extents(&mut self, inode: &mut Inode) -> Result<()> {
        if inode.has_flag(flag::EXTENTS) {
            return Ok(());
        }
        // No sound file has more blocks than the disk.
        let cut = self.take_out(inode, Cut::new(0, usize::try_from(self.geometry.blocks).unwrap_or(usize::MAX)))?;
        if cut.left == 0 || cut.extents.len() > MOST_EXTENTS {
            return Err(FsError::Unsupported);
        }
        inode.set_flags(inode.flags() | flag::EXTENTS);
        node::clear(inode.map_mut(), 0);
        cut.extents.iter().rev().try_for_each(|extent| self.insert_extent(inode, extent))
    }
}
