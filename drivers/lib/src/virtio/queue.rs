//! The split virtqueue (virtio 1.2, 2.7), the driver's side.
//!
//! Owns the rings and which descriptors are free. What the device can write is never read back as ours: chains, lengths
//! and the free list are kept in private memory; the used ring is checked against them, entry by entry.
//!
//! Layout within one DMA memory: descriptors (16 bytes each), available ring, then the used ring at a multiple of 4.

use super::Error;
use crate::dma::Dma;
use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::{Ordering, fence};

const DESCRIPTOR_BYTES: usize = 16;
const FLAG_NEXT: u16 = 1;
const FLAG_WRITE: u16 = 2;
const USED_NO_NOTIFY: u16 = 1;
const END: u16 = u16::MAX;

/// One piece of memory for the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buffer {
    /// Where the device finds it.
    pub physical: u64,
    /// Its size.
    pub bytes: u32,
    /// What the device does with it.
    pub access: Access,
}

/// What a device does with a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It reads it.
    Read,
    /// It writes it.
    Write,
}

/// A chain that the device is done with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// What [`Queue::submit`] returned for it.
    pub token: u16,
    /// Bytes that the device says it wrote, at most as many as it was given room for.
    pub written: u32,
}

/// What we know of a chain the device has.
#[derive(Clone, Copy, Debug)]
struct Chain {
    last: u16,
    descriptors: u16,
    writable_bytes: u32,
}

/// A split virtqueue.
#[derive(Debug)]
pub struct Queue {
    index: u16,
    size: u16,
    rings: Dma,
    /// The next descriptor of a chain or of the free list.
    next: Vec<u16>,
    first_free: u16,
    free: u16,
    /// The chains the device has, by their first descriptor.
    chains: Vec<Option<Chain>>,
    available_index: u16,
    used_index: u16,
}

impl Queue {
    /// Bytes of DMA memory that a queue of `size` descriptors takes.
    pub const fn bytes(size: u16) -> usize {
        Self::used_offset(size as usize) + 6 + 8 * size as usize
    }

    const fn used_offset(size: usize) -> usize {
        (size * DESCRIPTOR_BYTES + 6 + 2 * size).next_multiple_of(4)
    }

    /// Queue number `index` of a device, of `size` descriptors (a power of two), in zeroed memory of at least
    /// [`bytes`](Self::bytes) aligned to 16.
    pub fn new(index: u16, size: u16, rings: Dma) -> Self {
        assert!(size.is_power_of_two() && size < END, "a queue's size is a power of two");
        assert!(rings.bytes() >= Self::bytes(size), "the rings do not fit");
        let next = (1..size).chain([END]).collect();
        let chains = vec![None; usize::from(size)];
        Self { index, size, rings, next, first_free: 0, free: size, chains, available_index: 0, used_index: 0 }
    }

    /// Its number within the device.
    pub const fn index(&self) -> u16 {
        self.index
    }

    /// Its number of descriptors.
    pub const fn size(&self) -> u16 {
        self.size
    }

    /// Descriptors that are free.
    pub const fn free(&self) -> u16 {
        self.free
    }

    /// Where the device finds descriptors, available ring and used ring.
    pub fn addresses(&self) -> [u64; 3] {
        [0, self.available(), self.used()].map(|offset| self.rings.physical(offset))
    }

    fn available(&self) -> usize {
        usize::from(self.size) * DESCRIPTOR_BYTES
    }

    fn used(&self) -> usize {
        Self::used_offset(usize::from(self.size))
    }

    fn position(&self, index: u16) -> usize {
        usize::from(index & (self.size - 1))
    }

    /// Give a chain of buffers to the device, those it reads first. The caller then notifies it, once for many, where
    /// [`wants_notify`](Self::wants_notify) says so.
    ///
    /// # Errors
    /// [`Error::QueueFull`], [`Error::BadChain`].
    pub fn submit(&mut self, buffers: &[Buffer]) -> Result<u16, Error> {
        let out_of_order = buffers
            .windows(2)
            .any(|pair| matches!(pair, [a, b] if a.access == Access::Write && b.access == Access::Read));
        if buffers.is_empty() || out_of_order {
            return Err(Error::BadChain);
        }
        if buffers.len() > usize::from(self.free) {
            return Err(Error::QueueFull);
        }
        let head = self.first_free;
        let mut last = head;
        let mut writable_bytes = 0u32;
        for (position, buffer) in buffers.iter().enumerate() {
            last = self.first_free;
            self.first_free = self.next[usize::from(last)];
            self.free -= 1;
            let is_last = position + 1 == buffers.len();
            self.write_descriptor(last, buffer, if is_last { None } else { Some(self.first_free) });
            if buffer.access == Access::Write {
                writable_bytes = writable_bytes.saturating_add(buffer.bytes);
            }
        }
        self.chains[usize::from(head)] = Some(Chain { last, descriptors: buffers.len() as u16, writable_bytes });
        self.publish(head);
        Ok(head)
    }

    fn write_descriptor(&self, index: u16, buffer: &Buffer, next: Option<u16>) {
        let offset = usize::from(index) * DESCRIPTOR_BYTES;
        let write = if buffer.access == Access::Write { FLAG_WRITE } else { 0 };
        self.rings.write_u64(offset, buffer.physical);
        self.rings.write_u32(offset + 8, buffer.bytes);
        self.rings.write_u16(offset + 12, write | next.map_or(0, |_| FLAG_NEXT));
        self.rings.write_u16(offset + 14, next.unwrap_or(0));
    }

    fn publish(&mut self, head: u16) {
        self.rings.write_u16(self.available() + 4 + 2 * self.position(self.available_index), head);
        self.available_index = self.available_index.wrapping_add(1);
        self.rings.write_u16(self.available() + 2, self.available_index);
    }

    /// Whether the device wants to be told of new buffers (2.7.10).
    pub fn wants_notify(&self) -> bool {
        // The index must be out before the flag is read, or both sides may wait for the other (2.7.13.4.1).
        fence(Ordering::SeqCst);
        self.rings.read_u16(self.used()) & USED_NO_NOTIFY == 0
    }

    /// Take the next chain that the device is done with.
    ///
    /// # Errors
    /// [`Error::BadUsedId`], [`Error::BadUsedIndex`]: the device is broken or hostile and is to be reset.
    pub fn take_used(&mut self) -> Result<Option<Used>, Error> {
        let device_index = self.rings.read_u16(self.used() + 2);
        let waiting = device_index.wrapping_sub(self.used_index);
        if waiting == 0 {
            return Ok(None);
        }
        if waiting > self.size - self.free {
            return Err(Error::BadUsedIndex(device_index));
        }
        let entry = self.used() + 4 + 8 * self.position(self.used_index);
        let id = self.rings.read_u32(entry);
        let written = self.rings.read_u32(entry + 4);
        self.used_index = self.used_index.wrapping_add(1);
        let slot = usize::try_from(id).ok().and_then(|id| self.chains.get_mut(id));
        let chain = slot.and_then(Option::take).ok_or(Error::BadUsedId(id))?;
        let token = id as u16;
        self.next[usize::from(chain.last)] = self.first_free;
        self.first_free = token;
        self.free += chain.descriptors;
        Ok(Some(Used { token, written: written.min(chain.writable_bytes) }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::FakeQueue;
    use super::*;

    fn queue() -> (Queue, FakeQueue) {
        let rings = Dma::fake(Queue::bytes(4), 0x10_0000);
        let device = FakeQueue::new(4, rings.device_view());
        (Queue::new(5, 4, rings), device)
    }

    fn reads(bytes: u32) -> Buffer {
        Buffer { physical: 0x5000, bytes, access: Access::Read }
    }

    fn writes(bytes: u32) -> Buffer {
        Buffer { physical: 0x9000, bytes, access: Access::Write }
    }

    #[test]
    fn a_chain_goes_to_the_device_and_comes_back() {
        let (mut queue, mut device) = queue();
        let token = queue.submit(&[reads(3), writes(7)]).expect("there is room");
        let (id, chain) = device.take().expect("just submitted");
        assert_eq!((id, chain), (token, vec![reads(3), writes(7)]));
        assert_eq!(queue.take_used(), Ok(None));
        device.give_back(u32::from(id), 5);
        assert_eq!(queue.take_used(), Ok(Some(Used { token, written: 5 })));
        assert_eq!((queue.free(), queue.take_used()), (4, Ok(None)));
    }

    #[test]
    fn indices_wrap_and_descriptors_are_reused_in_any_order() {
        let (mut queue, mut device) = queue();
        for round in 0..70_000u32 {
            let tokens = [queue.submit(&[writes(16)]), queue.submit(&[writes(16)])].map(|token| token.expect("room"));
            let ids = [device.take(), device.take()].map(|taken| taken.expect("submitted").0);
            assert_eq!(ids, tokens);
            device.give_back(u32::from(ids[1]), round % 17);
            device.give_back(u32::from(ids[0]), 0);
            assert_eq!(queue.take_used(), Ok(Some(Used { token: tokens[1], written: round % 17 })));
            assert_eq!(queue.take_used(), Ok(Some(Used { token: tokens[0], written: 0 })));
        }
    }

    #[test]
    fn a_full_queue_and_a_bad_chain_are_refused() {
        let (mut queue, _device) = queue();
        assert_eq!(queue.submit(&[]), Err(Error::BadChain));
        assert_eq!(queue.submit(&[writes(1), reads(1)]), Err(Error::BadChain));
        assert!(queue.submit(&[reads(1); 3]).is_ok());
        assert_eq!(queue.submit(&[reads(1); 2]), Err(Error::QueueFull));
        assert!(queue.submit(&[reads(1)]).is_ok());
    }

    #[test]
    fn used_entries_of_a_hostile_device_are_refused() {
        let (mut queue, mut device) = queue();
        let token = queue.submit(&[writes(8)]).expect("room");
        device.give_back(u32::from(token) + 1, 0);
        assert_eq!(queue.take_used(), Err(Error::BadUsedId(1)));
        device.give_back(0xffff_0000, 0);
        assert_eq!(queue.take_used(), Err(Error::BadUsedId(0xffff_0000)));
        device.give_back(u32::from(token), u32::MAX);
        assert_eq!(queue.take_used(), Ok(Some(Used { token, written: 8 })));
        device.give_back(u32::from(token), 0);
        assert_eq!(queue.take_used(), Err(Error::BadUsedIndex(4)));
    }

    #[test]
    fn a_device_may_ask_not_to_be_notified() {
        let (queue, device) = queue();
        assert!(queue.wants_notify());
        device.set_no_notify(true);
        assert!(!queue.wants_notify());
    }
}
