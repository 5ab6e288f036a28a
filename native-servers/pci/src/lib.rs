//! The PCI server: finds all functions, and hands each driver its own.
//!
//! * [`bus`]: which functions there are
//! * [`matching`]: which of them a driver is for
//! * [`function`]: one function: its ranges, its interrupt vectors
//! * [`server`]: who has which, and the capabilities handed out
//!
//! Invariants: only this server reaches configuration space and MSI-X tables, so a driver can make its device interrupt
//! with nothing but the vectors it was given; a driver is known by the badge of its capability and has one function.
#![no_std]

extern crate alloc;

pub mod bus;
pub mod function;
pub mod matching;
pub mod server;
