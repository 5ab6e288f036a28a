//! Queues of threads: the one that each endpoint and notification has, and the run queues of processors, one for each priority.
//!
//! The running thread is in no queue. A thread is in a run queue exactly when it is `runnable` and not the running one (`queued`
//! says so).

use crate::{Kernel, Machine, Ref, Thread};

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
    pub(crate) fn note_occupied(&mut self, priority: usize) {
        self.occupied[priority / 64] |= 1 << (priority % 64);
        self.highest = self.highest.max(priority as i32);
    }

    /// The queue of this priority has none any more.
    pub(crate) fn note_empty(&mut self, priority: usize) {
        self.occupied[priority / 64] &= !(1 << (priority % 64));
        self.highest = top_of(&self.occupied);
    }
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

    /// Take the first thread of a priority out of this processor's run queue.
    #[inline(always)]
    pub(crate) fn take_first(&mut self, priority: usize) -> Option<Ref<Thread>> {
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
}

/// The number of the last bit that is set, or -1.
#[inline(always)]
fn top_of(bits: &[u64; 4]) -> i32 {
    let top = bits.iter().enumerate().rev().find(|(_, word)| **word != 0);
    top.map_or(-1, |(index, word)| index as i32 * 64 + 63 - word.leading_zeros() as i32)
}
