//! Files on a disk: the client of an `interfaces::FileSystem`, wherever that runs.
//!
//! The server owns names, attributes on the disk, block maps and the journal; this crate owns the pages of files and what
//! is newer than the disk. It is the only one that changes the file system, so whatever it has learnt stays true.
//!
//! * [`DiskFs`]: the mounted file system; [`Volume`](volume::Volume) is what its inodes share
//! * `inode`, `regular`, `directory`: the inodes; `pages`: a file's sparse pages; `attributes`: what stat(2) tells
//! * `link`: every call of the server, and how one that died is made good: `log` has all changes that are not on the disk
//! * `writeback`: when what goes to the disk; `reclaim`: pages that are given back when there is no memory
//!
//! Lock order: a file's `writer`, its `io`, then the log, the session (see `link`), a read window; then leaves: a file's
//! `content`, an inode's attributes, the table of inodes, the lists. Page faults take `io` and what follows, never
//! `writer`: user memory may be touched under `writer` and under nothing else. No leaf is held during a call.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod attributes;
mod directory;
mod error;
mod file_system;
mod inode;
mod link;
mod log;
mod node;
mod pages;
mod reclaim;
mod regular;
mod source;
mod table;
mod volume;
mod window;
mod worker;
mod writeback;

pub use file_system::{Counters, DiskFs, MountOptions};
pub use reclaim::{cached_pages, reclaim, relieve};
