//! Whose time a thread runs on: scheduling contexts are bound to threads, lent with calls to servers that have none of their own,
//! and taken back with the answer.
//!
//! The calls that a context is lent for are a stack, linked through their Reply objects: `SchedContext::lent` is the last one,
//! `Reply::outer` the one before. Nothing is counted here; `budget` does that.

use crate::preemption::Progress;
use crate::{Kernel, Machine, Ref, Reply, SchedContext, State, Thread};

/// So many loans end before it is looked for interrupts.
const LOANS: u32 = 4;

impl<M: Machine> Kernel<M> {
    /// Give a thread a scheduling context that nobody uses.
    pub(crate) fn bind_sched_context(&mut self, context: Ref<SchedContext>, thread: Ref<Thread>) {
        self.get_mut(context).thread = Some(thread);
        self.get_mut(thread).sched_context = Some(context);
        self.note_home(thread);
        self.enqueue_waiting(thread);
    }

    /// Take a scheduling context from whoever uses it.
    pub(crate) fn unbind_sched_context(&mut self, context: Ref<SchedContext>) {
        if let Some(thread) = self.get(context).thread {
            self.pull(thread);
            self.dequeue(thread);
            self.get_mut(context).thread = None;
            self.get_mut(thread).sched_context = None;
            self.note_home(thread);
        }
    }

    /// Make a scheduling context another processor's time; whoever uses it moves there.
    pub(crate) fn move_sched_context(&mut self, context: Ref<SchedContext>, cpu: u8) {
        self.get_mut(context).floating = false;
        if self.get(context).cpu == cpu {
            return;
        }
        let user = self.get(context).thread;
        if let Some(thread) = user {
            self.pull(thread);
            self.dequeue(thread);
        }
        self.move_account(context, cpu);
        if let Some(thread) = user {
            self.note_home(thread);
            self.enqueue_waiting(thread);
        }
    }

    /// The last call that the context was lent for has nothing to give back. Whether there was one.
    fn end_loan(&mut self, context: Ref<SchedContext>) -> bool {
        let Some(reply) = self.get(context).lent else { return false };
        let r = self.get_mut(reply);
        r.donated = None;
        let outer = r.outer.take();
        self.get_mut(context).lent = outer;
        true
    }

    /// End the loans of a context that came after the one for this answer (without one all of them), in pieces: an answer to
    /// an earlier call takes the time from all that it was lent on to.
    #[cold]
    #[inline(never)]
    fn end_loans_after(&mut self, context: Ref<SchedContext>, reply: Option<Ref<Reply>>) -> Progress {
        for number in 1.. {
            if self.get(context).lent == reply || !self.end_loan(context) {
                break;
            }
            if number % LOANS == 0 && self.is_preempted() {
                return Progress::Preempted;
            }
        }
        Progress::Done
    }

    /// The part that may take long of [`take_back_time`](Self::take_back_time).
    #[inline(always)]
    pub(crate) fn prepare_answer(&mut self, reply: Ref<Reply>) -> Progress {
        match self.get(reply).donated {
            Some(context) => self.end_loans_after(context, Some(reply)),
            None => Progress::Done,
        }
    }

    /// The same of taking a thread out of whatever it waits in.
    pub(crate) fn prepare_cancel(&mut self, thread: Ref<Thread>) -> Progress {
        match self.get(thread).state {
            State::Replying { reply, .. } => self.prepare_answer(reply),
            _ => Progress::Done,
        }
    }

    /// The same of [`free_sched_context`](Self::free_sched_context).
    pub(crate) fn prepare_free(&mut self, context: Ref<SchedContext>) -> Progress {
        self.end_loans_after(context, None)
    }

    /// Take a scheduling context from whoever uses it, and from those who lent it: it is free, or about to go.
    pub(crate) fn free_sched_context(&mut self, context: Ref<SchedContext>) {
        while self.end_loan(context) {}
        self.unbind_sched_context(context);
    }

    /// Give the caller its time back, from wherever nested calls have taken it; those have nothing to give back any more.
    pub(crate) fn take_back_time(&mut self, reply: Ref<Reply>, caller: Ref<Thread>) {
        let Some(context) = self.get(reply).donated else { return };
        while self.get(reply).donated.is_some() {
            self.end_loan(context);
        }
        self.unbind_sched_context(context);
        // It may have been given other time meanwhile.
        if self.get(caller).sched_context.is_none() {
            self.get_mut(context).thread = Some(caller);
            self.get_mut(caller).sched_context = Some(context);
            self.note_home(caller);
        }
    }

    /// Let a server work on its caller's time until it answers, if it has none of its own.
    pub(crate) fn lend(&mut self, caller: Ref<Thread>, server: Ref<Thread>, reply: Ref<Reply>) {
        if self.get(server).sched_context.is_some() {
            return;
        }
        let Some(context) = self.get_mut(caller).sched_context.take() else { return };
        self.note_home(caller);
        let c = self.get_mut(context);
        c.thread = Some(server);
        let outer = c.lent.replace(reply);
        let r = self.get_mut(reply);
        (r.donated, r.outer) = (Some(context), outer);
        self.get_mut(server).sched_context = Some(context);
        self.note_home(server);
    }
}
