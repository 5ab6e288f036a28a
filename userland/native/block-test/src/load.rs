//! A client that writes what it can tell again, and reads it.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use interfaces::BlockDevice;
use ipc::Capability;
use rt::memory::Shared;

/// Bytes of a client's part of the disk.
const AREA: usize = 32 << 10;
const SECTOR: usize = 512;

/// Numbers that look random, and are the same each time.
pub struct Numbers(u64);

impl Numbers {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// One below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// A client and what it has written.
pub struct Client<D> {
    device: D,
    number: u64,
    memory: Shared,
    region: u64,
    written: Vec<u8>,
    numbers: Numbers,
}

impl<D: BlockDevice> Client<D> {
    /// Client `number`, which has a part of the disk to itself, all zero from now on.
    pub fn new(device: D, number: u64) -> Result<Self, String> {
        let memory = Shared::allocate(AREA as u64).map_err(|error| format!("memory: {error:?}"))?;
        let region = device.attach(Capability(memory.memory().slot()), AREA as u64);
        let region = region.map_err(|error| format!("attaching: {error:?}"))?;
        let numbers = Numbers::new(number + 1);
        let client = Self { device, number, memory, region, written: vec![0; AREA], numbers };
        let written = client.device.write(region, 0, client.sector(0), AREA as u32);
        written.map_err(|error| format!("clearing: {error:?}"))?;
        Ok(client)
    }

    fn sector(&self, at: usize) -> u64 {
        self.number * (AREA / SECTOR) as u64 + (at / SECTOR) as u64
    }

    /// Writes some sectors, reads some sectors and compares them, flushes now and then.
    pub fn round(&mut self) -> Result<(), String> {
        let (at, bytes) = self.place();
        let value = self.numbers.below(256) as u8;
        self.written[at..at + bytes].fill(value);
        let written = self.memory.window().copy_in(at, &self.written[at..at + bytes]);
        written.map_err(|error| format!("copying in: {error:?}"))?;
        let written = self.device.write(self.region, at as u64, self.sector(at), bytes as u32);
        written.map_err(|error| format!("writing: {error:?}"))?;
        if self.numbers.below(8) == 0 {
            self.device.flush().map_err(|error| format!("flushing: {error:?}"))?;
        }
        let (at, bytes) = self.place();
        self.compare(at, bytes)
    }

    /// Reads it all and compares it.
    pub fn compare_all(&mut self) -> Result<(), String> {
        self.compare(0, AREA)
    }

    fn compare(&mut self, at: usize, bytes: usize) -> Result<(), String> {
        self.memory.window().zero(at, bytes).map_err(|error| format!("clearing: {error:?}"))?;
        let read = self.device.read(self.region, at as u64, self.sector(at), bytes as u32);
        read.map_err(|error| format!("reading: {error:?}"))?;
        let mut found = vec![0; bytes];
        self.memory.window().copy_out(at, &mut found).map_err(|error| format!("copying out: {error:?}"))?;
        match found.iter().zip(&self.written[at..]).position(|(found, written)| found != written) {
            Some(first) => Err(format!("client {}: byte {} is not what was written", self.number, at + first)),
            None => Ok(()),
        }
    }

    /// Some whole sectors: where, and how many bytes.
    fn place(&mut self) -> (usize, usize) {
        let first = self.numbers.below((AREA / SECTOR) as u64) as usize;
        let count = 1 + self.numbers.below((AREA / SECTOR - first) as u64) as usize;
        (first * SECTOR, count * SECTOR)
    }

    /// Ends its region.
    pub fn finish(self) -> Result<(), String> {
        self.device.detach(self.region).map_err(|error| format!("detaching: {error:?}"))
    }
}
