//! Contents of files: their ends, holes, and where there is data.

use interfaces::FsError;
use interfaces::file_system::Time;

use crate::Result;
use crate::extents::Content;
use crate::extents::lookup::Run;
use crate::inode::{Inode, Stamp, flag};
use crate::volume::Volume;

/// Unit of pieces' places in files and regions.
pub(crate) const PAGE: u64 = 4096;

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
