//! What waits in each direction, and for whom.
//!
//! Lock order: `State` is the only lock. It is never held during a call to another server; answering a client that
//! waits does not block.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use driver_lib::stream::{Requests, Stream};
use interfaces::{ConsoleError, ConsoleHandler};
use ipc::{Answer, Caller};
use rt::sync::{Condvar, Mutex};

/// Bytes that each direction holds.
pub const BUFFER_BYTES: usize = 16 << 10;

/// The buffers, shared by the server and its two pumps.
#[derive(Debug, Default)]
pub struct Buffers {
    state: Mutex<State>,
    /// Something changed that a pump may wait for.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    bytes: Bytes,
    requests: Requests<ConsoleError>,
    is_gone: bool,
}

#[derive(Debug, Default)]
struct Bytes {
    input: VecDeque<u8>,
    output: VecDeque<u8>,
}

impl Stream for Bytes {
    fn take_input(&mut self, buffer: &mut [u8]) -> usize {
        let count = buffer.len().min(self.input.len());
        buffer.iter_mut().zip(self.input.drain(..count)).for_each(|(target, byte)| *target = byte);
        count
    }
    fn has_input(&self) -> bool {
        !self.input.is_empty()
    }
    fn room(&self) -> usize {
        BUFFER_BYTES.saturating_sub(self.output.len())
    }
    fn put_output(&mut self, bytes: &[u8]) -> usize {
        let count = bytes.len().min(self.room());
        self.output.extend(bytes.iter().take(count));
        count
    }
}

impl Buffers {
    /// Wait until there is output, and take at most `max` bytes of it; `None`: the line is gone.
    pub fn take_output(&self, max: usize) -> Option<Vec<u8>> {
        let mut state = self.state.lock();
        loop {
            if state.is_gone {
                return None;
            }
            let count = state.bytes.output.len().min(max);
            if count > 0 {
                let bytes = state.bytes.output.drain(..count).collect();
                let State { bytes: stream, requests, .. } = &mut *state;
                requests.settle(stream);
                return Some(bytes);
            }
            state = self.changed.wait(state);
        }
    }

    /// Wait until there is room for input; false: the line is gone.
    pub fn wait_for_input_room(&self) -> bool {
        let mut state = self.state.lock();
        while !state.is_gone && state.bytes.input.len() >= BUFFER_BYTES {
            state = self.changed.wait(state);
        }
        !state.is_gone
    }

    /// Take over bytes that came in.
    pub fn put_input(&self, bytes: &[u8]) {
        let mut state = self.state.lock();
        let State { bytes: stream, requests, .. } = &mut *state;
        stream.input.extend(bytes);
        requests.settle(stream);
    }

    /// The line is gone: nobody need wait for it.
    pub fn give_up(&self) {
        let mut state = self.state.lock();
        state.is_gone = true;
        state.requests.fail(ConsoleError::Gone);
        self.changed.notify_all();
    }
}

/// The contract `Console` over the buffers.
#[derive(Debug)]
pub struct ConsoleServer(pub Arc<Buffers>);

impl ConsoleHandler for ConsoleServer {
    fn write(
        &mut self,
        caller: Caller<'_, Result<(), ConsoleError>>,
        bytes: &[u8],
    ) -> Answer<Result<(), ConsoleError>> {
        let mut state = self.0.state.lock();
        let State { bytes: stream, requests, is_gone } = &mut *state;
        if *is_gone {
            return Answer::Now(Err(ConsoleError::Gone));
        }
        let answer = requests.write(caller, bytes, stream, ConsoleError::Busy);
        self.0.changed.notify_all();
        answer
    }

    fn begin(&mut self, _: Caller<'_, Result<(), ConsoleError>>) -> Answer<Result<(), ConsoleError>> {
        let mut state = self.0.state.lock();
        state.requests = Requests::default();
        let is_gone = state.is_gone;
        Answer::Now(if is_gone { Err(ConsoleError::Gone) } else { Ok(()) })
    }

    fn read(
        &mut self,
        caller: Caller<'_, Result<Vec<u8>, ConsoleError>>,
        max: u32,
    ) -> Answer<Result<Vec<u8>, ConsoleError>> {
        let mut state = self.0.state.lock();
        let State { bytes: stream, requests, is_gone } = &mut *state;
        if *is_gone {
            return Answer::Now(Err(ConsoleError::Gone));
        }
        let answer = requests.read(caller, max, stream, ConsoleError::Busy);
        self.0.changed.notify_all();
        answer
    }
}
