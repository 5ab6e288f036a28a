//! Clients' memory: mapped here, for the ends of files, and attached at the disk in turn, which does the rest.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use interfaces::file_system::Piece;
use interfaces::{BlockDevice, FsError};
use ipc::Capability;
use rt::memory::{Owned, Window};
use rt::sync::{Mutex, RwLock};

use crate::Result;
use crate::files::PAGE;

/// Most regions at a time.
const MOST: usize = 256;

/// A client's memory.
pub(crate) struct Region {
    device: Arc<dyn BlockDevice>,
    at_device: u64,
    window: Window,
    /// Held for reading by who uses the region, for writing while it ends.
    in_use: RwLock<()>,
}

impl Region {
    /// Its number at the device.
    pub(crate) const fn at_device(&self) -> u64 {
        self.at_device
    }

    /// Checks that `bytes` bytes (the piece's, or more) of the region are there for a piece.
    ///
    /// # Errors
    /// `Invalid`: they are not, or the piece is not aligned.
    pub(crate) fn check(&self, piece: &Piece, bytes: u64) -> Result<()> {
        let is_aligned = piece.offset.is_multiple_of(PAGE) && piece.at.is_multiple_of(PAGE);
        let end = piece.at.checked_add(bytes);
        if is_aligned && end.is_some_and(|end| end <= self.window.bytes() as u64) {
            Ok(())
        } else {
            Err(FsError::Invalid)
        }
    }

    /// Makes a part zero.
    pub(crate) fn zero(&self, at: u64, bytes: usize) -> Result<()> {
        let at = usize::try_from(at).map_err(|_| FsError::Invalid)?;
        self.window.zero(at, bytes).map_err(|_| FsError::Invalid)
    }

    /// Copies a part.
    pub(crate) fn copy_out(&self, at: u64, into: &mut [u8]) -> Result<()> {
        let at = usize::try_from(at).map_err(|_| FsError::Invalid)?;
        self.window.copy_out(at, into).map_err(|_| FsError::Invalid)
    }

    /// Keeps it from ending meanwhile.
    pub(crate) fn used(&self) -> rt::sync::RwLockReadGuard<'_, ()> {
        self.in_use.read()
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // Where it fails the device's server has forgotten the region already.
        let _ = self.device.detach(self.at_device);
    }
}

/// All regions, by number.
pub(crate) struct Regions {
    device: Arc<dyn BlockDevice>,
    table: Mutex<Table>,
}

struct Table {
    last: u64,
    by_number: BTreeMap<u64, Arc<Region>>,
}

impl Regions {
    /// No regions; their numbers come after `last`, so that none of another incarnation is used again.
    pub(crate) const fn new(device: Arc<dyn BlockDevice>, last: u64) -> Self {
        Self { device, table: Mutex::new(Table { last, by_number: BTreeMap::new() }) }
    }

    /// Makes the first `bytes` of `memory` a region.
    ///
    /// # Errors
    /// `Invalid`: they are no memory; `Busy`: there are too many regions, here or at the disk.
    pub(crate) fn attach(&self, memory: Capability, bytes: u64) -> Result<u64> {
        let owned = Owned::copy_of(memory.0).map_err(|_| FsError::Invalid)?;
        let window = owned.map(bytes).map_err(|_| FsError::Invalid)?;
        if self.table.lock().by_number.len() >= MOST {
            return Err(FsError::Busy);
        }
        let at_device = self.device.attach(memory, bytes).map_err(|_| FsError::Busy)?;
        let region = Region { device: self.device.clone(), at_device, window, in_use: RwLock::new(()) };
        let mut table = self.table.lock();
        table.last += 1;
        let number = table.last;
        table.by_number.insert(number, Arc::new(region));
        Ok(number)
    }

    /// Ends a region, once nobody uses it any more.
    pub(crate) fn detach(&self, number: u64) -> Result<()> {
        let region = self.table.lock().by_number.remove(&number).ok_or(FsError::NoRegion)?;
        drop(region.in_use.write());
        Ok(())
    }

    /// Ends all.
    pub(crate) fn clear(&self) {
        let regions = core::mem::take(&mut self.table.lock().by_number);
        for region in regions.into_values() {
            drop(region.in_use.write());
        }
    }

    /// A region.
    pub(crate) fn get(&self, number: u64) -> Result<Arc<Region>> {
        self.table.lock().by_number.get(&number).cloned().ok_or(FsError::NoRegion)
    }
}
