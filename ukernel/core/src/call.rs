//! System calls: decode, check, act.
//!
//! A call that ends stores its result in the thread's context; one that blocks leaves the context as it was (so that it can be
//! repeated after a suspension), and whoever wakes the thread stores the result.

use ukernel_abi::message::{MAX_CAPS, MAX_WORDS};
use ukernel_abi::vcpu::ExitReason;
use ukernel_abi::{Call, Error, MessageInfo, Rights, fault};

use crate::ipc::Blocking;
use crate::preemption::Progress;
use crate::thread::SendKind;
use crate::vcpu::Exit;
use crate::{Cap, Content, Endpoint, Kernel, Machine, Notification, Ref, Reply, SlotRef, State, Thread};

/// What a system call came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It ended well; `rax` becomes 0.
    Done,
    /// The context has its results, or will have: the thread blocks, or was changed.
    Settled,
    /// It is to be made again.
    Repeat,
}

impl From<Progress> for Outcome {
    fn from(progress: Progress) -> Self {
        match progress {
            Progress::Done => Self::Done,
            Progress::Preempted => Self::Repeat,
        }
    }
}

impl<M: Machine> Kernel<M> {
    /// The running thread made a system call.
    pub fn system_call(&mut self) {
        if !self.fast_system_call() {
            self.general_system_call();
        }
    }

    /// The running thread made a system call that the fast path left alone.
    pub fn general_system_call(&mut self) {
        self.counters.calls += 1;
        let Some(thread) = self.cpu().current else { return };
        let t = self.get(thread);
        let number = t.context.rax;
        if t.foreign {
            self.foreign_trap(thread, Exit { reason: ExitReason::Syscall, vector: 0, error_code: 0, address: 0 });
            return;
        }
        if let Some(vcpu) = self.foreign_vcpu(thread) {
            // The entry code left it to us, since it is traced.
            self.exit_by_call(thread, vcpu);
            return;
        }
        let result = match Call::from_number(number) {
            Some(call) => self.dispatch(thread, call),
            None => {
                self.report_fault(thread, fault::BAD_CALL, 0, number);
                return;
            }
        };
        let t = self.get_mut(thread);
        match result {
            Ok(Outcome::Done) => t.context.rax = 0,
            Ok(Outcome::Settled) => {}
            Ok(Outcome::Repeat) => return t.context.repeat_call(),
            Err(error) => t.context.rax = error as u64,
        }
        t.progress = 0;
        // What it killed goes with it; what an interrupt leaves over is done by a later call.
        self.bury();
    }

    fn dispatch(&mut self, thread: Ref<Thread>, call: Call) -> Result<Outcome, Error> {
        let cap = self.get(thread).context.rdi;
        match call {
            Call::Call => self.call_send(thread, cap, true, Blocking::Block),
            Call::Send => self.call_send(thread, cap, false, Blocking::Block),
            Call::NbSend => self.call_send(thread, cap, false, Blocking::Poll),
            Call::ReplyRecv => self.call_reply_recv(thread, cap),
            Call::Recv => self.call_recv(thread, cap, Blocking::Block),
            Call::NbRecv => self.call_recv(thread, cap, Blocking::Poll),
            Call::Reply => self.call_reply(thread, cap),
            Call::Signal => {
                let (notification, badge) = self.notification_at(thread, cap, Rights::SEND)?;
                self.signal(notification, badge);
                Ok(Outcome::Done)
            }
            Call::Wait => self.call_wait(thread, cap, Blocking::Block),
            Call::Poll => self.call_wait(thread, cap, Blocking::Poll),
            Call::Invoke => self.invoke(thread, cap),
            Call::VcpuEnter => self.vcpu_enter(thread).map(|()| Outcome::Settled),
            Call::Yield => {
                self.yield_now(thread);
                Ok(Outcome::Done)
            }
        }
    }

    fn call_send(&mut self, thread: Ref<Thread>, cap: u64, call: bool, blocking: Blocking) -> Result<Outcome, Error> {
        let Cap::Endpoint { endpoint, badge, rights } = self.cap(self.slot(thread, cap)?) else {
            return Err(Error::InvalidCapability);
        };
        if !rights.contains(Rights::SEND) {
            return Err(Error::InsufficientRights);
        }
        self.check_message(thread)?;
        let kind = SendKind { call, grant: rights.contains(Rights::GRANT), content: Content::Own };
        self.send(thread, endpoint, badge, kind, blocking);
        // A call's answer, or whoever receives from a sender that had to wait, stores the result.
        let blocked = self.get(thread).state != State::Ready;
        Ok(if call || blocked { Outcome::Settled } else { Outcome::Done })
    }

    fn call_recv(&mut self, thread: Ref<Thread>, cap: u64, blocking: Blocking) -> Result<Outcome, Error> {
        let endpoint = self.endpoint_at(thread, cap)?;
        let reply = self.reply_at(thread, self.get(thread).context.r14)?;
        self.receive(thread, endpoint, reply, blocking)?;
        Ok(Outcome::Settled)
    }

    fn call_reply(&mut self, thread: Ref<Thread>, cap: u64) -> Result<Outcome, Error> {
        let reply = self.reply_at(thread, cap)?.ok_or(Error::InvalidCapability)?;
        self.check_message(thread)?;
        if self.prepare_answer(reply) == Progress::Preempted {
            return Ok(Outcome::Repeat);
        }
        if let Some(caller) = self.reply(thread, reply)? {
            self.make_ready(caller);
        }
        Ok(Outcome::Done)
    }

    /// Everything that can fail is checked before the answer goes out.
    fn call_reply_recv(&mut self, thread: Ref<Thread>, cap: u64) -> Result<Outcome, Error> {
        let (receive_from, reply_slot) = {
            let context = &self.get(thread).context;
            (context.r15, context.r14)
        };
        let endpoint = self.endpoint_at(thread, receive_from)?;
        let next_reply = self.reply_at(thread, reply_slot)?;
        let reply = self.reply_at(thread, cap)?;
        self.check_message(thread)?;
        let holds_caller = reply.is_some_and(|reply| self.get(reply).caller.is_some());
        let caller = match reply {
            Some(reply) if holds_caller => {
                if self.prepare_answer(reply) == Progress::Preempted {
                    return Ok(Outcome::Repeat);
                }
                self.reply(thread, reply)?
            }
            _ => None,
        };
        let result = self.receive(thread, endpoint, next_reply, Blocking::Block);
        if let Some(caller) = caller {
            if self.cpu().current.is_none() {
                self.hand_over(caller);
            } else {
                self.make_ready(caller);
            }
        }
        result.map(|()| Outcome::Settled)
    }

    fn call_wait(&mut self, thread: Ref<Thread>, cap: u64, blocking: Blocking) -> Result<Outcome, Error> {
        let (notification, _) = self.notification_at(thread, cap, Rights::RECEIVE)?;
        self.wait(thread, notification, blocking)?;
        Ok(Outcome::Settled)
    }

    /// The header of the message in the thread's registers is valid.
    fn check_message(&self, thread: Ref<Thread>) -> Result<(), Error> {
        let info = MessageInfo(self.get(thread).context.rsi);
        if info.length() > MAX_WORDS || info.caps() > MAX_CAPS { Err(Error::InvalidMessage) } else { Ok(()) }
    }

    fn endpoint_at(&self, thread: Ref<Thread>, cap: u64) -> Result<Ref<Endpoint>, Error> {
        match self.cap(self.slot(thread, cap)?) {
            Cap::Endpoint { endpoint, rights, .. } if rights.contains(Rights::RECEIVE) => Ok(endpoint),
            Cap::Endpoint { .. } => Err(Error::InsufficientRights),
            _ => Err(Error::InvalidCapability),
        }
    }

    pub(crate) fn reply_at(&self, thread: Ref<Thread>, cap: u64) -> Result<Option<Ref<Reply>>, Error> {
        match self.optional_slot(thread, cap)?.map(|slot| self.cap(slot)) {
            None => Ok(None),
            Some(Cap::Reply(reply)) => Ok(Some(reply)),
            Some(_) => Err(Error::InvalidCapability),
        }
    }

    fn notification_at(&self, thread: Ref<Thread>, cap: u64, needs: Rights) -> Result<(Ref<Notification>, u64), Error> {
        self.notification_in(self.slot(thread, cap)?, needs)
    }

    /// The notification that a slot's capability gives these rights to, and its badge.
    pub(crate) fn notification_in(&self, slot: SlotRef, needs: Rights) -> Result<(Ref<Notification>, u64), Error> {
        match self.cap(slot) {
            Cap::Notification { notification, badge, rights } if rights.contains(needs) => Ok((notification, badge)),
            Cap::Notification { .. } => Err(Error::InsufficientRights),
            _ => Err(Error::InvalidCapability),
        }
    }
}
