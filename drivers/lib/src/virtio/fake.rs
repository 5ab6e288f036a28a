//! The other side of a virtqueue, for tests: a device that does what the test says.

use super::queue::Access;
use super::{Buffer, Queue, Transport};
use crate::dma::Dma;
use alloc::vec::Vec;

/// A virtqueue as its device sees it.
#[derive(Debug)]
pub struct FakeQueue {
    size: usize,
    rings: Dma,
    available_index: u16,
    used_index: u16,
}

impl FakeQueue {
    /// The queue in `rings`, of which the driver has the other view.
    pub fn new(size: usize, rings: Dma) -> Self {
        Self { size, rings, available_index: 0, used_index: 0 }
    }

    fn available(&self) -> usize {
        self.size * 16
    }

    fn used(&self) -> usize {
        (self.available() + 6 + 2 * self.size).next_multiple_of(4)
    }

    /// Take the next chain that the driver made available.
    pub fn take(&mut self) -> Option<(u16, Vec<Buffer>)> {
        if self.rings.read_u16(self.available() + 2) == self.available_index {
            return None;
        }
        let position = usize::from(self.available_index) % self.size;
        let head = self.rings.read_u16(self.available() + 4 + 2 * position);
        self.available_index = self.available_index.wrapping_add(1);
        let mut buffers = Vec::new();
        let mut index = head;
        loop {
            let offset = usize::from(index) * 16;
            let flags = self.rings.read_u16(offset + 12);
            buffers.push(Buffer {
                physical: self.rings.read_u64(offset),
                bytes: self.rings.read_u32(offset + 8),
                access: if flags & 2 != 0 { Access::Write } else { Access::Read },
            });
            if flags & 1 == 0 {
                return Some((head, buffers));
            }
            index = self.rings.read_u16(offset + 14);
        }
    }

    /// Say that chain `id` is used, and that so many bytes were written; a hostile device says anything.
    pub fn give_back(&mut self, id: u32, written: u32) {
        let entry = self.used() + 4 + 8 * (usize::from(self.used_index) % self.size);
        self.rings.write_u32(entry, id);
        self.rings.write_u32(entry + 4, written);
        self.used_index = self.used_index.wrapping_add(1);
        self.rings.write_u16(self.used() + 2, self.used_index);
    }

    /// Ask the driver not to notify, or to do so again.
    pub fn set_no_notify(&self, no_notify: bool) {
        self.rings.write_u16(self.used(), u16::from(no_notify));
    }
}

/// The registers of a virtio device, which remember what the driver did.
#[derive(Debug, Default)]
pub struct FakeTransport {
    /// Whether it refuses any set of features.
    pub refuses_features: bool,
    /// Queues that were enabled: number, size, where their descriptors are, vector.
    pub queues: Vec<(u16, u16, u64, u16)>,
    /// Notifications, in order.
    pub notified: Vec<u16>,
    /// The configuration vector.
    pub config_vector: Option<u16>,
    status: u8,
    offered: u64,
    accepted: u64,
    config: Vec<u32>,
}

impl FakeTransport {
    /// A device with these features and this configuration.
    pub fn new(offered: u64, config: &[u32]) -> Self {
        Self { offered, config: config.into(), status: 0xff, ..Self::default() }
    }

    /// The features that the driver accepted.
    pub fn accepted(&self) -> u64 {
        self.accepted
    }
}

impl Transport for FakeTransport {
    fn read_features(&mut self) -> u64 {
        self.offered
    }
    fn write_features(&mut self, features: u64) {
        self.accepted = features;
    }
    fn read_status(&mut self) -> u8 {
        self.status
    }
    fn write_status(&mut self, status: u8) {
        self.status = if self.refuses_features { status & !super::status::FEATURES_OK } else { status };
    }
    fn read_queue_limit(&mut self, _queue: u16) -> u16 {
        128
    }
    fn enable_queue(&mut self, queue: &Queue, vector: u16) -> bool {
        self.queues.push((queue.index(), queue.size(), queue.addresses()[0], vector));
        true
    }
    fn write_config_vector(&mut self, vector: u16) -> bool {
        self.config_vector = Some(vector);
        true
    }
    fn notify(&mut self, queue: u16) {
        self.notified.push(queue);
    }
    fn read_config(&mut self, offset: usize) -> u32 {
        self.config.get(offset / 4).copied().unwrap_or(0)
    }
}
