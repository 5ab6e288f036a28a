//! One session: a command, its streams and their windows, its signals.
//!
//! Invariant: `window` of the input is what the host may still send; `credit` of an output what we may. Both only shrink
//! by data and grow by CREDIT frames.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use interfaces::HostChannelError as Error;
use interfaces::host_channel::{INITIAL_WINDOW, stream};

/// Consumed input is granted again in steps of this many bytes.
const GRANT_BYTES: u32 = INITIAL_WINDOW / 4;
/// Signals that wait; more than anybody can send by hand.
const MAX_SIGNALS: usize = 64;
const OUTPUTS: usize = stream::COUNT as usize - 1;

/// A session.
#[derive(Debug)]
pub struct Session {
    /// Its number, from 1.
    pub id: u32,
    /// Flags of its EXEC frame.
    pub flags: u32,
    /// Its command line.
    pub command: Vec<u8>,
    /// Standard input.
    pub input: Input,
    outputs: [Output; OUTPUTS],
    signals: VecDeque<u32>,
}

/// A stream from the host.
#[derive(Debug, Default)]
pub struct Input {
    bytes: VecDeque<u8>,
    window: u32,
    owed: u32,
    is_ended: bool,
    is_closed: bool,
}

/// A stream to the host.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    credit: u32,
    is_ended: bool,
    is_closed: bool,
}

/// The host sent more than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowExceeded;

impl Session {
    /// A session with fresh windows.
    pub fn new(id: u32, flags: u32, command: &[u8]) -> Self {
        let input = Input { window: INITIAL_WINDOW, ..Input::default() };
        let outputs = [Output { credit: INITIAL_WINDOW, is_ended: false, is_closed: false }; OUTPUTS];
        Self { id, flags, command: command.into(), input, outputs, signals: VecDeque::new() }
    }

    /// The output with this stream number, if there is one.
    pub fn output(&mut self, stream: u8) -> Result<&mut Output, Error> {
        let index = usize::from(stream).checked_sub(1).ok_or(Error::NoStream)?;
        self.outputs.get_mut(index).ok_or(Error::NoStream)
    }

    /// Note a signal.
    pub fn put_signal(&mut self, number: u32) {
        if self.signals.len() < MAX_SIGNALS {
            self.signals.push_back(number);
        }
    }

    /// Take the next signal.
    pub fn take_signal(&mut self) -> Option<u32> {
        self.signals.pop_front()
    }
}

impl Input {
    /// Keep data from the host. What nobody will read is dropped.
    ///
    /// # Errors
    /// [`WindowExceeded`].
    pub fn put(&mut self, bytes: &[u8]) -> Result<(), WindowExceeded> {
        let count = u32::try_from(bytes.len()).map_err(|_| WindowExceeded)?;
        self.window = self.window.checked_sub(count).ok_or(WindowExceeded)?;
        if !self.is_closed && !self.is_ended {
            self.bytes.extend(bytes);
        }
        Ok(())
    }

    /// No more data comes.
    pub const fn end(&mut self) {
        self.is_ended = true;
    }

    /// Nobody reads any more; false where that was so already.
    pub fn close(&mut self) -> bool {
        self.bytes = VecDeque::new();
        !core::mem::replace(&mut self.is_closed, true)
    }

    /// Take at most `max` bytes; none at the end of the stream; `None` where there are none yet.
    pub fn take(&mut self, max: usize) -> Option<Vec<u8>> {
        if self.bytes.is_empty() && !self.is_ended && !self.is_closed {
            return None;
        }
        let count = self.bytes.len().min(max);
        self.owed += count as u32;
        Some(self.bytes.drain(..count).collect())
    }

    /// Bytes to grant to the host now, if it is time.
    pub fn grant(&mut self) -> Option<u32> {
        if self.owed < GRANT_BYTES || self.is_ended || self.is_closed {
            return None;
        }
        self.window += self.owed;
        Some(core::mem::take(&mut self.owed))
    }
}

impl Output {
    /// How many of `wanted` bytes may be sent now; 0: wait for credit.
    ///
    /// # Errors
    /// [`Error::Closed`]: the host does not read it, or it was ended.
    pub fn allowance(&self, wanted: usize) -> Result<usize, Error> {
        if self.is_closed || self.is_ended {
            return Err(Error::Closed);
        }
        Ok(wanted.min(self.credit as usize))
    }

    /// So many bytes are sent: no more than the allowance.
    pub const fn spend(&mut self, bytes: u32) {
        self.credit = self.credit.saturating_sub(bytes);
    }

    /// The host grants more.
    ///
    /// # Errors
    /// [`WindowExceeded`]: more than there can be.
    pub fn grant(&mut self, bytes: u32) -> Result<(), WindowExceeded> {
        self.credit = self.credit.checked_add(bytes).ok_or(WindowExceeded)?;
        Ok(())
    }

    /// The host's reader is gone.
    pub const fn close(&mut self) {
        self.is_closed = true;
    }

    /// End it; false where it was ended already.
    pub fn end(&mut self) -> bool {
        !core::mem::replace(&mut self.is_ended, true)
    }
}
