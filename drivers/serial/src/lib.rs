//! The driver of the 16550 serial port.
//!
//! * [`uart`]: the device
#![no_std]

extern crate alloc;

pub mod uart;
