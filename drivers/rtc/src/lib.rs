//! The driver of the real-time clock.
//!
//! * [`cmos`]: the device
//! * [`server`]: the contract over it
#![no_std]

pub mod cmos;
pub mod server;
