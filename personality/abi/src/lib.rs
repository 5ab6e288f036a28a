//! What the personality and its programs agree on: Linux's error numbers, constants and structures.
//!
//! Everything but [`Errno`] and [`InetState`] is re-exported from `linux-raw-sys`, which is generated from the kernel's own headers.
#![no_std]

mod errno;
mod inet_state;

pub use errno::{Errno, Result};
pub use inet_state::InetState;
pub use linux_raw_sys as raw;
