//! Endpoints and the right to answer.

use ukernel_abi::Call;

use super::Notification;
use crate::message::{Incoming, Registers, error};
use crate::syscall::transfer;
use crate::{Cap, Error, MessageInfo};

/// A rendezvous for messages.
#[derive(Debug)]
pub enum Endpoint {}

/// A one-shot right to answer a call.
#[derive(Debug)]
pub enum Reply {}

const NO_WORDS: Registers = [0; 6];

fn result((code, incoming): (u64, Incoming)) -> Result<Incoming, Error> {
    if code == 0 { Ok(incoming) } else { Err(error(code)) }
}

impl Cap<Endpoint> {
    /// Sends a message and waits for the answer.
    ///
    /// # Errors
    /// `ServerDied`, `InvalidMessage`.
    #[inline]
    pub fn call(self, info: MessageInfo, words: &Registers) -> Result<Incoming, Error> {
        result(transfer(Call::Call, self.slot(), info, words, 0, 0))
    }

    /// Waits for a message; the right to answer a call goes to `reply`, which must be idle.
    ///
    /// # Errors
    /// `InvalidState`: `reply` is in use.
    #[inline]
    pub fn receive(self, reply: Cap<Reply>) -> Result<Incoming, Error> {
        result(transfer(Call::Recv, self.slot(), MessageInfo::default(), &NO_WORDS, reply.slot(), 0))
    }

    /// As [`receive`](Self::receive), where a message waits already.
    ///
    /// # Errors
    /// `WouldBlock`: none does.
    #[inline]
    pub fn try_receive(self, reply: Cap<Reply>) -> Result<Incoming, Error> {
        result(transfer(Call::NbRecv, self.slot(), MessageInfo::default(), &NO_WORDS, reply.slot(), 0))
    }

    /// Answers through `answer` (which may be idle: then only receive), then receives as [`receive`](Self::receive) does;
    /// `answer` and `reply` may be one object.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    #[inline]
    pub fn reply_receive(
        self,
        answer: Cap<Reply>,
        info: MessageInfo,
        words: &Registers,
        reply: Cap<Reply>,
    ) -> Result<Incoming, Error> {
        result(transfer(Call::ReplyRecv, answer.slot(), info, words, reply.slot(), self.slot()))
    }

    /// Sends a message and waits until it was received; there is no answer.
    ///
    /// # Errors
    /// `ServerDied`, `InvalidMessage`.
    pub fn send(self, info: MessageInfo, words: &Registers) -> Result<(), Error> {
        result(transfer(Call::Send, self.slot(), info, words, 0, 0)).map(drop)
    }

    /// Sends a message if a receiver waits, else does nothing.
    ///
    /// # Errors
    /// `InvalidMessage`.
    pub fn try_send(self, info: MessageInfo, words: &Registers) -> Result<(), Error> {
        result(transfer(Call::NbSend, self.slot(), info, words, 0, 0)).map(drop)
    }
}

impl Cap<Reply> {
    /// Answers the call that this object holds the right for; does not block.
    ///
    /// # Errors
    /// `InvalidState`: there is no caller (any more).
    #[inline]
    pub fn reply(self, info: MessageInfo, words: &Registers) -> Result<(), Error> {
        result(transfer(Call::Reply, self.slot(), info, words, 0, 0)).map(drop)
    }
}

impl Cap<Notification> {
    /// Sets the bits of this capability's badge.
    ///
    /// # Errors
    /// Only those of every method.
    #[inline]
    pub fn signal(self) -> Result<(), Error> {
        bits(Call::Signal, self).map(drop)
    }

    /// Waits until there are bits, takes them.
    ///
    /// # Errors
    /// `InvalidState`: it is bound to another thread.
    #[inline]
    pub fn wait(self) -> Result<u64, Error> {
        bits(Call::Wait, self)
    }

    /// Takes the bits that there are.
    ///
    /// # Errors
    /// `WouldBlock`: there are none.
    #[inline]
    pub fn poll(self) -> Result<u64, Error> {
        bits(Call::Poll, self)
    }
}

fn bits(call: Call, notification: Cap<Notification>) -> Result<u64, Error> {
    let (code, bits) = crate::syscall::simple(call, notification.slot());
    if code == 0 { Ok(bits) } else { Err(error(code)) }
}
