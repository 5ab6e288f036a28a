//! The client's side of a call.

use core::fmt;

use ukernel_abi::Error;
use ukernel_abi::message::MAX_CAPS;
use ukernel_user::message::{load_words, set_receive_caps, set_send_caps};
use ukernel_user::{Cap, Endpoint, MessageInfo, slots};

use crate::status;
use crate::wire::{Decode, Decoder, Encode, Encoded, Encoder, Malformed};

/// A call came to nothing, for a reason that is not the service's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The kernel refused; [`Error::ServerDied`]: the server ended.
    Kernel(Error),
    /// The server could not read the request.
    Refused,
    /// The server does not know the method.
    UnknownMethod,
    /// The server dropped the request.
    Abandoned,
    /// The answer could not be read.
    BadAnswer,
    /// An argument is longer than a message can be.
    TooLong,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kernel(error) => write!(f, "the kernel refused the call: {error:?}"),
            Self::Refused => f.write_str("the server could not read the request"),
            Self::UnknownMethod => f.write_str("the server does not know the method"),
            Self::Abandoned => f.write_str("the server dropped the request"),
            Self::BadAnswer => f.write_str("the answer could not be read"),
            Self::TooLong => f.write_str("an argument is too long for a message"),
        }
    }
}

/// What came back: the answer's label, the number of words now in the buffer, and the capabilities' slots.
#[derive(Clone, Copy, Debug, Default)]
pub struct Returned {
    pub(crate) label: u32,
    pub(crate) words: usize,
    pub(crate) caps: [u64; MAX_CAPS],
    pub(crate) cap_count: usize,
}

impl Returned {
    /// An answer of so many words, which are in the buffer, and no capabilities.
    #[must_use]
    pub const fn new(label: u32, words: usize) -> Self {
        Self { label, words, caps: [0; MAX_CAPS], cap_count: 0 }
    }
}

/// A way to a server: an endpoint, or a [`Loopback`](crate::Loopback).
pub trait Transport {
    /// Sends the request that `words` and `request` describe and waits for the answer, which replaces `words`; up to
    /// `caps` capabilities may come with it.
    ///
    /// # Errors
    /// The message was not delivered or not answered.
    fn exchange(&self, label: u32, words: &mut [u64], request: &Encoded, caps: usize) -> Result<Returned, Failure>;
}

impl Transport for Cap<Endpoint> {
    fn exchange(&self, label: u32, words: &mut [u64], request: &Encoded, caps: usize) -> Result<Returned, Failure> {
        let receive = ReceiveSlots::allocate(caps)?;
        set_send_caps(&request.caps[..request.cap_count]);
        let registers = load_words(&words[..request.words]);
        let info = MessageInfo::new(label, request.words).with_caps(request.cap_count);
        let result = self.call(info, &registers);
        let incoming = match result {
            Ok(incoming) => incoming,
            Err(error) => {
                receive.keep(0);
                return Err(Failure::Kernel(error));
            }
        };
        let words = incoming.read_words(words);
        let arrived = incoming.info.caps().min(caps);
        Ok(Returned { label: incoming.info.label(), words, caps: receive.keep(arrived), cap_count: arrived })
    }
}

/// Empty slots named in the message page for the capabilities of an answer.
struct ReceiveSlots {
    slots: [u64; MAX_CAPS],
    count: usize,
}

impl ReceiveSlots {
    fn allocate(count: usize) -> Result<Self, Failure> {
        let mut receive = Self { slots: [0; MAX_CAPS], count: 0 };
        for place in receive.slots.iter_mut().take(count) {
            match slots::allocate() {
                Ok(slot) => *place = slot,
                Err(error) => {
                    receive.keep(0);
                    return Err(Failure::Kernel(error));
                }
            }
            receive.count += 1;
        }
        if count != 0 {
            set_receive_caps(&receive.slots);
        }
        Ok(receive)
    }

    /// Keeps the first `arrived` slots and gives the others back.
    fn keep(self, arrived: usize) -> [u64; MAX_CAPS] {
        self.slots[arrived..].iter().for_each(|slot| slots::free(*slot));
        if self.count != 0 {
            set_receive_caps(&[0; MAX_CAPS]);
        }
        self.slots
    }
}

/// Makes one call: encodes the request into `words`, exchanges it, decodes the answer.
///
/// # Errors
/// As [`Failure`] says.
pub fn call<R>(
    transport: &impl Transport,
    label: u32,
    words: &mut [u64],
    encode: impl FnOnce(&mut Encoder<'_>),
) -> Result<R, Failure>
where
    R: Encode + for<'m> Decode<'m>,
{
    let mut encoder = Encoder::new(words);
    encode(&mut encoder);
    let request = encoder.finish().map_err(|Malformed| Failure::TooLong)?;
    let returned = transport.exchange(label, words, &request, R::CAPS)?;
    match returned.label {
        status::OK => {}
        status::MALFORMED => return Err(Failure::Refused),
        status::UNKNOWN_METHOD => return Err(Failure::UnknownMethod),
        status::ABANDONED => return Err(Failure::Abandoned),
        _ => return Err(Failure::BadAnswer),
    }
    let words = words.get(..returned.words).ok_or(Failure::BadAnswer)?;
    let caps = returned.caps.get(..returned.cap_count).ok_or(Failure::BadAnswer)?;
    let mut decoder = Decoder::new(words, caps);
    let result = R::decode(&mut decoder).map_err(|Malformed| Failure::BadAnswer)?;
    decoder.finish().map_err(|Malformed| Failure::BadAnswer)?;
    Ok(result)
}
