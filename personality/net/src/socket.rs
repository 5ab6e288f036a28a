//! What a family implements: one trait for all kinds of sockets.

use alloc::sync::Arc;

use linux_abi::raw::net;
use linux_abi::{Errno, Result};
use vfs::{Caller, PollEvents};

use crate::address::Address;
use crate::common::Common;
use crate::message::{Incoming, Outgoing, Patience, Received};
use crate::options::Value;

/// How data is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketKind {
    /// Bytes in order, between two.
    Stream,
    /// Messages, each on its own.
    Datagram,
    /// Messages in order, between two.
    SeqPacket,
}

impl SocketKind {
    /// Reads `SOCK_*`.
    ///
    /// # Errors
    /// `ESOCKTNOSUPPORT` for kinds that no family here has, `EINVAL` for numbers that are none.
    pub const fn from_number(number: u32) -> Result<SocketKind> {
        match number {
            net::SOCK_STREAM => Ok(SocketKind::Stream),
            net::SOCK_DGRAM => Ok(SocketKind::Datagram),
            net::SOCK_SEQPACKET => Ok(SocketKind::SeqPacket),
            0 | 7.. => Err(Errno::EINVAL),
            _ => Err(Errno::ESOCKTNOSUPPORT),
        }
    }

    /// Returns `SOCK_*`.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            SocketKind::Stream => net::SOCK_STREAM,
            SocketKind::Datagram => net::SOCK_DGRAM,
            SocketKind::SeqPacket => net::SOCK_SEQPACKET,
        }
    }
}

/// Which direction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// Nothing more is received.
    Receive,
    /// Nothing more is sent.
    Send,
    /// Both.
    Both,
}

impl Shutdown {
    /// Whether receiving ends.
    #[must_use]
    pub const fn receives(self) -> bool {
        !matches!(self, Shutdown::Send)
    }

    /// Whether sending ends.
    #[must_use]
    pub const fn sends(self) -> bool {
        !matches!(self, Shutdown::Receive)
    }
}

/// A connection that was accepted.
pub struct Accepted {
    /// Its socket.
    pub socket: Arc<dyn Socket>,
    /// The peer's address.
    pub peer: Address,
}

/// A socket.
#[expect(unused_variables, reason = "the default methods refuse without looking at their arguments")]
pub trait Socket: Send + Sync {
    /// Returns what all sockets have.
    fn common(&self) -> &Common;

    /// Gives it an address.
    ///
    /// # Errors
    /// As bind(2).
    fn bind(&self, caller: Caller<'_>, address: &Address) -> Result<()>;

    /// Connects it.
    ///
    /// # Errors
    /// As connect(2).
    fn connect(&self, caller: Caller<'_>, address: &Address, patience: Patience) -> Result<()>;

    /// Lets it be connected to, with about `backlog` that wait to be accepted.
    ///
    /// # Errors
    /// `EOPNOTSUPP` if its kind does not listen; as listen(2).
    fn listen(&self, backlog: i32) -> Result<()> {
        Err(Errno::EOPNOTSUPP)
    }

    /// Takes a connection.
    ///
    /// # Errors
    /// `EOPNOTSUPP` if its kind does not listen; as accept(2).
    fn accept(&self, patience: Patience) -> Result<Accepted> {
        Err(Errno::EOPNOTSUPP)
    }

    /// Sends; returns how many bytes.
    ///
    /// # Errors
    /// As send(2); `EPIPE` is the caller's to make a signal of.
    fn send(&self, message: &mut Outgoing<'_>) -> Result<usize>;

    /// Receives.
    ///
    /// # Errors
    /// As recv(2).
    fn receive(&self, request: &mut Incoming<'_>) -> Result<Received>;

    /// Ends one direction or both.
    ///
    /// # Errors
    /// `ENOTCONN`.
    fn shutdown(&self, how: Shutdown) -> Result<()>;

    /// Returns its address.
    ///
    /// # Errors
    /// As getsockname(2).
    fn local_address(&self) -> Result<Address>;

    /// Returns its peer's address.
    ///
    /// # Errors
    /// `ENOTCONN`.
    fn peer_address(&self) -> Result<Address>;

    /// Tells what it is ready for. Changes are announced at its port's queues.
    fn readiness(&self) -> PollEvents;

    /// Returns an option that not all sockets have.
    ///
    /// # Errors
    /// `ENOPROTOOPT`.
    fn option(&self, level: u32, name: u32) -> Result<Value> {
        Err(Errno::ENOPROTOOPT)
    }

    /// Sets an option that not all sockets have.
    ///
    /// # Errors
    /// `ENOPROTOOPT`; `EINVAL` for a value that is none.
    fn set_option(&self, level: u32, name: u32, value: &[u8]) -> Result<()> {
        Err(Errno::ENOPROTOOPT)
    }

    /// Returns how many bytes could be read (`FIONREAD`).
    ///
    /// # Errors
    /// `EINVAL` while it listens.
    fn unread_bytes(&self) -> Result<usize>;

    /// The last descriptor was closed.
    fn close(&self);
}
