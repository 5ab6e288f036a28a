//! Cutting files off: at once where little is freed, else step by step, with the file on the orphan list meanwhile.

use interfaces::FsError;

use crate::Result;
use crate::blocks::Content;
use crate::extents::remove::Then;
use crate::inode::{Inode, MAP_BYTES, flag, format};
use crate::volume::Volume;

/// Extents that are freed in one step: what a step changes fits into a transaction many times.
const STEP: usize = 32;

impl Volume {
    /// What the blocks of an inode hold.
    pub(crate) fn content_of(inode: &Inode) -> Content {
        if inode.is_file() { Content::Data } else { Content::Metadata }
    }

    /// Whether an inode has blocks (short links and special files have none).
    fn has_map(&self, inode: &Inode) -> bool {
        match inode.format() {
            format::FILE | format::DIRECTORY => true,
            format::SYMLINK => inode.has_flag(flag::EXTENTS) || inode.size() >= MAP_BYTES as u64,
            _ => false,
        }
    }

    /// One step of freeing the blocks behind `size` bytes; whether it was the last.
    pub(crate) fn cut_step(&mut self, number: u32, size: u64) -> Result<bool> {
        let mut inode = self.read_inode(number)?;
        if !self.has_map(&inode) {
            return Ok(true);
        }
        let first = size.div_ceil(self.geometry.block_bytes as u64);
        let content = Self::content_of(&inode);
        let is_done = match u32::try_from(first) {
            Ok(first) if !inode.has_flag(flag::EXTENTS) => self.cut_indirect(&mut inode, first, content)?,
            Ok(first) => self.remove_range(&mut inode, (first, 1 << 32), Then::Free(content), STEP)?,
            Err(_) => true,
        };
        self.put_inode(&mut inode)?;
        Ok(is_done)
    }

    /// Makes a file shorter: its record as `change` makes it, then the blocks behind its new size go.
    pub(crate) fn cut(&mut self, number: u32, size: u64, change: impl Fn(&mut Inode)) -> Result<()> {
        if !size.is_multiple_of(self.geometry.block_bytes as u64) {
            self.cut_within_block.insert(number);
        }
        let is_done = self.operation(|volume| {
            let mut inode = volume.inode(u64::from(number))?;
            inode.set_size(size);
            change(&mut inode);
            volume.put_inode(&mut inode)?;
            let is_done = volume.cut_step(number, size)?;
            // Without a name it is on the list already.
            if !is_done && inode.links() > 0 {
                let mut inode = volume.read_inode(number)?;
                volume.add_orphan(&mut inode)?;
                volume.put_inode(&mut inode)?;
            }
            Ok(is_done)
        })?;
        if is_done {
            return Ok(());
        }
        self.commit_if_large()?;
        self.finish_cut(number)
    }

    /// Makes what lies behind the ends of files zero that were cut off, right after the commit of that: before, the old contents
    /// count. When a file grows that is done in any case, but not by everybody else.
    pub(crate) fn zero_cut_ends(&mut self) -> Result<()> {
        for number in core::mem::take(&mut self.cut_within_block) {
            match self.inode(u64::from(number)) {
                Ok(mut inode) if inode.is_file() => self.zero_end(&mut inode)?,
                // It has gone since.
                Ok(_) | Err(FsError::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Goes on with a cut that takes more than one step.
    pub(crate) fn finish_cut(&mut self, number: u32) -> Result<()> {
        let inode = self.read_inode(number)?;
        while !self.operation(|volume| volume.cut_step(number, inode.size()))? {
            self.commit_if_large()?;
        }
        if inode.links() == 0 {
            return Ok(());
        }
        self.operation(|volume| {
            let mut inode = volume.read_inode(number)?;
            volume.remove_orphan(&mut inode)?;
            volume.put_inode(&mut inode)
        })
    }

    /// Frees whole blocks of a range of a file, in steps; the range is given in blocks.
    pub(crate) fn punch(&mut self, number: u32, (from, to): (u32, u64)) -> Result<()> {
        loop {
            let is_done = self.operation(|volume| {
                let mut inode = volume.inode(u64::from(number))?;
                if !inode.is_file() {
                    return Err(FsError::Invalid);
                }
                volume.use_extents(&mut inode)?;
                let is_done = volume.remove_range(&mut inode, (from, to), Then::Free(Content::Data), STEP)?;
                volume.put_inode(&mut inode)?;
                Ok(is_done)
            })?;
            if is_done {
                return Ok(());
            }
            self.commit_if_large()?;
        }
    }
}
