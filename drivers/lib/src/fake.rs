//! Devices that are not there: what the tests of drivers and of the pci server run against on the host.

use crate::mmio::Registers;
use crate::pci::{ConfigSpace, ConfigSpaceMut};
use alloc::vec;
use alloc::vec::Vec;
use core::cell::RefCell;

/// Registers that only remember.
#[derive(Debug)]
pub struct FakeRegisters {
    bytes: RefCell<Vec<u8>>,
}

impl FakeRegisters {
    /// This many zero bytes.
    pub fn new(bytes: usize) -> Self {
        Self { bytes: RefCell::new(vec![0; bytes]) }
    }

    fn read<const N: usize>(&self, offset: usize) -> [u8; N] {
        let bytes = self.bytes.borrow();
        core::array::from_fn(|index| bytes[offset + index])
    }

    fn write(&self, offset: usize, value: &[u8]) {
        self.bytes.borrow_mut()[offset..offset + value.len()].copy_from_slice(value);
    }
}

impl Registers for FakeRegisters {
    fn bytes(&self) -> usize {
        self.bytes.borrow().len()
    }
    fn read_u8(&self, offset: usize) -> u8 {
        self.read::<1>(offset)[0]
    }
    fn read_u16(&self, offset: usize) -> u16 {
        u16::from_le_bytes(self.read(offset))
    }
    fn read_u32(&self, offset: usize) -> u32 {
        u32::from_le_bytes(self.read(offset))
    }
    fn write_u8(&self, offset: usize, value: u8) {
        self.write(offset, &[value]);
    }
    fn write_u16(&self, offset: usize, value: u16) {
        self.write(offset, &value.to_le_bytes());
    }
    fn write_u32(&self, offset: usize, value: u32) {
        self.write(offset, &value.to_le_bytes());
    }
}

/// The configuration space of a PCI function, with which bits can be written.
#[derive(Clone, Debug)]
pub struct FakeFunction {
    words: [u32; 64],
    writable: [u32; 64],
    last_capability: Option<u16>,
}

impl FakeFunction {
    /// A device with this identity, no ranges and no capabilities.
    pub fn new(vendor: u16, device: u16, class: u32) -> Self {
        let mut function = Self { words: [0; 64], writable: [0; 64], last_capability: None };
        function.words[0] = u32::from(device) << 16 | u32::from(vendor);
        function.words[2] = class << 8;
        function.writable[1] = 0xffff;
        function
    }

    /// Set a word, as the device itself may.
    pub fn set(&mut self, offset: u16, value: u32) {
        self.words[usize::from(offset / 4)] = value;
    }

    /// Give it a 32-bit memory range.
    pub fn add_bar(&mut self, index: u16, physical: u32, bytes: u32) {
        let word = usize::from(4 + index);
        self.words[word] = physical;
        self.writable[word] = !(bytes - 1);
    }

    /// Give it a 64-bit memory range (of less than 4 GiB).
    pub fn add_wide_bar(&mut self, index: u16, physical: u64, bytes: u32) {
        self.add_bar(index, physical as u32 | 0b100, bytes);
        let word = usize::from(5 + index);
        self.words[word] = (physical >> 32) as u32;
        self.writable[word] = u32::MAX;
    }

    /// Append a capability; the low half of its first word is filled in.
    pub fn add_capability(&mut self, offset: u16, number: u8, words: &[u32]) {
        match self.last_capability.replace(offset) {
            None => self.words[13] = u32::from(offset),
            Some(last) => self.words[usize::from(last / 4)] |= u32::from(offset) << 8,
        }
        self.words[1] |= 1 << 20;
        for (index, &word) in words.iter().enumerate() {
            self.words[usize::from(offset / 4) + index] = word;
        }
        self.words[usize::from(offset / 4)] |= u32::from(number);
        self.writable[usize::from(offset / 4)] = 0xc000_0000;
    }
}

impl ConfigSpace for FakeFunction {
    fn read_config(&mut self, offset: u16) -> u32 {
        self.words[usize::from(offset / 4)]
    }
}

impl ConfigSpaceMut for FakeFunction {
    fn write_config(&mut self, offset: u16, value: u32) {
        let word = usize::from(offset / 4);
        let writable = self.writable[word];
        self.words[word] = self.words[word] & !writable | value & writable;
    }
}
