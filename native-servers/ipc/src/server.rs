//! The server's side: requests, responses, and the loop that receives and answers.
//!
//! One loop serves both [`Server`] and the threads of a [`Pool`](crate::Pool).
//!
//! Invariant: while the loop waits, exactly one Reply object is with the kernel for the next caller; deferred requests
//! hold others, and the pool always keeps one to go on with (see [`Caller::defer`](crate::Caller::defer)).

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use ukernel_abi::Error;
use ukernel_abi::message::{MAX_CAPS, MAX_WORDS};
use ukernel_user::message::{Registers, load_words, set_receive_caps, set_send_caps};
use ukernel_user::{Cap, Endpoint, MessageInfo, Notification, Reply, Rights, slots};

use crate::answer::{Answer, Caller, Origin, ReplyPool};
use crate::shared::Lending;
use crate::status;
use crate::wire::{Decoder, Encode, Encoder, Malformed};

/// Bit of a badge that says that the message is an event of the server's own notification. No sender has it.
pub const EVENT: u64 = 1 << 63;

/// A request as it arrived.
pub struct Request<'m> {
    /// Badge of the sender.
    pub badge: u64,
    /// Interface and method.
    pub label: u32,
    pub(crate) words: &'m [u64],
    pub(crate) caps: &'m [u64],
    pub(crate) origin: &'m mut Origin,
}

/// The place for an answer.
pub struct Response {
    pub(crate) label: u32,
    pub(crate) length: usize,
    pub(crate) caps: [u64; MAX_CAPS],
    pub(crate) cap_count: usize,
    pub(crate) words: [u64; MAX_WORDS],
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The answer is in the [`Response`]; otherwise it comes later.
    pub answered: bool,
    /// Capabilities of the request that now belong to the handler.
    pub caps_taken: usize,
}

/// Turns requests into calls of a handler; [`interface!`](crate::interface) writes the implementations.
pub trait Dispatch {
    /// Most capabilities that a request may bring.
    const CAPS: usize;

    /// Handles one request.
    fn dispatch(&mut self, request: Request<'_>, response: &mut Response) -> Outcome;

    /// Handles events: the bits given to [`Server::event`].
    fn notified(&mut self, bits: u64);
}

impl<'m> Request<'m> {
    /// Its words.
    #[must_use]
    pub const fn words(&self) -> &'m [u64] {
        self.words
    }
}

impl Response {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self { label: status::OK, length: 0, caps: [0; MAX_CAPS], cap_count: 0, words: [0; MAX_WORDS] }
    }

    /// Makes it an error.
    pub fn refuse(&mut self, label: u32) -> Outcome {
        (self.label, self.length, self.cap_count) = (label, 0, 0);
        Outcome { answered: true, caps_taken: 0 }
    }

    fn set(&mut self, value: &impl Encode) {
        let mut encoder = Encoder::new(&mut self.words);
        value.encode(&mut encoder);
        match encoder.finish() {
            Ok(encoded) => {
                (self.label, self.length) = (status::OK, encoded.words);
                (self.caps, self.cap_count) = (encoded.caps, encoded.cap_count);
            }
            Err(Malformed) => {
                self.refuse(status::ABANDONED);
            }
        }
    }

    fn load(&self) -> (MessageInfo, Registers) {
        set_send_caps(&self.caps[..self.cap_count]);
        let registers = load_words(&self.words[..self.length]);
        (MessageInfo::new(self.label, self.length).with_caps(self.cap_count), registers)
    }
}

impl Default for Response {
    fn default() -> Self {
        Self::new()
    }
}

/// Decodes the arguments of `request`, calls `handle`, stores its answer: what each arm of a dispatcher does.
pub fn dispatch_one<'m, A, T: Encode>(
    request: Request<'m>,
    response: &mut Response,
    lending: Lending,
    decode: impl FnOnce(&mut Decoder<'m>) -> Result<A, Malformed>,
    handle: impl FnOnce(Caller<'_, T>, A) -> Answer<T>,
) -> Outcome {
    let mut decoder = Decoder::new(request.words, request.caps);
    let decoded = decode(&mut decoder).and_then(|arguments| Ok((arguments, decoder.finish()?)));
    let Ok((arguments, caps_taken)) = decoded else {
        return response.refuse(status::MALFORMED);
    };
    let caps_taken = if lending == Lending::Lent { 0 } else { caps_taken };
    match handle(Caller::new(request.badge, request.origin), arguments) {
        Answer::Now(value) => response.set(&value),
        Answer::Later if matches!(request.origin, Origin::Taken) => {
            return Outcome { answered: false, caps_taken };
        }
        Answer::Later => {
            response.refuse(status::ABANDONED);
        }
    }
    Outcome { answered: true, caps_taken }
}

/// A server: an endpoint, Reply objects, and a notification bound to the thread that runs it.
pub struct Server {
    endpoint: Cap<Endpoint>,
    notification: Cap<Notification>,
    pool: Arc<ReplyPool>,
}

impl Server {
    /// A server of `endpoint`, run by the calling thread, that can defer `deferred` answers at a time.
    ///
    /// # Errors
    /// No memory or slots for the kernel objects.
    pub fn new(endpoint: Cap<Endpoint>, deferred: usize) -> Result<Self, Error> {
        let replies = (0..=deferred).map(|_| rt::object::create::<Reply>(0)).collect::<Result<Vec<_>, _>>()?;
        let notification = rt::object::create::<Notification>(0)?;
        rt::thread::raw().thread.bind_notification(notification)?;
        Ok(Self { endpoint, notification, pool: Arc::new(ReplyPool::new(replies)) })
    }

    /// A capability whose signals reach the handler's `notified` as bit `bit` (below 63): bind an interrupt or timer to
    /// it, or signal it from another thread.
    ///
    /// # Errors
    /// `InvalidArgument`: no such bit; or no free slot.
    pub fn event(&self, bit: u32) -> Result<Cap<Notification>, Error> {
        if bit >= 63 {
            return Err(Error::InvalidArgument);
        }
        rt::cap::mint(self.notification, Rights::SEND, EVENT | 1 << bit)
    }

    /// Receives and answers for as long as the endpoint lives; why that ended.
    pub fn run<D: Dispatch>(self, service: &mut D) -> Error {
        static NEVER: AtomicBool = AtomicBool::new(false);
        serve(self.endpoint, &self.pool, &NEVER, service).err().unwrap_or(Error::InvalidState)
    }
}

/// Receives and answers until `stopping` is set (an event must then wake the thread) or the endpoint is gone. Every request
/// that was received is answered or deferred.
pub(crate) fn serve<D: Dispatch>(
    endpoint: Cap<Endpoint>,
    pool: &Arc<ReplyPool>,
    stopping: &AtomicBool,
    service: &mut D,
) -> Result<(), Error> {
    let mut words = Box::new([0; MAX_WORDS]);
    let mut response = Box::new(Response::new());
    let mut receive = ReceiveSlots::new(D::CAPS);
    let mut reply = pool.take().ok_or(Error::InvalidState)?;
    let mut answered = false;
    loop {
        if stopping.load(Ordering::SeqCst) {
            if answered {
                let (info, registers) = response.load();
                // An error means that the caller is gone.
                let _ = reply.reply(info, &registers);
            }
            pool.put(reply);
            return Ok(());
        }
        receive.prepare();
        let incoming = if core::mem::take(&mut answered) {
            let (info, registers) = response.load();
            endpoint.reply_receive(reply, info, &registers, reply)?
        } else {
            endpoint.receive(reply)?
        };
        let arrived = incoming.info.caps().min(receive.wanted);
        if incoming.badge & EVENT != 0 {
            service.notified(incoming.badge & !EVENT);
            continue;
        }
        let length = incoming.read_words(&mut words[..]);
        let mut origin = Origin::Kernel { reply, pool: pool.clone() };
        let request = Request {
            badge: incoming.badge,
            label: incoming.info.label(),
            words: &words[..length],
            caps: &receive.slots[..arrived],
            origin: &mut origin,
        };
        let outcome = service.dispatch(request, &mut response);
        receive.settle(arrived, outcome.caps_taken);
        answered = outcome.answered;
        if matches!(origin, Origin::Taken) {
            answered = false;
            reply = pool.take().ok_or(Error::InvalidState)?;
        }
    }
}

/// Empty slots for the capabilities of requests; those that are still empty are freed at the end.
struct ReceiveSlots {
    slots: [u64; MAX_CAPS],
    wanted: usize,
}

impl ReceiveSlots {
    fn new(wanted: usize) -> Self {
        Self { slots: [0; MAX_CAPS], wanted: wanted.min(MAX_CAPS) }
    }

    /// Names the slots in the message page; where none is free, a capability is dropped and its request malformed.
    fn prepare(&mut self) {
        for slot in self.slots.iter_mut().take(self.wanted).filter(|slot| **slot == 0) {
            *slot = slots::allocate().unwrap_or(0);
        }
        set_receive_caps(&self.slots);
    }

    /// Leaves the first `taken` of the `arrived` capabilities to the handler and deletes the others.
    fn settle(&mut self, arrived: usize, taken: usize) {
        for (index, slot) in self.slots.iter_mut().enumerate().take(arrived) {
            if index >= taken {
                rt::cap::delete(*slot);
            }
            *slot = 0;
        }
    }
}

impl Drop for ReceiveSlots {
    fn drop(&mut self) {
        if self.wanted != 0 {
            set_receive_caps(&[0; MAX_CAPS]);
        }
        self.slots.iter().for_each(|slot| slots::free(*slot));
    }
}
