//! Messages: what goes in registers, and the calling thread's message page for the rest.
//!
//! The page belongs to the thread: any call made between filling it and sending it, or between receiving a message and
//! reading it, overwrites it. So fill last and read first.

use ukernel_abi::message::{MAX_CAPS, MAX_WORDS, REGISTER_WORDS};
use ukernel_abi::{Call, Error, MessageInfo};

use crate::syscall;

/// Byte offset, in the thread-local block, of the message page's address.
pub const TLS_MESSAGE_PAGE: usize = 8;

/// The words of a message that travel in registers.
pub type Registers = [u64; REGISTER_WORDS];

/// What a call returned or a server received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// Badge of the capability that the sender used, or the bits of the bound notification.
    pub badge: u64,
    /// Header. Of a bound notification: length 0, label 0.
    pub info: MessageInfo,
    /// Words 0 to 5; those past the length mean nothing.
    pub words: Registers,
}

impl Incoming {
    /// Length in words, never more than a message can have.
    #[must_use]
    pub fn length(&self) -> usize {
        self.info.length().min(MAX_WORDS)
    }

    /// Copies the words to the start of `into`, as many as fit both; how many.
    pub fn read_words(&self, into: &mut [u64]) -> usize {
        let length = self.length().min(into.len());
        for (index, word) in into[..length].iter_mut().enumerate() {
            *word = self.words.get(index).copied().unwrap_or_else(|| syscall::read_word(index));
        }
        length
    }
}

/// Loads `words` for sending: the first six are returned, for the registers, the rest goes to the message page.
#[inline]
pub fn load_words(words: &[u64]) -> Registers {
    let mut registers = [0; REGISTER_WORDS];
    let count = words.len().min(REGISTER_WORDS);
    registers[..count].copy_from_slice(&words[..count]);
    for (index, word) in words.iter().enumerate().skip(REGISTER_WORDS) {
        syscall::write_word(index, *word);
    }
    registers
}

/// Names the capabilities that the next message sent takes along (at most [`MAX_CAPS`]; the header has their count).
pub fn set_send_caps(slots: &[u64]) {
    syscall::write_send_caps(slots);
}

/// Names the empty slots (0: none) that take the capabilities of the next message received.
pub fn set_receive_caps(slots: &[u64; MAX_CAPS]) {
    syscall::write_receive_caps(slots);
}

/// Words collected for an invocation.
pub(crate) struct Arguments {
    registers: Registers,
    count: usize,
}

impl Arguments {
    pub(crate) const fn new() -> Self {
        Self { registers: [0; REGISTER_WORDS], count: 0 }
    }

    #[inline]
    pub(crate) fn push(&mut self, word: u64) {
        match self.registers.get_mut(self.count) {
            Some(register) => *register = word,
            None => syscall::write_word(self.count, word),
        }
        self.count += 1;
    }

    /// Invokes `method` of the object in `slot`; its result words, or the error and the words beside it.
    pub(crate) fn invoke(&self, slot: u64, method: u32) -> Result<Registers, (Error, Registers)> {
        let info = MessageInfo::new(method, self.count);
        let (code, incoming) = syscall::transfer(Call::Invoke, slot, info, &self.registers, 0, 0);
        if code == 0 { Ok(incoming.words) } else { Err((error(code), incoming.words)) }
    }
}

/// Invokes `method` with `arguments` (at most six).
#[inline]
pub(crate) fn invoke(slot: u64, method: u32, arguments: &[u64]) -> Result<Registers, Error> {
    let mut registers = [0; REGISTER_WORDS];
    registers[..arguments.len()].copy_from_slice(arguments);
    let info = MessageInfo::new(method, arguments.len());
    let (code, incoming) = syscall::transfer(Call::Invoke, slot, info, &registers, 0, 0);
    if code == 0 { Ok(incoming.words) } else { Err(error(code)) }
}

/// The error with `code`; the kernel's codes are all known, so anything else is a kernel newer than this library.
pub(crate) fn error(code: u64) -> Error {
    Error::from_code(code).unwrap_or(Error::InvalidMethod)
}
