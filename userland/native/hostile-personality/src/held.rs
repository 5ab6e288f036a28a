//! The device as its driver holds it: registers mapped, interrupt bound; and whatever can be derived from that beforehand,
//! so as to keep it.

use interfaces::{PciBus, PciBusClient, PciError};
use ukernel_user::object::MapRange;
use ukernel_user::{Attachment, Cap, Error, Irq, Memory, Notification, Rights};

pub const PAGE: u64 = 4096;
pub const READ_WRITE: Rights = Rights::READ.or(Rights::WRITE);
/// The range of a modern virtio device's registers, as QEMU places them.
const REGISTERS: u8 = 4;

/// Why the device was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    Bus(PciError),
    Kernel(Error),
}

/// All that a driver had.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    /// The capability to the registers, a copy, a part, and a part of the copy.
    pub registers: [Cap<Memory>; 4],
    /// The interrupt, and a copy.
    pub irqs: [Cap<Irq>; 2],
    /// What it signals.
    pub notification: Cap<Notification>,
    /// What maps the registers: by the first capability, and by the last.
    pub attachments: [Cap<Attachment>; 2],
    /// Where.
    pub windows: [u64; 2],
    /// Where the registers are on the bus, and how many bytes.
    pub physical: (u64, u64),
}

impl Held {
    /// Takes the device.
    pub fn take(pci: &PciBusClient) -> Result<Self, Refusal> {
        pci.enable().map_err(Refusal::Bus)?;
        let bar = pci.bar(REGISTERS).map_err(Refusal::Bus)?;
        let irq: Cap<Irq> = Cap::new(pci.interrupt(0).map_err(Refusal::Bus)?.0);
        let physical = (physical(pci).map_err(Refusal::Bus)?, bar.bytes);
        derive(Cap::new(bar.memory.0), irq, physical).map_err(Refusal::Kernel)
    }
}

/// Where the registers are, as configuration space tells: a memory range of 64 bits (PCI 3.0, 6.2.5.1).
fn physical(pci: &PciBusClient) -> Result<u64, PciError> {
    let offset = 0x10 + 4 * u16::from(REGISTERS);
    let (low, high) = (pci.read_config(offset)?, pci.read_config(offset + 4)?);
    Ok(u64::from(high) << 32 | u64::from(low & !0xf))
}

fn derive(registers: Cap<Memory>, irq: Cap<Irq>, physical: (u64, u64)) -> Result<Held, Error> {
    let part = |of: Cap<Memory>| rt::cap::in_free_slot(|slot| of.sub(0, PAGE, slot, READ_WRITE).map(drop));
    let copy = rt::cap::copy(registers, Rights::ALL)?;
    let registers = [registers, copy, part(registers)?, part(copy)?];
    let notification = rt::object::create(0)?;
    irq.bind(notification)?;
    let irqs = [irq, rt::cap::copy(irq, Rights::ALL)?];
    let start = rt::memory::base() + rt::layout::OWN;
    let windows = [start, start + (1 << 30)];
    let attachments = [map(registers[0], windows[0])?, map(registers[3], windows[1])?];
    Ok(Held { registers, irqs, notification, attachments, windows, physical })
}

fn map(memory: Cap<Memory>, address: u64) -> Result<Cap<Attachment>, Error> {
    let attachment = rt::memory::attach(memory, address, PAGE, READ_WRITE)?;
    rt::memory::map_range(attachment, page_at(address))?;
    Ok(attachment)
}

/// The first page of device memory, to be mapped there.
pub const fn page_at(address: u64) -> MapRange {
    MapRange { uncached: true, ..MapRange::new(address, READ_WRITE, 0, 1) }
}
