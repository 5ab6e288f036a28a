//! Processors.

use crate::os;

/// How many there are; on the host this says 1.
#[must_use]
pub fn count() -> u32 {
    os::cpus()
}

/// The one that the caller ran on a moment ago, counted from 0.
#[must_use]
pub fn current() -> u32 {
    os::cpu()
}
