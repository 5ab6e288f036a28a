//! The N_TTY line discipline as a pure state machine: bytes and settings in, echo, signals and lines out.
//!
//! It owns the input buffer, the line being edited, the output column and the settings. It knows no locks, no
//! processes and no devices; `Tty` around it does. The behaviour follows Linux 6.1's n_tty, seen through termios(3).
//!
//! Invariant: `committed <= buffer.len() < BUFFER_BYTES`.

mod echo;
mod edit;
mod input;
mod output;
mod read;
#[cfg(test)]
mod tests;

pub use read::Wanted;

use crate::termios::Termios;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use linux_abi::raw::general as linux;

/// Size of the input buffer; a line longer than this loses its middle, as on Linux.
pub const BUFFER_BYTES: usize = 4096;

/// What a buffered byte means for a canonical read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mark {
    /// An ordinary byte of a line.
    Inner,
    /// The last byte of a line.
    LineEnd,
    /// An end of file: ends the line and is not given to the reader.
    EndOfFile,
}

#[derive(Clone, Copy, Debug)]
struct Unit {
    byte: u8,
    mark: Mark,
}

/// A signal that the terminal sends to its foreground process group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signal {
    /// `VINTR`.
    Interrupt,
    /// `VQUIT`.
    Quit,
    /// `VSUSP`.
    Suspend,
}

/// What input brought about, to be carried out by the terminal after it let go of its lock.
#[derive(Default, Debug)]
pub struct Effects {
    /// Bytes to send to the device.
    pub echo: Vec<u8>,
    /// Signals for the foreground process group.
    pub signals: Vec<Signal>,
    /// Output that waits for the device is to be thrown away (before `echo` is sent).
    pub flush_output: bool,
    /// Output was stopped or started, by a flow-control character or a program.
    pub flow: Option<Flow>,
    /// A reader may have something to read.
    pub readable: bool,
}

/// A change of output flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flow {
    /// Output waits.
    Stopped,
    /// Output goes on.
    Started,
}

/// The line discipline of one terminal.
#[derive(Debug)]
pub struct LineDiscipline {
    termios: Termios,
    buffer: VecDeque<Unit>,
    /// Units at the front that a canonical reader may take; the rest is the line being edited.
    committed: usize,
    /// The next byte is literal.
    literal_next: bool,
    /// Inside a `\...` erasure shown by `ECHOPRT`.
    erasing: bool,
    /// Output column, for tabs and erasing.
    column: u32,
    /// Column at which the line being edited began.
    line_column: u32,
    /// The two columns before the input being received, which count again when its echo is thrown away.
    columns_before: (u32, u32),
    /// Stopped by `VSTOP`.
    stopped: bool,
    /// Stopped by `TCXONC`.
    held: bool,
}

impl LineDiscipline {
    /// A line discipline with the settings `termios` and nothing typed.
    pub fn new(termios: Termios) -> Self {
        Self {
            termios,
            buffer: VecDeque::new(),
            committed: 0,
            literal_next: false,
            erasing: false,
            column: 0,
            line_column: 0,
            columns_before: (0, 0),
            stopped: false,
            held: false,
        }
    }

    /// Current settings.
    pub fn termios(&self) -> &Termios {
        &self.termios
    }

    /// Changes the settings; what was typed before becomes readable as Linux defines it.
    pub fn set_termios(&mut self, termios: Termios, effects: &mut Effects) {
        let was = self.canonical();
        self.termios = termios;
        if self.canonical() != was {
            self.literal_next = false;
            self.erasing = false;
            if !was {
                self.enter_canonical();
            }
        }
        if self.stopped && !self.termios.input(linux::IXON) {
            self.start(effects);
        }
        effects.readable = true;
    }

    /// Tells whether input is read by lines.
    pub fn canonical(&self) -> bool {
        self.termios.local(linux::ICANON)
    }

    /// Tells whether output waits for `VSTART` or `TCOON`.
    pub fn is_stopped(&self) -> bool {
        self.stopped || self.held
    }

    /// Stops output on a program's request (`TCOOFF`).
    pub fn hold(&mut self, effects: &mut Effects) {
        if !self.held {
            self.held = true;
            effects.flow = Some(Flow::Stopped);
        }
    }

    /// Continues output that `hold` stopped (`TCOON`).
    pub fn release(&mut self, effects: &mut Effects) {
        if self.held {
            self.held = false;
            self.start(effects);
        }
    }

    /// Throws away everything typed and not yet read.
    pub fn flush_input(&mut self) {
        self.buffer.clear();
        self.committed = 0;
        self.literal_next = false;
        self.erasing = false;
    }

    /// Bytes that fit before `receive` stops accepting.
    pub fn room(&self) -> usize {
        (BUFFER_BYTES - 1).saturating_sub(self.buffer.len())
    }

    fn stop(&mut self, effects: &mut Effects) {
        if !self.stopped {
            self.stopped = true;
            effects.flow = Some(Flow::Stopped);
        }
    }

    fn start(&mut self, effects: &mut Effects) {
        self.stopped = false;
        if !self.held {
            effects.flow = Some(Flow::Started);
        }
    }

    /// Everything typed so far counts as one line, whose last byte ends it.
    fn enter_canonical(&mut self) {
        for unit in &mut self.buffer {
            unit.mark = Mark::Inner;
        }
        if let Some(last) = self.buffer.back_mut() {
            last.mark = Mark::LineEnd;
        }
        self.committed = self.buffer.len();
    }
}
