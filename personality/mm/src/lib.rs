//! Address spaces of legacy processes: mappings, page faults, copy-on-write.
//!
//! * [`AddressSpace`]: the whole, behind one sleeping lock; `map`, `unmap`, `protect`, `remap`, `fork`, `handle_fault` ...
//! * [`Area`](area::Area): a run of pages with one meaning (Linux's `vm_area_struct`)
//! * [`PageMap`](page_map::PageMap): which frame is resident at which page
//! * [`PageTables`]: what the hardware is told; a small trait with a kernel back end and a fake for tests
//!
//! Invariants: the areas are sorted and disjoint; every resident page lies in an area; the page tables map nothing but
//! resident pages, never with more rights than the area has, and a page of a private area is mapped writable only
//! while its frame belongs to this address space alone. A frame is let go only after the page tables dropped it.
//!
//! Lock order: an address space, then (through [`PageSource`](guest_memory::PageSource)) an inode, then the frame
//! pool. Two address spaces are never locked at once, but for `fork`, whose child nobody else knows yet. A source of pages
//! visits address spaces ([`AllSpaces`]) without any lock that comes after them.
#![no_std]

extern crate alloc;
#[cfg(any(test, target_os = "linux"))]
extern crate std;

mod advise;
pub mod area;
mod areas;
mod brk;
mod fault;
mod fork;
mod layout;
mod map;
mod page_map;
mod page_tables;
mod protect;
mod registry;
mod remap;
mod remote;
mod report;
mod shared;
mod space;
mod unmap;

#[cfg(target_os = "linux")]
pub mod fake;
#[cfg(not(target_os = "linux"))]
pub mod kernel;

#[cfg(target_os = "linux")]
use fake as os;
#[cfg(not(target_os = "linux"))]
use kernel as os;

#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;

pub use advise::Advice;
pub use area::{MappedObject, Protection, Sharing};
pub use fault::{Access, FaultError};
pub use layout::{Layout, MMAP_MIN_ADDRESS, STACK_GUARD_BYTES, STACK_TOP};
pub use map::{MapRequest, Placement};
pub use page_tables::{MapRun, PageRun, PageTables, Rights};
pub use registry::AllSpaces;
pub use remap::{RemapPlacement, RemapRequest};
pub use report::{AreaReport, Usage};
pub use shared::SharedAnonymous;
pub use space::{AddressSpace, Limits, Regions};
