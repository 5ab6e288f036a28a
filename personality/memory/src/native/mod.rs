//! The target's back end: RAM in the direct map, the served process's memory at its own addresses.
//!
//! * [`ram`]: attaches the RAM that the task was granted and fills the frame pool
//! * [`copy`]: the instructions that touch the served process's memory, and their fix-ups

mod copy;
mod ram;

pub use copy::{Fixup, fixups};
pub(crate) use copy::{compare_exchange_u32, copy_in, copy_out, load_u32};
pub use ram::{Location, init, locate, memory_of, region_count, region_frames, region_memory};

/// Nothing: the pool is filled at start-up.
pub(crate) fn ensure_ready() {}
