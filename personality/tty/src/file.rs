//! An open terminal as the VFS sees it.

use crate::terminal::{OtherSide, Side, Tty};
use alloc::sync::Arc;
use guest_memory::{Sink, Source};
use linux_abi::raw::ioctl;
use linux_abi::{Errno, Result};
use vfs::{File, OpenFlags, PollEvents, PollTable};

/// Output that may wait while poll(2) still reports room (Linux: fewer than 256 waiting, some room left).
const POLL_ROOM_BYTES: usize = 4096;

/// An open file on a terminal.
pub struct TtyFile {
    tty: Arc<Tty>,
    /// Number of hang-ups when it was opened; a later one leaves this file dead.
    opened: u64,
}

impl TtyFile {
    /// Opens a terminal, without making it anyone's controlling terminal.
    ///
    /// # Errors
    /// `EBUSY` if it is used exclusively, `EIO` if its master is gone.
    pub fn open(tty: Arc<Tty>) -> Result<Arc<Self>> {
        let opened = tty.count_open()?;
        Ok(Arc::new(Self { tty, opened }))
    }

    /// Opens a terminal as open(2) does: a session leader without terminal gets it, unless `O_NOCTTY` is given.
    ///
    /// # Errors
    /// As [`TtyFile::open`].
    pub fn open_controlling(tty: Arc<Tty>, flags: OpenFlags) -> Result<Arc<Self>> {
        let file = Self::open(tty)?;
        if !flags.contains(OpenFlags::NOCTTY) && flags.is_readable() {
            file.tty.offer_control();
        }
        Ok(file)
    }

    /// The terminal.
    pub fn tty(&self) -> &Arc<Tty> {
        &self.tty
    }

    fn is_hung_up(&self) -> bool {
        self.tty.state.lock().hangups != self.opened
    }
}

impl Drop for TtyFile {
    fn drop(&mut self) {
        self.tty.count_close();
    }
}

impl File for TtyFile {
    fn read(&self, _offset: u64, sink: &mut dyn Sink, flags: OpenFlags) -> Result<usize> {
        if self.is_hung_up() { Ok(0) } else { self.tty.read(sink, flags, self.opened) }
    }

    fn write(&self, _offset: u64, source: &mut dyn Source, flags: OpenFlags) -> Result<usize> {
        if self.is_hung_up() { Err(Errno::EIO) } else { self.tty.write(source, flags, self.opened) }
    }

    fn poll<'a>(&'a self, table: &mut PollTable<'a>) -> PollEvents {
        table.add_for(&self.tty.input, PollEvents::READABLE | PollEvents::PRI);
        table.add_for(&self.tty.room, PollEvents::WRITABLE);
        let state = self.tty.state.lock();
        if state.hangups != self.opened {
            return PollEvents::ALWAYS_READY | PollEvents::ERR | PollEvents::HUP;
        }
        let mut events = PollEvents::empty();
        events.set(PollEvents::READABLE, state.discipline.polls_readable());
        events.set(PollEvents::WRITABLE, state.outgoing.len() < POLL_ROOM_BYTES);
        if state.other_side == OtherSide::Gone {
            events |= PollEvents::HUP | PollEvents::READABLE;
        }
        events
    }

    fn ioctl(&self, command: u32, argument: u64) -> Result<u64> {
        if self.is_hung_up() {
            return Err(if command == ioctl::TIOCSPGRP { Errno::ENOTTY } else { Errno::EIO });
        }
        self.tty.ioctl(command, argument, Side::Terminal)
    }
}
