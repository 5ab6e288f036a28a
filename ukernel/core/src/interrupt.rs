//! Interrupts: vectors handed out to Irq objects, which signal notifications.

use ukernel_abi::Error;

use crate::machine::LineMask;
use crate::trace::Event;
use crate::{Kernel, Machine, Notification, Object, Ref, SlotRef, Source};
use ukernel_abi::trace::Kind;

/// Where an Irq's slot is, in bytes from its start.
const SLOT_OFFSET: u64 = 64;
/// Vectors for devices: below are exceptions and the old PIC's, above the local APIC's own.
const VECTORS: core::ops::Range<u8> = 48..224;

/// What an Irq stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IrqSource {
    /// Nothing yet.
    Unissued,
    /// An I/O APIC line; masked from an interrupt to its acknowledgement.
    Line(u32),
    /// A message with this vector.
    Message,
}

/// An interrupt.
#[derive(Clone, Debug)]
pub struct Irq {
    pub(crate) caps: u32,
    pub(crate) vector: u8,
    pub(crate) source: IrqSource,
    pub(crate) target: Option<(Ref<Notification>, u64)>,
}

impl Object for Irq {}

const _: () = assert!(size_of::<Irq>() <= SLOT_OFFSET as usize);

impl Irq {
    pub(crate) fn new() -> Self {
        Self { caps: 0, vector: 0, source: IrqSource::Unissued, target: None }
    }
}

/// The slot that holds the notification's capability.
pub(crate) fn slot_of(irq: Ref<Irq>) -> SlotRef {
    irq.part(SLOT_OFFSET)
}

impl<M: Machine> Kernel<M> {
    /// Give an Irq object a vector of its own.
    fn issue(&mut self, irq: Ref<Irq>) -> Result<u8, Error> {
        if self.get(irq).source != IrqSource::Unissued {
            return Err(Error::InvalidState);
        }
        let vector = VECTORS.into_iter().find(|v| self.vectors[usize::from(*v)].is_none()).ok_or(Error::OutOfMemory)?;
        Ok(vector)
    }

    fn install(&mut self, irq: Ref<Irq>, vector: u8, source: IrqSource) {
        self.vectors[usize::from(vector)] = Some(irq);
        let i = self.get_mut(irq);
        (i.vector, i.source) = (vector, source);
    }

    /// Make an Irq that of an I/O APIC line. One Irq a line.
    pub(crate) fn issue_line(&mut self, irq: Ref<Irq>, line: u32, level: bool, active_low: bool) -> Result<(), Error> {
        let taken = self.vectors.iter().flatten().any(|other| self.get(*other).source == IrqSource::Line(line));
        if taken {
            return Err(Error::InvalidState);
        }
        let vector = self.issue(irq)?;
        if !self.machine.route_line(line, vector, level, active_low) {
            return Err(Error::InvalidArgument);
        }
        self.install(irq, vector, IrqSource::Line(line));
        Ok(())
    }

    /// Make an Irq a message-signalled one of a device; returns the message's address and data.
    pub(crate) fn issue_message(&mut self, irq: Ref<Irq>, source: Source) -> Result<(u64, u64), Error> {
        let vector = self.issue(irq)?;
        self.install(irq, vector, IrqSource::Message);
        Ok(self.machine.message_for(vector, source))
    }

    /// Allow the next interrupt.
    pub(crate) fn acknowledge(&mut self, irq: Ref<Irq>) {
        if let IrqSource::Line(line) = self.get(irq).source {
            self.machine.mask_line(line, LineMask::Open);
        }
    }

    /// An interrupt with this vector arrived.
    pub fn interrupt(&mut self, vector: u8) {
        self.counters.interrupts += 1;
        self.trace(move |k| Event { detail: vector, ..Event::new(Kind::Interrupt, k.cpu().current) });
        let irq = self.vectors[usize::from(vector)];
        if let Some(irq) = irq
            && let IrqSource::Line(line) = self.get(irq).source
        {
            self.machine.mask_line(line, LineMask::Masked);
        }
        self.machine.end_of_interrupt();
        if let Some(irq) = irq
            && let Some((notification, badge)) = self.get(irq).target
        {
            self.signal(notification, badge);
        }
    }

    pub(crate) fn destroy_irq(&mut self, irq: Ref<Irq>) {
        self.clear(slot_of(irq));
        let i = self.get(irq);
        let (vector, source) = (i.vector, i.source);
        if let IrqSource::Line(line) = source {
            self.machine.mask_line(line, LineMask::Masked);
        }
        if source != IrqSource::Unissued {
            self.machine.forget_vector(vector);
            self.vectors[usize::from(vector)] = None;
        }
    }
}
