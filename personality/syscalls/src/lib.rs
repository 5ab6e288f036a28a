//! The system calls of Linux: thin handlers, one for each call, and the table that finds them.
//!
//! A handler reads its arguments, copies what they point to once, checks what Linux checks and calls the crate that does
//! the work. Calls that are missing from the [`table`] return `ENOSYS` and are counted ([`unknown_calls`]).
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod args;
mod dispatch;
pub mod epoll;
pub mod fs;
pub mod futex;
pub mod mm;
pub mod net;
pub mod poll;
pub mod process;
pub mod signal;
pub mod system;
pub mod table;
pub mod time;

pub use args::{Args, Handler, SysResult};
pub use dispatch::{dispatch, unknown_calls};
pub use signal::signalfd::set_current;
pub use system::{Reboot, set_reboot};
