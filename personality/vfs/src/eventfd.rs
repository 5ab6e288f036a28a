//! Event counters: eventfd(2).

use guest_memory::{Sink, Source};
use linux_abi::{Errno, Result};
use rt::sync::Mutex;
use sync::WaitQueue;

use crate::file::File;
use crate::flags::OpenFlags;
use crate::poll::{PollEvents, PollTable};

/// The largest value that the counter can have.
const MAXIMUM: u64 = u64::MAX - 1;

/// What a read takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taking {
    /// Everything.
    All,
    /// One (`EFD_SEMAPHORE`).
    One,
}

/// A counter that can be read, written and waited for.
pub struct EventCounter {
    value: Mutex<u64>,
    taking: Taking,
    /// Waits for the counter to be above 0.
    readers: WaitQueue,
    /// Waits for room.
    writers: WaitQueue,
}

impl EventCounter {
    /// Makes a counter.
    #[must_use]
    pub const fn new(value: u64, taking: Taking) -> EventCounter {
        EventCounter { value: Mutex::new(value), taking, readers: WaitQueue::new(), writers: WaitQueue::new() }
    }

    fn try_take(&self) -> Option<u64> {
        let mut value = self.value.lock();
        let taken = match self.taking {
            _ if *value == 0 => return None,
            Taking::All => *value,
            Taking::One => 1,
        };
        *value -= taken;
        Some(taken)
    }

    fn try_add(&self, amount: u64) -> Option<()> {
        let mut value = self.value.lock();
        *value = value.checked_add(amount).filter(|sum| *sum <= MAXIMUM)?;
        Some(())
    }
}

/// Does it now, or waits in `queue` unless that is not wanted.
fn perform<T>(queue: &WaitQueue, flags: OpenFlags, mut attempt: impl FnMut() -> Option<T>) -> Result<T> {
    match attempt() {
        Some(done) => Ok(done),
        None if flags.is_nonblocking() => Err(Errno::EAGAIN),
        None => queue.wait(None, attempt).map_err(|_| Errno::ERESTARTSYS),
    }
}

impl File for EventCounter {
    fn read(&self, _offset: u64, sink: &mut dyn Sink, flags: OpenFlags) -> Result<usize> {
        if sink.remaining() < size_of::<u64>() {
            return Err(Errno::EINVAL);
        }
        let taken = perform(&self.readers, flags, || self.try_take())?;
        self.writers.wake_all();
        sink.write(&taken.to_le_bytes())
    }

    fn write(&self, _offset: u64, source: &mut dyn Source, flags: OpenFlags) -> Result<usize> {
        let mut bytes = [0; size_of::<u64>()];
        if source.remaining() < bytes.len() || source.read(&mut bytes)? < bytes.len() {
            return Err(Errno::EINVAL);
        }
        let amount = u64::from_le_bytes(bytes);
        if amount > MAXIMUM {
            return Err(Errno::EINVAL);
        }
        perform(&self.writers, flags, || self.try_add(amount))?;
        self.readers.wake_all();
        Ok(bytes.len())
    }

    fn poll<'a>(&'a self, table: &mut PollTable<'a>) -> PollEvents {
        table.add_for(&self.readers, PollEvents::READABLE);
        table.add_for(&self.writers, PollEvents::WRITABLE);
        let value = *self.value.lock();
        let mut events = PollEvents::empty();
        events.set(PollEvents::READABLE, value > 0);
        events.set(PollEvents::WRITABLE, value < MAXIMUM);
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use guest_memory::{SliceSink, SliceSource};

    fn read(counter: &EventCounter) -> Result<u64> {
        let mut bytes = [0; 8];
        counter.read(0, &mut SliceSink::new(&mut bytes), OpenFlags::NONBLOCK)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn write(counter: &EventCounter, amount: u64) -> Result<usize> {
        counter.write(0, &mut SliceSource::new(&amount.to_le_bytes()), OpenFlags::NONBLOCK)
    }

    #[test]
    fn a_counter_adds_up_and_is_taken_whole_or_by_one() {
        let counter = EventCounter::new(2, Taking::All);
        assert_eq!(write(&counter, 3), Ok(8));
        assert_eq!((read(&counter), read(&counter)), (Ok(5), Err(Errno::EAGAIN)));
        let semaphore = EventCounter::new(2, Taking::One);
        assert_eq!((read(&semaphore), read(&semaphore), read(&semaphore)), (Ok(1), Ok(1), Err(Errno::EAGAIN)));
        assert_eq!((write(&counter, u64::MAX), write(&counter, MAXIMUM)), (Err(Errno::EINVAL), Ok(8)));
        assert_eq!(write(&counter, 1), Err(Errno::EAGAIN));
    }
}
