//! Reading from a terminal: lines, or bytes by `VMIN` and `VTIME` (termios(3)).

use super::{OtherSide, State, Tty};
use crate::discipline::Wanted;
use crate::job_control::TerminalSignal;
use alloc::vec;
use guest_memory::Sink;
use linux_abi::{Errno, Result};
use sync::WaitError;
use vfs::OpenFlags;

/// Most bytes copied out at once.
const COPY_BYTES: usize = 4096;
const DECISECOND_NS: u64 = 100_000_000;

enum Look {
    /// That many bytes were taken.
    Taken(usize),
    /// The terminal hung up.
    HungUp,
    /// The master is gone.
    Gone,
}

impl Tty {
    /// Reads as the file opened at hang-up number `opened` would.
    ///
    /// # Errors
    /// `EAGAIN`, `ERESTARTSYS`, `EIO` for orphaned background readers, `EFAULT`.
    pub(crate) fn read(&self, sink: &mut dyn Sink, flags: OpenFlags, opened: u64) -> Result<usize> {
        self.require_foreground(TerminalSignal::BackgroundRead)?;
        let mut done = 0;
        let wanted = self.state.lock().discipline.wanted();
        let mut timeout_ds = wanted.first_timeout_ds;
        while sink.remaining() > 0 {
            let mut buffer = vec![0; sink.remaining().min(COPY_BYTES)];
            match self.await_input(&mut buffer, flags, opened, timeout_ds) {
                Ok(Look::Taken(count)) => {
                    done += copy_out(sink, buffer.get(..count).unwrap_or(&[]), done)?;
                    if count == 0 || self.is_satisfied(wanted, done) {
                        break;
                    }
                }
                Ok(Look::HungUp) => break,
                Ok(Look::Gone) if done == 0 => return Err(Errno::EIO),
                Err(Errno::ETIMEDOUT) => break,
                Err(error) if done == 0 => return Err(error),
                Ok(Look::Gone) | Err(_) => break,
            }
            timeout_ds = wanted.gap_timeout_ds;
        }
        Ok(done)
    }

    fn is_satisfied(&self, wanted: Wanted, done: usize) -> bool {
        self.state.lock().discipline.canonical() || done >= wanted.minimum
    }

    /// Waits for input and takes what fits into `buffer`.
    fn await_input(&self, buffer: &mut [u8], flags: OpenFlags, opened: u64, timeout_ds: Option<u8>) -> Result<Look> {
        if let Some(look) = self.look(buffer, opened) {
            return Ok(look);
        }
        if timeout_ds == Some(0) {
            return Err(Errno::ETIMEDOUT);
        }
        if flags.is_nonblocking() {
            return Err(Errno::EAGAIN);
        }
        let deadline = timeout_ds.map(|time| rt::time::now_ns().saturating_add(u64::from(time) * DECISECOND_NS));
        self.input.wait(deadline, || self.look(buffer, opened)).map_err(|error| match error {
            WaitError::Interrupted => Errno::ERESTARTSYS,
            WaitError::TimedOut => Errno::ETIMEDOUT,
        })
    }

    fn look(&self, buffer: &mut [u8], opened: u64) -> Option<Look> {
        let mut state = self.state.lock();
        if state.hangups != opened {
            return Some(Look::HungUp);
        }
        if !state.discipline.is_readable() {
            return (state.other_side == OtherSide::Gone).then_some(Look::Gone);
        }
        let count = state.discipline.take(buffer);
        let outcome = state.refill();
        drop(state);
        if let Some(outcome) = outcome {
            self.carry_out(outcome);
        }
        Some(Look::Taken(count))
    }
}

impl State {
    /// Lets input that waited for room proceed.
    fn refill(&mut self) -> Option<super::Outcome> {
        (self.throttled || !self.waiting.is_empty()).then(|| self.process_waiting())
    }
}

/// Gives bytes to the reader; those that cannot be stored are lost, as on Linux.
fn copy_out(sink: &mut dyn Sink, bytes: &[u8], done: usize) -> Result<usize> {
    if bytes.is_empty() {
        return Ok(0);
    }
    match sink.write(bytes) {
        Ok(count) if count > 0 || done > 0 => Ok(count),
        Ok(_) => Err(Errno::EFAULT),
        Err(_) if done > 0 => Ok(0),
        Err(error) => Err(error),
    }
}
