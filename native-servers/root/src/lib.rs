//! The root task: makes every task of the manifest, gives each exactly what it is granted, then serves the machine's
//! switch, everybody's faults and the supervisor's requests.
//!
//! * [`archive`]: what is in the boot archive; [`plan`], [`budget`], [`boot_options`]: how a program becomes an address
//!   space, how much memory that takes, what the boot changes: pure functions
//! * [`supply`]: kernel objects and memory from the root task's Untypeds; [`nest`]: the part of them that is a task's
//! * [`space`], [`grants`], [`create`]: a task's address space, its capabilities, and the order of it all
//! * [`made`], [`service`], [`switch`], [`fault`]: what goes on afterwards, on the first thread
//! * [`keeper`], [`devices`]: ending tasks and making them anew, on the second
//! * [`parting`]: having drivers inside other tasks let go of dead clients, on the third
//!
//! Invariant: what a task has hangs under capabilities of its nest, so that it can be taken back as a whole.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod archive;
pub mod boot_options;
pub mod budget;
pub mod create;
pub mod devices;
pub mod fault;
pub mod grants;
pub mod keeper;
pub mod made;
pub mod nest;
pub mod parting;
pub mod plan;
pub mod service;
pub mod space;
pub mod supply;
pub mod switch;
pub mod tracing;
