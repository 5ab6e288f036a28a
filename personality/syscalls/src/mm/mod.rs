//! System calls on memory: thin handlers over the `mm` crate.
//!
//! Addresses are never dereferenced here; `mm` checks ranges, these handlers check flags.

pub mod map;
pub mod range;
