//! Processor time: scheduling contexts, and the account of what is used of those that are limited.
//!
//! Unlimited time is not counted, and costs nothing. While a thread runs on limited time its context is `charged`, at each
//! kernel entry of its processor and at the latest when the timer says that the budget is over. A context without time left is in a heap of
//! those that wait for their refill, whoever uses it; its thread has no `home` meanwhile. A thread with a timeout endpoint is stopped by a message instead.

use ukernel_abi::invoke::sched_context::{MAX_PERIOD_NS, MAX_REFILLS, MIN_BUDGET_NS, MIN_REFILLS};
use ukernel_abi::{Error, fault};

use crate::cpu::Cpu;
use crate::heap::{Due, Links};
use crate::ipc::Blocking;
use crate::refills::Refills;
use crate::run_queue::End;
use crate::thread::{Content, SendKind};
use crate::timer::DUE_AT_ONCE;
use crate::{Kernel, Machine, Object, Ref, Reply, State, Thread};

/// A right to processor time.
#[derive(Clone, Debug)]
pub struct SchedContext {
    pub(crate) caps: u32,
    /// The processor whose time it is now.
    pub(crate) cpu: u8,
    /// It may be any other's as well: `balance` decides.
    pub(crate) floating: bool,
    /// Among those that wait for a refill on that processor.
    pub(crate) waiting: bool,
    /// Who uses it now: whom it was bound to, or a server that works for that one.
    pub(crate) thread: Option<Ref<Thread>>,
    /// The last of the calls that it was lent for, none of which is answered: a stack.
    pub(crate) lent: Option<Ref<Reply>>,
    /// What may be used when; `None`: all, always.
    pub(crate) limit: Option<Refills>,
    /// Ticks used since somebody was told.
    pub(crate) consumed: u64,
    /// What its timeout messages carry.
    pub(crate) data: u64,
    /// Its place among those that wait.
    pub(crate) links: Links<SchedContext>,
}

impl Object for SchedContext {}

impl Due for SchedContext {
    /// When it has time next. It is limited.
    fn due(&self) -> u64 {
        self.limit.as_ref().map_or(0, |limit| limit.first().time)
    }

    fn links(&self) -> &Links<Self> {
        &self.links
    }

    fn links_mut(&mut self) -> &mut Links<Self> {
        &mut self.links
    }
}

const _: () = assert!(size_of::<SchedContext>() <= 256);

impl SchedContext {
    pub(crate) fn new() -> Self {
        Self {
            caps: 0,
            cpu: 0,
            floating: true,
            waiting: false,
            thread: None,
            lent: None,
            limit: None,
            consumed: 0,
            data: 0,
            links: Links::default(),
        }
    }
}

/// A processor's account of limited time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account {
    /// The limited context that the running thread uses.
    pub(crate) charged: Option<Ref<SchedContext>>,
    /// The time-stamp up to which it is charged.
    pub(crate) since: u64,
    /// Contexts that wait for a refill: what is due first.
    pub(crate) waiting: Option<Ref<SchedContext>>,
    /// Another processor has added one: the timer is to be set again.
    pub(crate) changed: bool,
    /// Somebody is charged, or one was added.
    pub(crate) busy: bool,
}

impl Account {
    pub(crate) const fn new() -> Self {
        Self { charged: None, since: 0, waiting: None, changed: false, busy: false }
    }
}

impl<M: Machine> Kernel<M> {
    /// Count the time of whoever runs now, if it is limited.
    #[cold]
    #[inline(never)]
    pub(crate) fn start_account(&mut self) {
        match self.cpu().current {
            Some(thread) if self.get(thread).limited => self.charge_thread(thread),
            _ => self.cpu_mut().account.charged = None,
        }
        if core::mem::take(&mut self.cpu_mut().account.changed) || self.cpu().programmed > self.budget_end(self.cpu()) {
            self.program_timer();
        }
        let account = &mut self.cpu_mut().account;
        account.busy = account.charged.is_some();
    }

    fn charge_thread(&mut self, thread: Ref<Thread>) {
        let context = self.get(thread).sched_context;
        if context != self.cpu().account.charged {
            let now = self.machine.now();
            let account = &mut self.cpu_mut().account;
            (account.charged, account.since) = (context, now);
            if let Some(limit) = context.and_then(|context| self.get_mut(context).limit.as_mut()) {
                limit.defer(now);
            }
        }
    }

    /// When the budget ends of whoever runs on this processor.
    pub(crate) fn budget_end(&self, cpu: &Cpu) -> u64 {
        let limit = cpu.account.charged.and_then(|context| self.get(context).limit.as_ref());
        limit.map_or(u64::MAX, |limit| cpu.account.since.saturating_add(limit.first().amount))
    }

    /// The first refill that is waited for on this processor.
    pub(crate) fn first_refill(&self, cpu: &Cpu) -> u64 {
        cpu.account.waiting.map_or(u64::MAX, |context| self.get(context).due())
    }

    /// Charge what was used since the last time, and act where nothing is left.
    #[cold]
    #[inline(never)]
    pub(crate) fn charge(&mut self) {
        if let Some(context) = self.cpu().account.charged {
            self.charge_context(context);
        }
    }

    /// The same for a context that is charged on its processor.
    fn charge_context(&mut self, context: Ref<SchedContext>) {
        let now = self.machine.now();
        let cpu = self.get(context).cpu;
        let account = &mut self.cpu_at_mut(cpu).account;
        let used = now.saturating_sub(account.since);
        account.since = now;
        let c = self.get_mut(context);
        c.consumed = c.consumed.saturating_add(used);
        let Some(limit) = &mut c.limit else { return };
        limit.spend(used);
        limit.defer(now);
        if !limit.ready(now) {
            self.cpu_at_mut(cpu).account.charged = None;
            self.run_out(context);
        }
    }

    /// A context has no time left: who uses it waits for the refill, or is stopped with a message to its timeout endpoint.
    fn run_out(&mut self, context: Ref<SchedContext>) {
        self.stop_for_refill(context);
        let Some(thread) = self.get(context).thread else { return };
        let t = self.get(thread);
        if t.state == State::Ready
            && let Some((endpoint, badge)) = t.timeout_endpoint
        {
            let (data, consumed) = (self.get(context).data, self.take_consumed(context));
            let t = self.get_mut(thread);
            t.fault_words[fault::WORD_DATA] = data;
            t.fault_words[fault::WORD_CONSUMED_NS] = consumed;
            let kind = SendKind { call: true, grant: false, content: Content::Timeout };
            self.send(thread, endpoint, badge, kind, Blocking::Block);
        }
    }

    /// A context waits for its refill, and whoever uses it does not run. It does so here, or nowhere.
    fn stop_for_refill(&mut self, context: Ref<SchedContext>) {
        self.await_refill(context);
        if let Some(thread) = self.get(context).thread {
            self.dequeue(thread);
            self.note_home(thread);
            if self.cpu().current == Some(thread) {
                self.cpu_mut().current = None;
            }
        }
    }

    /// Nanoseconds used since somebody was told.
    fn take_consumed(&mut self, context: Ref<SchedContext>) -> u64 {
        let ticks = core::mem::take(&mut self.get_mut(context).consumed);
        self.machine.nanoseconds(ticks)
    }

    /// A context waits for its refill.
    fn await_refill(&mut self, context: Ref<SchedContext>) {
        let c = self.get_mut(context);
        c.waiting = true;
        let (time, cpu) = (c.due(), c.cpu);
        let first = self.heap_add(self.cpu_at(cpu).account.waiting, context);
        self.cpu_at_mut(cpu).account.waiting = first;
        if cpu != self.cpu().index {
            let account = &mut self.cpu_at_mut(cpu).account;
            (account.changed, account.busy) = (true, true);
            self.summon(cpu);
        } else if self.cpu().programmed > time {
            self.program_timer();
        }
    }

    /// A context waits no more: whoever uses it can run.
    fn end_wait(&mut self, context: Ref<SchedContext>) {
        if !self.get(context).waiting {
            return;
        }
        self.unlist(context);
        if let Some(thread) = self.get(context).thread {
            self.renew_home(thread);
        }
    }

    /// Properties of a thread's time have changed, upon which it may be able to run.
    fn renew_home(&mut self, thread: Ref<Thread>) {
        self.note_home(thread);
        self.enqueue_waiting(thread);
    }

    /// A context waits no more.
    fn unlist(&mut self, context: Ref<SchedContext>) {
        let c = self.get_mut(context);
        if core::mem::take(&mut c.waiting) {
            let cpu = c.cpu;
            let first = self.heap_remove(self.cpu_at(cpu).account.waiting, context);
            self.cpu_at_mut(cpu).account.waiting = first;
        }
    }

    /// Let those go on whose refill is there.
    pub(crate) fn take_refills(&mut self, now: u64) {
        for _ in 0..DUE_AT_ONCE {
            let due = self.cpu().account.waiting.filter(|context| self.get(*context).due() <= now);
            let Some(context) = due else { return };
            self.end_wait(context);
        }
    }

    /// `sched_context::CONFIGURE`.
    pub(crate) fn configure_time(
        &mut self,
        context: Ref<SchedContext>,
        [budget_ns, period_ns, most, data]: [u64; 4],
    ) -> Result<(), Error> {
        let limit = if (budget_ns, period_ns) == (0, 0) {
            None
        } else {
            let most = usize::try_from(most).ok().filter(|most| (MIN_REFILLS..=MAX_REFILLS).contains(most));
            let valid = budget_ns >= MIN_BUDGET_NS && budget_ns <= period_ns && period_ns <= MAX_PERIOD_NS;
            let most = most.filter(|_| valid).ok_or(Error::InvalidArgument)?;
            let [budget, period, least] = [budget_ns, period_ns, MIN_BUDGET_NS].map(|ns| self.machine.ticks(ns));
            Some(Refills::new(budget, period, least, most, self.machine.now()))
        };
        self.drop_account(context);
        let c = self.get_mut(context);
        (c.limit, c.data, c.consumed) = (limit, data, 0);
        if let Some(thread) = self.get(context).thread {
            self.renew_home(thread);
            // Where it runs its time is counted, or no more.
            self.summon(self.get(context).cpu);
            self.place_anew(thread);
        }
        Ok(())
    }

    /// Nothing is known of a context's time any more: it is configured anew, or destroyed.
    pub(crate) fn drop_account(&mut self, context: Ref<SchedContext>) {
        self.end_wait(context);
        let account = &mut self.cpu_at_mut(self.get(context).cpu).account;
        if account.charged == Some(context) {
            account.charged = None;
        }
    }

    /// The context becomes another processor's; nobody runs on it.
    pub(crate) fn move_account(&mut self, context: Ref<SchedContext>, cpu: u8) {
        let old = self.get(context).cpu;
        if self.cpu_at(old).account.charged == Some(context) {
            self.charge_context(context);
            self.cpu_at_mut(old).account.charged = None;
        }
        let waiting = self.get(context).waiting;
        self.unlist(context);
        self.get_mut(context).cpu = cpu;
        if waiting {
            self.await_refill(context);
        }
    }

    /// `sched_context::CONSUMED`.
    pub(crate) fn consumed(&mut self, context: Ref<SchedContext>) -> Result<u64, Error> {
        if self.get(context).limit.is_none() {
            return Err(Error::InvalidState);
        }
        if self.cpu().account.charged == Some(context) {
            self.charge_context(context);
        }
        Ok(self.take_consumed(context))
    }

    /// The running thread does without what is left of its time until the next refill. Unlimited time has no end.
    pub(crate) fn give_up_budget(&mut self) {
        self.charge();
        let Some(context) = self.cpu().account.charged else { return };
        let now = self.machine.now();
        let Some(limit) = &mut self.get_mut(context).limit else { return };
        limit.spend(limit.first().amount);
        if !limit.ready(now) {
            self.cpu_mut().account.charged = None;
            self.stop_for_refill(context);
        }
    }

    /// `sched_context::YIELD_TO`: who uses the context is the next of its priority, and runs at once where that is the
    /// caller's.
    pub(crate) fn yield_to(&mut self, caller: Ref<Thread>, context: Ref<SchedContext>) -> Result<(), Error> {
        let thread = self.get(context).thread.filter(|thread| *thread != caller).ok_or(Error::InvalidState)?;
        if !self.get(thread).queued {
            return Err(Error::InvalidState);
        }
        self.dequeue(thread);
        self.enqueue(thread, End::Front);
        if self.get(thread).priority == self.get(caller).priority {
            self.enqueue(caller, End::Back);
            self.cpu_mut().current = None;
        }
        Ok(())
    }
}
