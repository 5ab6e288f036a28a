//! The runtime of every task above the kernel: start-up, heap, threads, locks, time, log.
//!
//! The portable part ([`sync`], [`thread`], [`time`]) sits on one of two back ends: `native` (kernel objects) or, when
//! compiled for Linux, `host` (the standard library), so that libraries and servers test on the host.
//!
//! Lock order: a [`sync::WaitList`](sync)'s spin lock is a leaf; nothing is called with it held.
#![no_std]

extern crate alloc;
#[cfg(target_os = "linux")]
extern crate std;

#[cfg(target_os = "linux")]
#[path = "host/mod.rs"]
mod os;

pub mod cap;
pub mod object;
pub mod own;
pub mod sync;
pub mod thread;
pub mod time;

pub use ukernel_abi::Error;
