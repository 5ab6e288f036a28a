//! Input: what each received byte does, in the order in which n_tty looks at it.

use super::edit::to_lower;
use super::{BUFFER_BYTES, Effects, LineDiscipline, Mark, Signal, Unit};
use linux_abi::raw::general as linux;

impl LineDiscipline {
    /// Takes received bytes until the buffer is full; returns how many were taken.
    pub fn receive(&mut self, bytes: &[u8], effects: &mut Effects) -> usize {
        self.columns_before = (self.column, self.line_column);
        for (taken, &byte) in bytes.iter().enumerate() {
            if !self.make_room(effects) {
                return taken;
            }
            self.receive_byte(byte, effects);
        }
        bytes.len()
    }

    /// Ensures room for one more byte. An over-long line gives up its last byte, so that a newline still gets in.
    fn make_room(&mut self, effects: &mut Effects) -> bool {
        // One unit may become two (PARMRK), hence the margin.
        if self.buffer.len() < BUFFER_BYTES - 2 {
            return true;
        }
        if !self.canonical() || self.committed != 0 {
            return false;
        }
        self.buffer.pop_back();
        self.buffer.pop_back();
        if self.termios.input(linux::IMAXBEL) && self.termios.local(linux::ECHO) {
            effects.echo.push(0x07);
        }
        true
    }

    fn receive_byte(&mut self, byte: u8, effects: &mut Effects) {
        let mut byte = byte;
        if self.termios.input(linux::ISTRIP) {
            byte &= 0x7f;
        }
        if self.termios.input(linux::IUCLC) && self.termios.local(linux::IEXTEN) {
            byte = to_lower(byte);
        }
        if self.termios.local(linux::EXTPROC) {
            self.store(byte, Mark::Inner, effects);
        } else if self.literal_next {
            self.literal_next = false;
            self.restart_on_any(effects);
            self.accept(byte, effects);
        } else if !self.flow_control(byte, effects) && !self.signal(byte, effects) {
            self.translate(byte, effects);
        }
    }

    fn flow_control(&mut self, byte: u8, effects: &mut Effects) -> bool {
        if !self.termios.input(linux::IXON) {
            return false;
        }
        if self.termios.is_character(byte, linux::VSTART) {
            self.start(effects);
            return true;
        }
        if self.termios.is_character(byte, linux::VSTOP) {
            self.stop(effects);
            return true;
        }
        false
    }

    fn signal(&mut self, byte: u8, effects: &mut Effects) -> bool {
        if !self.termios.local(linux::ISIG) {
            return false;
        }
        let signal = if self.termios.is_character(byte, linux::VINTR) {
            Signal::Interrupt
        } else if self.termios.is_character(byte, linux::VQUIT) {
            Signal::Quit
        } else if self.termios.is_character(byte, linux::VSUSP) {
            Signal::Suspend
        } else {
            return false;
        };
        effects.signals.push(signal);
        if !self.termios.local(linux::NOFLSH) {
            self.flush_input();
            effects.echo.clear();
            (self.column, self.line_column) = self.columns_before;
            effects.flush_output = true;
        }
        if self.termios.input(linux::IXON) {
            self.start(effects);
        }
        if self.termios.local(linux::ECHO) {
            self.echo_byte(byte, effects);
        }
        true
    }

    fn translate(&mut self, byte: u8, effects: &mut Effects) {
        self.restart_on_any(effects);
        let mut byte = byte;
        if byte == b'\r' {
            if self.termios.input(linux::IGNCR) {
                return;
            }
            if self.termios.input(linux::ICRNL) {
                byte = b'\n';
                if !self.canonical() {
                    return self.accept_newline(effects);
                }
            }
        } else if byte == b'\n' && self.termios.input(linux::INLCR) {
            byte = b'\r';
        }
        if !(self.canonical() && self.edit(byte, effects)) {
            self.accept(byte, effects);
        }
    }

    /// Takes a byte without looking for special meanings.
    fn accept(&mut self, byte: u8, effects: &mut Effects) {
        if self.termios.local(linux::ECHO) {
            self.finish_erasing(effects);
            self.note_line_column();
            self.echo_byte(byte, effects);
        }
        self.store_data(byte, Mark::Inner, effects);
    }

    /// Takes a newline that was typed as a return in raw mode; unlike a typed newline it is echoed as itself.
    fn accept_newline(&mut self, effects: &mut Effects) {
        if self.termios.local(linux::ECHO) {
            self.finish_erasing(effects);
            self.echo_raw(b'\n', effects);
        }
        self.store(b'\n', Mark::Inner, effects);
    }

    /// With `IXANY`, anything typed starts output again.
    fn restart_on_any(&mut self, effects: &mut Effects) {
        if self.stopped && self.termios.input(linux::IXON) && self.termios.input(linux::IXANY) {
            self.start(effects);
        }
    }

    /// Stores a byte, doubled where `PARMRK` says that 0xff escapes.
    pub(super) fn store_data(&mut self, byte: u8, mark: Mark, effects: &mut Effects) {
        if byte == 0xff && self.termios.input(linux::PARMRK) && !self.termios.input(linux::ISTRIP) {
            self.store(byte, Mark::Inner, effects);
        }
        self.store(byte, mark, effects);
    }

    /// Appends a unit; one that ends a line commits the line.
    pub(super) fn store(&mut self, byte: u8, mark: Mark, effects: &mut Effects) {
        self.buffer.push_back(Unit { byte, mark });
        if mark != Mark::Inner {
            self.committed = self.buffer.len();
            effects.readable = true;
        } else if !self.canonical() {
            effects.readable = true;
        }
    }
}
