//! What the tests share: a disk in memory, images made by mke2fs and checked by e2fsck, a client that counts its changes.
#![expect(dead_code, reason = "each test uses a part")]

pub mod client;
pub mod disk;
pub mod image;
pub mod model;

pub use client::Client;
pub use disk::Disk;
