//! The modern PCI transport (virtio 1.2, 4.1).
//!
//! A device's vendor capabilities say where its register blocks are: [`find_blocks`]. The driver gets each block mapped
//! (by asking the pci server for the range) and builds a [`PciTransport`] of them. MSI-X only: the interrupt status
//! block is not used.

use super::{Error, Queue, Transport};
use crate::mmio::{Mmio, Register, Registers};
use crate::pci::header::MAX_BARS;
use crate::pci::{CONFIG_BYTES, ConfigSpace, capability};
use alloc::vec::Vec;
use interfaces::PciBus;
use rt::memory::Owned;

const DEVICE_FEATURE_SELECT: Register<u32> = Register::at(0x00);
const DEVICE_FEATURE: Register<u32> = Register::at(0x04);
const DRIVER_FEATURE_SELECT: Register<u32> = Register::at(0x08);
const DRIVER_FEATURE: Register<u32> = Register::at(0x0c);
const CONFIG_VECTOR: Register<u16> = Register::at(0x10);
const STATUS_OFFSET: usize = 0x14;
const STATUS: Register<u8> = Register::at(STATUS_OFFSET);
const QUEUE_SELECT: Register<u16> = Register::at(0x16);
const QUEUE_SIZE: Register<u16> = Register::at(0x18);
const QUEUE_VECTOR: Register<u16> = Register::at(0x1a);
const QUEUE_ENABLE: Register<u16> = Register::at(0x1c);
const QUEUE_NOTIFY_OFFSET: Register<u16> = Register::at(0x1e);
/// Descriptors, available ring, used ring: 64 bits each, written as two of 32.
const QUEUE_ADDRESSES: [[Register<u32>; 2]; 3] = [
    [Register::at(0x20), Register::at(0x24)],
    [Register::at(0x28), Register::at(0x2c)],
    [Register::at(0x30), Register::at(0x34)],
];
/// Bytes of the common block.
const COMMON_BYTES: u32 = 0x38;

/// A block of registers: part of a base address range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Which base address register.
    pub bar: u8,
    /// Byte offset in its range.
    pub offset: u32,
    /// Its size.
    pub bytes: u32,
}

/// Where a device's blocks are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocks {
    /// Common configuration.
    pub common: Block,
    /// Notification addresses.
    pub notify: Block,
    /// Bytes from one notification address to the next.
    pub notify_multiplier: u32,
    /// The device's own configuration, if it has any.
    pub device: Option<Block>,
}

/// Read a device's capabilities. Of several of a kind the first that makes sense counts (4.1.4.1).
///
/// # Errors
/// [`Error::BadCapability`] where a block is missing or too small.
pub fn find_blocks(config: &mut impl ConfigSpace) -> Result<Blocks, Error> {
    const COMMON: u8 = 1;
    const NOTIFY: u8 = 2;
    const DEVICE: u8 = 4;
    let (mut common, mut notify, mut device) = (None, None, None);
    for offset in capability::find(config, capability::VENDOR) {
        let Some(block) = read_block(config, offset) else { continue };
        match config.read_config_u8(offset + 3) {
            COMMON if common.is_none() && block.bytes >= COMMON_BYTES => common = Some(block),
            NOTIFY if notify.is_none() && offset <= CONFIG_BYTES - 20 => {
                notify = Some((block, config.read_config(offset + 16)));
            }
            DEVICE if device.is_none() => device = Some(block),
            _ => {}
        }
    }
    let common = common.ok_or(Error::BadCapability)?;
    let (notify, notify_multiplier) = notify.ok_or(Error::BadCapability)?;
    Ok(Blocks { common, notify, notify_multiplier, device })
}

fn read_block(config: &mut impl ConfigSpace, offset: u16) -> Option<Block> {
    if offset > CONFIG_BYTES - 16 {
        return None;
    }
    let block = Block {
        bar: config.read_config_u8(offset + 4),
        offset: config.read_config(offset + 8),
        bytes: config.read_config(offset + 12),
    };
    let is_inside = block.offset.checked_add(block.bytes).is_some();
    (usize::from(block.bar) < MAX_BARS && is_inside && block.offset.is_multiple_of(4)).then_some(block)
}

/// Reset the device whose common block is at `offset` of `registers`, as [`super::reset`] does: for whoever has no driver
/// for it.
///
/// # Errors
/// [`Error::NoReset`]; [`Error::BadCapability`]: the block is not inside.
pub fn reset(registers: &impl Registers, offset: usize) -> Result<(), Error> {
    if !registers.contains(offset, COMMON_BYTES as usize) {
        return Err(Error::BadCapability);
    }
    let status: Register<u8> = Register::at(offset + STATUS_OFFSET);
    status.write(registers, 0);
    let is_done = (0..super::RESET_READS).any(|_| status.read(registers) == 0);
    if is_done { Ok(()) } else { Err(Error::NoReset) }
}

/// The configuration space of the driver's own function, as the pci server shows it.
struct OwnFunction<'a, B>(&'a B);

impl<B: PciBus> ConfigSpace for OwnFunction<'_, B> {
    fn read_config(&mut self, offset: u16) -> u32 {
        self.0.read_config(offset).unwrap_or(u32::MAX)
    }
}

/// Find and map the blocks of the driver's own device, and let it work as a bus master.
///
/// # Errors
/// [`Error::BadCapability`]; [`Error::NoDevice`] where the pci server or the kernel refuses.
pub fn open(bus: &impl PciBus) -> Result<PciTransport<Mmio>, Error> {
    let blocks = find_blocks(&mut OwnFunction(bus))?;
    bus.enable().map_err(|_| Error::NoDevice)?;
    let map = |block: Block| {
        let bar = bus.bar(block.bar).map_err(|_| Error::NoDevice)?;
        // Only the mapping is kept, and goes with the transport.
        let memory = Owned::adopt(bar.memory.0);
        let bytes = usize::try_from(bar.bytes).map_err(|_| Error::BadCapability)?;
        let range = Mmio::map(memory.memory(), bar.page_offset as usize, bytes).map_err(|_| Error::NoDevice)?;
        range.part(block.offset as usize, block.bytes as usize).ok_or(Error::BadCapability)
    };
    let device = blocks.device.map(map).transpose()?;
    PciTransport::new(map(blocks.common)?, map(blocks.notify)?, blocks.notify_multiplier, device)
}

/// The PCI transport of a device whose blocks are mapped.
#[derive(Debug)]
pub struct PciTransport<R> {
    common: R,
    notify: R,
    notify_multiplier: u32,
    device: Option<R>,
    /// Where each enabled queue is notified: its number, and the offset in the block.
    notify_offsets: Vec<(u16, usize)>,
}

impl<R: Registers> PciTransport<R> {
    /// The transport over these blocks.
    ///
    /// # Errors
    /// [`Error::BadCapability`] where the common block is too small.
    pub fn new(common: R, notify: R, notify_multiplier: u32, device: Option<R>) -> Result<Self, Error> {
        if common.bytes() < COMMON_BYTES as usize {
            return Err(Error::BadCapability);
        }
        Ok(Self { common, notify, notify_multiplier, device, notify_offsets: Vec::new() })
    }
}

impl<R: Registers> Transport for PciTransport<R> {
    fn read_features(&mut self) -> u64 {
        DEVICE_FEATURE_SELECT.write(&self.common, 0);
        let low = DEVICE_FEATURE.read(&self.common);
        DEVICE_FEATURE_SELECT.write(&self.common, 1);
        u64::from(DEVICE_FEATURE.read(&self.common)) << 32 | u64::from(low)
    }

    fn write_features(&mut self, features: u64) {
        DRIVER_FEATURE_SELECT.write(&self.common, 0);
        DRIVER_FEATURE.write(&self.common, features as u32);
        DRIVER_FEATURE_SELECT.write(&self.common, 1);
        DRIVER_FEATURE.write(&self.common, (features >> 32) as u32);
    }

    fn read_status(&mut self) -> u8 {
        STATUS.read(&self.common)
    }

    fn write_status(&mut self, status: u8) {
        STATUS.write(&self.common, status);
    }

    fn read_queue_limit(&mut self, queue: u16) -> u16 {
        QUEUE_SELECT.write(&self.common, queue);
        QUEUE_SIZE.read(&self.common)
    }

    fn enable_queue(&mut self, queue: &Queue, vector: u16) -> bool {
        QUEUE_SELECT.write(&self.common, queue.index());
        QUEUE_SIZE.write(&self.common, queue.size());
        QUEUE_VECTOR.write(&self.common, vector);
        for ([low, high], address) in QUEUE_ADDRESSES.into_iter().zip(queue.addresses()) {
            low.write(&self.common, address as u32);
            high.write(&self.common, (address >> 32) as u32);
        }
        QUEUE_ENABLE.write(&self.common, 1);
        let slot = u64::from(QUEUE_NOTIFY_OFFSET.read(&self.common)) * u64::from(self.notify_multiplier);
        self.notify_offsets.retain(|(index, _)| *index != queue.index());
        self.notify_offsets.push((queue.index(), usize::try_from(slot).unwrap_or(usize::MAX)));
        // A device that has no such vector, or no memory for it, reads back 0xffff (4.1.5.1.2).
        QUEUE_VECTOR.read(&self.common) == vector && QUEUE_ENABLE.read(&self.common) == 1
    }

    fn write_config_vector(&mut self, vector: u16) -> bool {
        CONFIG_VECTOR.write(&self.common, vector);
        CONFIG_VECTOR.read(&self.common) == vector
    }

    fn notify(&mut self, queue: u16) {
        let known = self.notify_offsets.iter().find(|(index, _)| *index == queue);
        let Some(&(_, offset)) = known else { return };
        // The place is the device's word: outside of the block, or crooked, nobody is notified.
        if self.notify.contains(offset, 2) && offset.is_multiple_of(2) {
            self.notify.write_u16(offset, queue);
        }
    }

    fn read_config(&mut self, offset: usize) -> u32 {
        let device = self.device.as_ref().filter(|device| device.contains(offset, 4));
        device.map_or(0, |device| device.read_u32(offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dma::Dma;
    use crate::fake::{FakeFunction, FakeRegisters};

    fn qemu_like() -> FakeFunction {
        let mut function = FakeFunction::new(0x1af4, 0x1043, 0x078000);
        function.add_capability(0x40, capability::VENDOR, &[0x0110_0000, 4, 0, 0x1000]);
        function.add_capability(0x50, capability::VENDOR, &[0x0410_0000, 4, 0x2000, 0x1000]);
        function.add_capability(0x60, capability::VENDOR, &[0x0214_0000, 4, 0x3000, 0x1000, 4]);
        function
    }

    #[test]
    fn blocks_are_found_in_the_capabilities() {
        let blocks = find_blocks(&mut qemu_like()).expect("all are there");
        assert_eq!(blocks.common, Block { bar: 4, offset: 0, bytes: 0x1000 });
        assert_eq!(blocks.device, Some(Block { bar: 4, offset: 0x2000, bytes: 0x1000 }));
        assert_eq!((blocks.notify.offset, blocks.notify_multiplier), (0x3000, 4));
    }

    #[test]
    fn a_device_is_reset_without_a_driver_for_it() {
        let registers = FakeRegisters::new(0x1000);
        registers.write_u8(0x814, 15);
        assert_eq!((reset(&registers, 0x800), registers.read_u8(0x814)), (Ok(()), 0));
        assert_eq!(reset(&registers, 0xff0), Err(Error::BadCapability));
    }

    #[test]
    fn blocks_outside_of_any_range_do_not_count() {
        let mut function = qemu_like();
        function.set(0x48, 0xffff_f000);
        assert_eq!(find_blocks(&mut function), Err(Error::BadCapability));
        let mut function = qemu_like();
        function.set(0x44, 6);
        assert_eq!(find_blocks(&mut function), Err(Error::BadCapability));
    }

    #[test]
    fn a_queue_is_enabled_with_its_vector_and_addresses() {
        let [common, notify] = [0x38, 0x20].map(FakeRegisters::new);
        let mut transport = PciTransport::new(common, notify, 4, None).expect("large enough");
        let queue = Queue::new(5, 4, Dma::fake(Queue::bytes(4), 0x1_2345_0000));
        QUEUE_NOTIFY_OFFSET.write(&transport.common, 5);
        assert!(transport.enable_queue(&queue, 2));
        assert_eq!(transport.common.read_u16(0x16), 5);
        assert_eq!((transport.common.read_u32(0x20), transport.common.read_u32(0x24)), (0x2345_0000, 1));
        assert_eq!(transport.common.read_u32(0x28), 0x2345_0040);
        transport.notify(5);
        assert_eq!(transport.notify.read_u16(20), 5);
        QUEUE_NOTIFY_OFFSET.write(&transport.common, 0xffff);
        assert!(transport.enable_queue(&queue, 2));
        transport.notify.write_u16(20, 0);
        transport.notify(5);
        transport.notify(6);
        assert_eq!(transport.notify.read_u16(20), 0, "a place outside of the block is nowhere");
        assert_eq!(transport.read_config(0), 0);
    }
}
