//! The device: its registers, its one queue, and the headers of requests.
//!
//! A request is a chain of a header (type, sector), its data, and a status byte that the device writes (virtio 1.2, 5.2.6).
//! Headers and status bytes lie in memory of the driver's own, one place for each request that can be under way.

use alloc::vec;
use alloc::vec::Vec;

use driver_lib::dma::Dma;
use driver_lib::io_space::DmaSpace;
use driver_lib::virtio::queue::Access;
use driver_lib::virtio::{self, Buffer, Error, Queue, Transport};
use interfaces::BlockError;

use crate::limits::{Limits, WANTED};

/// The one queue (of several, where the device has more).
const QUEUE: u16 = 0;
/// Bytes of a request's place: the header, and the status byte behind it.
const PLACE_BYTES: usize = 32;
const HEADER_BYTES: u32 = 16;
const STATUS_OFFSET: usize = 16;
const STATUS_OK: u8 = 0;
/// What the status byte is before the device has written it.
const STATUS_NONE: u8 = 0xff;

/// What is asked of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Reads from the disk, into memory.
    Read,
    /// Writes to the disk, from memory.
    Write,
    /// Makes earlier writes durable.
    Flush,
}

impl Kind {
    const fn number(self) -> u32 {
        match self {
            Self::Read => 0,
            Self::Write => 1,
            Self::Flush => 4,
        }
    }
}

/// A request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// What to do.
    pub kind: Kind,
    /// From which sector on.
    pub sector: u64,
    /// Where the memory is, for a device.
    pub physical: u64,
    /// How many bytes; 0 for a flush.
    pub bytes: u32,
}

/// A request that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its place.
    pub place: u16,
    /// How it ended.
    pub result: Result<(), BlockError>,
}

/// A device that is set up.
#[derive(Debug)]
pub struct Device<T> {
    transport: T,
    queue: Queue,
    places: Dma,
    limits: Limits,
    /// Place and request of a chain, by its first descriptor.
    by_token: Vec<Option<(u16, Request)>>,
}

impl<T: Transport> Device<T> {
    /// Resets the device, which reaches memory by `space`, and sets it up; its queue interrupts with `vector`.
    ///
    /// # Errors
    /// The device cannot be used; or there is no memory: [`Error::NoQueue`].
    pub fn start(mut transport: T, vector: u16, space: &DmaSpace) -> Result<Self, Error> {
        let features = virtio::negotiate(&mut transport, WANTED, space)?;
        let limits = Limits::read(&mut transport, features)?;
        let memory = |bytes| Dma::allocate(bytes, space).map_err(|_| Error::NoQueue(QUEUE));
        let queue = Queue::new(QUEUE, limits.descriptors, memory(Queue::bytes(limits.descriptors))?);
        let places = memory(usize::from(limits.requests()) * PLACE_BYTES)?;
        if !transport.enable_queue(&queue, vector) {
            // It may know the queue's address already.
            virtio::reset(&mut transport)?;
            return Err(Error::NoQueue(QUEUE));
        }
        virtio::start(&mut transport);
        let by_token = vec![None; usize::from(limits.descriptors)];
        Ok(Self { transport, queue, places, limits, by_token })
    }

    pub(crate) const fn limits(&self) -> Limits {
        self.limits
    }

    /// Gives the device a request, with `place`, which no other request may have now. It need not look at it before
    /// [`Device::notify`].
    ///
    /// # Errors
    /// [`Error::QueueFull`]: try again when another request has ended.
    pub fn submit(&mut self, place: u16, request: Request) -> Result<(), Error> {
        let offset = usize::from(place) * PLACE_BYTES;
        let segments = request.bytes.div_ceil(self.limits.segment_bytes);
        if segments + 2 > u32::from(self.queue.free()) {
            return Err(Error::QueueFull);
        }
        self.places.write_u32(offset, request.kind.number());
        self.places.write_u32(offset + 4, 0);
        self.places.write_u64(offset + 8, request.sector);
        self.places.copy_in(offset + STATUS_OFFSET, &[STATUS_NONE]);
        let token = self.queue.submit(&self.chain(offset, request))?;
        self.by_token[usize::from(token)] = Some((place, request));
        Ok(())
    }

    /// Tells the device of requests that it was given.
    pub(crate) fn notify(&mut self) {
        if self.queue.wants_notify() {
            self.transport.notify(QUEUE);
        }
    }

    fn chain(&self, offset: usize, request: Request) -> Vec<Buffer> {
        let access = if request.kind == Kind::Read { Access::Write } else { Access::Read };
        let segment = |start: u32| Buffer {
            physical: request.physical + u64::from(start),
            bytes: self.limits.segment_bytes.min(request.bytes - start),
            access,
        };
        let header = Buffer { physical: self.places.physical(offset), bytes: HEADER_BYTES, access: Access::Read };
        let status = Buffer { physical: self.places.physical(offset + STATUS_OFFSET), bytes: 1, access: Access::Write };
        let mut chain = Vec::from([header]);
        chain.extend((0..request.bytes).step_by(self.limits.segment_bytes as usize).map(segment));
        chain.push(status);
        chain
    }

    /// Takes the next request that has ended.
    ///
    /// # Errors
    /// The device broke its rules and is to be reset.
    pub fn take_ended(&mut self) -> Result<Option<Ended>, Error> {
        let Some(used) = self.queue.take_used()? else { return Ok(None) };
        let known = self.by_token[usize::from(used.token)].take();
        let (place, request) = known.ok_or(Error::BadUsedId(used.token.into()))?;
        let mut status = [STATUS_NONE];
        self.places.copy_out(usize::from(place) * PLACE_BYTES + STATUS_OFFSET, &mut status);
        // All that a device has to write is the status, and what was read.
        let due = if request.kind == Kind::Read { request.bytes + 1 } else { 1 };
        let is_done = status == [STATUS_OK] && used.written >= due;
        Ok(Some(Ended { place, result: if is_done { Ok(()) } else { Err(BlockError::Device) } }))
    }

    /// Resets the device. From then on it touches no memory, and no request is under way.
    ///
    /// # Errors
    /// [`Error::NoReset`].
    pub fn reset(&mut self) -> Result<(), Error> {
        virtio::reset(&mut self.transport)
    }
}
