//! Answers, at once or later.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;

use rt::sync::{Condvar, Mutex};
use ukernel_abi::message::{MAX_CAPS, MAX_WORDS};
use ukernel_user::message::{load_words, set_send_caps};
use ukernel_user::{Cap, MessageInfo, Reply};

use crate::status;
use crate::wire::{Encode, Encoder, Malformed};

/// A handler's result.
#[derive(Debug)]
pub enum Answer<T> {
    /// The answer.
    Now(T),
    /// It comes later, through the [`PendingReply`] that the handler has kept.
    Later,
}

impl<T> From<T> for Answer<T> {
    fn from(value: T) -> Self {
        Self::Now(value)
    }
}

/// Who asks, and the right to answer later.
pub struct Caller<'a, T> {
    badge: u64,
    origin: &'a mut Origin,
    result: PhantomData<fn(T)>,
}

/// Where the answer to the request at hand goes.
pub(crate) enum Origin {
    /// It is taken: the answer comes later.
    Taken,
    /// To the caller of an endpoint, through this Reply object.
    Kernel { reply: Cap<Reply>, pool: Arc<ReplyPool> },
    /// To a caller of a loopback.
    Loopback(Arc<Mailbox>),
}

impl<'a, T: Encode> Caller<'a, T> {
    pub(crate) fn new(badge: u64, origin: &'a mut Origin) -> Self {
        Self { badge, origin, result: PhantomData }
    }

    /// Badge of the capability that the caller used: its unforgeable name at this server.
    #[must_use]
    pub fn badge(&self) -> u64 {
        self.badge
    }

    /// Takes the right to answer later; the handler then returns [`Answer::Later`].
    ///
    /// `None`: as many requests wait already as the server has room for; answer now.
    pub fn defer(self) -> Option<PendingReply<T>> {
        if let Origin::Kernel { pool, .. } = self.origin
            && !pool.has_spare()
        {
            return None;
        }
        match core::mem::replace(self.origin, Origin::Taken) {
            Origin::Taken => None,
            target => Some(PendingReply { target: Some(target), result: PhantomData }),
        }
    }
}

/// The right to answer one request. Dropping it answers that the request was abandoned.
#[must_use = "the caller waits for the answer"]
pub struct PendingReply<T: Encode> {
    target: Option<Origin>,
    result: PhantomData<fn(T)>,
}

impl<T: Encode> PendingReply<T> {
    /// Answers.
    pub fn complete(mut self, value: T) {
        let message = Message::encode(&value);
        if let Some(target) = self.target.take() {
            target.deliver(message);
        }
    }
}

impl<T: Encode> Drop for PendingReply<T> {
    fn drop(&mut self) {
        if let Some(target) = self.target.take() {
            target.deliver(Message::status(status::ABANDONED));
        }
    }
}

impl<T: Encode> fmt::Debug for PendingReply<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PendingReply")
    }
}

/// An answer of its own, for late delivery.
pub(crate) struct Message {
    pub(crate) label: u32,
    pub(crate) words: Vec<u64>,
    pub(crate) caps: [u64; MAX_CAPS],
    pub(crate) cap_count: usize,
}

impl Message {
    fn status(label: u32) -> Self {
        Self { label, words: Vec::new(), caps: [0; MAX_CAPS], cap_count: 0 }
    }

    fn encode<T: Encode>(value: &T) -> Self {
        let mut words = vec![0; T::MAX_WORDS.min(MAX_WORDS)];
        let mut encoder = Encoder::new(&mut words);
        value.encode(&mut encoder);
        match encoder.finish() {
            Ok(encoded) => {
                words.truncate(encoded.words);
                Self { label: status::OK, words, caps: encoded.caps, cap_count: encoded.cap_count }
            }
            Err(Malformed) => Self::status(status::ABANDONED),
        }
    }
}

impl Origin {
    fn deliver(self, message: Message) {
        match self {
            Self::Taken => {}
            Self::Loopback(mailbox) => mailbox.put(message),
            Self::Kernel { reply, pool } => {
                set_send_caps(&message.caps[..message.cap_count]);
                let registers = load_words(&message.words);
                let info = MessageInfo::new(message.label, message.words.len()).with_caps(message.cap_count);
                // An error means that the caller is gone: nobody waits for this answer.
                let _ = reply.reply(info, &registers);
                pool.put(reply);
            }
        }
    }
}

/// The idle Reply objects of a server.
pub(crate) struct ReplyPool(Mutex<Vec<Cap<Reply>>>);

impl ReplyPool {
    pub(crate) fn new(replies: Vec<Cap<Reply>>) -> Self {
        Self(Mutex::new(replies))
    }

    pub(crate) fn take(&self) -> Option<Cap<Reply>> {
        self.0.lock().pop()
    }

    pub(crate) fn put(&self, reply: Cap<Reply>) {
        self.0.lock().push(reply);
    }

    fn has_spare(&self) -> bool {
        !self.0.lock().is_empty()
    }
}

/// Where a loopback's caller waits for its answer.
pub(crate) struct Mailbox {
    answer: Mutex<Option<Message>>,
    arrived: Condvar,
}

impl Mailbox {
    pub(crate) fn new() -> Self {
        Self { answer: Mutex::new(None), arrived: Condvar::new() }
    }

    fn put(&self, message: Message) {
        *self.answer.lock() = Some(message);
        self.arrived.notify_all();
    }

    pub(crate) fn wait(&self) -> Message {
        let mut guard = self.arrived.wait_while(self.answer.lock(), |answer| answer.is_none());
        guard.take().expect("waited until there is one")
    }
}
