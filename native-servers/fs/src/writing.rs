//! Writing files: which blocks of the disk pieces are, new blocks for those that have none.
//!
//! Contents go to the disk first, all pieces of a call at once; then the file's map leads to them.

use alloc::vec::Vec;

use interfaces::FsError;
use interfaces::file_system::{Piece, Time};

use crate::Result;
use crate::disk::Place;
use crate::extents::remove::Then;
use crate::extents::{Content, Extent};
use crate::inode::{Inode, Stamp};
use crate::regions::Region;
use crate::volume::Volume;

/// Blocks that are written, and what they are in the file's map.
#[derive(Clone, Copy, Debug)]
struct Target {
    extent: Extent,
    state: TargetState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TargetState {
    /// In the map, and holding contents.
    Mapped,
    /// In the map as never written.
    Unwritten,
    /// Not yet in the map.
    New,
}

impl Volume {
    /// Writes pieces of a file, which lie in this region.
    ///
    /// # Errors
    /// `Invalid`: they do not follow one another, or one before the last is no whole number of blocks.
    pub(crate) fn write(&mut self, number: u64, pieces: &[Piece], region: &Region, now: &Time) -> Result<Inode> {
        let mut inode = self.file(number)?;
        self.use_extents(&mut inode)?;
        let end = self.check_pieces(pieces, region)?;
        if pieces.iter().any(|piece| piece.bytes > 0 && piece.offset > inode.size()) {
            self.zero_end(&mut inode)?;
        }
        let (mut targets, mut places): (Vec<Target>, _) = (Vec::new(), Vec::new());
        for piece in pieces.iter().filter(|piece| piece.bytes > 0) {
            let its = self.targets(&inode, piece)?;
            let apart = self.write_last_block(&inode, piece, region, &its)?;
            self.add_places(&mut places, piece, &its, apart);
            targets.extend(its);
        }
        self.disk.write_places(region.at_device(), &places)?;
        self.enter_targets(&mut inode, &targets)?;
        inode.set_size(inode.size().max(end));
        inode.set_time(Stamp::Modified, now);
        inode.set_time(Stamp::Changed, now);
        self.put_inode(&mut inode)?;
        self.note_goal(targets.last())?;
        Ok(inode)
    }

    /// Checks pieces; the end of the last one that is not empty.
    fn check_pieces(&self, pieces: &[Piece], region: &Region) -> Result<u64> {
        let block_bytes = self.geometry.block_bytes as u64;
        let mut end: u64 = 0;
        for piece in pieces {
            let bytes = u64::from(piece.bytes);
            region.check(piece, bytes.next_multiple_of(block_bytes))?;
            if piece.offset < end || !end.is_multiple_of(block_bytes) {
                return Err(FsError::Invalid);
            }
            if bytes > 0 {
                end = piece.offset.checked_add(bytes).ok_or(FsError::TooLarge)?;
            }
        }
        if end > self.size_limit() { Err(FsError::TooLarge) } else { Ok(end) }
    }

    /// The blocks of the disk for a piece, in order; where it has none, new ones.
    fn targets(&mut self, inode: &Inode, piece: &Piece) -> Result<Vec<Target>> {
        let block_bytes = self.geometry.block_bytes as u64;
        let first = (piece.offset / block_bytes) as u32;
        let end = first + u64::from(piece.bytes).div_ceil(block_bytes) as u32;
        let (mut at, mut targets) = (first, Vec::new());
        let mut goal = self.goal(inode, first)?;
        while at < end {
            let found = self.extent_from(inode, at)?.filter(|extent| extent.logical < end);
            let free_until = found.map_or(end, |extent| extent.logical);
            let target = if at < free_until {
                let (physical, blocks) = self.allocate(goal, free_until - at)?;
                let extent = Extent { logical: at, physical, blocks, content: Content::Written };
                Target { extent, state: TargetState::New }
            } else {
                let extent = found.ok_or(FsError::Corrupt)?;
                let blocks = (extent.end().min(u64::from(end)) - u64::from(at)) as u32;
                let physical = extent.physical + u64::from(at - extent.logical);
                let is_written = extent.content == Content::Written;
                let state = if is_written { TargetState::Mapped } else { TargetState::Unwritten };
                Target { extent: Extent { logical: at, physical, blocks, content: Content::Written }, state }
            };
            at += target.extent.blocks;
            goal = target.extent.physical + u64::from(target.extent.blocks);
            targets.push(target);
        }
        Ok(targets)
    }

    /// Notes that new files go behind the last block of a write that has succeeded.
    fn note_goal(&mut self, last: Option<&Target>) -> Result<()> {
        if let Some(Target { extent, .. }) = last {
            let behind = extent.physical + u64::from(extent.blocks);
            let (group, bit) = self.geometry.locate(behind.min(self.geometry.blocks - 1))?;
            self.hints.insert(group, bit);
        }
        Ok(())
    }

    /// Where blocks for a file's block `logical` should be: behind those before it.
    fn goal(&mut self, inode: &Inode, logical: u32) -> Result<u64> {
        let before = logical.checked_sub(1).map(|before| self.physical(inode, before)).transpose()?.flatten();
        let group = self.group_of(inode.number);
        let hint = self.hints.get(&group).copied().unwrap_or(0);
        Ok(before.map_or_else(|| self.geometry.group_start(group) + u64::from(hint), |block| block + 1))
    }

    /// Sees to a last block that the piece does not fill: behind the file's end it becomes zero; before it, what is there
    /// stays, and the block is written by itself. How many blocks that was.
    fn write_last_block(&mut self, inode: &Inode, piece: &Piece, region: &Region, targets: &[Target]) -> Result<u32> {
        let block_bytes = self.geometry.block_bytes;
        let used = piece.bytes as usize % block_bytes;
        let Some(last) = targets.last().filter(|_| used > 0) else { return Ok(0) };
        let end = piece.offset + u64::from(piece.bytes);
        if end >= inode.size() || last.state != TargetState::Mapped {
            region.zero(piece.at + u64::from(piece.bytes), block_bytes - used)?;
            return Ok(0);
        }
        let address = self.address(last.extent.physical + u64::from(last.extent.blocks) - 1);
        let mut data = alloc::vec![0; block_bytes];
        self.disk.read(address, &mut data)?;
        let at = piece.at + u64::from(piece.bytes) - used as u64;
        region.copy_out(at, data.get_mut(..used).unwrap_or_default())?;
        self.disk.write(address, [data.as_slice()])?;
        Ok(1)
    }

    /// Adds where the piece's blocks go, but for the last `apart`: one place for blocks that lie together.
    fn add_places(&self, places: &mut Vec<Place>, piece: &Piece, targets: &[Target], apart: u32) {
        let block_bytes = self.geometry.block_bytes as u64;
        let blocks: u32 = targets.iter().map(|target| target.extent.blocks).sum();
        let (mut at, mut left) = (piece.at, blocks - apart);
        for run in targets
            .chunk_by(|first, second| first.extent.physical + u64::from(first.extent.blocks) == second.extent.physical)
        {
            let Some(first) = run.first() else { continue };
            let blocks = run.iter().map(|target| target.extent.blocks).sum::<u32>().min(left);
            let bytes = u64::from(blocks) * block_bytes;
            if bytes > 0 {
                places.push(Place { at, address: self.address(first.extent.physical), bytes });
            }
            at += bytes;
            left -= blocks;
        }
    }

    /// Enters what is not yet in the file's map as written there.
    fn enter_targets(&mut self, inode: &mut Inode, targets: &[Target]) -> Result<()> {
        for Target { extent, state } in targets {
            match state {
                TargetState::Mapped => {}
                TargetState::Unwritten => {
                    let range = (extent.logical, extent.end());
                    self.remove_range(inode, range, Then::Keep, usize::MAX)?;
                    self.insert_extent(inode, extent)?;
                }
                TargetState::New => {
                    self.insert_extent(inode, extent)?;
                    self.count_sectors(inode, i64::from(extent.blocks))?;
                }
            }
        }
        Ok(())
    }
}
