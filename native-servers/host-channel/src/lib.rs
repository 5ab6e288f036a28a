//! The host-channel server: many sessions over the one byte stream to the host tool.
//!
//! * [`session`]: one session's streams, windows and signals
//! * [`channel`]: all sessions, and the frames in and out
//! * [`server`]: the contract `HostChannel`, with clients that wait
//! * [`pump`]: the two threads that move bytes between channel and link
//!
//! The protocol is [`interfaces::host_channel`]. What the host sends is hostile: a broken rule ends the link for good,
//! with a line in the log and an error for every client, and with nothing worse.
#![no_std]

extern crate alloc;

pub mod channel;
pub mod pump;
pub mod server;
pub mod session;
