//! What devices are refused: the IOMMU notes it, the IoSpace keeps the last of it, and a notification tells of it, once until
//! somebody looks.

use ukernel_abi::invoke::io_space;
use ukernel_abi::{Error, Rights};

use crate::io_space::{Source, fault_slot};
use crate::{Cap, IoSpace, Kernel, Machine, Ref, SlotRef};

/// Faults that are taken from the IOMMU in one go.
const MOST_FAULTS: usize = 32;

/// What a device was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IoFault {
    /// Whom.
    pub source: Source,
    /// Where; for an interrupt its index.
    pub address: u64,
    /// What it wanted: [`io_space::WRITE`], [`io_space::INTERRUPT`], or 0 for a read.
    pub kind: u64,
    /// The IOMMU's reason.
    pub reason: u8,
}

/// Whether a device's faults are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Faults {
    /// Each of them.
    Told,
    /// None: one was told already, and nobody has looked.
    Untold,
}

impl<M: Machine> Kernel<M> {
    /// `io_space::BIND_FAULTS`.
    pub(crate) fn bind_io_faults(&mut self, space: Ref<IoSpace>, source: SlotRef) -> Result<(), Error> {
        let (notification, badge) = self.notification_in(source, Rights::SEND)?;
        let slot = fault_slot(space);
        self.clear(slot);
        self.insert_child(source, slot, Cap::IoFaultTarget { space, notification, badge });
        self.get_mut(space).target = Some((notification, badge));
        Ok(())
    }

    /// `io_space::FAULT`: number, address, kind and reason.
    pub(crate) fn take_io_fault(&mut self, space: Ref<IoSpace>) -> [u64; 4] {
        self.tell_io_faults();
        let s = self.get_mut(space);
        let (count, last) = (core::mem::take(&mut s.faults), s.last_fault.take());
        if count > 0 {
            self.show_io_space(space);
        }
        fault_words(count, last)
    }

    /// The IOMMU interrupts: devices were refused something.
    pub fn io_fault_interrupt(&mut self) {
        self.counters.interrupts += 1;
        self.machine.end_of_interrupt();
        self.tell_io_faults();
    }

    /// Tell what the IOMMU has noted. What is left is told at the next fault, or when somebody looks.
    fn tell_io_faults(&mut self) {
        for _ in 0..MOST_FAULTS {
            let Some(fault) = self.machine.take_io_fault() else { return };
            self.tell_io_fault(fault);
        }
    }

    fn tell_io_fault(&mut self, fault: IoFault) {
        let Some(space) = self.io_space_of(fault.source) else {
            let io = &mut self.io_spaces;
            (io.stray, io.last_stray) = (io.stray.saturating_add(1), Some(fault));
            return;
        };
        let s = self.get_mut(space);
        (s.faults, s.last_fault) = (s.faults.saturating_add(1), Some(fault));
        let target = s.target;
        // Until somebody looks it is not told again: a device must not keep the kernel busy.
        if s.faults == 1 && fault.kind != io_space::INTERRUPT {
            self.show_io_space(space);
        }
        if let Some((notification, badge)) = target {
            self.signal(notification, badge);
        }
    }
}

/// A number of faults and the last one, as `io_space::FAULT` gives them.
pub(crate) fn fault_words(count: u64, last: Option<IoFault>) -> [u64; 4] {
    last.map_or([count, 0, 0, 0], |fault| [count, fault.address, fault.kind, fault.reason.into()])
}
