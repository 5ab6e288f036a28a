//! Pipes and FIFOs: a byte queue with counted ends.
//!
//! A pipe lives as long as one of its ends ([`PipeEnd`]) is open. Copies from and to user memory happen under the
//! pipe's own (sleeping) lock, which no page fault needs. Lock order: FIFO, then pipe; both are leaves otherwise.

use alloc::sync::{Arc, Weak};
use core::sync::atomic::{AtomicUsize, Ordering};

use guest_memory::{Sink, Source, UserAddr};
use linux_abi::raw::ioctl::FIONREAD;
use linux_abi::{Errno, Result};
use rt::sync::Mutex;
use sync::{WaitError, WaitQueue};

use crate::file::File;
use crate::flags::OpenFlags;
use crate::poll::{PollEvents, PollTable};
use crate::ring::Ring;

/// Writes of up to this many bytes are never mixed with others' (`PIPE_BUF`).
pub const ATOMIC_WRITE_BYTES: usize = linux_abi::raw::general::PIPE_BUF as usize;
/// The capacity of a new pipe.
pub const DEFAULT_CAPACITY_BYTES: usize = 65536;
/// The largest capacity that an unprivileged process can set.
pub const CAPACITY_LIMIT_BYTES: usize = 1 << 20;

/// Capacity promised by all pipes, and how much may be.
static PROMISED_BYTES: AtomicUsize = AtomicUsize::new(0);
static PROMISE_LIMIT_BYTES: AtomicUsize = AtomicUsize::new(64 << 20);

/// Sets how many bytes all pipes together may hold; derived from the RAM at start-up.
pub fn set_total_limit_bytes(limit: usize) {
    PROMISE_LIMIT_BYTES.store(limit, Ordering::Relaxed);
}

/// A pipe.
pub struct Pipe {
    state: Mutex<State>,
    /// Waits for data, or for a writer.
    readers: WaitQueue,
    /// Waits for room, or for a reader.
    writers: WaitQueue,
}

struct State {
    ring: Ring,
    reader_count: usize,
    writer_count: usize,
    /// How often a reader or writer was opened: lets the opening of a FIFO see a peer that came and went.
    readers_opened: u64,
    writers_opened: u64,
}

impl Pipe {
    /// Makes a pipe without ends.
    ///
    /// # Errors
    /// `ENFILE` if all pipes together would hold too much.
    fn new() -> Result<Arc<Pipe>> {
        let limit = PROMISE_LIMIT_BYTES.load(Ordering::Relaxed);
        let promised = PROMISED_BYTES.load(Ordering::Relaxed);
        // As Linux does above its soft limit, new pipes become small before they are refused.
        let capacity = if promised + DEFAULT_CAPACITY_BYTES <= limit / 2 { DEFAULT_CAPACITY_BYTES } else { 4096 };
        if promised + capacity > limit {
            return Err(Errno::ENFILE);
        }
        PROMISED_BYTES.fetch_add(capacity, Ordering::Relaxed);
        let state =
            State { ring: Ring::new(capacity), reader_count: 0, writer_count: 0, readers_opened: 0, writers_opened: 0 };
        Ok(Arc::new(Pipe { state: Mutex::new(state), readers: WaitQueue::new(), writers: WaitQueue::new() }))
    }

    /// Adds an end of this pipe.
    fn open_end(self: &Arc<Self>, direction: Direction) -> PipeEnd {
        let mut state = self.state.lock();
        if direction.reads() {
            state.reader_count += 1;
            state.readers_opened += 1;
        }
        if direction.writes() {
            state.writer_count += 1;
            state.writers_opened += 1;
        }
        // Only who comes when there is no writer has to see one first.
        let writers_seen = if state.writer_count == 0 { state.writers_opened } else { 0 };
        drop(state);
        PipeEnd { pipe: self.clone(), direction, writers_seen }
    }

    fn try_read(&self, sink: &mut dyn Sink) -> Option<Result<usize>> {
        let mut state = self.state.lock();
        if state.ring.len() == 0 {
            return (state.writer_count == 0).then_some(Ok(0));
        }
        let had_room = state.ring.room() >= ATOMIC_WRITE_BYTES;
        let count = state.ring.read_into(sink);
        let has_room = state.ring.room() >= ATOMIC_WRITE_BYTES;
        drop(state);
        if has_room && !had_room {
            self.writers.wake_all();
        }
        Some(count)
    }

    /// Writes what fits; an atomic write only as a whole. `None` if nothing fits.
    fn try_write(&self, source: &mut dyn Source, is_atomic: bool) -> Option<Result<usize>> {
        let mut state = self.state.lock();
        if state.reader_count == 0 {
            return Some(Err(Errno::EPIPE));
        }
        let wanted = source.remaining();
        let room = state.ring.room();
        if room == 0 || (is_atomic && room < wanted) {
            return None;
        }
        let was_empty = state.ring.len() == 0;
        let count = state.ring.write_from(source, wanted);
        drop(state);
        // More data is an event of its own to those who watch for edges, but no reason to wake anybody.
        match was_empty {
            true => self.readers.wake_all(),
            false => self.readers.notify_listeners(),
        }
        Some(count)
    }

    /// Returns how many bytes fit in all.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.state.lock().ring.limit()
    }

    /// Sets how many bytes fit in all (rounded up to a power of two of pages) and returns it.
    ///
    /// # Errors
    /// `EBUSY` if more is queued, `EPERM` above the limit of all pipes.
    pub fn set_capacity(&self, bytes: usize) -> Result<usize> {
        let capacity = bytes.max(4096).checked_next_power_of_two().ok_or(Errno::EINVAL)?;
        let mut state = self.state.lock();
        let old = state.ring.limit();
        let promised = PROMISED_BYTES.load(Ordering::Relaxed);
        if capacity > old && promised + (capacity - old) > PROMISE_LIMIT_BYTES.load(Ordering::Relaxed) {
            return Err(Errno::EPERM);
        }
        state.ring.set_limit(capacity)?;
        PROMISED_BYTES.fetch_add(capacity.wrapping_sub(old), Ordering::Relaxed);
        drop(state);
        self.writers.wake_all();
        Ok(capacity)
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        PROMISED_BYTES.fetch_sub(self.state.lock().ring.limit(), Ordering::Relaxed);
    }
}

/// What an end of a pipe does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// It reads.
    Read,
    /// It writes.
    Write,
    /// Both: a FIFO opened with `O_RDWR`.
    Both,
}

impl Direction {
    const fn reads(self) -> bool {
        !matches!(self, Direction::Write)
    }

    const fn writes(self) -> bool {
        !matches!(self, Direction::Read)
    }
}

/// An open end of a pipe.
pub struct PipeEnd {
    pipe: Arc<Pipe>,
    direction: Direction,
    /// How many writers had been opened when this end was, if none was left: without a later one, no hang-up is reported. 0 otherwise.
    writers_seen: u64,
}

impl PipeEnd {
    /// Returns the pipe.
    #[must_use]
    pub fn pipe(&self) -> &Arc<Pipe> {
        &self.pipe
    }

    /// Returns what this end does.
    #[must_use]
    pub fn direction(&self) -> Direction {
        self.direction
    }
}

impl Drop for PipeEnd {
    fn drop(&mut self) {
        let mut state = self.pipe.state.lock();
        state.reader_count -= usize::from(self.direction.reads());
        state.writer_count -= usize::from(self.direction.writes());
        let (no_reader, no_writer) = (state.reader_count == 0, state.writer_count == 0);
        drop(state);
        if no_reader {
            self.pipe.writers.wake_all();
        }
        if no_writer {
            self.pipe.readers.wake_all();
        }
    }
}

impl File for PipeEnd {
    fn read(&self, _offset: u64, sink: &mut dyn Sink, flags: OpenFlags) -> Result<usize> {
        if sink.remaining() == 0 {
            return Ok(0);
        }
        if let Some(result) = self.pipe.try_read(sink) {
            return result;
        }
        if flags.is_nonblocking() {
            return Err(Errno::EAGAIN);
        }
        self.pipe.readers.wait(None, || self.pipe.try_read(sink)).map_err(interrupted)?
    }

    fn write(&self, _offset: u64, source: &mut dyn Source, flags: OpenFlags) -> Result<usize> {
        let is_atomic = source.remaining() <= ATOMIC_WRITE_BYTES;
        let mut total = 0;
        while source.remaining() > 0 {
            let step = match self.pipe.try_write(source, is_atomic) {
                Some(result) => result,
                None if flags.is_nonblocking() => Err(Errno::EAGAIN),
                None => {
                    let wait = self.pipe.writers.wait(None, || self.pipe.try_write(source, is_atomic));
                    wait.map_err(interrupted).and_then(|result| result)
                }
            };
            match step {
                Ok(0) => break,
                Ok(count) => total += count,
                Err(error) if total == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(total)
    }

    fn poll<'a>(&'a self, table: &mut PollTable<'a>) -> PollEvents {
        let mut events = PollEvents::empty();
        if self.direction.reads() {
            table.add_for(&self.pipe.readers, PollEvents::READABLE);
        }
        if self.direction.writes() {
            table.add_for(&self.pipe.writers, PollEvents::WRITABLE);
        }
        let state = self.pipe.state.lock();
        if self.direction.reads() {
            events.set(PollEvents::READABLE, state.ring.len() > 0);
            events.set(PollEvents::HUP, state.writer_count == 0 && state.writers_opened != self.writers_seen);
        }
        if self.direction.writes() {
            events.set(PollEvents::WRITABLE, state.ring.room() >= ATOMIC_WRITE_BYTES);
            events.set(PollEvents::ERR, state.reader_count == 0);
        }
        events
    }

    fn ioctl(&self, command: u32, argument: u64) -> Result<u64> {
        if command != FIONREAD {
            return Err(Errno::ENOTTY);
        }
        let queued = self.pipe.state.lock().ring.len() as i32;
        guest_memory::write_value(UserAddr(argument), &queued)?;
        Ok(0)
    }
}

fn interrupted(_error: WaitError) -> Errno {
    Errno::ERESTARTSYS
}

/// The pipe behind a FIFO's name (or behind an unnamed pipe's inode), while any end is open.
#[derive(Default)]
pub struct Fifo {
    pipe: Mutex<Weak<Pipe>>,
    /// It has no name: opening it again (through `/proc/PID/fd`) waits for nobody.
    is_unnamed: bool,
}

impl Fifo {
    /// Makes a FIFO that nobody has open.
    #[must_use]
    pub const fn new() -> Fifo {
        Fifo { pipe: Mutex::new(Weak::new()), is_unnamed: false }
    }

    /// Makes what is behind an unnamed pipe.
    #[must_use]
    pub const fn unnamed() -> Fifo {
        Fifo { pipe: Mutex::new(Weak::new()), is_unnamed: true }
    }

    /// Makes both ends at once, as `pipe(2)` does.
    ///
    /// # Errors
    /// `ENFILE` if there are too many pipes.
    pub fn open_both(&self) -> Result<(Arc<PipeEnd>, Arc<PipeEnd>)> {
        let pipe = self.pipe()?;
        let mut reader = pipe.open_end(Direction::Read);
        let writer = pipe.open_end(Direction::Write);
        reader.writers_seen = 0;
        Ok((Arc::new(reader), Arc::new(writer)))
    }

    fn pipe(&self) -> Result<Arc<Pipe>> {
        let mut slot = self.pipe.lock();
        if let Some(pipe) = slot.upgrade() {
            return Ok(pipe);
        }
        let pipe = Pipe::new()?;
        *slot = Arc::downgrade(&pipe);
        Ok(pipe)
    }

    /// Opens the FIFO, waiting for a peer as fifo(7) says.
    ///
    /// # Errors
    /// `ENXIO` for a non-blocking writer without a reader, `ERESTARTSYS` if a signal comes first.
    pub fn open(&self, flags: OpenFlags) -> Result<Arc<PipeEnd>> {
        let pipe = self.pipe()?;
        let direction = match (flags.is_readable(), flags.is_writable()) {
            (true, false) => Direction::Read,
            (false, true) => Direction::Write,
            (true, true) => Direction::Both,
            (false, false) => return Err(Errno::EINVAL),
        };
        let waits = !self.is_unnamed;
        if waits && direction == Direction::Write && flags.is_nonblocking() && pipe.state.lock().reader_count == 0 {
            return Err(Errno::ENXIO);
        }
        let mut end = pipe.open_end(direction);
        pipe.announce(direction);
        if self.is_unnamed {
            end.writers_seen = 0;
        } else if !flags.is_nonblocking() {
            pipe.wait_for_peer(direction)?;
        }
        Ok(Arc::new(end))
    }
}

impl Pipe {
    /// Wakes those who wait in `open` for an end like this.
    fn announce(&self, direction: Direction) {
        if direction.reads() {
            self.writers.wake_all();
        }
        if direction.writes() {
            self.readers.wake_all();
        }
    }

    fn wait_for_peer(&self, direction: Direction) -> Result<()> {
        let (queue, seen) = match direction {
            Direction::Both => return Ok(()),
            Direction::Read => (&self.readers, self.state.lock().writers_opened),
            Direction::Write => (&self.writers, self.state.lock().readers_opened),
        };
        let came = || {
            let state = self.state.lock();
            let (now, opened) = match direction {
                Direction::Read => (state.writer_count, state.writers_opened),
                _ => (state.reader_count, state.readers_opened),
            };
            (now > 0 || opened != seen).then_some(())
        };
        queue.wait(None, came).map_err(interrupted)
    }
}

#[cfg(test)]
#[path = "pipe_tests.rs"]
mod tests;
