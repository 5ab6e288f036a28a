//! Timers: deadlines that signal a notification.
//!
//! Armed timers are in a heap for each processor, that where they were armed (`heap`).

use crate::heap::{Due, Links};
use crate::trace::Event;
use crate::{Kernel, Machine, Notification, Object, Ref, SlotRef};
use ukernel_abi::trace::Kind;

/// Where a timer's slot is, in bytes from its start.
const SLOT_OFFSET: u64 = 64;

/// So many timers expire in one interrupt, and so many contexts get their refill.
pub(crate) const DUE_AT_ONCE: usize = 16;

/// A deadline.
#[derive(Clone, Debug)]
pub struct Timer {
    pub(crate) caps: u32,
    pub(crate) armed: bool,
    /// The processor on which it was armed.
    pub(crate) cpu: u8,
    pub(crate) deadline: u64,
    pub(crate) target: Option<(Ref<Notification>, u64)>,
    pub(crate) links: Links<Timer>,
}

impl Object for Timer {}

impl Due for Timer {
    fn due(&self) -> u64 {
        self.deadline
    }

    fn links(&self) -> &Links<Self> {
        &self.links
    }

    fn links_mut(&mut self) -> &mut Links<Self> {
        &mut self.links
    }
}

const _: () = assert!(size_of::<Timer>() <= SLOT_OFFSET as usize);

impl Timer {
    pub(crate) fn new() -> Self {
        Self { caps: 0, armed: false, cpu: 0, deadline: 0, target: None, links: Links::default() }
    }
}

/// The slot that holds the notification's capability.
pub(crate) fn slot_of(timer: Ref<Timer>) -> SlotRef {
    timer.part(SLOT_OFFSET)
}

impl<M: Machine> Kernel<M> {
    /// Arm a timer that has a target.
    pub(crate) fn arm(&mut self, timer: Ref<Timer>, deadline: u64) {
        self.disarm(timer);
        if deadline <= self.machine.now() {
            self.expire(timer);
            return;
        }
        let here = self.cpu().index;
        let t = self.get_mut(timer);
        (t.armed, t.cpu, t.deadline) = (true, here, deadline);
        let first = self.heap_add(self.cpu().timers, timer);
        self.cpu_mut().timers = first;
        if first == Some(timer) {
            self.program_timer();
        }
    }

    /// Forget a timer's deadline.
    pub(crate) fn disarm(&mut self, timer: Ref<Timer>) {
        let t = self.get_mut(timer);
        if core::mem::take(&mut t.armed) {
            let cpu = t.cpu;
            let first = self.heap_remove(self.cpu_at(cpu).timers, timer);
            self.cpu_at_mut(cpu).timers = first;
        }
    }

    fn expire(&mut self, timer: Ref<Timer>) {
        if let Some((notification, badge)) = self.get(timer).target {
            self.signal(notification, badge);
        }
    }

    /// The timer interrupt: signal what is due, and end the quantum if it is over.
    pub fn timer_interrupt(&mut self) {
        self.counters.interrupts += 1;
        self.trace(|k| Event::new(Kind::Timer, k.cpu().current));
        self.sample(self.machine.now());
        self.charge();
        let now = self.machine.now();
        // Where more are due the timer interrupts again at once: others may come first.
        self.take_refills(now);
        for _ in 0..DUE_AT_ONCE {
            let Some(timer) = self.cpu().timers.filter(|timer| self.get(*timer).deadline <= now) else { break };
            self.disarm(timer);
            self.expire(timer);
        }
        if self.cpu().quantum_end <= now {
            self.end_quantum(now);
        }
        self.machine.end_of_interrupt();
        self.cpu_mut().programmed = u64::MAX;
        self.program_timer();
    }

    /// Ask for the next timer interrupt: at the first deadline or refill or, while a thread runs, at the end of its
    /// quantum or budget.
    pub(crate) fn program_timer(&mut self) {
        let first =
            self.cpu().timers.map_or(u64::MAX, |timer| self.get(timer).deadline).min(self.first_refill(self.cpu()));
        let idle = self.cpu().current.is_none() && self.cpu().run_queues.highest() < 0;
        self.cpu_mut().programmed =
            if idle { first } else { first.min(self.cpu().quantum_end).min(self.budget_end(self.cpu())) };
        self.machine.set_deadline(self.cpu().programmed);
    }

    /// The target's capability was deleted or revoked.
    pub(crate) fn drop_timer_target(&mut self, timer: Ref<Timer>) {
        self.disarm(timer);
        self.get_mut(timer).target = None;
    }

    pub(crate) fn destroy_timer(&mut self, timer: Ref<Timer>) {
        self.disarm(timer);
        self.clear(slot_of(timer));
    }
}
