//! The stub of a disk over a server that forgets, dies and moves.

use std::sync::Mutex;

use interfaces::block_device::{BlockInfo, Pieces};
use interfaces::{BlockDevice, BlockError, Reattaching};
use ipc::{Capability, Failure};
use rt::memory::{Shared, Window};

/// The count of capabilities is the whole process's.
static ALONE: Mutex<()> = Mutex::new(());

const DIED: BlockError = BlockError::Call(Failure::Kernel(rt::Error::ServerDied));

/// A disk whose "reading" writes the sector's number to the region.
#[derive(Default)]
struct Disk(Mutex<State>);

#[derive(Default)]
struct State {
    last: u64,
    incarnation: u64,
    regions: Vec<(u64, Window)>,
    /// Fail the next calls with these.
    failures: Vec<BlockError>,
    attached: u32,
}

impl Disk {
    /// What happens when a driver is started anew.
    fn restart(&self, failures: &[BlockError]) {
        let mut state = self.0.lock().expect("no panic");
        state.regions.clear();
        state.incarnation += 1;
        state.failures = failures.to_vec();
    }

    fn state(&self) -> Result<std::sync::MutexGuard<'_, State>, BlockError> {
        let mut state = self.0.lock().expect("no panic");
        state.failures.pop().map_or(Ok(state), Err)
    }
}

impl BlockDevice for Disk {
    fn info(&self) -> Result<BlockInfo, BlockError> {
        let incarnation = self.state()?.incarnation;
        Ok(BlockInfo { sectors: 8, max_bytes: 4096, read_only: false, incarnation })
    }

    fn attach(&self, memory: Capability, bytes: u64) -> Result<u64, BlockError> {
        let mut state = self.state()?;
        let memory = rt::memory::Owned::copy_of(memory.0).map_err(|_| BlockError::NoRegion)?;
        let window = memory.map(bytes).map_err(|_| BlockError::OutOfRange)?;
        state.last += 1;
        state.attached += 1;
        let number = state.last;
        state.regions.push((number, window));
        Ok(number)
    }

    fn detach(&self, region: u64) -> Result<(), BlockError> {
        let mut state = self.state()?;
        let at = state.regions.iter().position(|(number, _)| *number == region).ok_or(BlockError::NoRegion)?;
        state.regions.remove(at);
        Ok(())
    }

    fn read(&self, region: u64, at: u64, sector: u64, _: u32) -> Result<(), BlockError> {
        let state = self.state()?;
        let (_, window) = state.regions.iter().find(|(number, _)| *number == region).ok_or(BlockError::NoRegion)?;
        window.copy_in(at as usize, &[sector as u8]).map_err(|_| BlockError::OutOfRange)
    }

    fn write(&self, region: u64, at: u64, sector: u64, bytes: u32) -> Result<(), BlockError> {
        self.read(region, at, sector, bytes)
    }

    fn write_pieces(&self, region: u64, pieces: Pieces) -> Result<(), BlockError> {
        pieces.0.iter().try_for_each(|piece| self.write(region, piece.at, piece.sector, piece.bytes))
    }

    fn flush(&self) -> Result<(), BlockError> {
        self.state().map(drop)
    }

    fn end_client(&self, _: u64) -> Result<(), BlockError> {
        Err(BlockError::Refused)
    }

    fn admit_client(&self, _: u64) -> Result<(), BlockError> {
        Err(BlockError::Refused)
    }
}

fn first_byte(shared: &Shared) -> u8 {
    let mut byte = [0];
    shared.window().copy_out(0, &mut byte).expect("inside");
    byte[0]
}

fn attach(stub: &Reattaching<Disk>, shared: &Shared) -> u64 {
    stub.attach(Capability(shared.memory().slot()), 4096).expect("it is memory")
}

#[test]
fn regions_outlive_the_server_that_they_were_attached_to() {
    let _alone = ALONE.lock();
    let stub = Reattaching::new(Disk::default());
    let shared = [0, 1].map(|_| Shared::allocate(4096).expect("memory"));
    let regions = [0, 1].map(|index| attach(&stub, &shared[index]));
    stub.device().restart(&[]);
    // In the other order, so that the new server's first number is the second region's.
    assert_eq!((stub.read(regions[1], 0, 7, 512), stub.write(regions[0], 0, 5, 512)), (Ok(()), Ok(())));
    assert_eq!(shared.each_ref().map(first_byte), [5, 7]);
    assert_eq!(stub.device().0.lock().expect("no panic").attached, 4, "each was attached again once");
    assert_eq!(stub.info().map(|info| info.incarnation), Ok(1));
}

#[test]
fn a_dead_or_moving_server_is_waited_for() {
    let _alone = ALONE.lock();
    let stub = Reattaching::new(Disk::default());
    let shared = Shared::allocate(4096).expect("memory");
    let region = attach(&stub, &shared);
    stub.device().restart(&[DIED, BlockError::Stopped, BlockError::NoRegion, DIED]);
    assert_eq!(stub.read(region, 0, 3, 512), Ok(()));
    assert_eq!(first_byte(&shared), 3);
    stub.device().restart(&[DIED]);
    assert_eq!(stub.flush(), Ok(()));
    stub.device().restart(&[BlockError::Stopped]);
    assert_eq!(stub.detach(region), Ok(()), "the region went with the server");
    assert_eq!(stub.read(region, 0, 3, 512), Err(BlockError::NoRegion), "its user has detached it");
}

#[test]
fn the_devices_own_errors_are_the_callers() {
    let _alone = ALONE.lock();
    let stub = Reattaching::new(Disk::default());
    let region = attach(&stub, &Shared::allocate(4096).expect("memory"));
    stub.device().restart(&[BlockError::Device]);
    assert_eq!(stub.read(region, 0, 0, 512), Err(BlockError::Device));
    assert!(stub.attach(Capability(9), 4096).is_err(), "no memory");
    // The memory's owner has revoked it: it cannot be attached again, and that is told.
    assert_eq!(stub.read(region, 0, 0, 512), Err(BlockError::NoRegion));
}

#[test]
fn nothing_is_left_of_regions_that_end() {
    let _alone = ALONE.lock();
    let stub = Reattaching::new(Disk::default());
    let shared = Shared::allocate(4096).expect("memory");
    let before = rt::memory::count();
    for _ in 0..100 {
        let region = attach(&stub, &shared);
        stub.device().restart(&[DIED]);
        assert_eq!(stub.read(region, 0, 1, 512), Ok(()));
        assert_eq!(stub.detach(region), Ok(()));
    }
    assert!(stub.device().0.lock().expect("no panic").regions.is_empty());
    assert_eq!(rt::memory::count(), before);
}
