//! Monotonic time.

use crate::os;

/// Nanoseconds since boot (on the host: since the first use); never goes back.
#[must_use]
pub fn now_ns() -> u64 {
    os::now_ns()
}

/// Frequency of the time-stamp counter, in Hz.
#[must_use]
pub fn tsc_hz() -> u64 {
    os::tsc_hz()
}
