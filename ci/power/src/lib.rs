//! Power cuts of a running machine, honestly: the emulator logs what reaches the disk; the disk after a cut at any place of
//! that log is made from it, and judged.
//!
//! * [`folder`]: the files of one recording, and the machine's configuration for it
//! * [`log`]: reads the log (Linux's `dm-log-writes` format)
//! * [`workers`]: programs in the machine that make steps durable one by one, and what the log says of how far each was
//! * [`replay`]: the disk after a cut: all writes before the last flush that was done, and some of the sectors written since
//! * [`judge`]: e2fsck and our own file system make the same of it, both find it clean, and nothing promised is missing
//! * [`cuts`]: many cuts of one recording, drawn from a seed
//!
//! **Why nobody is accused falsely.** How far a worker was is not told by a clock or by what it printed, but by the log
//! itself: it writes record `n` after fsync(2) has returned for step `n`, so where the log has record `n`, step `n` was
//! durable before (`legacy_programs::promises`). A write is logged when it is done, before the machine learns that; so what
//! a machine was told stands before everything that it did in answer. A write that is done while a flush is under way
//! may count as flushed although a disk might not promise that: such a loss would be missed, none is invented.

pub mod cuts;
mod e2fs;
pub mod folder;
pub mod judge;
pub mod log;
mod our;
pub mod replay;
pub mod workers;
