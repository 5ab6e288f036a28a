//! Installing the capabilities that a task is granted.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use manifest::{Call, Ram, SUPERVISOR_ENDPOINT, Task};
use rt::start_info::{StartInfo, kind};
use ukernel_abi::PAGE_BYTES;
use ukernel_abi::boot::slot;
use ukernel_abi::invoke::irq_control;
use ukernel_user::object::IoControl;
use ukernel_user::{
    Cap, CapTable, Endpoint, Error, IoPorts, Irq, IrqControl, Memory, Rights, SchedContext, Trace, Untyped,
};

use crate::archive::Archive;
use crate::fault::{FAULT_BADGE, SUPERVISOR_BADGE};
use crate::nest::Nest;
use crate::supply::Supply;
use crate::tracing::Ring;

/// Slots of every task's CapTable.
pub mod own_slot {
    /// The CapTable itself.
    pub const CAP_TABLE: u64 = 1;
    /// The VSpace.
    pub const VSPACE: u64 = 2;
    /// The main Thread.
    pub const THREAD: u64 = 3;
    /// Its SchedContext.
    pub const SCHED_CONTEXT: u64 = 4;
    /// Memory for own objects.
    pub const UNTYPED: u64 = 5;
    /// The kernel's log.
    pub const LOG: u64 = 6;
    /// Where faults are reported.
    pub const FAULTS: u64 = 7;
    /// First slot of a grant.
    pub const FIRST_GRANT: u64 = 8;
}

const PORTS: Cap<IoPorts> = Cap::new(slot::IO_PORTS);
const ARCHIVE: Cap<Memory> = Cap::new(slot::ARCHIVE);
const IRQ_CONTROL: Cap<IrqControl> = Cap::new(slot::IRQ_CONTROL);
const TRACE: Cap<Trace> = Cap::new(slot::TRACE);
const IO_CONTROL: Cap<IoControl> = Cap::new(slot::IO_CONTROL);

/// Endpoints by name, each without a badge.
pub type Endpoints = BTreeMap<String, Cap<Endpoint>>;

/// Fills a task's CapTable and the list of grants in its StartInfo.
pub struct Granter<'a> {
    table: Cap<CapTable>,
    nest: &'a mut Nest,
    info: &'a mut StartInfo,
    next_slot: u64,
}

/// A task to be granted what is its own.
#[derive(Clone, Copy, Debug)]
pub struct Grantee<'a> {
    /// What the manifest says.
    pub task: &'a Task,
    /// Its number.
    pub number: usize,
    /// The endpoints that it may receive from.
    pub received: &'a [&'a str],
}

/// What could not be granted, and why.
pub type Refused = String;

impl<'a> Granter<'a> {
    /// A granter for the task with CapTable `table`.
    pub fn new(table: Cap<CapTable>, nest: &'a mut Nest, info: &'a mut StartInfo) -> Self {
        Self { table, nest, info, next_slot: own_slot::FIRST_GRANT }
    }

    /// First slot that is free.
    #[must_use]
    pub fn next_slot(&self) -> u64 {
        self.next_slot
    }

    /// Grants all that the manifest says.
    ///
    /// # Errors
    /// The first that could not be granted.
    pub fn grant_all(
        &mut self,
        grantee: Grantee<'_>,
        endpoints: &Endpoints,
        supply: &Supply,
        archive: &Archive<'_>,
    ) -> Result<(), Refused> {
        let task = grantee.task;
        self.grant_endpoints(grantee, endpoints)?;
        for ports in &task.ports {
            let made = rt::cap::in_free_slot::<IoPorts>(|slot| PORTS.sub(ports.first, ports.last, slot).map(drop));
            let extra = [ports.first.into(), ports.last.into(), 0];
            self.give(&ports.name, kind::PORTS, made, extra)?;
        }
        for irq in &task.irqs {
            self.grant_irq(irq)?;
        }
        for device in &task.devices {
            let made = supply.device(device.address, device.bytes);
            self.give(&device.name, kind::DEVICE, made, [device.bytes, device.address, 0])?;
        }
        for name in &task.data {
            let data = archive.data(name).ok_or_else(|| format!("the boot archive has no data \"{name}\""))?;
            let bytes = data.bytes.next_multiple_of(PAGE_BYTES).max(PAGE_BYTES);
            let rights = Rights::READ.or(Rights::GRANT);
            let made = rt::cap::in_free_slot::<Memory>(|slot| ARCHIVE.sub(data.offset, bytes, slot, rights).map(drop));
            self.give(name, kind::DATA, made, [data.bytes, 0, 0])?;
        }
        if task.irq_control {
            let made = rt::cap::copy(IRQ_CONTROL, Rights::ALL);
            self.give("irq_control", kind::IRQ_CONTROL, made, [0; 3])?;
            // Where the machine has an IOMMU.
            if IO_CONTROL.stray_fault().is_ok() {
                let made = rt::cap::copy(IO_CONTROL, Rights::ALL);
                self.give("io_control", kind::IO_CONTROL, made, [0; 3])?;
            }
        }
        self.grant_ram(task)
    }

    /// Grants the right to trace, and the ring that is written to already, to look at.
    ///
    /// # Errors
    /// The kernel refused.
    pub fn grant_trace(&mut self, ring: Option<Ring>) -> Result<(), Refused> {
        self.give("trace", kind::TRACE, rt::cap::copy(TRACE, Rights::ALL), [0; 3])?;
        if let Some((memory, bytes)) = ring {
            let made = rt::cap::copy(memory, Rights::READ);
            self.give("trace_ring", kind::MEMORY, made, [bytes, 0, 0])?;
        }
        Ok(())
    }

    /// Grants limited time for further threads.
    ///
    /// # Errors
    /// The kernel refused.
    pub fn grant_time(&mut self, contexts: &[Cap<SchedContext>]) -> Result<(), Refused> {
        for (number, context) in contexts.iter().enumerate() {
            let given = self.table.copy(self.next_slot, Cap::NULL, context.slot(), Rights::ALL);
            self.list(&format!("time{}", number + 1), kind::SCHED_CONTEXT, given, [0; 3])?;
        }
        Ok(())
    }

    fn grant_endpoints(&mut self, grantee: Grantee<'_>, endpoints: &Endpoints) -> Result<(), Refused> {
        let find = |name: &str| endpoints.get(name).copied().ok_or(Error::InvalidCapability);
        for name in grantee.received {
            let made = find(name).and_then(|endpoint| rt::cap::copy(endpoint, Rights::RECEIVE.or(Rights::GRANT)));
            self.give(name, kind::SERVED, made, [0; 3])?;
        }
        for call in &grantee.task.calls {
            let rights = Rights::SEND.or(Rights::GRANT);
            let badge = kernel_badge(grantee.number, call);
            let made = find(&call.endpoint).and_then(|endpoint| rt::cap::mint(endpoint, rights, badge));
            self.give(&call.endpoint, kind::ENDPOINT, made, [call.badge, 0, 0])?;
        }
        Ok(())
    }

    /// Memory of the task's own, as `ram0`, `ram1`, ...: fresh and cleared, or the pieces that the nest keeps.
    fn grant_ram(&mut self, task: &Task) -> Result<(), Refused> {
        if let Ram::Bytes(bytes) = task.ram {
            let memory = self.nest.create_in::<Memory>(bytes, self.table, self.next_slot);
            return self.list("ram0", kind::MEMORY, memory, [bytes, 0, 0]);
        }
        for (number, (memory, bytes)) in Vec::from(self.nest.ram()).into_iter().enumerate() {
            let given = self.table.copy(self.next_slot, Cap::NULL, memory.slot(), Rights::ALL);
            self.list(&format!("ram{number}"), kind::MEMORY, given, [bytes, 0, 0])?;
        }
        Ok(())
    }

    fn grant_irq(&mut self, line: &manifest::Irq) -> Result<(), Refused> {
        let given =
            issue(self.nest, line).and_then(|irq| self.table.copy(self.next_slot, Cap::NULL, irq.slot(), Rights::ALL));
        self.list(&line.name, kind::IRQ, given, [line.line, 0, 0])
    }

    /// Gives the task memory for its own kernel objects.
    ///
    /// # Errors
    /// The kernel refused.
    pub fn grant_untyped(&self, bytes: u64) -> Result<(), Error> {
        self.nest.create_in::<Untyped>(bytes, self.table, own_slot::UNTYPED)
    }

    /// Gives the task a copy of what was `made` for it, and keeps the parent.
    fn give<T>(&mut self, name: &str, kind: u64, made: Result<Cap<T>, Error>, extra: [u64; 3]) -> Result<(), Refused> {
        let given = made.and_then(|parent| {
            self.nest.hold(parent);
            self.table.copy(self.next_slot, Cap::NULL, parent.slot(), Rights::ALL)
        });
        self.list(name, kind, given, extra)
    }

    /// Lists what is in the task's next slot.
    fn list(&mut self, name: &str, kind: u64, given: Result<(), Error>, extra: [u64; 3]) -> Result<(), Refused> {
        given.map_err(|error| format!("\"{name}\" cannot be granted: {error:?}"))?;
        let listed = self.info.add_grant(name, kind, self.next_slot, extra);
        self.next_slot += 1;
        listed.ok_or_else(|| format!("\"{name}\" cannot be granted: there are too many grants"))
    }
}

/// The badge of a call's capability. At the root task's one endpoint the supervisor's callers are known by their number.
fn kernel_badge(number: usize, call: &Call) -> u64 {
    if call.endpoint == SUPERVISOR_ENDPOINT { FAULT_BADGE | SUPERVISOR_BADGE | number as u64 } else { call.badge }
}

fn issue(nest: &mut Nest, line: &manifest::Irq) -> Result<Cap<Irq>, Error> {
    let irq = nest.create::<Irq>(0)?;
    let level = if line.level { irq_control::LEVEL } else { 0 };
    let active_low = if line.active_low { irq_control::ACTIVE_LOW } else { 0 };
    IRQ_CONTROL.issue_line(irq, line.line, level | active_low)?;
    Ok(irq)
}
