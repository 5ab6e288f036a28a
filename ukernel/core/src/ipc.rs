//! Messages: endpoints, Reply objects, transfer.
//!
//! An endpoint's queue holds only senders or only receivers. A Reply object is idle, or reserved by a thread that receives
//! with it (`waiter`), or holds a caller that waits for its answer (`caller`, in state `Replying` with this object).

use ukernel_abi::trace::Kind;
use ukernel_abi::{Error, MessageInfo, fault};

use crate::preemption::{Burial, Dead, Piece};
use crate::run_queue::{End, Queue};
use crate::thread::{Content, SendKind};
use crate::trace::Event;
use crate::{Kernel, Machine, Object, Ref, SchedContext, State, Thread};

/// Who waits at an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiters {
    None,
    Senders,
    Receivers,
}

/// A rendezvous.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub(crate) caps: u32,
    pub(crate) waiters: Waiters,
    pub(crate) queue: Queue,
    /// Its place among the dead, while threads still wait here.
    pub(crate) burial: Burial,
}

impl Object for Endpoint {
    fn is_unfinished(&self) -> bool {
        self.burial.listed
    }
}

impl Endpoint {
    pub(crate) fn new() -> Self {
        Self { caps: 0, waiters: Waiters::None, queue: Queue::default(), burial: Burial::default() }
    }
}

/// A one-shot right to answer.
#[derive(Clone, Debug)]
pub struct Reply {
    pub(crate) caps: u32,
    pub(crate) caller: Option<Ref<Thread>>,
    pub(crate) waiter: Option<Ref<Thread>>,
    /// The caller's scheduling context, when the server works on it.
    pub(crate) donated: Option<Ref<SchedContext>>,
    /// Who lent that context before: the loan behind this one in the context's stack.
    pub(crate) outer: Option<Ref<Reply>>,
}

impl Object for Reply {}

impl Reply {
    pub(crate) fn new() -> Self {
        Self { caps: 0, caller: None, waiter: None, donated: None, outer: None }
    }
}

/// Whether to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blocking {
    Block,
    Poll,
}

impl<M: Machine> Kernel<M> {
    /// Send a message; the sender may be the running thread or (for a fault) one that has just stopped being it.
    pub(crate) fn send(
        &mut self,
        sender: Ref<Thread>,
        endpoint: Ref<Endpoint>,
        badge: u64,
        kind: SendKind,
        blocking: Blocking,
    ) {
        self.trace(move |k| Event {
            info: k.outgoing(sender, kind),
            value: badge,
            object: endpoint.address(),
            ..Event::new(Kind::Send, Some(sender))
        });
        let ep = self.get(endpoint);
        if ep.waiters == Waiters::Receivers
            && let Some(receiver) = ep.queue.head
        {
            let reply = match self.get(receiver).state {
                State::Receiving { reply, .. } => reply,
                _ => None,
            };
            self.unwait(endpoint, receiver);
            self.deliver(sender, receiver, badge, kind);
            self.rendezvous(sender, receiver, reply, kind);
        } else if blocking == Blocking::Block {
            self.get_mut(sender).state = State::Sending { endpoint, badge, kind };
            self.wait_at(endpoint, sender, Waiters::Senders);
            self.leave_processor(sender);
        }
    }

    /// Receive a message or the bits of the bound notification.
    pub(crate) fn receive(
        &mut self,
        receiver: Ref<Thread>,
        endpoint: Ref<Endpoint>,
        reply: Option<Ref<Reply>>,
        blocking: Blocking,
    ) -> Result<(), Error> {
        if let Some(reply) = reply {
            let r = self.get(reply);
            if r.caller.is_some() || r.waiter.is_some() {
                return Err(Error::InvalidState);
            }
        }
        if let Some(bits) = self.take_bound_bits(receiver) {
            self.deliver_bits(receiver, bits);
            return Ok(());
        }
        let ep = self.get(endpoint);
        if ep.waiters == Waiters::Senders
            && let Some(sender) = ep.queue.head
            && let State::Sending { badge, kind, .. } = self.get(sender).state
        {
            self.unwait(endpoint, sender);
            self.deliver(sender, receiver, badge, kind);
            self.accept(sender, receiver, reply, kind);
            return Ok(());
        }
        if blocking == Blocking::Poll {
            return Err(Error::WouldBlock);
        }
        self.get_mut(receiver).state = State::Receiving { endpoint, reply };
        if let Some(reply) = reply {
            self.get_mut(reply).waiter = Some(receiver);
        }
        self.wait_at(endpoint, receiver, Waiters::Receivers);
        self.leave_processor(receiver);
        Ok(())
    }

    /// Answer the caller that a Reply object holds. Returns the caller, if it can go on.
    pub(crate) fn reply(&mut self, server: Ref<Thread>, reply: Ref<Reply>) -> Result<Option<Ref<Thread>>, Error> {
        let caller = self.get_mut(reply).caller.take().ok_or(Error::InvalidState)?;
        self.trace(move |k| Event {
            other: Some(caller),
            info: MessageInfo(k.get(server).context.rsi),
            ..Event::new(Kind::Reply, Some(server))
        });
        self.take_back_time(reply, caller);
        if let State::Replying { content: content @ (Content::Fault | Content::Timeout), .. } = self.get(caller).state {
            let label = MessageInfo(self.get(server).context.rsi).label();
            if label == fault::RESUME && content == Content::Fault && self.get(caller).foreign {
                self.take_answer(server, caller);
                return Ok(self.may_go_on(caller).then_some(caller));
            }
            if label == fault::RESUME {
                return Ok(Some(caller));
            }
            self.get_mut(caller).state = State::Stopped;
            return Ok(None);
        }
        let kind = SendKind { call: false, grant: true, content: Content::Own };
        self.deliver(server, caller, 0, kind);
        Ok(Some(caller))
    }

    /// A message met its receiver, which had waited: the receiver goes on, and the sender waits if it called.
    fn rendezvous(&mut self, sender: Ref<Thread>, receiver: Ref<Thread>, reply: Option<Ref<Reply>>, kind: SendKind) {
        if let Some(reply) = reply {
            self.get_mut(reply).waiter = None;
        }
        if kind.call && self.await_answer(sender, receiver, reply, kind) {
            self.leave_processor(sender);
            if self.cpu().current.is_none() {
                self.hand_over(receiver);
                return;
            }
        }
        self.make_ready(receiver);
    }

    /// A message met its receiver, which is running: the sender goes on, or waits for its answer.
    fn accept(&mut self, sender: Ref<Thread>, receiver: Ref<Thread>, reply: Option<Ref<Reply>>, kind: SendKind) {
        if !kind.call {
            self.get_mut(sender).context.rax = 0;
            self.make_ready(sender);
        } else if !self.await_answer(sender, receiver, reply, kind) {
            self.make_ready(sender);
        }
    }

    /// Make a caller wait in the server's Reply object, and lend its time. Without one nobody will ever answer: a call fails, and the
    /// caller goes on (`false`); for whom the kernel called, since it cannot go on, stays stopped.
    fn await_answer(
        &mut self,
        caller: Ref<Thread>,
        server: Ref<Thread>,
        reply: Option<Ref<Reply>>,
        kind: SendKind,
    ) -> bool {
        let Some(reply) = reply else {
            if kind.content == Content::Own {
                self.get_mut(caller).context.rax = Error::ServerDied as u64;
                return false;
            }
            self.get_mut(caller).state = State::Stopped;
            return true;
        };
        self.get_mut(caller).state = State::Replying { reply, content: kind.content };
        self.get_mut(reply).caller = Some(caller);
        if kind.content != Content::Timeout {
            self.lend(caller, server, reply);
        }
        true
    }

    pub(crate) fn wait_at(&mut self, endpoint: Ref<Endpoint>, thread: Ref<Thread>, waiters: Waiters) {
        let queue = self.push(self.get(endpoint).queue, thread, End::Back);
        let ep = self.get_mut(endpoint);
        (ep.queue, ep.waiters) = (queue, waiters);
    }

    /// Take a thread out of an endpoint's queue.
    pub(crate) fn unwait(&mut self, endpoint: Ref<Endpoint>, thread: Ref<Thread>) {
        let queue = self.unqueue(self.get(endpoint).queue, thread);
        let ep = self.get_mut(endpoint);
        ep.queue = queue;
        if queue.head.is_none() {
            ep.waiters = Waiters::None;
        }
    }

    /// The thread has just blocked: if it was the running one, nobody is, until `hand_over` or `settle`.
    pub(crate) fn leave_processor(&mut self, thread: Ref<Thread>) {
        if self.cpu().current == Some(thread) {
            self.cpu_mut().current = None;
        } else if !crate::seeded::MISSED_DEQUEUE {
            self.dequeue(thread);
        }
    }

    /// Nobody can reach the endpoint any more: those who wait there get an error.
    pub(crate) fn destroy_endpoint(&mut self, endpoint: Ref<Endpoint>) {
        if self.get(endpoint).queue.head.is_some() {
            self.list_dead(Dead::Endpoint(endpoint));
        }
    }

    /// One of those who wait at a dead endpoint gets an error.
    pub(crate) fn turn_waiter_away(&mut self, endpoint: Ref<Endpoint>) -> Piece {
        let Some(thread) = self.get(endpoint).queue.head else { return Piece::None };
        self.unwait(endpoint, thread);
        match self.get(thread).state {
            State::Sending { kind: SendKind { content: Content::Fault | Content::Timeout, .. }, .. } => {
                self.get_mut(thread).state = State::Stopped
            }
            State::Receiving { reply, .. } => {
                if let Some(reply) = reply {
                    self.get_mut(reply).waiter = None;
                }
                self.fail(thread, Error::InvalidCapability);
            }
            _ => self.fail(thread, Error::ServerDied),
        }
        Piece::Made
    }

    /// Nobody can answer any more.
    pub(crate) fn destroy_reply(&mut self, reply: Ref<Reply>) {
        if let Some(waiter) = self.get_mut(reply).waiter.take()
            && let State::Receiving { endpoint, .. } = self.get(waiter).state
        {
            self.get_mut(waiter).state = State::Receiving { endpoint, reply: None };
        }
        if let Some(caller) = self.get_mut(reply).caller.take() {
            self.take_back_time(reply, caller);
            if !matches!(self.get(caller).state, State::Replying { content: Content::Own, .. }) {
                self.get_mut(caller).state = State::Stopped;
            } else {
                self.fail(caller, Error::ServerDied);
            }
        }
    }

    /// A blocked system call ends with an error.
    fn fail(&mut self, thread: Ref<Thread>, error: Error) {
        self.get_mut(thread).context.rax = error as u64;
        self.make_ready(thread);
    }
}
