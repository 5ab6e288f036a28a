//! The contract, for one of a disk's clients.

use alloc::sync::Arc;

use driver_lib::virtio::Transport;
use interfaces::block_device::{BlockInfo, Pieces, SUPERVISOR, Sectors};
use interfaces::{BlockDevice, BlockError};
use ipc::Capability;

use super::Disk;
use crate::device::{Kind, Request};

/// A disk as one of its clients sees it: with that one's regions.
#[derive(Debug)]
pub struct DiskClient<T> {
    pub(super) disk: Arc<Disk<T>>,
    pub(super) badge: u64,
}

impl<T> Clone for DiskClient<T> {
    fn clone(&self) -> Self {
        Self { disk: self.disk.clone(), badge: self.badge }
    }
}

impl<T> DiskClient<T> {
    fn require_supervisor(&self) -> Result<(), BlockError> {
        if self.badge == SUPERVISOR { Ok(()) } else { Err(BlockError::Refused) }
    }
}

impl<T: Transport + Send> BlockDevice for DiskClient<T> {
    fn info(&self) -> Result<BlockInfo, BlockError> {
        self.disk.inner.lock().stage.check()?;
        Ok(self.disk.info.clone())
    }

    fn attach(&self, memory: Capability, bytes: u64) -> Result<u64, BlockError> {
        let mut inner = self.disk.inner.lock();
        inner.stage.check()?;
        inner.regions.attach(self.badge, memory.0, bytes)
    }

    fn detach(&self, region: u64) -> Result<(), BlockError> {
        self.disk.detach(self.badge, region)
    }

    fn read(&self, region: u64, at: u64, sector: u64, bytes: u32) -> Result<(), BlockError> {
        self.disk.transfer(self.badge, Kind::Read, region, &[Sectors { at, sector, bytes }])
    }

    fn write(&self, region: u64, at: u64, sector: u64, bytes: u32) -> Result<(), BlockError> {
        self.disk.transfer(self.badge, Kind::Write, region, &[Sectors { at, sector, bytes }])
    }

    fn write_pieces(&self, region: u64, pieces: Pieces) -> Result<(), BlockError> {
        self.disk.transfer(self.badge, Kind::Write, region, &pieces.0)
    }

    fn flush(&self) -> Result<(), BlockError> {
        let inner = self.disk.inner.lock();
        inner.stage.check()?;
        if !self.disk.limits.has_cache {
            return Ok(());
        }
        self.disk.perform(inner, &[Request { kind: Kind::Flush, sector: 0, physical: 0, bytes: 0 }])
    }

    fn end_client(&self, badge: u64) -> Result<(), BlockError> {
        self.require_supervisor()?;
        self.disk.end_client(badge)
    }

    fn admit_client(&self, badge: u64) -> Result<(), BlockError> {
        self.require_supervisor()?;
        self.disk.inner.lock().regions.admit(badge);
        Ok(())
    }
}
