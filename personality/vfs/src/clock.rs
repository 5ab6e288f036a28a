//! The wall clock: boot time plus the monotonic clock.
//!
//! Owned here because timestamps need it; `clock_settime` and the start-up code set it.

use core::sync::atomic::{AtomicU64, Ordering};

use crate::metadata::Timestamp;

static BOOT_TIME_NS: AtomicU64 = AtomicU64::new(0);

/// Sets the wall clock to a time in nanoseconds since 1970.
pub fn set_realtime_ns(now_ns: u64) {
    BOOT_TIME_NS.store(now_ns.saturating_sub(rt::time::now_ns()), Ordering::Relaxed);
}

/// Returns the wall clock in nanoseconds since 1970.
#[must_use]
pub fn realtime_ns() -> u64 {
    BOOT_TIME_NS.load(Ordering::Relaxed).saturating_add(rt::time::now_ns())
}

/// Returns the wall-clock time of boot, in nanoseconds since 1970 (`btime` of /proc/stat).
#[must_use]
pub fn boot_time_ns() -> u64 {
    BOOT_TIME_NS.load(Ordering::Relaxed)
}

/// Returns the wall clock as a timestamp.
#[must_use]
pub fn now() -> Timestamp {
    Timestamp::from_ns(realtime_ns())
}
