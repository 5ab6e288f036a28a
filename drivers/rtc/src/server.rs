//! The contract `Clock`: the real-time clock is read once, the monotonic clock carries on from there.

use crate::cmos::{self, Error};
use driver_lib::port_io::PortIo;
use interfaces::{ClockError, ClockHandler};
use ipc::{Answer, Caller};

/// The clock.
#[derive(Debug)]
pub struct ClockServer {
    boot_time_ns: Result<u64, ClockError>,
}

impl ClockServer {
    /// Read the real-time clock; `now_ns` is the monotonic time after that.
    pub fn new(ports: &mut impl PortIo, now_ns: impl FnOnce() -> u64) -> Self {
        let boot_time_ns = cmos::read_unix_seconds(ports).and_then(|seconds| {
            let time_ns = seconds.checked_mul(1_000_000_000).ok_or(Error::NoDate)?;
            time_ns.checked_sub(now_ns()).ok_or(Error::NoDate)
        });
        Self { boot_time_ns: boot_time_ns.map_err(|_| ClockError::Invalid) }
    }

    /// The time of day when the monotonic clock was 0, in nanoseconds since 1970.
    ///
    /// # Errors
    /// [`ClockError::Invalid`]: the device had no date.
    pub const fn boot_time_ns(&self) -> Result<u64, ClockError> {
        self.boot_time_ns
    }
}

impl ClockHandler for ClockServer {
    fn boot_time_ns(&mut self, _caller: Caller<'_, Result<u64, ClockError>>) -> Answer<Result<u64, ClockError>> {
        self.boot_time_ns.into()
    }

    fn now_ns(&mut self, _caller: Caller<'_, Result<u64, ClockError>>) -> Answer<Result<u64, ClockError>> {
        self.boot_time_ns.map(|boot| boot + rt::time::now_ns()).into()
    }
}
