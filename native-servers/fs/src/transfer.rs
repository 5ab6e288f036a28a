//! Reading contents: what is where is found out under the volume's lock, the disk then works without it.

use alloc::sync::Arc;
use alloc::vec::Vec;

use interfaces::FsError;
use interfaces::file_system::Piece;

use crate::Result;
use crate::disk::Disk;
use crate::extents::lookup::Run;
use crate::files::PAGE;
use crate::regions::Region;
use crate::volume::Volume;

/// What a read will do.
pub(crate) struct Transfer {
    runs: Vec<Run>,
    block_bytes: u64,
    /// Where in the region it starts.
    at: u64,
    /// Bytes of the file.
    pub(crate) bytes: u32,
    disk: Arc<Disk>,
}

impl Volume {
    /// Plans the reading of a piece.
    pub(crate) fn plan_read(&mut self, number: u64, piece: &Piece, region: &Region) -> Result<Transfer> {
        let inode = self.file(number)?;
        let bytes = inode.size().saturating_sub(piece.offset).min(u64::from(piece.bytes)) as u32;
        region.check(piece, u64::from(bytes).next_multiple_of(PAGE))?;
        let block_bytes = self.geometry.block_bytes as u64;
        let blocks = u64::from(bytes).div_ceil(block_bytes) as u32;
        let runs = if blocks == 0 {
            Vec::new()
        } else {
            let first = u32::try_from(piece.offset / block_bytes).map_err(|_| FsError::Corrupt)?;
            self.runs(&inode, first, blocks)?
        };
        Ok(Transfer { runs, block_bytes, at: piece.at, bytes, disk: self.disk.clone() })
    }
}

impl Transfer {
    /// Does it.
    pub(crate) fn run(&self, region: &Region) -> Result<()> {
        let mut at = self.at;
        for run in &self.runs {
            let bytes = u64::from(run.blocks()) * self.block_bytes;
            match run {
                Run::Hole { .. } => region.zero(at, bytes as usize)?,
                Run::Data { physical, .. } => {
                    self.disk.read_region((region.at_device(), at), physical * self.block_bytes, bytes)?;
                }
            }
            at += bytes;
        }
        let end = self.at + u64::from(self.bytes);
        region.zero(end, (end.next_multiple_of(PAGE) - end) as usize)
    }
}
