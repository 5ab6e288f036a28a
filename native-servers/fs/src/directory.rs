//! Directories: blocks of entries, one after the other, each ending with a sum.
//!
//! Entries never move while they live (a listing's cookies are their offsets): a new one takes the room behind another, a
//! removed one leaves its room to the one before. Hash trees are read as the plain blocks that they also are; the first new
//! entry takes the index away ([`unindex`]), which every implementation accepts. Where names are is noted in memory
//! ([`index`]).

pub(crate) mod change;
pub(crate) mod entry;
pub(crate) mod index;
pub(crate) mod search;
pub(crate) mod sums;
pub(crate) mod unindex;
