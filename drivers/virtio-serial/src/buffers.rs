//! A virtqueue with fixed buffers of one size.
//!
//! Owns the queue and the buffers' memory. Each buffer is free, or with the device, or being read by us; a buffer is
//! one descriptor.

use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;
use driver_lib::dma::Dma;
use driver_lib::virtio::queue::Access;
use driver_lib::virtio::{Buffer, Error, Queue, Transport};

/// A queue and its buffers.
#[derive(Debug)]
pub struct Buffers {
    queue: Queue,
    memory: Dma,
    buffer_bytes: usize,
    free: Vec<u16>,
    /// Which buffer a submitted descriptor is about.
    by_token: Vec<u16>,
    filled: VecDeque<Filled>,
}

/// A buffer that the device wrote, from the first byte not yet taken.
#[derive(Clone, Copy, Debug)]
struct Filled {
    buffer: u16,
    start: usize,
    end: usize,
}

impl Buffers {
    /// Cut `memory` into buffers of `buffer_bytes` for `queue`: at most as many as it has descriptors.
    pub fn new(queue: Queue, memory: Dma, buffer_bytes: usize) -> Self {
        let count = (memory.bytes() / buffer_bytes).min(usize::from(queue.size()));
        let by_token = vec![0; usize::from(queue.size())];
        let free = (0..count as u16).rev().collect();
        Self { queue, memory, buffer_bytes, free, by_token, filled: VecDeque::with_capacity(count) }
    }

    /// The queue, for the transport to enable.
    pub fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Buffers that are free.
    pub fn free(&self) -> usize {
        self.free.len()
    }

    fn submit(&mut self, buffer: u16, bytes: usize, access: Access) -> Result<(), Error> {
        let physical = self.memory.physical(usize::from(buffer) * self.buffer_bytes);
        let token = self.queue.submit(&[Buffer { physical, bytes: bytes as u32, access }])?;
        self.by_token[usize::from(token)] = buffer;
        Ok(())
    }

    fn notify(&self, transport: &mut impl Transport) {
        if self.queue.wants_notify() {
            transport.notify(self.queue.index());
        }
    }

    /// Give all free buffers to the device to write.
    ///
    /// # Errors
    /// Those of [`Queue::submit`].
    pub fn offer_all(&mut self, transport: &mut impl Transport) -> Result<(), Error> {
        if self.free.is_empty() {
            return Ok(());
        }
        while let Some(buffer) = self.free.pop() {
            self.submit(buffer, self.buffer_bytes, Access::Write)?;
        }
        self.notify(transport);
        Ok(())
    }

    /// Note what the device wrote.
    ///
    /// # Errors
    /// Those of [`Queue::take_used`].
    pub fn collect_filled(&mut self) -> Result<(), Error> {
        while let Some(used) = self.queue.take_used()? {
            let buffer = self.by_token[usize::from(used.token)];
            self.filled.push_back(Filled { buffer, start: 0, end: used.written as usize });
        }
        Ok(())
    }

    /// Whether there are bytes to read.
    pub fn has_filled(&self) -> bool {
        self.filled.iter().any(|filled| filled.start < filled.end)
    }

    /// Copy received bytes out, as a stream; emptied buffers become free. Returns the number of bytes.
    pub fn read(&mut self, target: &mut [u8]) -> usize {
        let mut done = 0;
        while let Some(filled) = self.filled.front_mut() {
            let count = (filled.end - filled.start).min(target.len() - done);
            let offset = usize::from(filled.buffer) * self.buffer_bytes + filled.start;
            self.memory.copy_out(offset, &mut target[done..done + count]);
            done += count;
            filled.start += count;
            if filled.start < filled.end {
                break;
            }
            self.free.push(filled.buffer);
            self.filled.pop_front();
        }
        done
    }

    /// Copy the next received buffer out, as one message; it becomes free. What `target` has no room for is dropped.
    pub fn read_message(&mut self, target: &mut [u8]) -> Option<usize> {
        let filled = self.filled.pop_front()?;
        let count = filled.end.min(target.len());
        self.memory.copy_out(usize::from(filled.buffer) * self.buffer_bytes, &mut target[..count]);
        self.free.push(filled.buffer);
        Some(count)
    }

    /// Give the device as many of `bytes` to read as free buffers take. Returns the number of bytes.
    ///
    /// # Errors
    /// Those of [`Queue::submit`].
    pub fn write(&mut self, bytes: &[u8], transport: &mut impl Transport) -> Result<usize, Error> {
        let mut done = 0;
        for piece in bytes.chunks(self.buffer_bytes) {
            let Some(buffer) = self.free.pop() else { break };
            self.memory.copy_in(usize::from(buffer) * self.buffer_bytes, piece);
            self.submit(buffer, piece.len(), Access::Read)?;
            done += piece.len();
        }
        if done > 0 {
            self.notify(transport);
        }
        Ok(done)
    }

    /// Take back the buffers that the device has read.
    ///
    /// # Errors
    /// Those of [`Queue::take_used`].
    pub fn collect_sent(&mut self) -> Result<(), Error> {
        while let Some(used) = self.queue.take_used()? {
            self.free.push(self.by_token[usize::from(used.token)]);
        }
        Ok(())
    }
}
