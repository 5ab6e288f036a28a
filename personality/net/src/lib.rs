//! Sockets: what stands between the socket calls and the families of addresses.
//!
//! * for families: [`Socket`] and [`Family`]; [`register_family`] decides who makes the sockets of a domain, so a family can
//!   be taken over by another implementation (a network server) without a change here
//! * for the calls: [`create`], [`create_pair`], [`SocketFile`]
//! * for who lists sockets: [`inet::tcp_sockets`], [`inet::udp_sockets`], [`unix::unix_sockets`], [`inet::traffic`]
//! * built in: [`unix`] (local sockets, with descriptors and credentials in messages) and [`inet`] (TCP and UDP between
//!   sockets of this machine: the loopback, nothing else)
//!
//! What is sent waits in the receiver's [`Port`], the one object that peers share. Lock order: a socket's state, then a
//! port's state, then the table of rights under way; two ports, or two sockets' states, are never locked together, but a
//! listener's queue under nothing. Files that were in messages are dropped with nothing locked.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod address;
mod common;
mod family;
mod file;
mod identity;
pub mod inet;
mod message;
mod options;
mod packet;
mod port;
mod report;
#[cfg(test)]
mod report_tests;
mod rights;
mod socket;
#[cfg(test)]
mod tests;
pub mod unix;

pub use address::{ADDRESS_LIMIT_BYTES, Address};
pub use common::Common;
pub use family::{Family, Request, create, create_pair, register_built_in, register_family};
pub use file::{SocketFile, open};
pub use identity::{Identity, set_current};
pub use message::{Incoming, MessageFlags, Outgoing, Patience, Received};
pub use options::{Options, Value, socket_option};
pub use packet::Packet;
pub use port::{Port, set_total_limit_bytes};
pub use report::{InetReport, Owner, Traffic, UnixReport};
pub use rights::DESCRIPTOR_LIMIT;
pub use socket::{Accepted, Shutdown, Socket, SocketKind};
