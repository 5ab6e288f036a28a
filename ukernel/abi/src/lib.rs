//! The contract between the microkernel and user space: numbers, layouts and register conventions.
//!
//! Nothing here does anything; every other crate of the system depends on it and it depends on nothing.
//! Semantics follow the seL4 reference manual (MCS) where `ukernel/README.md` does not say otherwise.
//!
//! * [`call`]: the system calls and which registers carry what
//! * [`message`]: message headers and the per-thread message page
//! * [`object`]: kernel objects, their sizes, rights
//! * [`invoke`]: the methods of each object
//! * [`fault`]: what a fault handler is told
//! * [`vcpu`]: the state page of foreign execution
//! * [`trace`]: the trace ring
//! * [`boot`]: the boot archive and what the root task starts with
#![no_std]
#![forbid(unsafe_code)]

pub mod boot;
pub mod call;
pub mod error;
pub mod fault;
pub mod invoke;
pub mod message;
pub mod object;
pub mod trace;
pub mod vcpu;

pub use call::Call;
pub use error::Error;
pub use message::{MessageInfo, MessagePage};
pub use object::{ObjectType, Rights};

/// Size of a page, in bytes.
pub const PAGE_BYTES: u64 = 4096;
/// log2 of [`PAGE_BYTES`].
pub const PAGE_BITS: u32 = 12;
/// Size of a large page, in bytes; runs of pages that are aligned to it on both sides are mapped with it.
pub const LARGE_PAGE_BYTES: u64 = 2 << 20;

/// First address past the lower half: 47 bits belong to ordinary user space.
pub const USER_END: u64 = 1 << 47;
/// First address of the one user-accessible slot of the upper half (page-table slot 256): the home of a master,
/// that is of code that serves foreign execution and must stay visible in each address space it serves.
pub const MASTER_START: u64 = 0xffff_8000_0000_0000;
/// First address past the master slot.
pub const MASTER_END: u64 = MASTER_START + (1 << 39);
