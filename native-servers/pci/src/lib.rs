//! The PCI server: finds all functions, and hands each driver its own.
//!
//! * [`bus`]: which functions there are
//! * [`function`]: one function: its ranges, its interrupt vectors
//! * [`server`]: the contract, and the capabilities handed out
//! * [`kernel`]: the grants that it hands out from
//!
//! Invariants: only this server reaches configuration space and MSI-X tables, so a driver can make its device interrupt
//! with nothing but the vectors it was given; the badge of a driver's capability says which function is its own.
#![no_std]

extern crate alloc;

pub mod bus;
pub mod function;
pub mod kernel;
pub mod server;
