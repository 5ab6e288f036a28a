//! The contract `PciBus`: which function a badge means, who holds it, and the capabilities that were handed out.
//!
//! For each range and each interrupt there is one capability of the server's own, made when it is first asked for; what a
//! driver gets is derived from it. So all that was handed out can be revoked, and is handed out again from the same one: the
//! next driver costs neither slots nor interrupt vectors. A driver that starts again (its badge stays) gets the same
//! capabilities as before it.
//!
//! What a device behind an IOMMU wanted and may not arrives as an event: the log has it, and the supervisor is told whose device it
//! is. A driver could have its IoSpace tell somebody else; what its device may reach does not change by that.

use crate::bus;
use crate::function::{Function, Message, Range, Table, pages_of};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use driver_lib::mmio::Registers;
use driver_lib::pci::header::{Identity, MAX_BARS};
use driver_lib::port_io::PortIo;
use driver_lib::virtio;
use interfaces::pci_bus::{Bar, PciDevice, SUPERVISOR};
use interfaces::{PciBusHandler, PciError};
use ipc::{Answer, Caller, Capability};
use ukernel_user::object::{Access, IoFault};

/// What the server needs of the kernel.
pub trait Platform {
    /// Registers that the server has mapped for itself.
    type Registers: Registers;
    /// Map device memory, whole pages, for the server itself.
    fn map(&mut self, range: Range) -> Option<Self::Registers>;
    /// A capability to device memory, whole pages.
    fn memory(&mut self, range: Range) -> Option<Capability>;
    /// A new message-signalled interrupt of the function with this source number.
    fn interrupt(&mut self, source: u16) -> Option<(Capability, Message)>;
    /// A new IoSpace for the function with this source number; `None`: there is no IOMMU, or the kernel refused.
    fn io_space(&mut self, source: u16) -> Option<Capability>;
    /// Have the server told of faults of an IoSpace's device, until the IoSpace is cleared.
    fn watch(&mut self, space: Capability);
    /// What the device of an IoSpace was refused since the last time; further faults are told from then on.
    fn fault(&mut self, space: Capability) -> Option<IoFault>;
    /// Tell the supervisor that the device of the driver with this badge does what it may not.
    fn accuse(&mut self, driver: u64);
    /// Let the device of an IoSpace reach nothing; whether that worked.
    fn clear(&mut self, space: Capability) -> bool;
    /// Delete all that was derived from a capability; whether it is gone.
    fn revoke(&mut self, capability: Capability) -> bool;
    /// Let an interrupt signal nobody; whether that worked.
    fn unbind(&mut self, irq: Capability) -> bool;
}

/// A function and what was handed out of it.
#[derive(Debug)]
struct Entry<R> {
    function: Function,
    table: Option<Table<R>>,
    bars: [Option<Capability>; MAX_BARS],
    vectors: Vec<Vector>,
    space: Option<Capability>,
    /// The registers by which it is reset, and the common block's offset in them.
    common: Option<(R, usize)>,
    state: State,
}

/// An interrupt vector that was asked for.
#[derive(Clone, Copy, Debug)]
struct Vector {
    number: u16,
    irq: Capability,
    message: Message,
}

/// Who has a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Free,
    /// The driver with this badge.
    Held(u64),
    /// Nobody any more: it did not finish a reset, or what was handed out could not be revoked.
    Broken,
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
        let entries = quiet.map(Entry::new).collect();
        Self { ports, platform, entries }
    }

    /// All functions.
    pub fn functions(&self) -> impl Iterator<Item = &Function> {
        self.entries.iter().map(|entry| &entry.function)
    }

    /// The function that a badge means (see [`interfaces::pci_bus::badge`]), and what is needed to serve it.
    fn entry(&mut self, badge: u64) -> Result<(&mut Entry<L::Registers>, &mut P, &mut L), PciError> {
        if badge >= SUPERVISOR {
            return Err(PciError::NoDevice);
        }
        let (vendor, device, index) = ((badge >> 16) as u16, badge as u16, usize::from((badge >> 32) as u8));
        let is_one = |entry: &&mut Entry<L::Registers>| {
            (entry.function.identity.vendor, entry.function.identity.device) == (vendor, device)
        };
        let entry = self.entries.iter_mut().filter(is_one).nth(index).ok_or(PciError::NoDevice)?;
        Ok((entry, &mut self.ports, &mut self.platform))
    }

    /// As [`entry`](Self::entry), of a driver that holds the function or takes it, where it is free.
    fn claim(&mut self, badge: u64) -> Result<(&mut Entry<L::Registers>, &mut P, &mut L), PciError> {
        let found = self.entry(badge)?;
        match found.0.state {
            State::Held(holder) if holder != badge => return Err(PciError::Held),
            State::Broken => return Err(PciError::NoReset),
            State::Free | State::Held(_) => found.0.state = State::Held(badge),
        }
        Ok(found)
    }

    fn find(&mut self, badge: u64) -> Result<PciDevice, PciError> {
        let location = self.entry(badge)?.0.function.source();
        let vectors = self.entry(badge)?.0.function.vectors();
        let (vendor, device) = ((badge >> 16) as u16, badge as u16);
        Ok(PciDevice { vendor, device, location, vectors })
    }

    fn read(&mut self, badge: u64, offset: u16) -> Result<u32, PciError> {
        let (entry, ports, _) = self.entry(badge)?;
        entry.function.read_config(ports, offset).ok_or(PciError::BadOffset)
    }

    fn range(&mut self, badge: u64, index: u8) -> Result<Bar, PciError> {
        let (entry, _, platform) = self.claim(badge)?;
        let (range, page_offset) = entry.function.bar(index).ok_or(PciError::NoBar)?;
        let slot = entry.bars.get_mut(usize::from(index)).ok_or(PciError::NoBar)?;
        if slot.is_none() {
            *slot = platform.memory(pages_of(range));
        }
        let memory = slot.ok_or(PciError::Failed)?;
        Ok(Bar { memory, page_offset: page_offset as u32, bytes: range.bytes })
    }

    fn space(&mut self, badge: u64) -> Result<Capability, PciError> {
        let (entry, _, platform) = self.claim(badge)?;
        if entry.space.is_none() {
            entry.space = platform.io_space(entry.function.source());
        }
        let space = entry.space.ok_or(PciError::NoIoSpace)?;
        platform.watch(space);
        Ok(space)
    }

    /// Says what devices were refused since the last time, and whose they are.
    pub fn report_faults(&mut self) {
        for entry in &mut self.entries {
            let Some(fault) = entry.space.and_then(|space| self.platform.fault(space)) else { continue };
            log::warn!("{}", describe(&entry.function, &fault));
            if let State::Held(driver) = entry.state {
                self.platform.accuse(driver);
            }
        }
    }

    fn start(&mut self, badge: u64) -> Result<(), PciError> {
        let (entry, ports, platform) = self.claim(badge)?;
        entry.function.enable_memory(ports);
        entry.open_table(platform)?;
        entry.function.enable(ports);
        Ok(())
    }

    fn vector(&mut self, badge: u64, number: u16) -> Result<Capability, PciError> {
        let (entry, ports, platform) = self.claim(badge)?;
        if number >= entry.function.vectors() {
            return Err(PciError::NoVector);
        }
        entry.function.enable_memory(ports);
        entry.open_table(platform)?;
        let known = entry.vectors.iter().find(|vector| vector.number == number).copied();
        let vector = match known {
            Some(vector) => vector,
            None => {
                let (irq, message) = platform.interrupt(entry.function.source()).ok_or(PciError::NoVector)?;
                Vector { number, irq, message }
            }
        };
        if known.is_none() {
            entry.vectors.push(vector);
        }
        entry.table.as_ref().ok_or(PciError::Failed)?.set(number, vector.message);
        Ok(vector.irq)
    }

    fn give_up(&mut self, badge: u64) -> Result<(), PciError> {
        let (entry, ports, platform) = self.entry(badge)?;
        match entry.state {
            State::Free => Ok(()),
            State::Held(holder) if holder != badge => Err(PciError::Held),
            State::Held(_) | State::Broken => entry.take_back(ports, platform),
        }
    }

    fn take_away(&mut self, badge: u64, driver: u64) -> Result<(), PciError> {
        if badge != SUPERVISOR {
            return Err(PciError::Refused);
        }
        match self.give_up(driver) {
            // It is another driver's, so the dead one has nothing of it.
            Err(PciError::Held) => Ok(()),
            result => result,
        }
    }
}

/// What a device was refused, for the log.
fn describe(function: &Function, fault: &IoFault) -> String {
    let (place, Identity { vendor, device, .. }) = (function.address, &function.identity);
    let IoFault { count, address, access, reason } = fault;
    let wanted = match access {
        Access::Read => format!("read address {address:#x}"),
        Access::Write => format!("write to address {address:#x}"),
        Access::Interrupt => format!("raise interrupt {address}"),
    };
    format!("{place} {vendor:04x}:{device:04x} wanted to {wanted} and may not (reason {reason:#x}, faults {count})")
}

impl<R: Registers> Entry<R> {
    fn new(function: Function) -> Self {
        let (bars, vectors) = ([None; MAX_BARS], Vec::new());
        Self { function, table: None, bars, vectors, space: None, common: None, state: State::Free }
    }

    /// Resets the function and revokes what was handed out of it. It is reset first: what it was writing to memory must have
    /// ended, and masters the bus no more before anybody thinks so.
    fn take_back(
        &mut self,
        ports: &mut impl PortIo,
        platform: &mut impl Platform<Registers = R>,
    ) -> Result<(), PciError> {
        self.function.enable_memory(ports);
        let was_reset = self.reset(ports, platform);
        self.function.disable(ports);
        if let Some(table) = &self.table {
            table.mask_all();
        }
        // From here on it reaches no memory, whether it was reset or not.
        let cut_off = self.space.is_some_and(|space| platform.clear(space));
        let mut revoked = cut_off || self.space.is_none();
        for vector in &self.vectors {
            revoked &= platform.revoke(vector.irq) && platform.unbind(vector.irq);
        }
        for bar in self.bars.iter().chain([&self.space]).flatten() {
            revoked &= platform.revoke(*bar);
        }
        self.state = if was_reset && revoked { State::Free } else { State::Broken };
        match (was_reset || cut_off, revoked) {
            (false, _) => Err(PciError::NoReset),
            (_, false) => Err(PciError::Failed),
            _ => Ok(()),
        }
    }

    /// Resets a virtio device by its status; whether it did. Of other devices nobody knows how: being cut off from memory
    /// has to be enough.
    fn reset(&mut self, ports: &mut impl PortIo, platform: &mut impl Platform<Registers = R>) -> bool {
        if self.common.is_none()
            && let Some((pages, offset)) = self.function.virtio_common(ports)
        {
            let Some(registers) = platform.map(pages) else { return false };
            self.common = Some((registers, offset));
        }
        let Some((registers, offset)) = &self.common else { return true };
        let result = virtio::pci::reset(registers, *offset);
        result.inspect_err(|error| log::error!("{}: {error:?}", self.function.address)).is_ok()
    }

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

    fn release(&mut self, caller: Caller<'_, Reply<()>>) -> Answer<Reply<()>> {
        self.give_up(caller.badge()).into()
    }

    fn io_space(&mut self, caller: Caller<'_, Reply<Capability>>) -> Answer<Reply<Capability>> {
        self.space(caller.badge()).into()
    }

    fn notified(&mut self, _: u64) {
        self.report_faults();
    }

    fn evict(&mut self, caller: Caller<'_, Reply<()>>, driver: u64) -> Answer<Reply<()>> {
        self.take_away(caller.badge(), driver).into()
    }
}

#[cfg(test)]
mod tests;
