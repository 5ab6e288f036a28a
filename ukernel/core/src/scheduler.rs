//! Who runs: priorities, run queues, quanta, and who has which scheduling context; `budget` counts the time.
//!
//! The running thread is in no queue. A thread is in a run queue exactly when it is `runnable` and not the running one
//! (`queued` says so). Within a priority the order is round robin by quanta.

use ukernel_abi::trace::Kind;

use crate::context::Resume;
use crate::cpu::NOWHERE;
use crate::fault::DEBUG;
use crate::trace::Event;
use crate::{Kernel, Machine, Ref, State, Thread};

/// Head and tail of a list of threads linked through `next` and `previous`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Queue {
    pub(crate) head: Option<Ref<Thread>>,
    pub(crate) tail: Option<Ref<Thread>>,
}

/// A run queue for each priority, and which of them are not empty.
#[derive(Clone)]
pub(crate) struct RunQueues {
    pub(crate) queues: [Queue; 256],
    occupied: [u64; 4],
    /// The highest occupied priority, or -1.
    highest: i32,
}

impl RunQueues {
    pub(crate) const fn new() -> Self {
        Self { queues: [Queue { head: None, tail: None }; 256], occupied: [0; 4], highest: -1 }
    }

    /// The highest priority with a thread, or -1.
    pub(crate) fn highest(&self) -> i32 {
        self.highest
    }

    /// The highest priority with a thread below this one, or -1.
    pub(crate) fn highest_below(&self, priority: usize) -> i32 {
        let mut below = self.occupied;
        below[priority / 64..].fill(0);
        below[priority / 64] = self.occupied[priority / 64] & ((1 << (priority % 64)) - 1);
        top_of(&below)
    }

    /// The queue of this priority has a thread now.
    fn note_occupied(&mut self, priority: usize) {
        self.occupied[priority / 64] |= 1 << (priority % 64);
        self.highest = self.highest.max(priority as i32);
    }

    /// The queue of this priority has none any more.
    fn note_empty(&mut self, priority: usize) {
        self.occupied[priority / 64] &= !(1 << (priority % 64));
        self.highest = top_of(&self.occupied);
    }
}

/// The number of the last bit that is set, or -1.
#[inline(always)]
fn top_of(bits: &[u64; 4]) -> i32 {
    let top = bits.iter().enumerate().rev().find(|(_, word)| **word != 0);
    top.map_or(-1, |(index, word)| index as i32 * 64 + 63 - word.leading_zeros() as i32)
}

/// Which end of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Front,
    Back,
}

impl<M: Machine> Kernel<M> {
    /// Add a thread to a queue.
    pub(crate) fn push(&mut self, mut queue: Queue, thread: Ref<Thread>, end: End) -> Queue {
        let (previous, next) = match end {
            End::Front => (None, queue.head),
            End::Back => (queue.tail, None),
        };
        match previous {
            Some(other) => self.get_mut(other).next = Some(thread),
            None => queue.head = Some(thread),
        }
        match next {
            Some(other) => self.get_mut(other).previous = Some(thread),
            None => queue.tail = Some(thread),
        }
        let t = self.get_mut(thread);
        (t.previous, t.next) = (previous, next);
        queue
    }

    /// Take a thread out of the queue that it is in.
    pub(crate) fn unqueue(&mut self, mut queue: Queue, thread: Ref<Thread>) -> Queue {
        let t = self.get_mut(thread);
        let (previous, next) = (t.previous.take(), t.next.take());
        match previous {
            Some(other) => self.get_mut(other).next = next,
            None => queue.head = next,
        }
        match next {
            Some(other) => self.get_mut(other).previous = previous,
            None => queue.tail = previous,
        }
        queue
    }

    /// Take the first thread out of a queue that has one.
    pub(crate) fn pop(&mut self, mut queue: Queue, first: Ref<Thread>) -> Queue {
        queue.head = self.get_mut(first).next.take();
        match queue.head {
            Some(second) => self.get_mut(second).previous = None,
            None => queue.tail = None,
        }
        queue
    }

    /// Put a thread that can run into its run queue.
    pub(crate) fn enqueue(&mut self, thread: Ref<Thread>, end: End) {
        let t = self.get(thread);
        if t.queued || !t.runnable() {
            return;
        }
        if self.idle == 0 {
            self.enqueue_at_home(thread, end);
        } else {
            self.enqueue_at_idle(thread, end);
        }
    }

    /// The same for one that can run and is in no queue, into that of the processor that it is of.
    #[inline(always)]
    pub(crate) fn enqueue_at_home(&mut self, thread: Ref<Thread>, end: End) {
        let t = self.get_mut(thread);
        t.queued = true;
        let (home, priority) = (t.home, usize::from(t.priority));
        let queue = self.push(self.cpu_at(home).run_queues.queues[priority], thread, end);
        let cpu = self.cpu_at_mut(home);
        cpu.run_queues.queues[priority] = queue;
        cpu.run_queues.note_occupied(priority);
        if home != self.cpu().index {
            self.tell_other(home, priority as u8);
        }
    }

    /// A thread of this priority can run on another processor: it is told, if it does something less urgent.
    #[cold]
    #[inline(never)]
    fn tell_other(&mut self, cpu: u8, priority: u8) {
        if self.cpu_at(cpu).current.is_none_or(|current| self.get(current).priority < priority) {
            self.summon(cpu);
        }
    }

    /// Take a thread out of its run queue, if it is in one.
    pub(crate) fn dequeue(&mut self, thread: Ref<Thread>) {
        let t = self.get_mut(thread);
        if !t.queued {
            return;
        }
        t.queued = false;
        let (home, priority) = (t.home, usize::from(t.priority));
        let queue = self.unqueue(self.cpu_at(home).run_queues.queues[priority], thread);
        let queues = &mut self.cpu_at_mut(home).run_queues;
        queues.queues[priority] = queue;
        if queue.head.is_none() {
            queues.note_empty(priority);
        }
    }

    /// A blocked or stopped thread can go on.
    pub(crate) fn make_ready(&mut self, thread: Ref<Thread>) {
        self.get_mut(thread).state = State::Ready;
        self.enqueue_waiting(thread);
    }

    /// Put a thread that may be able to run into its run queue, unless it runs.
    pub(crate) fn enqueue_waiting(&mut self, thread: Ref<Thread>) {
        if !self.is_running(thread) {
            self.enqueue(thread, End::Back);
        }
    }

    /// A thread's scheduling context or root is another, or has other properties. The thread is in no run queue.
    pub(crate) fn note_home(&mut self, thread: Ref<Thread>) {
        let t = self.get(thread);
        let (mut home, mut fast_home, mut limited) = (NOWHERE, NOWHERE, false);
        if let Some(context) = t.sched_context.filter(|_| t.root.0 != 0) {
            let c = self.get(context);
            limited = c.limit.is_some();
            home = if c.waiting { NOWHERE } else { c.cpu };
            fast_home = if limited || t.foreign { NOWHERE } else { c.cpu };
        }
        let t = self.get_mut(thread);
        (t.home, t.fast_home, t.limited) = (home, fast_home, limited);
    }

    /// A thread can go on and, where nobody of higher priority waits, does so at once in place of the current one, which
    /// has just blocked.
    pub(crate) fn hand_over(&mut self, thread: Ref<Thread>) {
        let t = self.get_mut(thread);
        t.state = State::Ready;
        self.fetch(thread);
        let here = self.cpu();
        let t = self.get(thread);
        if t.home == here.index && i32::from(t.priority) >= here.run_queues.highest() {
            self.cpu_mut().current = Some(thread);
        } else {
            self.enqueue(thread, End::Back);
        }
    }

    /// Pick the thread to run and load it; the last step of every kernel entry. `None`: nobody can run.
    pub fn settle(&mut self) -> Option<Ref<Thread>> {
        if self.cpu().account.busy {
            self.charge();
        }
        self.cpu_mut().summoned = false;
        self.choose();
        let (loaded, current) = (self.cpu().loaded, self.cpu().current);
        if current != loaded {
            self.counters.switches += 1;
            self.trace(move |_| Event { other: loaded, ..Event::new(Kind::Schedule, current) });
            self.machine.switch(loaded, current);
            self.cpu_mut().loaded = current;
            if let Some(thread) = current {
                self.cpu_mut().active = self.get(thread).vspace;
                if self.get(thread).context.resume == Resume::STEPPED {
                    return self.tell_step();
                }
            }
        }
        let limited = current.is_some_and(|thread| self.get(thread).limited);
        if limited || self.cpu().account.busy {
            self.start_account();
        }
        current
    }

    /// Let the running thread go on, or another one if it cannot or that is more urgent.
    #[inline(always)]
    fn choose(&mut self) {
        let highest = self.cpu().run_queues.highest();
        if let Some(thread) = self.cpu().current {
            let t = self.get(thread);
            if t.state == State::Ready && t.home == self.cpu().index {
                if i32::from(t.priority) >= highest {
                    return;
                }
                self.enqueue(thread, End::Front);
            } else if t.runnable() {
                self.enqueue(thread, End::Back);
            }
        }
        self.pick(highest);
    }

    /// The thread that was to go on has made a step of which nobody was told yet; who runs then.
    #[cold]
    #[inline(never)]
    fn tell_step(&mut self) -> Option<Ref<Thread>> {
        self.exception(DEBUG, 0, 0);
        self.settle()
    }

    /// This processor was halted from `start` on, as time-stamp, for want of a thread.
    pub fn was_idle(&mut self, start: u64) {
        self.counters.idle += self.machine.now().saturating_sub(start);
    }

    fn pick(&mut self, highest: i32) {
        let chosen = match usize::try_from(highest) {
            Ok(priority) => self.take_first(priority),
            Err(_) => self.steal(),
        };
        self.cpu_mut().current = chosen;
        self.note_idle();
        if chosen.is_some() {
            self.start_quantum();
        }
    }

    /// Take the first thread of a priority out of this processor's run queue.
    #[inline(always)]
    fn take_first(&mut self, priority: usize) -> Option<Ref<Thread>> {
        let queue = self.cpu().run_queues.queues[priority];
        let first = queue.head?;
        self.get_mut(first).queued = false;
        let queue = self.pop(queue, first);
        let queues = &mut self.cpu_mut().run_queues;
        queues.queues[priority] = queue;
        if queue.head.is_none() {
            queues.note_empty(priority);
        }
        Some(first)
    }

    /// Begin a quantum: somebody else's turn comes after it.
    pub(crate) fn start_quantum(&mut self) {
        let now = self.machine.now();
        // A quantum may be short by what is left of the one before: that saves setting the timer at each switch.
        if self.cpu().quantum_end <= now {
            self.cpu_mut().quantum_end = now.saturating_add(self.machine.quantum());
        }
        if self.cpu().programmed > self.cpu().quantum_end {
            self.program_timer();
        }
    }

    /// The quantum is over: let the next thread of the same priority run.
    pub(crate) fn end_quantum(&mut self, now: u64) {
        self.cpu_mut().quantum_end = now.saturating_add(self.machine.quantum());
        if let Some(thread) = self.cpu().current
            && self.get(thread).runnable()
        {
            let priority = i32::from(self.get(thread).priority);
            if self.cpu().run_queues.highest() >= priority {
                self.enqueue(thread, End::Back);
                self.cpu_mut().current = None;
            }
        }
    }

    /// The running thread gives way to others of its priority; limited time is over until its refill.
    pub(crate) fn yield_now(&mut self, thread: Ref<Thread>) {
        if self.cpu().account.busy {
            self.give_up_budget();
        }
        let equals = self.cpu().run_queues.highest() >= i32::from(self.get(thread).priority);
        if equals && self.cpu().current == Some(thread) {
            self.enqueue(thread, End::Back);
            self.cpu_mut().current = None;
        }
    }

    /// Change a thread's priority.
    pub(crate) fn set_priority(&mut self, thread: Ref<Thread>, priority: u8) {
        self.dequeue(thread);
        self.get_mut(thread).priority = priority;
        if self.is_running(thread) {
            let home = self.get(thread).home;
            if home != NOWHERE {
                self.summon(home);
            }
        } else {
            self.enqueue(thread, End::Back);
        }
    }
}
