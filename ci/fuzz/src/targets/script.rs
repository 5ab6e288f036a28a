//! Messages as bytes: recorded from a client, damaged, and sent again.
//!
//! A message is a label and a number of words (4 bytes each), how many capabilities come with it (8 bytes), then its words.

use std::sync::Mutex;

use ipc::wire::Encoded;
use ipc::{Failure, Returned, Transport};
use ukernel_abi::message::{MAX_CAPS, MAX_WORDS};

const HEAD_BYTES: usize = 16;

/// A transport that passes messages on and writes down what it was given.
pub struct Recorder<T> {
    to: T,
    script: Mutex<Vec<u8>>,
}

impl<T: Transport> Recorder<T> {
    /// A recorder in front of `to`.
    pub const fn new(to: T) -> Self {
        Self { to, script: Mutex::new(Vec::new()) }
    }

    /// What was recorded.
    #[must_use]
    pub fn script(&self) -> Vec<u8> {
        self.script.lock().map(|script| script.clone()).unwrap_or_default()
    }
}

impl<T: Transport> Transport for Recorder<T> {
    fn exchange(&self, label: u32, words: &mut [u64], request: &Encoded, caps: usize) -> Result<Returned, Failure> {
        if let Ok(mut script) = self.script.lock() {
            append(&mut script, label, request.cap_count, &words[..request.words]);
        }
        self.to.exchange(label, words, request, caps)
    }
}

/// Writes a message down.
pub fn append(script: &mut Vec<u8>, label: u32, caps: usize, words: &[u64]) {
    script.extend(label.to_le_bytes());
    script.extend((words.len() as u32).to_le_bytes());
    script.extend((caps as u64).to_le_bytes());
    script.extend(words.iter().flat_map(|word| word.to_le_bytes()));
}

/// Sends what a script says, whatever it says, until it ends or `most` were sent; each capability is the one in `slot`.
pub fn play(script: &[u8], to: &dyn Transport, slot: u64, most: usize) {
    let mut rest = script;
    for _ in 0..most {
        let Some((head, body)) = rest.split_first_chunk::<HEAD_BYTES>() else { return };
        let number = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        // What the kernel does not let through never arrives.
        let count = (number(4) as usize).min(MAX_WORDS).min(body.len() / 8);
        let (words, after) = body.split_at(count * 8);
        let mut buffer = [0; MAX_WORDS];
        for (place, bytes) in buffer.iter_mut().zip(words.chunks_exact(8)) {
            *place = bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
        }
        let cap_count = usize::from(head[8]).min(MAX_CAPS);
        let request = Encoded { words: count, caps: [slot; MAX_CAPS], cap_count };
        let _ = to.exchange(number(0), &mut buffer, &request, MAX_CAPS);
        rest = after;
    }
}
