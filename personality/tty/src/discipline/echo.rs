//! Echo of input: control characters as `^X`, everything else through output processing.

use super::edit::is_control;
use super::{Effects, LineDiscipline};
use linux_abi::raw::general as linux;

impl LineDiscipline {
    /// Echoes a typed byte; with `ECHOCTL`, control characters other than tab as `^X`.
    pub(super) fn echo_byte(&mut self, byte: u8, effects: &mut Effects) {
        if self.termios.local(linux::ECHOCTL) && is_control(byte) && byte != b'\t' {
            effects.echo.extend_from_slice(&[b'^', byte ^ 0x40]);
            self.column = self.column.wrapping_add(2);
        } else {
            self.echo_raw(byte, effects);
        }
    }

    /// Echoes a byte as a program's output would appear.
    pub(super) fn echo_raw(&mut self, byte: u8, effects: &mut Effects) {
        if byte == 0xff {
            // n_tty's echo buffer escapes this byte and thereby exempts it from output processing.
            effects.echo.push(byte);
            self.column = self.column.wrapping_add(1);
        } else if self.termios.output(linux::OPOST) {
            self.process_byte(byte, &mut effects.echo);
        } else {
            effects.echo.push(byte);
        }
    }

    /// Wipes the last column: back, space, back.
    pub(super) fn rub_out(&mut self, effects: &mut Effects) {
        for byte in *b"\x08 \x08" {
            self.echo_raw(byte, effects);
        }
    }

    /// Closes an `ECHOPRT` erasure.
    pub(super) fn finish_erasing(&mut self, effects: &mut Effects) {
        if self.erasing {
            self.erasing = false;
            self.echo_raw(b'/', effects);
        }
    }
}
