//! Contents of files: which blocks of the disk a piece is, new blocks for what is written, holes.

use alloc::vec::Vec;

use interfaces::FsError;
use interfaces::file_system::{Piece, Time};

use crate::Result;
use crate::extents::lookup::Run;
use crate::extents::remove::Then;
use crate::extents::{Content, Extent};
use crate::inode::{Inode, Stamp, flag};
use crate::regions::Region;
use crate::volume::Volume;

/// Unit of pieces' places in files and regions.
pub(crate) const PAGE: u64 = 4096;

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
    /// A regular file whose contents are of a known form.
    ///
    /// # Errors
    /// `IsDirectory`; `Invalid`: it is no file; `Unsupported`.
    pub(crate) fn file(&mut self, number: u64) -> Result<Inode> {
        let inode = self.inode(number)?;
        if inode.is_directory() {
            return Err(FsError::IsDirectory);
        }
        if !inode.is_file() {
            return Err(FsError::Invalid);
        }
        if inode.has_flag(flag::UNKNOWN) { Err(FsError::Unsupported) } else { Ok(inode) }
    }

    /// Writes a piece of a file: contents first, then what leads to them.
    pub(crate) fn write(&mut self, number: u64, piece: &Piece, region: &Region, now: &Time) -> Result<Inode> {
        let mut inode = self.file(number)?;
        let end = piece.offset.checked_add(u64::from(piece.bytes)).ok_or(FsError::TooLarge)?;
        let block_bytes = self.geometry.block_bytes as u64;
        let whole = u64::from(piece.bytes).next_multiple_of(block_bytes);
        region.check(piece, whole)?;
        if end > self.size_limit() {
            return Err(FsError::TooLarge);
        }
        if piece.bytes > 0 {
            let (first, count) = ((piece.offset / block_bytes) as u32, (whole / block_bytes) as u32);
            let targets = self.targets(&inode, first, count)?;
            if piece.offset > inode.size() {
                self.zero_end(&mut inode)?;
            }
            let apart = self.write_last_block(&inode, piece, region, &targets)?;
            self.write_targets(piece, region, &targets, count - apart)?;
            self.enter_targets(&mut inode, &targets)?;
            inode.set_size(inode.size().max(end));
        }
        inode.set_time(Stamp::Modified, now);
        inode.set_time(Stamp::Changed, now);
        self.put_inode(&mut inode)?;
        Ok(inode)
    }

    /// The blocks for a range of a file, in order; where it has none, new ones.
    fn targets(&mut self, inode: &Inode, first: u32, count: u32) -> Result<Vec<Target>> {
        let (mut at, end, mut targets) = (first, first + count, Vec::new());
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
        let group = self.geometry.locate(goal.min(self.geometry.blocks - 1))?;
        self.hints.insert(group.0, group.1);
        Ok(targets)
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

    /// Writes the first `count` blocks of the piece.
    fn write_targets(&self, piece: &Piece, region: &Region, targets: &[Target], count: u32) -> Result<()> {
        let block_bytes = self.geometry.block_bytes as u64;
        let (mut at, mut left) = (piece.at, count);
        for run in targets
            .chunk_by(|first, second| first.extent.physical + u64::from(first.extent.blocks) == second.extent.physical)
        {
            let Some(first) = run.first() else { continue };
            let blocks = run.iter().map(|target| target.extent.blocks).sum::<u32>().min(left);
            let bytes = u64::from(blocks) * block_bytes;
            self.disk.write_region((region.at_device(), at), self.address(first.extent.physical), bytes)?;
            at += bytes;
            left -= blocks;
        }
        Ok(())
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

    /// Makes what lies behind a file's end in its last block zero, before the file grows.
    pub(crate) fn zero_end(&mut self, inode: &mut Inode) -> Result<()> {
        let block_bytes = self.geometry.block_bytes as u64;
        let end = inode.size().next_multiple_of(block_bytes);
        self.zero_part(inode, inode.size(), end)
    }

    /// Makes a part of a block of a file zero, on the disk and at once.
    pub(crate) fn zero_part(&mut self, inode: &Inode, from: u64, to: u64) -> Result<()> {
        let block_bytes = self.geometry.block_bytes as u64;
        let logical = u32::try_from(from / block_bytes).map_err(|_| FsError::TooLarge)?;
        if from >= to {
            return Ok(());
        }
        let Some(block) = self.physical(inode, logical)? else { return Ok(()) };
        let (start, end) = ((from % block_bytes) as usize, (from % block_bytes + (to - from)) as usize);
        let mut data = alloc::vec![0; self.geometry.block_bytes];
        self.disk.read(self.address(block), &mut data)?;
        let part = data.get_mut(start..end).ok_or(FsError::Invalid)?;
        if part.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        part.fill(0);
        self.disk.write(self.address(block), [data.as_slice()])
    }

    /// Gives the blocks of a range back; the edges become zero.
    pub(crate) fn punch_hole(&mut self, number: u64, offset: u64, bytes: u64, now: &Time) -> Result<Inode> {
        let block_bytes = self.geometry.block_bytes as u64;
        let mut inode = self.file(number)?;
        let end = offset.saturating_add(bytes).min(inode.size());
        if offset < end {
            let to = if end == inode.size() { end.div_ceil(block_bytes) } else { end / block_bytes };
            let from = offset.div_ceil(block_bytes);
            if from > to {
                self.zero_part(&inode, offset, end)?;
            } else {
                self.zero_part(&inode, offset, (from * block_bytes).min(end))?;
                self.zero_part(&inode, (to * block_bytes).max(offset).min(end), end)?;
            }
            if from < to {
                self.punch(inode.number, (u32::try_from(from).map_err(|_| FsError::TooLarge)?, to))?;
            }
        }
        self.operation(|volume| {
            let mut inode = volume.file(number)?;
            inode.set_time(Stamp::Modified, now);
            inode.set_time(Stamp::Changed, now);
            volume.put_inode(&mut inode)
        })?;
        inode = self.file(number)?;
        Ok(inode)
    }

    /// The start of the next data, or of the next hole, at or after `offset`.
    ///
    /// # Errors
    /// `NotFound`: there is none before the file's end.
    pub(crate) fn seek(&mut self, number: u64, offset: u64, hole: bool) -> Result<u64> {
        let inode = self.file(number)?;
        let block_bytes = self.geometry.block_bytes as u64;
        let mut at = offset;
        while at < inode.size() {
            let logical = u32::try_from(at / block_bytes).map_err(|_| FsError::Corrupt)?;
            let run = if inode.has_flag(flag::EXTENTS) {
                let rest = u32::MAX - logical;
                self.first_run(&inode, logical, rest)?
            } else {
                self.runs(&inode, logical, 1)?.first().copied().ok_or(FsError::Corrupt)?
            };
            if matches!(run, Run::Hole { .. }) == hole {
                return Ok(at);
            }
            at = (u64::from(logical) + u64::from(run.blocks().max(1))) * block_bytes;
        }
        if hole && offset < inode.size() { Ok(inode.size()) } else { Err(FsError::NotFound) }
    }

    fn first_run(&mut self, inode: &Inode, logical: u32, most: u32) -> Result<Run> {
        let Some(extent) = self.extent_from(inode, logical)? else { return Ok(Run::Hole { blocks: most }) };
        if extent.logical > logical {
            return Ok(Run::Hole { blocks: extent.logical - logical });
        }
        let blocks = (extent.end() - u64::from(logical)) as u32;
        Ok(match extent.content {
            Content::Written => Run::Data { physical: extent.physical, blocks },
            Content::Unwritten => Run::Hole { blocks },
        })
    }
}
