//! Editing of the current line: erase, word erase, kill, reprint, literal next, and the bytes that end a line.

use super::{Effects, LineDiscipline, Mark};
use linux_abi::raw::general as linux;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Erase {
    Character,
    Word,
    Line,
}

impl LineDiscipline {
    /// Handles a byte that edits or ends the line; false when it is ordinary data.
    pub(super) fn edit(&mut self, byte: u8, effects: &mut Effects) -> bool {
        let settings = self.termios;
        let extended = settings.local(linux::IEXTEN);
        if settings.is_character(byte, linux::VERASE) {
            self.erase(Erase::Character, effects);
        } else if settings.is_character(byte, linux::VKILL) {
            self.kill(effects);
        } else if extended && settings.is_character(byte, linux::VWERASE) {
            self.erase(Erase::Word, effects);
        } else if extended && settings.is_character(byte, linux::VLNEXT) {
            self.take_next_literally(effects);
        } else if extended && settings.local(linux::ECHO) && settings.is_character(byte, linux::VREPRINT) {
            self.reprint(byte, effects);
        } else {
            return self.end_line(byte, effects);
        }
        true
    }

    fn end_line(&mut self, byte: u8, effects: &mut Effects) -> bool {
        let settings = self.termios;
        if byte == b'\n' {
            if settings.local(linux::ECHO | linux::ECHONL) {
                self.echo_raw(b'\n', effects);
            }
            self.store(byte, Mark::LineEnd, effects);
        } else if settings.is_character(byte, linux::VEOF) {
            self.store(0, Mark::EndOfFile, effects);
        } else if settings.is_character(byte, linux::VEOL)
            || (settings.local(linux::IEXTEN) && settings.is_character(byte, linux::VEOL2))
        {
            if settings.local(linux::ECHO) {
                self.note_line_column();
                self.echo_byte(byte, effects);
            }
            self.store_data(byte, Mark::LineEnd, effects);
        } else {
            return false;
        }
        true
    }

    fn take_next_literally(&mut self, effects: &mut Effects) {
        self.literal_next = true;
        if self.termios.local(linux::ECHO) {
            self.finish_erasing(effects);
            if self.termios.local(linux::ECHOCTL) {
                self.echo_raw(b'^', effects);
                self.echo_raw(b'\x08', effects);
            }
        }
    }

    fn reprint(&mut self, byte: u8, effects: &mut Effects) {
        self.finish_erasing(effects);
        self.echo_byte(byte, effects);
        self.echo_raw(b'\n', effects);
        for index in self.committed..self.buffer.len() {
            if let Some(unit) = self.buffer.get(index).copied() {
                self.echo_byte(unit.byte, effects);
            }
        }
    }

    fn kill(&mut self, effects: &mut Effects) {
        if self.line_is_empty() {
            return;
        }
        let settings = self.termios;
        let visually = settings.local(linux::ECHOK) && settings.local(linux::ECHOKE) && settings.local(linux::ECHOE);
        if settings.local(linux::ECHO) && visually {
            self.erase(Erase::Line, effects);
            return;
        }
        self.buffer.truncate(self.committed);
        if settings.local(linux::ECHO) {
            self.finish_erasing(effects);
            self.echo_byte(settings.character(linux::VKILL), effects);
            if settings.local(linux::ECHOK) {
                self.echo_raw(b'\n', effects);
            }
        }
    }

    fn erase(&mut self, what: Erase, effects: &mut Effects) {
        let mut in_word = false;
        while !self.line_is_empty() {
            let Some(start) = self.last_character() else { break };
            let Some(first) = self.buffer.get(start).map(|unit| unit.byte) else { break };
            if what == Erase::Word {
                if is_word_byte(first) {
                    in_word = true;
                } else if in_word {
                    break;
                }
            }
            self.echo_erasure(what == Erase::Character, start, first, effects);
            self.buffer.truncate(start);
            if what == Erase::Character {
                break;
            }
        }
        if self.line_is_empty() && self.termios.local(linux::ECHO) {
            self.finish_erasing(effects);
        }
    }

    /// Index of the first byte of the line's last character; none when only continuation bytes are left.
    fn last_character(&self) -> Option<usize> {
        (self.committed..self.buffer.len())
            .rev()
            .find(|&index| self.buffer.get(index).is_some_and(|unit| !self.is_continuation(unit.byte)))
    }

    fn echo_erasure(&mut self, single: bool, start: usize, first: u8, effects: &mut Effects) {
        let settings = self.termios;
        if !settings.local(linux::ECHO) {
            return;
        }
        if settings.local(linux::ECHOPRT) {
            self.print_erased(start, first, effects);
        } else if single && !settings.local(linux::ECHOE) {
            self.echo_byte(settings.character(linux::VERASE), effects);
        } else if first == b'\t' {
            self.erase_tab(start, effects);
        } else {
            let control = is_control(first);
            if control && settings.local(linux::ECHOCTL) {
                self.rub_out(effects);
            }
            if !control || settings.local(linux::ECHOCTL) {
                self.rub_out(effects);
            }
        }
    }

    /// Shows erased characters between `\` and `/`, as on paper.
    fn print_erased(&mut self, start: usize, first: u8, effects: &mut Effects) {
        if !self.erasing {
            self.echo_raw(b'\\', effects);
            self.erasing = true;
        }
        self.echo_byte(first, effects);
        for index in start + 1..self.buffer.len() {
            if let Some(unit) = self.buffer.get(index).copied() {
                self.echo_raw(unit.byte, effects);
            }
        }
    }

    /// Moves back over a tab: to the column that the text before it reached.
    fn erase_tab(&mut self, tab: usize, effects: &mut Effects) {
        let mut columns = 0u32;
        let mut after_tab = false;
        for index in (self.committed..tab).rev() {
            let Some(unit) = self.buffer.get(index) else { break };
            if unit.byte == b'\t' {
                after_tab = true;
                break;
            }
            if is_control(unit.byte) {
                columns += if self.termios.local(linux::ECHOCTL) { 2 } else { 0 };
            } else if !self.is_continuation(unit.byte) {
                columns += 1;
            }
        }
        if !after_tab {
            columns = columns.wrapping_add(self.line_column);
        }
        for _ in 0..8 - (columns & 7) {
            effects.echo.push(0x08);
            self.column = self.column.saturating_sub(1);
        }
    }

    fn line_is_empty(&self) -> bool {
        self.buffer.len() <= self.committed
    }

    /// Remembers where the line begins on the screen when its first character is echoed.
    pub(super) fn note_line_column(&mut self) {
        if self.line_is_empty() {
            self.line_column = self.column;
        }
    }

    /// Tells whether `byte` continues a UTF-8 character.
    pub(super) fn is_continuation(&self, byte: u8) -> bool {
        self.termios.input(linux::IUTF8) && byte & 0xc0 == 0x80
    }
}

/// Control characters as the kernel's `iscntrl` sees them.
pub(super) fn is_control(byte: u8) -> bool {
    byte < 0x20 || byte == 0x7f
}

/// Lower case as the kernel's Latin-1 `tolower` has it.
pub(super) fn to_lower(byte: u8) -> u8 {
    match byte {
        b'A'..=b'Z' | 0xc0..=0xd6 | 0xd8..=0xde => byte + 0x20,
        _ => byte,
    }
}

/// Upper case as the kernel's Latin-1 `toupper` has it.
pub(super) fn to_upper(byte: u8) -> u8 {
    match byte {
        b'a'..=b'z' | 0xdf..=0xf6 | 0xf8..=0xff => byte - 0x20,
        _ => byte,
    }
}

/// Letters, digits and underscores, with Latin-1 letters, as the kernel's `isalnum` sees them.
fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || (byte >= 0xc0 && byte != 0xd7 && byte != 0xf7)
}
