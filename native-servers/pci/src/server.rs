//! The contract `PciBus`: which function a badge means, and the capabilities that were handed out.
//!
//! A driver that starts again (its badge stays) gets the same capabilities as before it.

use crate::bus;
use crate::function::{Function, Message, Range, Table, pages_of};
use alloc::vec::Vec;
use driver_lib::mmio::Registers;
use driver_lib::pci::header::MAX_BARS;
use driver_lib::port_io::PortIo;
use interfaces::pci_bus::{Bar, PciDevice};
use interfaces::{PciBusHandler, PciError};
use ipc::{Answer, Caller, Capability};

/// What the server needs of the kernel.
pub trait Platform {
    /// Registers that the server has mapped for itself.
    type Registers: Registers;
    /// Map device memory, whole pages, for the server itself.
    fn map(&mut self, range: Range) -> Option<Self::Registers>;
    /// A capability to device memory, whole pages.
    fn memory(&mut self, range: Range) -> Option<Capability>;
    /// A new message-signalled interrupt.
    fn interrupt(&mut self) -> Option<(Capability, Message)>;
}

/// A function and what was handed out of it.
#[derive(Debug)]
struct Entry<R> {
    function: Function,
    table: Option<Table<R>>,
    bars: [Option<Capability>; MAX_BARS],
    vectors: Vec<(u16, Capability)>,
}

/// The server.
#[derive(Debug)]
pub struct PciServer<P, L: Platform> {
    ports: P,
    platform: L,
    entries: Vec<Entry<L::Registers>>,
}

impl<P: PortIo, L: Platform> PciServer<P, L> {
    /// Find all functions and keep them quiet.
    pub fn new(mut ports: P, platform: L) -> Self {
        let found = bus::enumerate(&mut ports);
        let quiet = found.into_iter().map(|(address, identity)| Function::quiesce(&mut ports, address, identity));
        let entry = |function| Entry { function, table: None, bars: [None; MAX_BARS], vectors: Vec::new() };
        let entries = quiet.map(entry).collect();
        Self { ports, platform, entries }
    }

    /// All functions.
    pub fn functions(&self) -> impl Iterator<Item = &Function> {
        self.entries.iter().map(|entry| &entry.function)
    }

    /// The function that a badge means (see [`interfaces::pci_bus::badge`]), and what is needed to serve it.
    fn entry(&mut self, badge: u64) -> Result<(&mut Entry<L::Registers>, &mut P, &mut L), PciError> {
        let (vendor, device) = ((badge >> 16) as u16, badge as u16);
        let index = usize::try_from(badge >> 32).map_err(|_| PciError::NoDevice)?;
        let is_one = |entry: &&mut Entry<L::Registers>| {
            (entry.function.identity.vendor, entry.function.identity.device) == (vendor, device)
        };
        let entry = self.entries.iter_mut().filter(is_one).nth(index).ok_or(PciError::NoDevice)?;
        Ok((entry, &mut self.ports, &mut self.platform))
    }

    fn find(&mut self, badge: u64) -> Result<PciDevice, PciError> {
        let Function { address, .. } = &self.entry(badge)?.0.function;
        let place = u16::from(address.device()) << 3 | u16::from(address.function());
        let location = u16::from(address.bus()) << 8 | place;
        let vectors = self.entry(badge)?.0.function.vectors();
        let (vendor, device) = ((badge >> 16) as u16, badge as u16);
        Ok(PciDevice { vendor, device, location, vectors })
    }

    fn read(&mut self, badge: u64, offset: u16) -> Result<u32, PciError> {
        let (entry, ports, _) = self.entry(badge)?;
        entry.function.read_config(ports, offset).ok_or(PciError::BadOffset)
    }

    fn range(&mut self, badge: u64, index: u8) -> Result<Bar, PciError> {
        let (entry, _, platform) = self.entry(badge)?;
        let (range, page_offset) = entry.function.bar(index).ok_or(PciError::NoBar)?;
        let slot = entry.bars.get_mut(usize::from(index)).ok_or(PciError::NoBar)?;
        if slot.is_none() {
            *slot = platform.memory(pages_of(range));
        }
        let memory = slot.ok_or(PciError::Failed)?;
        Ok(Bar { memory, page_offset: page_offset as u32, bytes: range.bytes })
    }

    fn start(&mut self, badge: u64) -> Result<(), PciError> {
        let (entry, ports, platform) = self.entry(badge)?;
        entry.function.enable_memory(ports);
        entry.open_table(platform)?;
        entry.function.enable(ports);
        Ok(())
    }

    fn vector(&mut self, badge: u64, vector: u16) -> Result<Capability, PciError> {
        let (entry, ports, platform) = self.entry(badge)?;
        if let Some((_, irq)) = entry.vectors.iter().find(|(known, _)| *known == vector) {
            return Ok(*irq);
        }
        if vector >= entry.function.vectors() {
            return Err(PciError::NoVector);
        }
        entry.function.enable_memory(ports);
        entry.open_table(platform)?;
        let table = entry.table.as_ref().ok_or(PciError::Failed)?;
        let (irq, message) = platform.interrupt().ok_or(PciError::NoVector)?;
        table.set(vector, message);
        entry.vectors.push((vector, irq));
        Ok(irq)
    }
}

impl<R: Registers> Entry<R> {
    /// Map the MSI-X table, all masked, unless that was done or there is none.
    fn open_table(&mut self, platform: &mut impl Platform<Registers = R>) -> Result<(), PciError> {
        if self.table.is_none() && self.function.vectors() > 0 {
            let (pages, offset) = self.function.table().ok_or(PciError::Failed)?;
            let registers = platform.map(pages).ok_or(PciError::Failed)?;
            self.table = Some(Table::new(registers, offset, self.function.vectors()).ok_or(PciError::Failed)?);
        }
        Ok(())
    }
}

type Reply<T> = Result<T, PciError>;

impl<P: PortIo, L: Platform> PciBusHandler for PciServer<P, L> {
    fn device(&mut self, caller: Caller<'_, Reply<PciDevice>>) -> Answer<Reply<PciDevice>> {
        self.find(caller.badge()).into()
    }

    fn read_config(&mut self, caller: Caller<'_, Reply<u32>>, offset: u16) -> Answer<Reply<u32>> {
        self.read(caller.badge(), offset).into()
    }

    fn bar(&mut self, caller: Caller<'_, Reply<Bar>>, index: u8) -> Answer<Reply<Bar>> {
        self.range(caller.badge(), index).into()
    }

    fn enable(&mut self, caller: Caller<'_, Reply<()>>) -> Answer<Reply<()>> {
        self.start(caller.badge()).into()
    }

    fn interrupt(&mut self, caller: Caller<'_, Reply<Capability>>, vector: u16) -> Answer<Reply<Capability>> {
        self.vector(caller.badge(), vector).into()
    }
}

#[cfg(test)]
mod tests;
