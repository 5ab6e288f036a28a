//! Writing to a terminal: output processing, waiting for room, and `TOSTOP`.

use super::{OUTGOING_BYTES, OtherSide, Tty};
use crate::job_control::TerminalSignal;
use alloc::vec::Vec;
use guest_memory::Source;
use linux_abi::raw::general as linux;
use linux_abi::{Errno, Result};
use sync::WaitError;
use vfs::OpenFlags;

/// Bytes processed at once.
const CHUNK_BYTES: usize = 512;

impl Tty {
    /// Writes as the file opened at hang-up number `opened` would.
    ///
    /// # Errors
    /// `EAGAIN`, `ERESTARTSYS`, `EIO` after a hang-up or for orphaned background writers, `EFAULT`.
    pub(crate) fn write(&self, source: &mut dyn Source, flags: OpenFlags, opened: u64) -> Result<usize> {
        if self.state.lock().discipline.termios().local(linux::TOSTOP) {
            self.require_foreground(TerminalSignal::BackgroundWrite)?;
        }
        let mut done = 0;
        let mut buffer = [0; CHUNK_BYTES];
        while source.remaining() > 0 {
            let count = match source.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            };
            let chunk = buffer.get(..count).unwrap_or(&[]);
            let (written, error) = self.write_chunk(chunk, flags, opened);
            done += written;
            match error {
                Some(error) if done == 0 => return Err(error),
                Some(_) => break,
                None => {}
            }
        }
        Ok(done)
    }

    fn write_chunk(&self, chunk: &[u8], flags: OpenFlags, opened: u64) -> (usize, Option<Errno>) {
        let mut done = 0;
        while let Some(rest) = chunk.get(done..).filter(|rest| !rest.is_empty()) {
            match self.await_room(rest, flags, opened) {
                Ok(count) => done += count,
                Err(error) => return (done, Some(error)),
            }
            self.drain();
        }
        (done, None)
    }

    fn await_room(&self, bytes: &[u8], flags: OpenFlags, opened: u64) -> Result<usize> {
        match self.offer(bytes, opened) {
            Some(result) => result,
            None if flags.is_nonblocking() => Err(Errno::EAGAIN),
            None => match self.room.wait(None, || self.offer(bytes, opened)) {
                Ok(result) => result,
                Err(WaitError::Interrupted | WaitError::TimedOut) => Err(Errno::ERESTARTSYS),
            },
        }
    }

    /// Queues as much of `bytes` as there is room for; none when there is no room at all.
    fn offer(&self, bytes: &[u8], opened: u64) -> Option<Result<usize>> {
        let mut state = self.state.lock();
        if state.hangups != opened || state.other_side == OtherSide::Gone {
            return Some(Err(Errno::EIO));
        }
        let room = OUTGOING_BYTES.saturating_sub(state.outgoing.len());
        if room == 0 {
            return None;
        }
        let count = bytes.len().min(room);
        let mut processed = Vec::with_capacity(count + 16);
        state.discipline.process_output(bytes.get(..count).unwrap_or(&[]), &mut processed);
        state.outgoing.extend(processed);
        Some(Ok(count))
    }

    /// Waits until the device has taken all output.
    ///
    /// # Errors
    /// `ERESTARTSYS` if a signal came first.
    pub(crate) fn wait_until_sent(&self) -> Result<()> {
        self.drain();
        let sent = || {
            let state = self.state.lock();
            // A master reads when it likes; what is in its queue counts as sent.
            (self.output.is_none() || state.outgoing.is_empty() || state.other_side == OtherSide::Gone).then_some(())
        };
        self.room.wait(None, sent).map_err(|_| Errno::ERESTARTSYS)
    }
}
