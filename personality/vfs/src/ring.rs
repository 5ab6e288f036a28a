//! A byte queue that grows on demand up to a limit: the buffer of a pipe.

use alloc::vec::Vec;

use guest_memory::{Sink, Source};
use linux_abi::{Errno, Result};

const FIRST_SIZE_BYTES: usize = 4096;

/// A bounded byte queue.
pub(crate) struct Ring {
    /// Allocated and zero-filled storage, used as a circle.
    storage: Vec<u8>,
    head: usize,
    len: usize,
    limit: usize,
}

impl Ring {
    /// Makes an empty queue for at most `limit` bytes; allocates nothing yet.
    pub(crate) const fn new(limit: usize) -> Ring {
        Ring { storage: Vec::new(), head: 0, len: 0, limit }
    }

    /// Returns the number of bytes queued.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Returns how many bytes fit in all.
    pub(crate) const fn limit(&self) -> usize {
        self.limit
    }

    /// Returns how many more bytes fit.
    pub(crate) const fn room(&self) -> usize {
        self.limit.saturating_sub(self.len)
    }

    /// Changes the limit.
    ///
    /// # Errors
    /// `EBUSY` if more is queued.
    pub(crate) fn set_limit(&mut self, limit: usize) -> Result<()> {
        if limit < self.len {
            return Err(Errno::EBUSY);
        }
        if limit < self.storage.len() {
            self.resize_storage(limit)?;
        }
        self.limit = limit;
        Ok(())
    }

    /// Moves up to `sink.remaining()` bytes to `sink`.
    ///
    /// # Errors
    /// The sink's, if not a byte was moved before.
    pub(crate) fn read_into(&mut self, sink: &mut dyn Sink) -> Result<usize> {
        let mut total = 0;
        while self.len > 0 && sink.remaining() > 0 {
            let run = self.len.min(self.storage.len() - self.head).min(sink.remaining());
            let bytes = self.storage.get(self.head..self.head + run).expect("the run lies inside the storage");
            match sink.write(bytes) {
                Ok(0) => break,
                Ok(count) => {
                    total += count;
                    self.consume(count);
                }
                Err(error) if total == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(total)
    }

    fn consume(&mut self, count: usize) {
        self.len -= count;
        self.head += count;
        if self.head >= self.storage.len() || self.len == 0 {
            self.head = if self.len == 0 { 0 } else { self.head - self.storage.len() };
        }
    }

    /// Takes up to `count` bytes from `source`, at most as much as there is room for.
    ///
    /// # Errors
    /// The source's, if not a byte was moved before; `ENOMEM` if the queue cannot grow.
    pub(crate) fn write_from(&mut self, source: &mut dyn Source, count: usize) -> Result<usize> {
        let count = count.min(self.room()).min(source.remaining());
        self.grow_for(self.len + count)?;
        let mut total = 0;
        while total < count {
            let size = self.storage.len();
            let tail = self.head + self.len;
            let tail = if tail >= size { tail - size } else { tail };
            let run = (count - total).min(size - tail);
            let space = self.storage.get_mut(tail..tail + run).expect("the run lies inside the storage");
            match source.read(space) {
                Ok(0) => break,
                Ok(moved) => {
                    total += moved;
                    self.len += moved;
                }
                Err(error) if total == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(total)
    }

    fn grow_for(&mut self, needed: usize) -> Result<()> {
        if needed <= self.storage.len() {
            return Ok(());
        }
        let size = needed.next_power_of_two().max(FIRST_SIZE_BYTES).min(self.limit);
        self.resize_storage(size.max(needed))
    }

    /// Moves the contents to storage of another size, at its start.
    fn resize_storage(&mut self, size: usize) -> Result<()> {
        if size == self.storage.len() {
            return Ok(());
        }
        let mut storage = Vec::new();
        storage.try_reserve_exact(size).map_err(|_| Errno::ENOMEM)?;
        let first = self.len.min(self.storage.len() - self.head);
        storage.extend_from_slice(&self.storage[self.head..self.head + first]);
        storage.extend_from_slice(&self.storage[..self.len - first]);
        storage.resize(size, 0);
        (self.storage, self.head) = (storage, 0);
        Ok(())
    }
}
