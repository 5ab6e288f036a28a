//! Monotonic time.

use crate::os;

/// Nanoseconds since boot (on the host: since the first use); never goes back.
#[must_use]
pub fn now_ns() -> u64 {
    os::now_ns()
}

/// Nanoseconds since boot in which processors had no thread to run, all of them together; 0 for a task without the log, and on the
/// host. What [`now_ns`] goes forward (times the processors) and this does not is time in which something was executed:
/// instructions, where an emulator's clock counts them (`--icount`), and jumps to the next deadline while nobody runs.
#[must_use]
pub fn idle_ns() -> u64 {
    os::idle_ns()
}

/// Frequency of the time-stamp counter, in Hz.
#[must_use]
pub fn tsc_hz() -> u64 {
    os::tsc_hz()
}
