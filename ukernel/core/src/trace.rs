//! Tracing: events go to a ring in memory that the holder of the `Trace` capability gave.
//!
//! The kernel is compiled twice from the same code, for a machine that traces and for one that does not ([`Machine::TRACES`]); which of them
//! an entry goes to is one predicted branch, and in the second there is nothing of all this. While tracing is on the fast paths
//! (`fastpath`, and the Vcpu's in the entry code) stand aside, so that every event comes by here; what is traced is therefore slower
//! than what is not.

use ukernel_abi::trace::{Kind, RECORD_BYTES, RECORD_WORDS, Record, header};
use ukernel_abi::{Error, MessageInfo, PAGE_BYTES};

use crate::{Cap, Kernel, Machine, PhysAddr, Ref, SlotRef, Thread};

/// Whether this build can trace. Without (feature `untraced`) no entry asks for it, which shows what that costs while it is off.
pub const CAN_TRACE: bool = !cfg!(feature = "untraced");

/// The ring, while tracing is on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ring {
    at: PhysAddr,
    /// Events that it holds.
    capacity: u64,
    /// Which record is next, from 0.
    next: u64,
    written: u64,
}

/// What is traced, without what `record` adds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    pub(crate) kind: Kind,
    pub(crate) thread: Option<Ref<Thread>>,
    pub(crate) other: Option<Ref<Thread>>,
    pub(crate) detail: u8,
    pub(crate) info: MessageInfo,
    pub(crate) value: u64,
    pub(crate) object: u64,
}

impl Event {
    /// One with nothing but its kind and thread.
    pub(crate) const fn new(kind: Kind, thread: Option<Ref<Thread>>) -> Self {
        Self { kind, thread, other: None, detail: 0, info: MessageInfo(0), value: 0, object: 0 }
    }

    /// A message has just been delivered, and the receiver's registers say what it is.
    pub(crate) fn received<M: Machine>(kernel: &Kernel<M>, from: Ref<Thread>, to: Ref<Thread>) -> Self {
        let context = &kernel.get(to).context;
        let (info, value) = (MessageInfo(context.rsi), context.rdi);
        Self { other: Some(from), info, value, ..Self::new(Kind::Receive, Some(to)) }
    }
}

impl<M: Machine> Kernel<M> {
    /// Something happened. What exactly is asked only by the kernel that traces.
    #[inline(always)]
    pub(crate) fn trace(&mut self, event: impl FnOnce(&Self) -> Event) {
        if M::TRACES {
            self.record(&event(self));
        }
    }

    /// Whether events are traced now, in a build that can.
    #[inline(always)]
    pub fn is_traced(&self) -> bool {
        CAN_TRACE && self.ring.is_some()
    }

    fn record(&mut self, event: &Event) {
        let Some(ring) = self.ring else { return };
        let number = |thread: Option<Ref<Thread>>| thread.map_or(0, |thread| self.get(thread).number);
        let record = Record {
            time: self.machine.now(),
            kind: event.kind,
            detail: event.detail,
            length: event.info.0 as u16,
            label: event.info.label(),
            thread: number(event.thread),
            other: number(event.other),
            value: event.value,
            object: event.object,
            cpu: self.cpu().index,
            name: event.thread.map_or([0; 3], |thread| self.get(thread).name),
        };
        // The header is in front.
        self.write_record(ring.at, ring.next + 1, &record.to_words());
        let (next, written) = (ring.next + 1, ring.written + 1);
        self.ring = Some(Ring { next: if next == ring.capacity { 0 } else { next }, written, ..ring });
        self.machine.set_word(ring.at, header::WORD_WRITTEN, written);
    }

    fn write_record(&mut self, at: PhysAddr, index: u64, words: &[u64; RECORD_WORDS]) {
        let offset = index * RECORD_BYTES;
        let page = at.offset(offset / PAGE_BYTES * PAGE_BYTES);
        let first = (offset % PAGE_BYTES / 8) as usize;
        for (index, word) in words.iter().enumerate() {
            self.machine.set_word(page, first + index, *word);
        }
    }

    /// `trace::START`.
    pub(crate) fn start_trace(&mut self, source: SlotRef) -> Result<(), Error> {
        let at = self.page_of(source, 0)?;
        let Cap::Memory { bytes, .. } = self.cap(source) else { return Err(Error::InvalidCapability) };
        let slot = self.trace_slot.ok_or(Error::InvalidState)?;
        if self.ring.is_some() {
            return Err(Error::InvalidState);
        }
        let capacity = bytes / RECORD_BYTES - 1;
        self.write_record(at, 0, &[header::MAGIC, 0, capacity, 0, 0, 0, 0, 0]);
        self.insert_child(source, slot, Cap::TraceMemory);
        self.ring = Some(Ring { at, capacity, next: 0, written: 0 });
        self.machine.set_tracing(true);
        Ok(())
    }

    /// `trace::STOP`.
    pub(crate) fn stop_trace(&mut self) {
        if let Some(slot) = self.trace_slot {
            self.clear(slot);
        }
    }

    /// The ring's memory is no longer ours.
    pub(crate) fn drop_ring(&mut self) {
        self.ring = None;
        self.machine.set_tracing(false);
    }
}
