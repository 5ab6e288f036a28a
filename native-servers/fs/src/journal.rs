//! The journal, as Linux's jbd2 writes and reads it ("ext4 Data Structures and Algorithms", 3.6).
//!
//! A transaction is descriptor blocks, each followed by the blocks it describes, revoke blocks, and a commit block. It counts
//! once its commit block is on the disk, which is written after all others are. [`log`] is the ring of blocks, [`format`]
//! their bytes, [`replay`] what happens at the start, [`commit`] what happens then.

pub(crate) mod commit;
pub(crate) mod format;
pub(crate) mod log;
pub(crate) mod replay;

pub(crate) use log::Log as Journal;
