//! The root task: makes every task of the manifest, gives each exactly what it is granted, then serves the machine's
//! switch and everybody's faults.
//!
//! * [`archive`]: what is in the boot archive; [`plan`]: how a program becomes an address space: pure functions
//! * [`supply`]: kernel objects and memory from the root task's Untypeds
//! * [`space`], [`grants`], [`create`]: a task's address space, its capabilities, and the order of it all
//! * [`service`], [`fault`]: what goes on afterwards
//!
//! Invariant: when the tasks start, the root task has no capability to what it has granted but those that it needs: the
//! threads (to stop a dead task), the attachments and memory of address spaces it built, the switch's ports.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod archive;
pub mod create;
pub mod fault;
pub mod grants;
pub mod plan;
pub mod service;
pub mod space;
pub mod supply;
