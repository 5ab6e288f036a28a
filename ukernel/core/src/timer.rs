//! Timers: deadlines that signal a notification.
//!
//! Armed timers are in one list for each processor (that where they were armed), earliest first. Insertion walks it: linear in the number of armed timers.

use crate::trace::Event;
use crate::{Kernel, Machine, Notification, Object, Ref, SlotRef};
use ukernel_abi::trace::Kind;

/// Where a timer's slot is, in bytes from its start.
const SLOT_OFFSET: u64 = 64;

/// So many timers expire in one interrupt.
const EXPIRED_AT_ONCE: usize = 16;

/// A deadline.
#[derive(Clone, Debug)]
pub struct Timer {
    pub(crate) caps: u32,
    pub(crate) armed: bool,
    /// The processor on which it was armed.
    pub(crate) cpu: u8,
    pub(crate) deadline: u64,
    pub(crate) target: Option<(Ref<Notification>, u64)>,
    pub(crate) next: Option<Ref<Timer>>,
    pub(crate) previous: Option<Ref<Timer>>,
}

impl Object for Timer {}

const _: () = assert!(size_of::<Timer>() <= SLOT_OFFSET as usize);

impl Timer {
    pub(crate) fn new() -> Self {
        Self { caps: 0, armed: false, cpu: 0, deadline: 0, target: None, next: None, previous: None }
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
        let (mut previous, mut next) = (None, self.cpu().timers);
        while let Some(other) = next
            && self.get(other).deadline <= deadline
        {
            previous = next;
            next = self.get(other).next;
        }
        let here = self.cpu().index;
        let t = self.get_mut(timer);
        t.cpu = here;
        (t.armed, t.deadline, t.previous, t.next) = (true, deadline, previous, next);
        if let Some(next) = next {
            self.get_mut(next).previous = Some(timer);
        }
        match previous {
            Some(previous) => self.get_mut(previous).next = Some(timer),
            None => {
                self.cpu_mut().timers = Some(timer);
                self.program_timer();
            }
        }
    }

    /// Forget a timer's deadline.
    pub(crate) fn disarm(&mut self, timer: Ref<Timer>) {
        let t = self.get_mut(timer);
        if !core::mem::take(&mut t.armed) {
            return;
        }
        let (previous, next, cpu) = (t.previous.take(), t.next.take(), t.cpu);
        match previous {
            Some(previous) => self.get_mut(previous).next = next,
            None => self.cpu_at_mut(cpu).timers = next,
        }
        if let Some(next) = next {
            self.get_mut(next).previous = previous;
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
        self.take_refills(now);
        // Where more are due the timer interrupts again at once: others may come first.
        for _ in 0..EXPIRED_AT_ONCE {
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
