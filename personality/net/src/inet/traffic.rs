//! What goes over the loopback, counted.

use core::sync::atomic::{AtomicU64, Ordering};

use crate::report::Traffic;

static PACKETS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

/// Counts a datagram, or a piece of a stream.
pub(super) fn count(bytes: usize) {
    PACKETS.fetch_add(1, Ordering::Relaxed);
    BYTES.fetch_add(bytes as u64, Ordering::Relaxed);
}

/// Returns what went over the loopback since the start.
#[must_use]
pub fn traffic() -> Traffic {
    Traffic { packets: PACKETS.load(Ordering::Relaxed), bytes: BYTES.load(Ordering::Relaxed) }
}
