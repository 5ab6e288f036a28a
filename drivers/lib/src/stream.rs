//! Requests on a byte stream that must wait: reads until there are bytes, writes until there is room.
//!
//! A server of a byte stream keeps its waiting clients here and calls [`Requests::settle`] whenever its device may have
//! bytes or room. Invariant: requests are answered in the order in which they came, and a write is done whole.

use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::Debug;
use ipc::wire::MAX_BYTES;
use ipc::{Answer, Caller, Encode, PendingReply};

/// The device's side of a byte stream.
pub trait Stream {
    /// Move bytes that came in into `buffer`; returns how many.
    fn take_input(&mut self, buffer: &mut [u8]) -> usize;
    /// Whether bytes have come in.
    fn has_input(&self) -> bool;
    /// Bytes that [`put_output`](Self::put_output) would take now.
    fn room(&self) -> usize;
    /// Take over as many of `bytes` as there is room for; returns how many.
    fn put_output(&mut self, bytes: &[u8]) -> usize;
}

/// The requests that wait; `E` is the contract's error.
#[derive(Debug)]
pub struct Requests<E: Encode> {
    readers: VecDeque<Reader<E>>,
    writers: VecDeque<Writer<E>>,
}

#[derive(Debug)]
struct Reader<E: Encode> {
    max: usize,
    reply: PendingReply<Result<Vec<u8>, E>>,
}

#[derive(Debug)]
struct Writer<E: Encode> {
    bytes: Vec<u8>,
    done: usize,
    reply: PendingReply<Result<(), E>>,
}

impl<E: Encode + Copy + Debug> Requests<E> {
    /// None.
    pub const fn new() -> Self {
        Self { readers: VecDeque::new(), writers: VecDeque::new() }
    }

    /// Write `bytes`, now or later; `busy` where too many wait already.
    pub fn write(
        &mut self,
        caller: Caller<'_, Result<(), E>>,
        bytes: &[u8],
        stream: &mut impl Stream,
        busy: E,
    ) -> Answer<Result<(), E>> {
        if self.writers.is_empty() && stream.room() >= bytes.len() {
            stream.put_output(bytes);
            return Answer::Now(Ok(()));
        }
        let Some(reply) = caller.defer() else { return Answer::Now(Err(busy)) };
        self.writers.push_back(Writer { bytes: bytes.into(), done: 0, reply });
        self.settle(stream);
        Answer::Later
    }

    /// Read at most `max` bytes, now or later; `busy` where too many wait already.
    pub fn read(
        &mut self,
        caller: Caller<'_, Result<Vec<u8>, E>>,
        max: u32,
        stream: &mut impl Stream,
        busy: E,
    ) -> Answer<Result<Vec<u8>, E>> {
        let max = (max as usize).min(MAX_BYTES);
        if max == 0 || self.readers.is_empty() && stream.has_input() {
            return Answer::Now(Ok(take(stream, max)));
        }
        let Some(reply) = caller.defer() else { return Answer::Now(Err(busy)) };
        self.readers.push_back(Reader { max, reply });
        Answer::Later
    }

    /// Answer what can be answered now.
    pub fn settle(&mut self, stream: &mut impl Stream) {
        while stream.has_input()
            && let Some(Reader { max, reply }) = self.readers.pop_front()
        {
            reply.complete(Ok(take(stream, max)));
        }
        while let Some(mut writer) = self.writers.pop_front() {
            writer.done += stream.put_output(writer.bytes.get(writer.done..).unwrap_or(&[]));
            if writer.done < writer.bytes.len() {
                return self.writers.push_front(writer);
            }
            writer.reply.complete(Ok(()));
        }
    }

    /// Answer all with an error: the device is gone.
    pub fn fail(&mut self, error: E) {
        self.readers.drain(..).for_each(|reader| reader.reply.complete(Err(error)));
        self.writers.drain(..).for_each(|writer| writer.reply.complete(Err(error)));
    }
}

impl<E: Encode + Copy + Debug> Default for Requests<E> {
    fn default() -> Self {
        Self::new()
    }
}

fn take(stream: &mut impl Stream, max: usize) -> Vec<u8> {
    let mut bytes = vec![0; max];
    let count = stream.take_input(&mut bytes);
    bytes.truncate(count);
    bytes
}
