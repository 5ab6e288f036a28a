//! ext4 on a disk, read and written, with its journal: the service behind the contract
//! [`interfaces::FileSystem`], wherever it runs.
//!
//! From the outside in: [`Ext4`] (`service`, `changing`) takes calls, counts changes and moves file contents; a `Volume`
//! (`volume` and the folders beside it) is a mounted file system: operations on names, inodes, block maps; below it lie the
//! buffers of metadata blocks (`buffers`), the journal and the disk. `README.md` says how a transaction works.
//!
//! What is read from the disk is hostile: every number is checked before it is used, every loop ends, and what cannot be
//! right is [`FsError::Corrupt`](interfaces::FsError::Corrupt).
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod attributes;
mod bitmap;
mod blocks;
mod buffers;
mod bytes;
mod changing;
mod checksum;
mod directory;
mod disk;
mod extents;
mod files;
mod geometry;
mod groups;
mod indirect;
mod inode;
mod inodes;
mod journal;
mod mount;
mod names;
mod orphans;
mod regions;
mod rename;
mod service;
mod transfer;
mod truncate;
mod volume;
mod writing;

pub use service::Ext4;

use interfaces::FsError;

/// What everything here answers with.
type Result<T> = core::result::Result<T, FsError>;
