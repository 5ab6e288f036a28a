//! tmpfs: files whose pages are frames of memory, as tmpfs(5) describes it.
//!
//! * [`Tmpfs`]: a mounted instance, with its limits; [`TmpfsType`] makes them for `mount(2)`
//! * `directory`, `regular`, `special`: the inodes; `pages`: a file's sparse pages
//! * [`cpio`]: unpacking the archive that the initial root is filled from
//! * [`memfd`]: files without a name
//!
//! Lock order: a file's `writer` lock, then its `content`, then any inode's attributes. Page faults take `content`
//! only, so user memory may be touched under `writer` but under nothing else.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod common;
pub mod cpio;
mod directory;
pub mod memfd;
mod options;
mod pages;
mod regular;
mod special;
#[cfg(test)]
mod tests;
mod volume;

pub use options::Options;
pub use volume::{Tmpfs, TmpfsType};
