//! Output processing (`OPOST`): newlines, tabs, case, and the column that echo needs.

use super::LineDiscipline;
use super::edit::{is_control, to_upper};
use alloc::vec::Vec;
use linux_abi::raw::general as linux;

impl LineDiscipline {
    /// Appends to `out` what the device gets when a program writes `bytes`.
    pub fn process_output(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        if !self.termios.output(linux::OPOST) {
            out.extend_from_slice(bytes);
            return;
        }
        for &byte in bytes {
            self.process_byte(byte, out);
        }
    }

    /// Appends what the device gets for one byte, at most eight bytes.
    pub(super) fn process_byte(&mut self, byte: u8, out: &mut Vec<u8>) {
        match byte {
            b'\n' => self.process_newline(out),
            b'\r' => self.process_return(out),
            b'\t' => self.process_tab(out),
            0x08 => {
                self.column = self.column.saturating_sub(1);
                out.push(byte);
            }
            _ => {
                let mut byte = byte;
                if !is_control(byte) {
                    if self.termios.output(linux::OLCUC) {
                        byte = to_upper(byte);
                    }
                    if !self.is_continuation(byte) {
                        self.column = self.column.wrapping_add(1);
                    }
                }
                out.push(byte);
            }
        }
    }

    fn process_newline(&mut self, out: &mut Vec<u8>) {
        if self.termios.output(linux::ONLRET) {
            self.column = 0;
        }
        if self.termios.output(linux::ONLCR) {
            self.column = 0;
            out.push(b'\r');
        }
        self.line_column = self.column;
        out.push(b'\n');
    }

    fn process_return(&mut self, out: &mut Vec<u8>) {
        if self.termios.output(linux::ONOCR) && self.column == 0 {
            return;
        }
        if self.termios.output(linux::OCRNL) {
            if self.termios.output(linux::ONLRET) {
                self.column = 0;
                self.line_column = 0;
            }
            out.push(b'\n');
            return;
        }
        self.column = 0;
        self.line_column = 0;
        out.push(b'\r');
    }

    fn process_tab(&mut self, out: &mut Vec<u8>) {
        let spaces = 8 - (self.column & 7);
        self.column = self.column.wrapping_add(spaces);
        if self.termios.c_oflag & linux::TABDLY == linux::XTABS {
            out.extend((0..spaces).map(|_| b' '));
        } else {
            out.push(b'\t');
        }
    }
}
