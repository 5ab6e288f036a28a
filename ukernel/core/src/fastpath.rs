//! The fast path: a call, an answer followed by receiving, a signal, or giving way, where nothing else is to be done than to
//! pass words and run the other thread, or to set bits.
//!
//! It decides the same as the general code (`call`, `ipc`, `notification`, `scheduler`) for the cases that matter most, and
//! switches to the other thread at once, without `settle`. Whatever else is the case, it has changed nothing and the general
//! code does the work. The tests run both ways and compare all objects.
//!
//! Its length is its purpose: each condition is tested once, in an order in which the usual case reads little memory. What is rare
//! is kept out of line, at the end of the path: nothing is needed any more when it is called, so the path, which does not
//! return either, saves no registers.

use core::cmp::Ordering;

use ukernel_abi::message::{MAX_WORDS, REGISTER_WORDS};
use ukernel_abi::{Call, MessageInfo, Rights};

use crate::context::Resume;
use crate::cpu::NOWHERE;
use crate::ipc::Waiters;
use crate::run_queue::{End, Queue};
use crate::{Cap, Content, Kernel, Machine, Notification, Ref, State, Thread};

const CALL: u64 = Call::Call as u64;
const REPLY_RECV: u64 = Call::ReplyRecv as u64;
const SIGNAL: u64 = Call::Signal as u64;
const YIELD: u64 = Call::Yield as u64;

/// Whether a message has nothing but words: no capabilities, a valid length, no bit that means nothing.
const fn is_plain(info: u64) -> bool {
    info as u32 <= MAX_WORDS as u32
}

impl<M: Machine> Kernel<M> {
    /// The running thread made a system call. `false`: the general code is to make it.
    #[inline(always)]
    pub fn fast_system_call(&mut self) -> bool {
        let Some(thread) = self.cpu().current else { return false };
        if M::TRACES && self.is_traced() {
            return false;
        }
        let t = self.get(thread);
        if t.fast_home == NOWHERE {
            return false;
        }
        match t.context.rax {
            CALL => self.fast_call(thread),
            REPLY_RECV => self.fast_reply_recv(thread),
            SIGNAL => self.fast_signal(thread),
            _ => self.fast_yield(thread),
        }
        .is_some()
    }

    /// `Call`, to a server that waits and may run at once.
    #[inline(always)]
    fn fast_call(&mut self, sender: Ref<Thread>) -> Option<()> {
        let s = self.get(sender);
        let (info, cap) = (s.context.rsi, s.context.rdi);
        if !is_plain(info) {
            return None;
        }
        let Cap::Endpoint { endpoint, badge, rights } = self.get(self.fast_slot(s, cap)?).cap else { return None };
        let ep = self.get(endpoint);
        if !rights.contains(Rights::SEND) || ep.waiters != Waiters::Receivers {
            return None;
        }
        let receiver = ep.queue.head?;
        let r = self.get(receiver);
        // A server without time of its own would run on the caller's: the general code lends it.
        let State::Receiving { reply: Some(reply), .. } = r.state else { return None };
        if !self.can_run_now(r) || !fits(info, s, r) {
            return None;
        }
        if r.next.is_none() {
            let ep = self.get_mut(endpoint);
            (ep.queue, ep.waiters) = (Queue::default(), Waiters::None);
        } else {
            self.get_mut(endpoint).queue = self.pop(ep.queue, receiver);
        }
        self.get_mut(sender).state = State::Replying { reply, content: Content::Own };
        let object = self.get_mut(reply);
        (object.caller, object.waiter) = (Some(sender), None);
        self.pass(sender, receiver, info, badge);
        Some(())
    }

    /// `ReplyRecv` with one Reply object for both, to a caller that may run at once, where nothing waits to be received.
    #[inline(always)]
    fn fast_reply_recv(&mut self, server: Ref<Thread>) -> Option<()> {
        let s = self.get(server);
        let (info, cap, from) = (s.context.rsi, s.context.rdi, s.context.r15);
        if !is_plain(info) || s.context.r14 != cap {
            return None;
        }
        let Cap::Reply(reply) = self.get(self.fast_slot(s, cap)?).cap else { return None };
        let Cap::Endpoint { endpoint, rights, .. } = self.get(self.fast_slot(s, from)?).cap else { return None };
        if !rights.contains(Rights::RECEIVE) || s.bound.is_some_and(|bound| self.get(bound).bits != 0) {
            return None;
        }
        let object = self.get(reply);
        let caller = object.caller?;
        let c = self.get(caller);
        let State::Replying { content: Content::Own, .. } = c.state else { return None };
        let (waiters, queue) = (self.get(endpoint).waiters, self.get(endpoint).queue);
        if object.donated.is_some() || waiters == Waiters::Senders || !self.can_run_now(c) || !fits(info, s, c) {
            return None;
        }
        let object = self.get_mut(reply);
        (object.caller, object.waiter) = (None, Some(server));
        self.get_mut(server).state = State::Receiving { endpoint, reply: Some(reply) };
        if waiters == Waiters::None {
            let ep = self.get_mut(endpoint);
            (ep.queue, ep.waiters) = (Queue { head: Some(server), tail: Some(server) }, Waiters::Receivers);
        } else {
            self.get_mut(endpoint).queue = self.push(queue, server, End::Back);
        }
        self.pass(server, caller, info, 0);
        Some(())
    }

    /// `Signal`, where nobody waits or is bound, or the one who waits is more urgent than the caller and all that could run.
    #[inline(always)]
    fn fast_signal(&mut self, sender: Ref<Thread>) -> Option<()> {
        let s = self.get(sender);
        let Cap::Notification { notification, badge, rights } = self.get(self.fast_slot(s, s.context.rdi)?).cap else {
            return None;
        };
        if !rights.contains(Rights::SEND) {
            return None;
        }
        let n = self.get(notification);
        let Some(waiter) = n.queue.head else {
            if n.bound.is_some() {
                return None;
            }
            self.get_mut(notification).bits |= badge;
            self.get_mut(sender).context.rax = 0;
            self.counters.calls += 1;
            return Some(());
        };
        let w = self.get(waiter);
        let most_urgent = i32::from(w.priority) > self.cpu().run_queues.highest() && w.priority > s.priority;
        if !most_urgent || !self.can_run_now(w) {
            return None;
        }
        self.wake_at_once(sender, notification, waiter, badge);
        Some(())
    }

    /// `Yield`, to the next thread of the same priority or, where there is none, to nobody. A fourth call in the `match` above
    /// would make the compiler jump by a table, which costs the other three.
    #[inline(always)]
    fn fast_yield(&mut self, thread: Ref<Thread>) -> Option<()> {
        if self.idle != 0 || self.get(thread).context.rax != YIELD {
            return None;
        }
        let priority = self.get(thread).priority;
        match self.cpu().run_queues.highest().cmp(&i32::from(priority)) {
            Ordering::Less => {
                self.get_mut(thread).context.rax = 0;
                self.counters.calls += 1;
                Some(())
            }
            Ordering::Equal => self.give_way(thread, priority.into()),
            Ordering::Greater => None,
        }
    }

    /// The first of a run queue runs in place of a thread of the same priority.
    #[inline(never)]
    fn give_way(&mut self, thread: Ref<Thread>, priority: usize) -> Option<()> {
        let queue = self.cpu().run_queues.queues[priority];
        let first = queue.head?;
        let f = self.get(first);
        if f.fast_home == NOWHERE || f.context.resume == Resume::STEPPED {
            return None;
        }
        let queue = self.pop(queue, first);
        let queue = self.push(queue, thread, End::Back);
        self.cpu_mut().run_queues.queues[priority] = queue;
        self.get_mut(first).queued = false;
        let t = self.get_mut(thread);
        (t.queued, t.context.rax) = (true, 0);
        self.start_quantum();
        self.run_instead(thread, first);
        Some(())
    }

    /// A thread that waits for the notification gets the bits, and runs in place of the one that signals.
    #[inline(never)]
    fn wake_at_once(&mut self, sender: Ref<Thread>, notification: Ref<Notification>, waiter: Ref<Thread>, badge: u64) {
        let queue = self.unqueue(self.get(notification).queue, waiter);
        self.get_mut(notification).queue = queue;
        self.deliver_bits(waiter, badge);
        self.get_mut(waiter).state = State::Ready;
        self.get_mut(sender).context.rax = 0;
        self.enqueue(sender, End::Front);
        self.start_quantum();
        self.run_instead(sender, waiter);
    }

    /// Whether a thread that waits could run in place of the present one, on time of its own that nobody counts.
    #[inline(always)]
    fn can_run_now(&self, t: &Thread) -> bool {
        t.fast_home == self.cpu().index && i32::from(t.priority) >= self.cpu().run_queues.highest()
    }

    #[inline(always)]
    fn fast_slot(&self, t: &Thread, index: u64) -> Option<crate::SlotRef> {
        let table = t.table?;
        self.get(table).slot(table, index)
    }

    /// The running thread makes room for another one, which is in no queue.
    #[inline(always)]
    fn run_instead(&mut self, from: Ref<Thread>, to: Ref<Thread>) {
        self.counters.calls += 1;
        self.counters.switches += 1;
        let (f, t) = (self.get(from), self.get(to));
        let (plain, active) = (f.plain && t.plain, t.vspace);
        let cpu = self.cpu_mut();
        (cpu.current, cpu.loaded, cpu.active) = (Some(to), Some(to), active);
        if plain {
            self.machine.switch_plain(from, to);
        } else {
            self.machine.switch(Some(from), Some(to));
        }
    }

    /// Copy a message that has nothing but words; the receiver runs in place of the sender.
    #[inline(always)]
    fn pass(&mut self, from: Ref<Thread>, to: Ref<Thread>, info: u64, badge: u64) {
        let length = MessageInfo(info).length();
        self.copy_words(from, to, length, Content::Own);
        let target = self.get_mut(to);
        (target.context.rsi, target.context.rdi, target.context.rax) = (info, badge, 0);
        target.work.messages += 1;
        target.state = State::Ready;
        if length > REGISTER_WORDS {
            self.pass_rest(from, to, length);
        } else {
            self.run_instead(from, to);
        }
    }

    /// Copy the words that do not fit registers, too.
    #[inline(never)]
    fn pass_rest(&mut self, from: Ref<Thread>, to: Ref<Thread>, length: usize) {
        if let (Some(source), Some(target)) = (self.get(from).page, self.get(to).page) {
            let offset = REGISTER_WORDS as u64 * 8;
            let bytes = (length - REGISTER_WORDS) as u64 * 8;
            self.machine.copy(source.offset(offset), target.offset(offset), bytes);
        }
        self.run_instead(from, to);
    }
}

/// Whether both threads have what a message of this length needs.
#[inline(always)]
const fn fits(info: u64, from: &Thread, to: &Thread) -> bool {
    info as u32 <= REGISTER_WORDS as u32 || from.page.is_some() && to.page.is_some()
}
