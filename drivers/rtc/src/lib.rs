//! The driver of the real-time clock.
//!
//! * [`cmos`]: the device
#![no_std]

pub mod cmos;
