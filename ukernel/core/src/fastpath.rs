//! The fast path: a call, or an answer followed by receiving, that does nothing but pass a short message.
//!
//! It decides the same as `call` and `ipc` do, for the one case that matters most: a message without capabilities, in
//! registers, to a thread that waits for it and that may run at once. Whatever else is the case, it has changed nothing
//! and the general code does the work. The tests run both ways and compare.

use ukernel_abi::message::REGISTER_WORDS;
use ukernel_abi::{MessageInfo, Rights};

use crate::ipc::Waiters;
use crate::{Cap, Kernel, Machine, Ref, State, Thread};

/// Bits of a header that must be zero here: capabilities, and lengths of more than seven.
const LONG: u64 = 0xfff8;

impl<M: Machine> Kernel<M> {
    /// `Call`. `false`: not here.
    #[inline]
    pub(crate) fn fast_call(&mut self, sender: Ref<Thread>) -> bool {
        let s = self.get(sender);
        let (info, cap) = (s.context.rsi, s.context.rdi);
        if info & LONG != 0 || !short(info) {
            return false;
        }
        let Ok(slot) = self.slot(sender, cap) else { return false };
        let Cap::Endpoint { endpoint, badge, rights } = self.get(slot).cap else { return false };
        let ep = self.get(endpoint);
        let (Some(receiver), true) = (ep.queue.head, rights.contains(Rights::SEND)) else { return false };
        let r = self.get(receiver);
        let State::Receiving { reply: Some(reply), .. } = r.state else { return false };
        // A server without time of its own would run on the caller's: the general code lends it.
        let can_run = r.sched_context.is_some() && r.root.0 != 0 && i32::from(r.priority) >= self.run_queues.highest();
        if ep.waiters != Waiters::Receivers || !can_run {
            return false;
        }
        self.unwait(endpoint, receiver);
        self.get_mut(sender).state = State::Replying { reply, fault: false };
        let object = self.get_mut(reply);
        (object.caller, object.waiter, object.donated) = (Some(sender), None, None);
        self.pass(sender, receiver, info, badge);
        self.get_mut(receiver).state = State::Ready;
        self.current = Some(receiver);
        true
    }

    /// `ReplyRecv` with one Reply object for both. `false`: not here.
    #[inline]
    pub(crate) fn fast_reply_recv(&mut self, server: Ref<Thread>) -> bool {
        let s = self.get(server);
        let (info, cap, from) = (s.context.rsi, s.context.rdi, s.context.r15);
        if info & LONG != 0 || !short(info) || s.context.r14 != cap || s.bound.is_some() {
            return false;
        }
        let (Ok(reply), Ok(endpoint)) = (self.slot(server, cap), self.slot(server, from)) else { return false };
        let (Cap::Reply(reply), Cap::Endpoint { endpoint, rights, .. }) = (self.get(reply).cap, self.get(endpoint).cap)
        else {
            return false;
        };
        let object = self.get(reply);
        let (Some(caller), None) = (object.caller, object.donated) else { return false };
        let c = self.get(caller);
        let can_run = c.sched_context.is_some() && c.root.0 != 0 && i32::from(c.priority) >= self.run_queues.highest();
        let answered = matches!(c.state, State::Replying { fault: false, .. });
        let nobody_sends = self.get(endpoint).waiters != Waiters::Senders;
        if !can_run || !answered || !nobody_sends || !rights.contains(Rights::RECEIVE) {
            return false;
        }
        self.pass(server, caller, info, 0);
        self.get_mut(caller).state = State::Ready;
        let object = self.get_mut(reply);
        (object.caller, object.waiter) = (None, Some(server));
        self.get_mut(server).state = State::Receiving { endpoint, reply: Some(reply) };
        self.wait_at(endpoint, server, Waiters::Receivers);
        self.current = Some(caller);
        true
    }

    /// Copy a message that is all in registers.
    #[inline]
    fn pass(&mut self, from: Ref<Thread>, to: Ref<Thread>, info: u64, badge: u64) {
        let words = self.get(from).context.words;
        let target = &mut self.get_mut(to).context;
        for (target, word) in target.words.iter_mut().zip(words).take(MessageInfo(info).length()) {
            *target = word;
        }
        target.rsi = info;
        target.rdi = badge;
        target.rax = 0;
    }
}

/// Whether the message fits registers, given that no bit of `LONG` is set.
const fn short(info: u64) -> bool {
    info & 7 <= REGISTER_WORDS as u64
}
