//! A disk in memory that remembers what was written since it was last flushed, so that a power cut can lose some of it.

use std::collections::BTreeMap;
use std::sync::Mutex;

use interfaces::block_device::{BlockInfo, Pieces, SECTOR_BYTES};
use interfaces::{BlockDevice, BlockError};
use ipc::Capability;
use rt::memory::{Owned, Window};

/// A disk.
pub struct Disk(Mutex<State>);

struct State {
    bytes: Vec<u8>,
    regions: BTreeMap<u64, Window>,
    last_region: u64,
    /// Old contents of what was written since the last flush, in order.
    unflushed: Vec<(usize, Vec<u8>)>,
    keeps_unflushed: bool,
    /// Writes until the power is cut; then everything fails.
    writes_left: Option<u64>,
    requests: u64,
    writes: u64,
    /// How many there were at each flush since the last.
    writes_at_flushes: Vec<u64>,
}

impl Disk {
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Mutex::new(State {
            bytes,
            regions: BTreeMap::new(),
            last_region: 0,
            unflushed: Vec::new(),
            keeps_unflushed: false,
            writes_left: None,
            requests: 0,
            writes: 0,
            writes_at_flushes: Vec::new(),
        }))
    }

    /// How many writes there were.
    pub fn writes(&self) -> u64 {
        self.0.lock().expect("no panic").writes
    }

    /// How many there were at each flush since [`cut_after`](Self::cut_after).
    pub fn writes_at_flushes(&self) -> Vec<u64> {
        self.0.lock().expect("no panic").writes_at_flushes.clone()
    }

    /// Lets the power fail at the write after `writes` more.
    pub fn cut_after(&self, writes: u64) {
        let mut state = self.0.lock().expect("no panic");
        state.keeps_unflushed = true;
        state.writes_left = Some(writes);
        state.writes = 0;
    }

    /// The disk's contents after a power cut: of the writes since the last flush those are kept that `keep` says.
    pub fn after_power_cut(&self, mut keep: impl FnMut() -> bool) -> Vec<u8> {
        let state = self.0.lock().expect("no panic");
        let mut bytes = state.bytes.clone();
        // What was written, in order, over what was there before all of it.
        let new: Vec<_> = (0..state.unflushed.len()).map(|index| contents_after(&state, index)).collect();
        for (at, old) in state.unflushed.iter().rev() {
            bytes[*at..at + old.len()].copy_from_slice(old);
        }
        for ((at, _), new) in state.unflushed.iter().zip(new) {
            // Sectors are written whole or not at all.
            for (index, sector) in new.chunks(512).enumerate() {
                if keep() {
                    let at = at + index * 512;
                    bytes[at..at + sector.len()].copy_from_slice(sector);
                }
            }
        }
        bytes
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.0.lock().expect("no panic").bytes.clone()
    }

    pub fn requests(&self) -> u64 {
        self.0.lock().expect("no panic").requests
    }

    fn transfer(
        &self,
        region: u64,
        at: u64,
        (sector, bytes): (u64, u32),
        work: impl FnOnce(&mut State, usize, usize, u64) -> Result<(), BlockError>,
    ) -> Result<(), BlockError> {
        let mut state = self.0.lock().expect("no panic");
        state.requests += 1;
        let (start, length) = ((sector * SECTOR_BYTES) as usize, bytes as usize);
        let window = state.regions.get(&region).ok_or(BlockError::NoRegion)?;
        let fits = at.checked_add(u64::from(bytes)).is_some_and(|end| end <= window.bytes() as u64);
        if !fits || !length.is_multiple_of(512) || start + length > state.bytes.len() || bytes > MAX_BYTES {
            return Err(BlockError::OutOfRange);
        }
        work(&mut state, start, length, region)
    }
}

const MAX_BYTES: u32 = 64 << 10;

/// What the write `index` since the last flush wrote.
fn contents_after(state: &State, index: usize) -> Vec<u8> {
    let (at, old) = &state.unflushed[index];
    let mut new = state.bytes[*at..at + old.len()].to_vec();
    // Later writes to the same place hide it: what they found is what it wrote.
    for (later_at, found) in state.unflushed[index + 1..].iter().rev() {
        let (start, end) = ((*later_at).max(*at), (later_at + found.len()).min(at + old.len()));
        if start < end {
            new[start - at..end - at].copy_from_slice(&found[start - later_at..end - later_at]);
        }
    }
    new
}

impl BlockDevice for Disk {
    fn info(&self) -> Result<BlockInfo, BlockError> {
        let state = self.0.lock().expect("no panic");
        let sectors = state.bytes.len() as u64 / SECTOR_BYTES;
        Ok(BlockInfo { sectors, max_bytes: MAX_BYTES, read_only: false, incarnation: 1 })
    }

    fn attach(&self, memory: Capability, bytes: u64) -> Result<u64, BlockError> {
        let window = Owned::copy_of(memory.0).and_then(|owned| owned.map(bytes)).map_err(|_| BlockError::OutOfRange)?;
        let mut state = self.0.lock().expect("no panic");
        state.last_region += 1;
        let region = state.last_region;
        state.regions.insert(region, window);
        Ok(region)
    }

    fn detach(&self, region: u64) -> Result<(), BlockError> {
        self.0.lock().expect("no panic").regions.remove(&region).map(drop).ok_or(BlockError::NoRegion)
    }

    fn read(&self, region: u64, at: u64, sector: u64, bytes: u32) -> Result<(), BlockError> {
        self.transfer(region, at, (sector, bytes), |state, start, length, region| {
            if state.writes_left == Some(0) {
                return Err(BlockError::Device);
            }
            let window = &state.regions[&region];
            window.copy_in(at as usize, &state.bytes[start..start + length]).map_err(|_| BlockError::OutOfRange)
        })
    }

    fn write(&self, region: u64, at: u64, sector: u64, bytes: u32) -> Result<(), BlockError> {
        self.transfer(region, at, (sector, bytes), |state, start, length, region| {
            match &mut state.writes_left {
                Some(0) => return Err(BlockError::Device),
                Some(left) => *left -= 1,
                None => {}
            }
            state.writes += 1;
            let mut new = vec![0; length];
            state.regions[&region].copy_out(at as usize, &mut new).map_err(|_| BlockError::OutOfRange)?;
            if state.keeps_unflushed {
                let old = state.bytes[start..start + length].to_vec();
                state.unflushed.push((start, old));
            }
            state.bytes[start..start + length].copy_from_slice(&new);
            Ok(())
        })
    }

    fn write_pieces(&self, region: u64, pieces: Pieces) -> Result<(), BlockError> {
        pieces.0.iter().try_for_each(|piece| self.write(region, piece.at, piece.sector, piece.bytes))
    }

    fn flush(&self) -> Result<(), BlockError> {
        let mut state = self.0.lock().expect("no panic");
        if state.writes_left == Some(0) {
            return Err(BlockError::Device);
        }
        state.unflushed.clear();
        if state.keeps_unflushed {
            let writes = state.writes;
            state.writes_at_flushes.push(writes);
        }
        Ok(())
    }

    fn end_client(&self, _: u64) -> Result<(), BlockError> {
        Err(BlockError::Refused)
    }

    fn admit_client(&self, _: u64) -> Result<(), BlockError> {
        Err(BlockError::Refused)
    }
}
