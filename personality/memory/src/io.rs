//! Where a read's bytes go and a write's bytes come from.
//!
//! A file system moves bytes through these traits and so need not know whether they belong to the process or to the
//! personality itself. A transfer that fails after its first byte reports the bytes that were moved; only one that
//! fails at once reports `EFAULT`.

use alloc::vec::Vec;
use linux_abi::{Errno, Result};

use crate::{UserAddr, user};

/// Takes bytes.
pub trait Sink {
    /// Bytes that it still takes.
    fn remaining(&self) -> usize;

    /// Takes the first bytes of `bytes`, as many as fit; how many.
    ///
    /// # Errors
    /// `EFAULT` if not even the first byte could be stored.
    fn write(&mut self, bytes: &[u8]) -> Result<usize>;

    /// Takes `count` zero bytes, or as many as fit; how many.
    ///
    /// # Errors
    /// As [`Sink::write`].
    fn write_zeros(&mut self, count: usize) -> Result<usize> {
        const ZEROS: [u8; 512] = [0; 512];
        let mut done = 0;
        while done < count {
            let step = &ZEROS[..ZEROS.len().min(count - done)];
            match self.write(step) {
                Ok(taken) => done += taken,
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
            if self.remaining() == 0 {
                break;
            }
        }
        Ok(done)
    }
}

/// Gives bytes.
pub trait Source {
    /// Bytes that it still gives.
    fn remaining(&self) -> usize;

    /// Fills the first bytes of `into`, as many as there are; how many.
    ///
    /// # Errors
    /// `EFAULT` if not even the first byte could be read.
    fn read(&mut self, into: &mut [u8]) -> Result<usize>;
}

/// A range of the process's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct UserSegment {
    /// First byte.
    pub start: UserAddr,
    /// Bytes.
    pub bytes: usize,
}

/// One or several ranges of the current process's memory, used from the front.
#[derive(Debug)]
pub struct UserIo {
    current: UserSegment,
    /// Those after `current`, last first.
    rest: Vec<UserSegment>,
    remaining: usize,
}

impl UserIo {
    /// One range. Whether it is accessible shows when it is used.
    #[must_use]
    pub const fn single(start: UserAddr, bytes: usize) -> Self {
        Self { current: UserSegment { start, bytes }, rest: Vec::new(), remaining: bytes }
    }

    /// Several ranges, one after the other.
    ///
    /// # Errors
    /// `EINVAL` if they have more than `isize::MAX` bytes in all.
    pub fn vectored(mut segments: Vec<UserSegment>) -> Result<Self> {
        let mut remaining = 0usize;
        for segment in &segments {
            remaining = remaining.checked_add(segment.bytes).ok_or(Errno::EINVAL)?;
        }
        if remaining > isize::MAX as usize {
            return Err(Errno::EINVAL);
        }
        segments.reverse();
        Ok(Self { current: segments.pop().unwrap_or_default(), rest: segments, remaining })
    }

    /// Leaves out all but the first `bytes` of what remains.
    pub fn limit(&mut self, bytes: usize) {
        self.remaining = self.remaining.min(bytes);
    }

    /// Bytes that it still takes or gives.
    #[must_use]
    pub fn remaining_bytes(&self) -> usize {
        self.remaining
    }

    /// Moves up to `count` bytes piece by piece: `step(address, offset, bytes)` returns how many it moved.
    fn transfer(&mut self, count: usize, mut step: impl FnMut(UserAddr, usize, usize) -> usize) -> Result<usize> {
        let count = count.min(self.remaining);
        let mut done = 0;
        while done < count {
            if self.current.bytes == 0 {
                let Some(next) = self.rest.pop() else { break };
                self.current = next;
                continue;
            }
            let piece = self.current.bytes.min(count - done);
            let moved = step(self.current.start, done, piece).min(piece);
            self.current.start = self.current.start.offset(moved as u64);
            self.current.bytes -= moved;
            self.remaining -= moved;
            done += moved;
            if moved < piece {
                return if done == 0 { Err(Errno::EFAULT) } else { Ok(done) };
            }
        }
        Ok(done)
    }
}

impl Sink for UserIo {
    fn remaining(&self) -> usize {
        self.remaining
    }

    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.transfer(bytes.len(), |addr, at, count| match bytes.get(at..at + count) {
            Some(piece) => user::write_partial(addr, piece),
            None => 0,
        })
    }
}

impl Source for UserIo {
    fn remaining(&self) -> usize {
        self.remaining
    }

    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        self.transfer(into.len(), |addr, at, count| match into.get_mut(at..at + count) {
            Some(piece) => user::read_partial(addr, piece),
            None => 0,
        })
    }
}

/// A slice as sink.
#[derive(Debug)]
pub struct SliceSink<'a> {
    buffer: &'a mut [u8],
    used: usize,
}

impl<'a> SliceSink<'a> {
    /// Fills `buffer` from the front.
    #[must_use]
    pub fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, used: 0 }
    }

    /// Bytes taken so far.
    #[must_use]
    pub fn written(&self) -> usize {
        self.used
    }
}

impl Sink for SliceSink<'_> {
    fn remaining(&self) -> usize {
        self.buffer.len() - self.used
    }

    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        let count = bytes.len().min(self.remaining());
        if let (Some(to), Some(from)) = (self.buffer.get_mut(self.used..self.used + count), bytes.get(..count)) {
            to.copy_from_slice(from);
        }
        self.used += count;
        Ok(count)
    }
}

/// A growing vector with a limit as sink.
#[derive(Debug)]
pub struct VecSink {
    bytes: Vec<u8>,
    limit: usize,
}

impl VecSink {
    /// Takes at most `limit` bytes.
    #[must_use]
    pub const fn with_limit(limit: usize) -> Self {
        Self { bytes: Vec::new(), limit }
    }

    /// What was taken.
    #[must_use]
    pub fn into_vec(self) -> Vec<u8> {
        self.bytes
    }
}

impl Sink for VecSink {
    fn remaining(&self) -> usize {
        self.limit - self.bytes.len()
    }

    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        let count = bytes.len().min(self.remaining());
        self.bytes.extend_from_slice(bytes.get(..count).unwrap_or_default());
        Ok(count)
    }
}

/// A slice as source.
#[derive(Debug)]
pub struct SliceSource<'a> {
    bytes: &'a [u8],
}

impl<'a> SliceSource<'a> {
    /// Gives `bytes` from the front.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }
}

impl Source for SliceSource<'_> {
    fn remaining(&self) -> usize {
        self.bytes.len()
    }

    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        let count = into.len().min(self.bytes.len());
        let (head, tail) = self.bytes.split_at(count);
        if let Some(to) = into.get_mut(..count) {
            to.copy_from_slice(head);
        }
        self.bytes = tail;
        Ok(count)
    }
}
