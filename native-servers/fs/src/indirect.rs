//! Block maps of the time before extents, read only: 12 blocks, and trees of one, two and three levels of block numbers.

use alloc::vec::Vec;

use interfaces::FsError;

use crate::Result;
use crate::buffers::Kind;
use crate::bytes::le32;
use crate::extents::lookup::Run;
use crate::inode::{Inode, flag};
use crate::volume::Volume;

/// Blocks that the inode itself names.
const DIRECT: u64 = 12;

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
}
