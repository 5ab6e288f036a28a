//! System calls on time: clocks, sleeping, timers.

use linux_abi::{Errno, Result};

pub mod clock;
pub mod sleep;
pub mod timerfd;
pub mod timers;

pub(crate) const NS_PER_SECOND: u64 = 1_000_000_000;
pub(crate) const NS_PER_MICROSECOND: u64 = 1000;
const MICROSECONDS_PER_SECOND: u64 = 1_000_000;

/// `struct timespec`: seconds and nanoseconds, as a process wrote them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timespec(pub(crate) [i64; 2]);

impl Timespec {
    pub(crate) const fn from_ns(ns: u64) -> Self {
        Self([(ns / NS_PER_SECOND) as i64, (ns % NS_PER_SECOND) as i64])
    }

    /// As nanoseconds; centuries are as good as for ever.
    pub(crate) fn ns(self) -> Result<u64> {
        to_ns(self.0, NS_PER_SECOND)
    }
}

/// `struct timeval`: seconds and microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeval(pub(crate) [i64; 2]);

impl Timeval {
    pub(crate) const fn from_ns(ns: u64) -> Self {
        Self([(ns / NS_PER_SECOND) as i64, (ns % NS_PER_SECOND / NS_PER_MICROSECOND) as i64])
    }

    pub(crate) fn ns(self) -> Result<u64> {
        to_ns(self.0, MICROSECONDS_PER_SECOND)
    }
}

fn to_ns([seconds, fraction]: [i64; 2], units: u64) -> Result<u64> {
    let seconds = u64::try_from(seconds).map_err(|_| Errno::EINVAL)?;
    let fraction = u64::try_from(fraction).ok().filter(|fraction| *fraction < units).ok_or(Errno::EINVAL)?;
    Ok(seconds.saturating_mul(NS_PER_SECOND).saturating_add(fraction * (NS_PER_SECOND / units)))
}

/// The monotonic time at which the wall clock, unless somebody sets it, shows `ns`.
pub(crate) fn realtime_deadline(ns: u64) -> u64 {
    rt::time::now_ns().saturating_add(ns.saturating_sub(vfs::clock::realtime_ns()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_out_of_range_are_refused_and_long_ones_are_for_ever() {
        assert_eq!(Timespec([1, 5]).ns(), Ok(1_000_000_005));
        assert_eq!(Timespec([1, 1_000_000_000]).ns(), Err(Errno::EINVAL));
        assert_eq!(Timespec([-1, 0]).ns(), Err(Errno::EINVAL));
        assert_eq!(Timespec([i64::MAX, 0]).ns(), Ok(u64::MAX));
        assert_eq!(Timeval([0, 7]).ns(), Ok(7000));
        assert_eq!(Timeval([0, -7]).ns(), Err(Errno::EINVAL));
    }
}
