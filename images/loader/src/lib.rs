//! The loader's logic, free of hardware: everything here works on slices and numbers and is tested on the host.
//!
//! [`plan::load`] turns a boot archive and a memory map into the kernel's page tables and a hand-over record; a front
//! end (`main.rs`: PVH) provides those and jumps. Everything read from the archive or the memory map is checked; the
//! loader uses no memory below 1 MiB, which stays free for starting further CPUs.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

pub mod archive;
pub mod arena;
pub mod config;
pub mod elf;
pub mod error;
pub mod memory_map;
pub mod page_table;
pub mod plan;
pub mod start_info;

pub use error::Error;

/// Bytes of a frame and of a small page.
pub const PAGE_BYTES: u64 = 4096;
