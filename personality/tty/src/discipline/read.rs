//! Reading: what is available, and taking it by lines or by bytes.

use super::{LineDiscipline, Mark};
use linux_abi::raw::general as linux;

/// How a read of the current settings waits (termios(3), "Canonical and noncanonical mode").
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// Bytes after which the read is done; one line in canonical mode.
    pub minimum: usize,
    /// Time for the first byte, in tenths of a second; none waits for ever.
    pub first_timeout_ds: Option<u8>,
    /// Time between bytes, in tenths of a second; none waits for ever.
    pub gap_timeout_ds: Option<u8>,
}

impl LineDiscipline {
    /// Tells whether a read would find something.
    pub fn is_readable(&self) -> bool {
        if self.canonical() { self.committed > 0 } else { !self.buffer.is_empty() }
    }

    /// Tells whether poll(2) reports input: with `VMIN` and no `VTIME`, only at `VMIN` bytes.
    pub fn polls_readable(&self) -> bool {
        if self.canonical() {
            return self.committed > 0;
        }
        let minimum = usize::from(self.termios.character(linux::VMIN));
        let needed = if self.termios.character(linux::VTIME) == 0 { minimum.max(1) } else { 1 };
        self.buffer.len() >= needed
    }

    /// Bytes that `FIONREAD` reports; in canonical mode end-of-file marks do not count.
    pub fn available(&self) -> usize {
        if !self.canonical() {
            return self.buffer.len();
        }
        self.buffer.iter().take(self.committed).filter(|unit| unit.mark != Mark::EndOfFile).count()
    }

    /// How a read waits under the current settings.
    pub fn wanted(&self) -> Wanted {
        let minimum = self.termios.character(linux::VMIN);
        let time = self.termios.character(linux::VTIME);
        if self.canonical() {
            Wanted { minimum: 1, first_timeout_ds: None, gap_timeout_ds: None }
        } else if minimum > 0 {
            let gap = (time > 0).then_some(time);
            Wanted { minimum: usize::from(minimum), first_timeout_ds: None, gap_timeout_ds: gap }
        } else {
            Wanted { minimum: 1, first_timeout_ds: Some(time), gap_timeout_ds: None }
        }
    }

    /// Takes what there is into `into`; in canonical mode at most one line. Zero bytes of a readable canonical
    /// terminal are an end of file.
    pub fn take(&mut self, into: &mut [u8]) -> usize {
        if self.canonical() { self.take_line(into) } else { self.take_bytes(into) }
    }

    fn take_line(&mut self, into: &mut [u8]) -> usize {
        let mut taken = 0;
        while self.committed > 0 {
            let Some(unit) = self.buffer.front().copied() else { break };
            if unit.mark == Mark::EndOfFile {
                // A full buffer just before the end-of-file mark swallows the mark: the line is complete.
                self.drop_front();
                break;
            }
            let Some(slot) = into.get_mut(taken) else { break };
            *slot = unit.byte;
            taken += 1;
            self.drop_front();
            if unit.mark == Mark::LineEnd {
                break;
            }
        }
        taken
    }

    fn take_bytes(&mut self, into: &mut [u8]) -> usize {
        let count = into.len().min(self.buffer.len());
        for slot in into.iter_mut().take(count) {
            if let Some(unit) = self.buffer.front().copied() {
                *slot = unit.byte;
                self.drop_front();
            }
        }
        count
    }

    fn drop_front(&mut self) {
        self.buffer.pop_front();
        self.committed = self.committed.saturating_sub(1);
    }
}
