//! Which processor a thread runs on, where its scheduling context leaves that open (`SchedContext::SET_CPU` with `ANY_CPU`, as it
//! is made).
//!
//! Nothing is balanced that does not wait: a thread that becomes ready goes to an idle processor, if its own is not; one that
//! answers a call, or is called by a thread that blocks, goes on in that one's place; and a processor that has nothing to do takes
//! what waits at another. So no processor is idle while such a thread waits. Limited time stays on its processor, which has
//! its account.

use crate::cpu::NOWHERE;
use crate::run_queue::End;
use crate::{Kernel, Machine, Ref, SchedContext, Thread};

/// Most threads of one processor that are looked at for one that may move.
const LOOK_AT: usize = 8;

impl<M: Machine> Kernel<M> {
    /// Whether the thread, which is in no queue and can run, may run anywhere.
    fn floats(&self, thread: Ref<Thread>) -> bool {
        let floating = |context: Ref<SchedContext>| self.get(context).floating && self.get(context).limit.is_none();
        self.get(thread).sched_context.is_some_and(floating)
    }

    /// A context is any processor's time from now on.
    pub(crate) fn let_float(&mut self, context: Ref<SchedContext>) {
        self.get_mut(context).floating = true;
        if let Some(thread) = self.get(context).thread {
            self.place_anew(thread);
        }
    }

    /// If the thread waits in a run queue it may have come to wait for any processor: an idle one takes it.
    pub(crate) fn place_anew(&mut self, thread: Ref<Thread>) {
        if self.idle != 0 && self.get(thread).queued {
            self.dequeue(thread);
            self.enqueue(thread, End::Back);
        }
    }

    /// The thread, which is in no queue, is to run on this processor.
    fn rehome(&mut self, thread: Ref<Thread>, cpu: u8) {
        let Some(context) = self.get(thread).sched_context else { return };
        self.counters.moves += 1;
        self.get_mut(context).cpu = cpu;
        self.note_home(thread);
    }

    /// Put a thread that can run, and is in no queue, into its processor's run queue, or into that of an idle one if its own is
    /// not. There is one.
    #[cold]
    #[inline(never)]
    pub(crate) fn enqueue_at_idle(&mut self, thread: Ref<Thread>, end: End) {
        let home = self.get(thread).home;
        if self.idle & 1 << home == 0 && self.floats(thread) {
            self.rehome(thread, self.idle.trailing_zeros() as u8);
        }
        // The next one that becomes ready looks elsewhere.
        self.idle &= !(1 << self.get(thread).home);
        self.enqueue_at_home(thread, end);
    }

    /// A thread is to go on in place of the current one, which has just blocked.
    #[inline(always)]
    pub(crate) fn fetch(&mut self, thread: Ref<Thread>) {
        if self.get(thread).home != self.cpu().index {
            self.fetch_from_elsewhere(thread);
        }
    }

    #[cold]
    #[inline(never)]
    fn fetch_from_elsewhere(&mut self, thread: Ref<Thread>) {
        if self.get(thread).home != NOWHERE && self.floats(thread) {
            self.rehome(thread, self.cpu().index);
        }
    }

    /// Nobody waits on this processor: the most urgent thread that waits elsewhere and may run here, now of this one's queue.
    #[cold]
    #[inline(never)]
    pub(crate) fn steal(&mut self) -> Option<Ref<Thread>> {
        let count = self.machine.cpus() as u8;
        if count == 1 {
            return None;
        }
        let here = self.cpu().index;
        let others = (0..count).filter(|cpu| *cpu != here);
        let found = others.filter_map(|cpu| self.first_floating(cpu)).max_by_key(|thread| self.get(*thread).priority);
        if let Some(thread) = found {
            self.dequeue(thread);
            self.rehome(thread, here);
        }
        found
    }

    /// The most urgent of the first threads that wait on a processor which may run elsewhere.
    fn first_floating(&self, cpu: u8) -> Option<Ref<Thread>> {
        let queues = &self.cpu_at(cpu).run_queues;
        let (mut priority, mut left) = (queues.highest(), LOOK_AT);
        while let Ok(level) = usize::try_from(priority) {
            let mut at = queues.queues[level].head;
            while let Some(thread) = at {
                if self.floats(thread) {
                    return Some(thread);
                }
                left -= 1;
                if left == 0 {
                    return None;
                }
                at = self.get(thread).next;
            }
            priority = queues.highest_below(level);
        }
        None
    }

    /// The processor has chosen: note whether it is idle.
    #[inline(always)]
    pub(crate) fn note_idle(&mut self) {
        if self.machine.cpus() > 1 {
            self.note_idle_among_others();
        }
    }

    #[inline(never)]
    fn note_idle_among_others(&mut self) {
        let bit = 1 << self.cpu().index;
        self.idle = if self.cpu().current.is_none() { self.idle | bit } else { self.idle & !bit };
    }
}
