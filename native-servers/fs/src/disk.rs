//! The disk, in bytes: metadata through memory of our own, file contents through clients' regions.
//!
//! Addresses and lengths are whole sectors. Our own memory (the *stage*) has a lock, a leaf: what is gathered there goes to
//! the disk in one request where it lies together.

use alloc::sync::Arc;
use alloc::vec::Vec;

use interfaces::block_device::{MAX_PIECES, SECTOR_BYTES, Sectors};
use interfaces::{BlockDevice, BlockError, FsError};
use ipc::{Capability, List};
use rt::memory::Shared;
use rt::sync::Mutex;

use crate::Result;

/// Bytes of the stage: a multiple of every block size.
const STAGE_BYTES: usize = 256 << 10;

/// What is to be written, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Where it is in the region.
    pub(crate) at: u64,
    /// Where it goes on the disk.
    pub(crate) address: u64,
    pub(crate) bytes: u64,
}

/// A disk and a stage.
pub(crate) struct Disk {
    device: Arc<dyn BlockDevice>,
    stage: Mutex<Shared>,
    /// The stage at the device.
    region: u64,
    max_bytes: u64,
    bytes: u64,
    read_only: bool,
}

impl Disk {
    /// Prepares to use `device`.
    ///
    /// # Errors
    /// `Disk`: it does not answer. `Busy`: no memory for the stage.
    pub(crate) fn open(device: Arc<dyn BlockDevice>) -> Result<Self> {
        let info = device.info().map_err(error)?;
        let stage = Shared::allocate(STAGE_BYTES as u64).map_err(|_| FsError::Busy)?;
        let region = device.attach(Capability(stage.memory().slot()), STAGE_BYTES as u64).map_err(error)?;
        let max_bytes = u64::from(info.max_bytes) / 4096 * 4096;
        let bytes = info.sectors.checked_mul(SECTOR_BYTES).filter(|_| max_bytes > 0).ok_or(FsError::Disk)?;
        Ok(Self { device, stage: Mutex::new(stage), region, max_bytes, bytes, read_only: info.read_only })
    }

    /// Its size.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether it cannot be written.
    pub(crate) const fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// Fills `into` from byte `from` on.
    pub(crate) fn read(&self, from: u64, into: &mut [u8]) -> Result<()> {
        let stage = self.stage.lock();
        let mut at = from;
        for part in into.chunks_mut(STAGE_BYTES) {
            self.read_region((self.region, 0), at, part.len() as u64)?;
            stage.window().copy_out(0, part).map_err(|_| FsError::Invalid)?;
            at += part.len() as u64;
        }
        Ok(())
    }

    /// Writes `parts`, one after the other, from byte `to` on. Each part is at most a block.
    pub(crate) fn write<'a>(&self, to: u64, parts: impl IntoIterator<Item = &'a [u8]>) -> Result<()> {
        let stage = self.stage.lock();
        let (mut start, mut filled) = (to, 0);
        for part in parts {
            if filled + part.len() > STAGE_BYTES {
                self.write_region((self.region, 0), start, filled as u64)?;
                (start, filled) = (start + filled as u64, 0);
            }
            stage.window().copy_in(filled, part).map_err(|_| FsError::Invalid)?;
            filled += part.len();
        }
        self.write_region((self.region, 0), start, filled as u64)
    }

    /// Reads into a region (its number at the device, and where in it), from byte `from` of the disk on.
    pub(crate) fn read_region(&self, region: (u64, u64), from: u64, bytes: u64) -> Result<()> {
        self.requests(region, from, bytes, |at, sector, bytes| self.device.read(region.0, at, sector, bytes))
    }

    /// Writes from a region to byte `to` of the disk.
    pub(crate) fn write_region(&self, region: (u64, u64), to: u64, bytes: u64) -> Result<()> {
        self.requests(region, to, bytes, |at, sector, bytes| self.device.write(region.0, at, sector, bytes))
    }

    /// Writes from a region (its number at the device) to many places, which the device has at once.
    pub(crate) fn write_places(&self, region: u64, places: &[Place]) -> Result<()> {
        let mut pieces = Vec::new();
        for place in places {
            self.requests((region, place.at), place.address, place.bytes, |at, sector, bytes| {
                pieces.push(Sectors { at, sector, bytes });
                Ok(())
            })?;
        }
        for some in pieces.chunks(MAX_PIECES) {
            match some {
                [Sectors { at, sector, bytes }] => self.device.write(region, *at, *sector, *bytes),
                _ => self.device.write_pieces(region, List(some.to_vec())),
            }
            .map_err(error)?;
        }
        Ok(())
    }

    /// Makes everything that was written durable.
    pub(crate) fn flush(&self) -> Result<()> {
        self.device.flush().map_err(error)
    }

    /// Cuts a request into such as the device takes.
    fn requests(
        &self,
        region: (u64, u64),
        start: u64,
        bytes: u64,
        mut request: impl FnMut(u64, u64, u32) -> core::result::Result<(), BlockError>,
    ) -> Result<()> {
        let end = start.checked_add(bytes).filter(|end| *end <= self.bytes).ok_or(FsError::Corrupt)?;
        let mut at = start;
        while at < end {
            let length = (end - at).min(self.max_bytes);
            request(region.1 + (at - start), at / SECTOR_BYTES, length as u32).map_err(error)?;
            at += length;
        }
        Ok(())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Where it fails the device's server has forgotten the region already.
        let _ = self.device.detach(self.region);
    }
}

fn error(error: BlockError) -> FsError {
    log::warn!("the disk fails: {error:?}");
    match error {
        BlockError::ReadOnly => FsError::ReadOnly,
        _ => FsError::Disk,
    }
}
