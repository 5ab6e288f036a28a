//! The driver of the 16550 serial port.
//!
//! * [`uart`]: the device
//! * [`server`]: the contract over it
#![no_std]

extern crate alloc;

pub mod server;
pub mod uart;
