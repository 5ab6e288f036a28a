//! timerfd: a timer as a file.
//!
//! How often it has expired follows from the clock when somebody looks; the timers' thread only wakes those who wait, once
//! until the next read. Lock order: the file's state, then the timers' queue.

use alloc::sync::{Arc, Weak};

use guest_memory::{Sink, UserAddr};
use linux_abi::{Errno, Result};
use rt::sync::Mutex;
use sync::WaitQueue;
use vfs::{File, OpenFlags, PollEvents, PollTable};

use crate::timer::{Alarm, AlarmKey, Setting, cancel_alarm, ring_at};

/// `TFD_IOC_SET_TICKS` of include/uapi/linux/timerfd.h.
const TFD_IOC_SET_TICKS: u32 = 0x4008_5400;

/// A timer.
pub struct TimerFile {
    state: Mutex<State>,
    readers: WaitQueue,
    own: Weak<TimerFile>,
}

#[derive(Default)]
struct State {
    /// Monotonic; 0 is not armed.
    deadline_ns: u64,
    interval_ns: u64,
    /// Expirations that were counted and not read.
    ticks: u64,
    alarm: Option<AlarmKey>,
}

impl State {
    /// Counts what has expired, and moves the deadline behind now.
    fn advance(&mut self, now: u64) {
        if self.deadline_ns == 0 || now < self.deadline_ns {
            return;
        }
        let more = (now - self.deadline_ns).checked_div(self.interval_ns).unwrap_or(0);
        self.ticks = self.ticks.saturating_add(more.saturating_add(1));
        self.deadline_ns = match self.interval_ns {
            0 => 0,
            interval => self.deadline_ns.saturating_add(interval.saturating_mul(more.saturating_add(1))),
        };
    }

    fn setting(&self, now: u64) -> Setting {
        let value_ns = match self.deadline_ns {
            0 => 0,
            deadline => deadline.saturating_sub(now).max(1),
        };
        Setting { value_ns, interval_ns: self.interval_ns }
    }
}

impl TimerFile {
    /// Makes a timer that is not armed.
    pub fn new() -> Arc<TimerFile> {
        Arc::new_cyclic(|own| TimerFile {
            state: Mutex::new(State::default()),
            readers: WaitQueue::new(),
            own: own.clone(),
        })
    }

    fn arm(&self, state: &mut State) {
        if let Some(alarm) = state.alarm.take() {
            cancel_alarm(alarm);
        }
        if state.deadline_ns != 0 {
            let own: Weak<TimerFile> = self.own.clone();
            state.alarm = Some(ring_at(state.deadline_ns, own));
        }
    }

    /// Sets the timer: it expires at `deadline_ns` (monotonic; 0 is never), then at each interval. Returns what it was.
    pub fn set(&self, deadline_ns: u64, interval_ns: u64) -> Setting {
        let now = rt::time::now_ns();
        let mut state = self.state.lock();
        state.advance(now);
        let old = state.setting(now);
        (state.deadline_ns, state.interval_ns, state.ticks) = (deadline_ns, interval_ns, 0);
        self.arm(&mut state);
        old
    }

    /// Returns how long until it expires, and the interval.
    pub fn setting(&self) -> Setting {
        let now = rt::time::now_ns();
        let mut state = self.state.lock();
        let armed = state.deadline_ns;
        state.advance(now);
        if state.deadline_ns != armed {
            self.arm(&mut state);
        }
        state.setting(now)
    }

    fn try_take(&self) -> Option<u64> {
        let mut state = self.state.lock();
        state.advance(rt::time::now_ns());
        let ticks = core::mem::take(&mut state.ticks);
        if ticks == 0 {
            return None;
        }
        self.arm(&mut state);
        Some(ticks)
    }
}

impl Alarm for TimerFile {
    fn ring(&self) {
        self.readers.wake_all();
    }
}

impl File for TimerFile {
    fn read(&self, _offset: u64, sink: &mut dyn Sink, flags: OpenFlags) -> Result<usize> {
        if sink.remaining() < size_of::<u64>() {
            return Err(Errno::EINVAL);
        }
        let ticks = match self.try_take() {
            Some(ticks) => ticks,
            None if flags.is_nonblocking() => return Err(Errno::EAGAIN),
            None => self.readers.wait(None, || self.try_take()).map_err(|_| Errno::ERESTARTSYS)?,
        };
        sink.write(&ticks.to_le_bytes())
    }

    fn poll<'a>(&'a self, table: &mut PollTable<'a>) -> PollEvents {
        table.add(&self.readers);
        let state = self.state.lock();
        let due = state.deadline_ns != 0 && rt::time::now_ns() >= state.deadline_ns;
        if due || state.ticks > 0 { PollEvents::READABLE } else { PollEvents::empty() }
    }

    fn ioctl(&self, command: u32, argument: u64) -> Result<u64> {
        if command != TFD_IOC_SET_TICKS {
            return Err(Errno::ENOTTY);
        }
        let ticks: u64 = guest_memory::read_value(UserAddr(argument))?;
        if ticks == 0 {
            return Err(Errno::EINVAL);
        }
        self.state.lock().ticks = ticks;
        self.readers.wake_all();
        Ok(0)
    }
}

impl Drop for TimerFile {
    fn drop(&mut self) {
        if let Some(alarm) = self.state.lock().alarm.take() {
            cancel_alarm(alarm);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use guest_memory::SliceSink;

    extern crate std;

    const MS: u64 = 1_000_000;

    fn read(file: &TimerFile) -> Result<u64> {
        let mut bytes = [0; 8];
        file.read(0, &mut SliceSink::new(&mut bytes), OpenFlags::NONBLOCK)?;
        Ok(u64::from_le_bytes(bytes))
    }

    #[test]
    fn expirations_are_counted_by_the_clock() {
        let file = TimerFile::new();
        // The clock begins with its first use, and the past must be long enough.
        let _ = rt::time::now_ns();
        std::thread::sleep(std::time::Duration::from_millis(30));
        let now = rt::time::now_ns();
        file.set(now - 25 * MS, 10_000_000 * MS);
        assert_eq!((read(&file), read(&file)), (Ok(1), Err(Errno::EAGAIN)));
        file.set(now - 25 * MS, 10 * MS);
        assert!(read(&file).is_ok_and(|ticks| ticks >= 3), "at 0, 10 and 20 ms");
        file.set(now - MS, 0);
        assert_eq!((file.setting().value_ns, read(&file), read(&file)), (0, Ok(1), Err(Errno::EAGAIN)));
        file.set(u64::MAX, u64::MAX);
        assert_eq!(read(&file), Err(Errno::EAGAIN));
        assert_eq!(file.set(0, 0).interval_ns, u64::MAX);
        assert!(file.poll(&mut PollTable::looking()).is_empty());
    }
}
