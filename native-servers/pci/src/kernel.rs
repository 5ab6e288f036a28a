//! The server's platform on the target: its grants.

use crate::function::{Message, Range};
use crate::server::Platform;
use alloc::vec::Vec;
use driver_lib::mmio::Mmio;
use interfaces::{Supervisor, SupervisorClient};
use ipc::Capability;
use rt::env::MemoryGrant;
use rt::memory::Owned;
use ukernel_user::object::{IoControl, IoFault, IoSpace, Memory};
use ukernel_user::{Cap, Irq, IrqControl, Notification, Rights};

/// The right to issue interrupts, and the device memory that functions' ranges lie in.
#[derive(Debug)]
pub struct Kernel {
    control: Cap<IrqControl>,
    /// None where the machine has no IOMMU.
    io_control: Option<Cap<IoControl>>,
    devices: Vec<MemoryGrant>,
    /// Signalled when a device is refused something.
    faults: Cap<Notification>,
    /// None in a system without one to call.
    supervisor: Option<SupervisorClient>,
}

impl Kernel {
    /// The platform with these grants.
    pub fn new(
        control: Cap<IrqControl>,
        io_control: Option<Cap<IoControl>>,
        devices: impl Iterator<Item = MemoryGrant>,
        (faults, supervisor): (Cap<Notification>, Option<SupervisorClient>),
    ) -> Self {
        Self { control, io_control, devices: devices.collect(), faults, supervisor }
    }

    fn part(&self, range: Range) -> Option<Cap<Memory>> {
        let offset_in = |grant: &MemoryGrant| {
            let offset = range.physical.checked_sub(grant.physical)?;
            (offset.checked_add(range.bytes)? <= grant.bytes).then_some((grant.memory, offset))
        };
        let (memory, offset) = self.devices.iter().find_map(offset_in)?;
        let rights = Rights::READ.or(Rights::WRITE);
        let part = rt::cap::in_free_slot(|slot| memory.sub(offset, range.bytes, slot, rights).map(drop));
        part.inspect_err(|error| log::error!("device memory {range:x?}: {error:?}")).ok()
    }
}

impl Platform for Kernel {
    type Registers = Mmio;

    fn map(&mut self, range: Range) -> Option<Mmio> {
        let bytes = usize::try_from(range.bytes).ok()?;
        let part = Owned::adopt(self.part(range)?.slot());
        let mmio = Mmio::map(part.memory(), 0, bytes);
        mmio.inspect_err(|error| log::error!("mapping {range:x?}: {error:?}")).ok()
    }

    fn memory(&mut self, range: Range) -> Option<Capability> {
        self.part(range).map(|memory| Capability(memory.slot()))
    }

    fn interrupt(&mut self, source: u16) -> Option<(Capability, Message)> {
        let irq = rt::object::create::<Irq>(0).ok()?;
        let vector = self.control.issue_msi(irq, source).inspect_err(|_| rt::object::recycle(irq));
        let vector = vector.inspect_err(|error| log::error!("issuing an interrupt: {error:?}")).ok()?;
        Some((Capability(irq.slot()), Message { address: vector.address, data: vector.data }))
    }

    fn io_space(&mut self, source: u16) -> Option<Capability> {
        let control = self.io_control?;
        let space = rt::object::create::<IoSpace>(0).ok()?;
        let bound = control.bind(space, source).inspect_err(|_| rt::object::recycle(space));
        bound.inspect_err(|error| log::error!("an IoSpace for {source:#x}: {error:?}")).ok()?;
        Some(Capability(space.slot()))
    }

    fn watch(&mut self, space: Capability) {
        if let Err(error) = Cap::<IoSpace>::new(space.0).bind_faults(self.faults) {
            log::error!("watching {space:?}: {error:?}");
        }
    }

    fn fault(&mut self, space: Capability) -> Option<IoFault> {
        let fault = Cap::<IoSpace>::new(space.0).fault();
        fault.inspect_err(|error| log::error!("faults of {space:?}: {error:?}")).ok().flatten()
    }

    fn accuse(&mut self, driver: u64) {
        let Some(supervisor) = &self.supervisor else { return };
        if let Err(error) = supervisor.device_fault(driver) {
            log::error!("the supervisor, told of {driver:#x}: {error}");
        }
    }

    fn clear(&mut self, space: Capability) -> bool {
        let cleared = Cap::<IoSpace>::new(space.0).clear();
        cleared.inspect_err(|error| log::error!("clearing {space:?}: {error:?}")).is_ok()
    }

    fn revoke(&mut self, capability: Capability) -> bool {
        let revoked = rt::own::cap_table().revoke(capability.0);
        revoked.inspect_err(|error| log::error!("revoking {capability:?}: {error:?}")).is_ok()
    }

    fn unbind(&mut self, irq: Capability) -> bool {
        let unbound = Cap::<Irq>::new(irq.0).unbind();
        unbound.inspect_err(|error| log::error!("unbinding {irq:?}: {error:?}")).is_ok()
    }
}
