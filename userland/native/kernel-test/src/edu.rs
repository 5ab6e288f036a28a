//! QEMU's `edu` device (its `docs/specs/edu.rst`): DMA between its buffer and wherever it is told, and an interrupt behind it.

use core::mem::offset_of;

use ukernel_abi::boot::{MAX_RANGES, PhysicalRange, ROOT_INFO_ADDRESS, RootInfo, slot};
use ukernel_abi::{Error, PAGE_BYTES, Rights};
use ukernel_user::object::{IoControl, IoMapping, IoSpace, MapRange, MsiVector};
use ukernel_user::{Attachment, Cap, IoPorts, Memory, Notification};

use crate::machine::{peek, poke};
use crate::master::sleep;
use crate::world::{PLAYGROUND, World};
use crate::{Failure, Outcome};

const PORTS: Cap<IoPorts> = Cap::new(slot::IO_PORTS);
const IO_CONTROL: Cap<IoControl> = Cap::new(slot::IO_CONTROL);
/// Device and vendor.
const IDENTITY: u32 = 0x11e8_1234;
/// Where the test sees its registers, and the page that is its to reach.
const REGISTERS: u64 = PLAYGROUND + (1 << 32);
/// Offsets of registers, and of its buffer in its own addresses.
const SOURCE: u64 = 0x80;
const DESTINATION: u64 = 0x88;
const COUNT: u64 = 0x90;
const COMMAND: u64 = 0x98;
const BUFFER: u64 = 0x4_0000;
const RUN: u64 = 1;
const TO_MEMORY: u64 = 2;
const INTERRUPT: u64 = 4;
/// Configuration space.
const COMMAND_REGISTER: u32 = 4;
const MEMORY_AND_MASTER: u32 = 6;
const CAPABILITIES: u32 = 0x34;
const MSI: u32 = 5;

/// The device, and its IoSpace.
pub struct Edu {
    /// Its bus, device and function.
    pub source: u16,
    /// What it reaches.
    pub space: Cap<IoSpace>,
    /// Where its faults are told, with badge 1.
    pub faults: Cap<Notification>,
}

/// What happens behind a transfer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Behind {
    /// Nothing.
    Silence,
    /// The device interrupts.
    Interrupt,
}

impl Edu {
    /// The device, with an IoSpace that maps nothing.
    pub fn new(world: &mut World) -> Result<Self, Failure> {
        let source = find(world)?;
        let (space, faults) = (world.make::<IoSpace>()?, world.make::<Notification>()?);
        IO_CONTROL.bind(space, source)?;
        space.donate(world.pot, 8)?;
        let badged = world.mint(faults, Rights::SEND, 1)?;
        space.bind_faults(badged)?;
        Ok(Self { source, space, faults })
    }

    /// Let it reach memory.
    pub fn map(
        &self,
        world: &mut World,
        memory: Cap<Memory>,
        address: u64,
        rights: Rights,
    ) -> Result<Cap<IoMapping>, Error> {
        let mapping = world.make::<IoMapping>()?;
        self.space.map(memory, address, rights, mapping)?;
        Ok(mapping)
    }

    /// Have it read `bytes` bytes from an address of its own view to its buffer.
    pub fn read(&self, world: &mut World, from: u64, bytes: u64) -> Outcome {
        Self::transfer(world, [from, BUFFER, bytes, RUN])
    }

    /// Have it write so many bytes of its buffer to an address of its own view.
    pub fn write(&self, world: &mut World, to: u64, bytes: u64, behind: Behind) -> Outcome {
        let behind = if behind == Behind::Interrupt { INTERRUPT } else { 0 };
        Self::transfer(world, [BUFFER, to, bytes, RUN | TO_MEMORY | behind])
    }

    fn transfer(world: &mut World, [from, to, bytes, command]: [u64; 4]) -> Outcome {
        begin([from, to, bytes, command]);
        // It takes its time: a tenth of a second of the machine's clock.
        for _ in 0..100 {
            sleep(world, 10)?;
            if !is_busy() {
                return Ok(());
            }
        }
        Err(Failure { what: "the device ends its transfer", line: line!() })
    }

    /// Have it interrupt by this message.
    pub fn set_message(&self, message: MsiVector) -> Outcome {
        let mut at = config(self.source, CAPABILITIES)? & 0xfc;
        while at != 0 {
            let head = config(self.source, at)?;
            if head & 0xff == MSI {
                // 64 bits of address; then the data; then on.
                set_config(self.source, at + 4, message.address as u32)?;
                set_config(self.source, at + 8, (message.address >> 32) as u32)?;
                set_config(self.source, at + 12, message.data)?;
                set_config(self.source, at, head | 1 << 16)?;
                return Ok(());
            }
            at = head >> 8 & 0xfc;
        }
        Err(Failure { what: "the device has messages", line: line!() })
    }
}

/// The device's bus, device and function; its registers can be used from here on.
pub fn find(world: &mut World) -> Result<u16, Failure> {
    let missing = Failure { what: "the machine has an `edu` device", line: line!() };
    let source = (0..256).find(|source| config(*source, 0) == Ok(IDENTITY)).ok_or(missing)?;
    set_config(source, COMMAND_REGISTER, MEMORY_AND_MASTER)?;
    map_registers(world, u64::from(config(source, 0x10)? & !0xf))?;
    Ok(source)
}

/// Have it begin to write so many bytes of its buffer to an address of its own view.
pub fn begin_write(to: u64, bytes: u64) {
    begin([BUFFER, to, bytes, RUN | TO_MEMORY]);
}

/// Whether it is at it.
pub fn is_busy() -> bool {
    peek(REGISTERS + COMMAND) & RUN != 0
}

fn begin([from, to, bytes, command]: [u64; 4]) {
    for (register, value) in [(SOURCE, from), (DESTINATION, to), (COUNT, bytes), (COMMAND, command)] {
        poke(REGISTERS + register, value);
    }
}

fn select(source: u16, offset: u32) -> Result<(), Error> {
    PORTS.write(0xcf8, 4, 1 << 31 | u32::from(source) << 8 | offset)
}

fn config(source: u16, offset: u32) -> Result<u32, Error> {
    select(source, offset)?;
    PORTS.read(0xcfc, 4)
}

fn set_config(source: u16, offset: u32, value: u32) -> Result<(), Error> {
    select(source, offset)?;
    PORTS.write(0xcfc, 4, value)
}

/// Map the page of registers that are at this physical address.
fn map_registers(world: &mut World, physical: u64) -> Outcome {
    let missing = Failure { what: "the device's registers are in a device range", line: line!() };
    let range = |index: usize| {
        let at = ROOT_INFO_ADDRESS + (offset_of!(RootInfo, devices) + index * size_of::<PhysicalRange>()) as u64;
        (peek(at), peek(at + 8))
    };
    let holds = |index: &usize| {
        let (start, bytes) = range(*index);
        physical >= start && physical + PAGE_BYTES <= start + bytes
    };
    let index = (0..MAX_RANGES).find(holds).ok_or(missing)?;
    let device: Cap<Memory> = Cap::new(slot::DEVICE_FIRST + index as u64);
    let (part, rights) = (world.slot(), Rights::READ.or(Rights::WRITE));
    let part = device.sub(physical - range(index).0, PAGE_BYTES, part, rights)?;
    let attachment = world.make::<Attachment>()?;
    part.attach(world.vspace, REGISTERS, PAGE_BYTES, rights, attachment)?;
    attachment.map(&[MapRange { uncached: true, ..MapRange::new(REGISTERS, rights, 0, 1) }])?;
    // The test's own untyped does not end what is derived from the device's memory: this does.
    world.forget_later(part.slot());
    Ok(())
}
