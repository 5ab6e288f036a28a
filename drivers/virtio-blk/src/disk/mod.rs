//! The contract: callers that wait for their requests, on a device that interrupts.
//!
//! One lock guards everything. A caller gives the device its request, sleeps on a condition of its own, and is woken by
//! whoever handles the interrupt ([`Disk::on_interrupt`]). A device that breaks its rules is reset at once: only then do
//! the callers learn of it, so that nobody's memory is written to after its request has ended.

mod client;
mod regions;

use alloc::sync::Arc;
use alloc::vec::Vec;

use driver_lib::io_space::DmaSpace;
use driver_lib::virtio::{Error, Transport};
use interfaces::BlockError;
use interfaces::block_device::{BlockInfo, SECTOR_BYTES, Sectors};
use rt::sync::{Condvar, Mutex, MutexGuard};

use crate::device::{Device, Kind, Request};
use crate::injection::Injection;
use crate::limits::Limits;
pub use client::DiskClient;
use regions::Regions;

/// A disk, for all its callers.
#[derive(Debug)]
pub struct Disk<T> {
    inner: Mutex<Inner<T>>,
    /// For each place: its request has ended.
    ended: Vec<Condvar>,
    /// A place, or descriptors, have become free.
    room: Condvar,
    /// A region that is being detached, or the whole disk, has no request under way any more.
    idle: Condvar,
    info: BlockInfo,
    limits: Limits,
    injection: Injection,
}

#[derive(Debug)]
struct Inner<T> {
    /// The device, unless it was given up.
    device: Option<Device<T>>,
    regions: Regions,
    /// What is in each place.
    places: Vec<Place>,
    free: Vec<u16>,
    stage: Stage,
    requests: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Free,
    UnderWay,
    Ended(Result<(), BlockError>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Open,
    /// No new requests.
    Closing,
    /// The device broke its rules.
    Broken,
    /// It did, and was not reset: nobody knows what it still does.
    Loose,
}

impl Stage {
    fn check(self) -> Result<(), BlockError> {
        match self {
            Self::Open => Ok(()),
            Self::Closing => Err(BlockError::Stopped),
            Self::Broken | Self::Loose => Err(BlockError::Device),
        }
    }
}

impl<T: Transport + Send> Disk<T> {
    /// A disk that is `device`, which reaches memory by `space`.
    pub fn new(device: Device<T>, space: DmaSpace, injection: Injection) -> Self {
        let limits = device.limits();
        // Later starts have later times, and fewer regions are attached than nanoseconds go by: so neither incarnations nor
        // numbers of regions are ever used again.
        let incarnation = rt::time::now_ns();
        let places = usize::from(limits.requests());
        let inner = Inner {
            device: Some(device),
            regions: Regions::new(incarnation, space),
            places: (0..places).map(|_| Place::Free).collect(),
            free: (0..limits.requests()).rev().collect(),
            stage: Stage::Open,
            requests: 0,
        };
        let info = BlockInfo {
            sectors: limits.sectors,
            max_bytes: limits.request_bytes,
            read_only: limits.read_only,
            incarnation,
        };
        let ended = (0..places).map(|_| Condvar::new()).collect();
        let (room, idle) = (Condvar::new(), Condvar::new());
        Self { inner: Mutex::new(inner), ended, room, idle, info, limits, injection }
    }

    /// Does what an interrupt is for: ends requests.
    pub fn on_interrupt(&self) {
        let mut inner = self.inner.lock();
        while let Some(device) = &mut inner.device {
            match device.take_ended() {
                Ok(None) => return,
                Ok(Some(ended)) => self.finish(&mut inner, ended.place, ended.result),
                Err(error) => self.give_up(&mut inner, error),
            }
        }
    }

    /// Lets go of a device that was taken away (and reset before): its registers must not be touched any more. Callers are
    /// told that the disk is not served from here.
    pub fn on_loss(&self) {
        let mut inner = self.inner.lock();
        inner.stage = Stage::Closing;
        inner.device = None;
        self.end_all(&mut inner, BlockError::Stopped);
        inner.regions.clear();
    }

    fn finish(&self, inner: &mut Inner<T>, place: u16, result: Result<(), BlockError>) {
        let index = usize::from(place);
        if inner.places[index] == Place::UnderWay {
            inner.places[index] = Place::Ended(result);
            self.ended[index].notify_one();
        }
    }

    /// Resets a device that broke its rules; everybody who waits for it gets an error.
    fn give_up(&self, inner: &mut Inner<T>, error: Error) {
        log::error!("the disk is given up: {error:?}");
        inner.stage = Stage::Broken;
        if let Err(error) = self.cut_off(inner, BlockError::Device) {
            inner.stage = Stage::Loose;
            log::error!("it may still be reaching memory: {error:?}");
        }
    }

    /// Resets the device and lets go of it; requests under way end with `reason`.
    fn cut_off(&self, inner: &mut Inner<T>, reason: BlockError) -> Result<(), Error> {
        let result = inner.device.take().map_or(Ok(()), |mut device| {
            let result = device.reset();
            if result.is_err() {
                // What it may still write to must not become somebody else's.
                core::mem::forget(device);
            }
            result
        });
        self.end_all(inner, reason);
        result
    }

    fn end_all(&self, inner: &mut Inner<T>, reason: BlockError) {
        for place in 0..inner.places.len() {
            self.finish(inner, place as u16, Err(reason));
        }
        self.room.notify_all();
    }

    /// Resets the device, and lets go of all regions and of all of the driver's own memory. From then on the device reaches no
    /// memory. Requests that are under way end with [`BlockError::Stopped`], whether or not the device did what they ask
    /// for: who made them makes them again elsewhere.
    ///
    /// # Errors
    /// [`Error::NoReset`]: the device may still be reaching memory. All else is done.
    pub fn shut_down(&self) -> Result<(), Error> {
        let mut inner = self.inner.lock();
        inner.stage = Stage::Closing;
        let result = self.cut_off(&mut inner, BlockError::Stopped);
        if result.is_ok() {
            inner.regions.clear();
        }
        result
    }

    /// Whether no request is under way.
    pub fn is_idle(&self) -> bool {
        self.inner.lock().is_idle()
    }

    /// Waits for a moment in which no request is under way, at most until the monotonic time `until_ns`.
    pub fn wait_idle(&self, until_ns: u64) {
        let mut inner = self.inner.lock();
        while !inner.is_idle() && rt::time::now_ns() < until_ns {
            inner = self.idle.wait_until(inner, until_ns).0;
        }
    }

    /// Asks the device for all of `requests` and waits for them; the first error, if any.
    fn perform<'a>(&'a self, mut inner: MutexGuard<'a, Inner<T>>, requests: &[Request]) -> Result<(), BlockError> {
        let (mut under_way, mut result) = (Vec::with_capacity(requests.len()), Ok(()));
        for &request in requests {
            let (after, begun) = self.begin(inner, request, &mut under_way);
            inner = after;
            if begun.is_err() {
                result = begun;
                break;
            }
        }
        inner.notify();
        // The last one first: when it has ended the others mostly have, too, and nobody is woken for each.
        while let Some(place) = under_way.pop() {
            let (after, ended) = self.wait(inner, place);
            (inner, result) = (after, result.and(ended));
        }
        result
    }

    /// Gives the device a request as soon as there is room; its place is added to those that are under way.
    fn begin<'a>(
        &'a self,
        mut inner: MutexGuard<'a, Inner<T>>,
        request: Request,
        under_way: &mut Vec<u16>,
    ) -> (MutexGuard<'a, Inner<T>>, Result<(), BlockError>) {
        loop {
            if let Err(error) = inner.stage.check() {
                return (inner, Err(error));
            }
            match inner.submit(request) {
                Ok(Some(place)) => {
                    under_way.push(place);
                    self.injection.strike(inner.requests);
                    return (inner, Ok(()));
                }
                Ok(None) => {
                    inner.notify();
                    // Who waits for others' requests while they wait for his would wait for ever.
                    match under_way.pop() {
                        None => inner = self.room.wait(inner),
                        Some(place) => {
                            let (after, ended) = self.wait(inner, place);
                            inner = after;
                            if ended.is_err() {
                                return (inner, ended);
                            }
                        }
                    }
                }
                Err(error) => self.give_up(&mut inner, error),
            }
        }
    }

    /// Waits until the request in `place` has ended, and frees the place.
    fn wait<'a>(
        &'a self,
        inner: MutexGuard<'a, Inner<T>>,
        place: u16,
    ) -> (MutexGuard<'a, Inner<T>>, Result<(), BlockError>) {
        let index = usize::from(place);
        let mut inner = self.ended[index].wait_while(inner, |inner| inner.places[index] == Place::UnderWay);
        let result = match core::mem::replace(&mut inner.places[index], Place::Free) {
            Place::Ended(result) => result,
            Place::Free | Place::UnderWay => Err(BlockError::Device),
        };
        inner.free.push(place);
        self.room.notify_one();
        if inner.is_idle() {
            self.idle.notify_all();
        }
        (inner, result)
    }

    /// Reads or writes pieces for the client with this badge.
    fn transfer(&self, badge: u64, kind: Kind, region: u64, pieces: &[Sectors]) -> Result<(), BlockError> {
        if kind == Kind::Write && self.info.read_only {
            return Err(BlockError::ReadOnly);
        }
        for Sectors { sector, bytes, .. } in pieces {
            let end = sector.checked_add(u64::from(*bytes).div_ceil(SECTOR_BYTES)).ok_or(BlockError::OutOfRange)?;
            let is_whole = u64::from(*bytes).is_multiple_of(SECTOR_BYTES) && *bytes <= self.info.max_bytes;
            if !is_whole || end > self.info.sectors {
                return Err(BlockError::OutOfRange);
            }
        }
        let mut inner = self.inner.lock();
        inner.stage.check()?;
        let places = inner.regions.begin(badge, region, pieces)?;
        let requests = places.zip(pieces).filter(|(_, piece)| piece.bytes > 0);
        let requests: Vec<_> = requests
            .map(|(physical, piece)| Request { kind, sector: piece.sector, physical, bytes: piece.bytes })
            .collect();
        let result = self.perform(inner, &requests);
        let mut inner = self.inner.lock();
        if inner.regions.end(region) {
            self.idle.notify_all();
        }
        result
    }

    fn detach(&self, badge: u64, region: u64) -> Result<(), BlockError> {
        let mut inner = self.inner.lock();
        inner.regions.close(badge, region)?;
        while !inner.regions.remove(region) {
            inner = self.idle.wait(inner);
        }
        Ok(())
    }

    /// Ends all regions of the client with this badge and bars it; returns when the device reaches into none of its memory.
    ///
    /// # Errors
    /// [`BlockError::Device`]: nobody knows that.
    fn end_client(&self, badge: u64) -> Result<(), BlockError> {
        let mut inner = self.inner.lock();
        inner.regions.bar(badge);
        while !inner.regions.remove_all(badge) {
            inner = self.idle.wait(inner);
        }
        if inner.stage == Stage::Loose { Err(BlockError::Device) } else { Ok(()) }
    }

    /// The disk as the client with this badge sees it.
    #[must_use]
    pub fn client(self: &Arc<Self>, badge: u64) -> DiskClient<T> {
        DiskClient { disk: self.clone(), badge }
    }
}

impl<T> Inner<T> {
    const fn is_idle(&self) -> bool {
        self.free.len() == self.places.len()
    }
}

impl<T: Transport> Inner<T> {
    /// Gives the device a request, in a free place; `None`: there is no room now.
    fn submit(&mut self, request: Request) -> Result<Option<u16>, Error> {
        let (Some(device), Some(&place)) = (&mut self.device, self.free.last()) else { return Ok(None) };
        match device.submit(place, request) {
            Ok(()) => {}
            Err(Error::QueueFull) => return Ok(None),
            Err(error) => return Err(error),
        }
        self.free.pop();
        self.places[usize::from(place)] = Place::UnderWay;
        self.requests += 1;
        Ok(Some(place))
    }

    fn notify(&mut self) {
        if let Some(device) = &mut self.device {
            device.notify();
        }
    }
}

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;
