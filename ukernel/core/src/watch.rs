//! Watching: a list of all threads, and what each has done.
//!
//! Processor time is sampled: the timer's interrupt charges the thread that it finds running with the time since the one before, but
//! no more than a quantum, for then the processor was idle in between. So switching between threads costs nothing.

use ukernel_abi::Error;
use ukernel_abi::invoke::trace::THREAD_WORDS;

use crate::{Kernel, Machine, Ref, State, Thread};

impl<M: Machine> Kernel<M> {
    /// A thread was made.
    pub(crate) fn list_thread(&mut self, thread: Ref<Thread>) {
        let next = self.threads.replace(thread);
        self.get_mut(thread).all_next = next;
        if let Some(next) = next {
            self.get_mut(next).all_previous = Some(thread);
        }
    }

    /// A thread is about to go.
    pub(crate) fn unlist_thread(&mut self, thread: Ref<Thread>) {
        let t = self.get_mut(thread);
        let (next, previous) = (t.all_next.take(), t.all_previous.take());
        match previous {
            Some(previous) => self.get_mut(previous).all_next = next,
            None => self.threads = next,
        }
        if let Some(next) = next {
            self.get_mut(next).all_previous = previous;
        }
    }

    /// Charge the running thread for the time until now, in what is shown of it.
    pub(crate) fn sample(&mut self, now: u64) {
        let since = now.saturating_sub(self.cpu().sampled).min(self.machine.quantum());
        self.cpu_mut().sampled = now;
        if let Some(thread) = self.cpu().current {
            self.get_mut(thread).work.ticks += since;
        }
    }

    /// `trace::THREAD`: the thread with the lowest number from `first` on.
    pub(crate) fn watch_thread(&self, first: u64) -> Result<[u64; THREAD_WORDS], Error> {
        let (mut found, mut next) = (None, self.threads);
        // The newest has the highest number.
        while let Some(thread) = next
            && u64::from(self.get(thread).number) >= first
        {
            (found, next) = (Some(thread), self.get(thread).all_next);
        }
        let t = self.get(found.ok_or(Error::InvalidArgument)?);
        let state = match t.state {
            State::Stopped => 0,
            State::Ready => 1,
            _ => 2,
        };
        let [first, second, third] = t.name;
        let limit = t.sched_context.and_then(|context| self.get(context).limit.as_ref());
        // To the nearest: both are rounded to ticks.
        let share = limit.map_or(0, |limit| {
            (limit.budget.saturating_mul(1000).saturating_add(limit.period / 2) / limit.period.max(1)).clamp(1, 1000)
        });
        let what = u64::from(t.number) | u64::from(t.priority) << 32 | state << 40 | share << 48;
        Ok([what, t.work.ticks, t.work.messages, first, second, third])
    }
}
