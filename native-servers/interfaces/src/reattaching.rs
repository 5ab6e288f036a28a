//! A disk that does not go away: the client's stub over a [`BlockDevice`] whose server may die, move or start again.
//!
//! It keeps the capabilities of its user's regions. Where the server has ended, or does not know a region (any more), it
//! attaches the region again and repeats the request, for as long as it takes: every request of a disk can be repeated. The
//! numbers of regions that its user has stay the same.
//!
//! [`BlockError::Stopped`] is taken for "it moves": the next call goes to wherever it is then. So over a library in the same
//! task, whoever stops the library sees to it that nobody calls it through this stub until something serves again.
//!
//! Lock order: the regions' lock is held while a region is attached again, so that it is attached once; nothing behind it
//! may call back here.

use alloc::collections::BTreeMap;

use ipc::{Capability, Failure};
use rt::memory::Owned;
use rt::sync::Mutex;
use ukernel_abi::Error;

use crate::block_device::{BlockDevice, BlockError, BlockInfo, Pieces};

/// How long it waits before it repeats a request to a server that ended, in nanoseconds.
const PAUSE_NS: u64 = 1_000_000;

/// A [`BlockDevice`] over another one that may lose its regions.
#[derive(Debug)]
pub struct Reattaching<T> {
    device: T,
    regions: Mutex<Regions>,
}

#[derive(Debug, Default)]
struct Regions {
    last: u64,
    by_number: BTreeMap<u64, Region>,
}

#[derive(Debug)]
struct Region {
    memory: Owned,
    bytes: u64,
    /// Its number at the server. Numbers are never used again, so one of a lost incarnation is no other region's.
    number: u64,
}

impl<T: BlockDevice> Reattaching<T> {
    /// A stub over `device`.
    pub const fn new(device: T) -> Self {
        Self { device, regions: Mutex::new(Regions { last: 0, by_number: BTreeMap::new() }) }
    }

    /// What it calls.
    pub const fn device(&self) -> &T {
        &self.device
    }

    /// Repeats `request` for as long as it fails only because the server has ended.
    fn persist<R>(&self, request: impl Fn() -> Result<R, BlockError>) -> Result<R, BlockError> {
        loop {
            match request() {
                Err(BlockError::Call(Failure::Kernel(Error::ServerDied)) | BlockError::Stopped) => {
                    rt::thread::sleep_until(rt::time::now_ns() + PAUSE_NS);
                }
                result => return result,
            }
        }
    }

    /// Repeats `request`, which is given the region's number at the server, until the server knows the region.
    fn with_region(&self, region: u64, request: impl Fn(u64) -> Result<(), BlockError>) -> Result<(), BlockError> {
        loop {
            let number = self.number(region)?;
            match self.persist(|| request(number)) {
                Err(BlockError::NoRegion) => self.attach_again(region, number)?,
                result => return result,
            }
        }
    }

    fn number(&self, region: u64) -> Result<u64, BlockError> {
        self.regions.lock().by_number.get(&region).map(|region| region.number).ok_or(BlockError::NoRegion)
    }

    /// Gives a region a new number in place of `lost`, unless another thread has done so.
    fn attach_again(&self, region: u64, lost: u64) -> Result<(), BlockError> {
        let mut regions = self.regions.lock();
        let known = regions.by_number.get_mut(&region).ok_or(BlockError::NoRegion)?;
        if known.number == lost {
            known.number = self.persist(|| self.attach_memory(&known.memory, known.bytes))?;
        }
        Ok(())
    }

    fn attach_memory(&self, memory: &Owned, bytes: u64) -> Result<u64, BlockError> {
        self.device.attach(Capability(memory.memory().slot()), bytes)
    }
}

impl<T: BlockDevice> BlockDevice for Reattaching<T> {
    fn info(&self) -> Result<BlockInfo, BlockError> {
        self.persist(|| self.device.info())
    }

    fn attach(&self, memory: Capability, bytes: u64) -> Result<u64, BlockError> {
        let memory = Owned::copy_of(memory.0).map_err(|error| BlockError::Call(Failure::Kernel(error)))?;
        let number = self.persist(|| self.attach_memory(&memory, bytes))?;
        let mut regions = self.regions.lock();
        regions.last += 1;
        let region = regions.last;
        regions.by_number.insert(region, Region { memory, bytes, number });
        Ok(region)
    }

    fn detach(&self, region: u64) -> Result<(), BlockError> {
        let gone = self.regions.lock().by_number.remove(&region).ok_or(BlockError::NoRegion)?;
        match self.persist(|| self.device.detach(gone.number)) {
            // The incarnation that knew it has ended, and has nothing under way.
            Err(BlockError::NoRegion) => Ok(()),
            result => result,
        }
    }

    fn read(&self, region: u64, at: u64, sector: u64, bytes: u32) -> Result<(), BlockError> {
        self.with_region(region, |number| self.device.read(number, at, sector, bytes))
    }

    fn write(&self, region: u64, at: u64, sector: u64, bytes: u32) -> Result<(), BlockError> {
        self.with_region(region, |number| self.device.write(number, at, sector, bytes))
    }

    fn write_pieces(&self, region: u64, pieces: Pieces) -> Result<(), BlockError> {
        self.with_region(region, |number| self.device.write_pieces(number, pieces.clone()))
    }

    fn flush(&self) -> Result<(), BlockError> {
        self.persist(|| self.device.flush())
    }

    fn end_client(&self, badge: u64) -> Result<(), BlockError> {
        self.persist(|| self.device.end_client(badge))
    }

    fn admit_client(&self, badge: u64) -> Result<(), BlockError> {
        self.persist(|| self.device.admit_client(badge))
    }
}
