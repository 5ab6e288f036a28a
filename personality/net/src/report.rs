//! What is told of sockets to who lists them all (`/proc/net`): snapshots, taken one socket after the other.
//!
//! Who takes one locks a table only to copy references out of it, then each socket's state, then each port's, one at a
//! time; so two sockets of a connection may be seen a moment apart.

use alloc::vec::Vec;
use core::net::SocketAddr;

use linux_abi::InetState;

use crate::common::Common;
use crate::socket::SocketKind;

/// Who has a socket open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// User that its inode belongs to; 0 while it waits to be accepted.
    pub uid: u32,
    /// Its inode's number, as fstat(2) shows it; 0 while it waits to be accepted.
    pub inode: u64,
}

impl Owner {
    /// Nothing that metadata needs may be locked.
    pub(crate) fn of(common: &Common) -> Owner {
        let metadata = common.inode().and_then(|inode| inode.metadata().ok());
        metadata.map_or(Owner::default(), |metadata| Owner { uid: metadata.uid, inode: metadata.inode })
    }
}

/// A socket of TCP or UDP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InetReport {
    /// Its own address; of IPv6 whenever the socket is, with IPv4 mapped into it.
    pub local: SocketAddr,
    /// Its peer's; unspecified if there is none.
    pub remote: SocketAddr,
    /// State.
    pub state: InetState,
    /// Bytes that wait at this side to be sent: what is sent waits at the receiver at once, so only the request of a
    /// connection that waits for a listener, which counts as one.
    pub unsent: usize,
    /// TCP: bytes to be read; a listener's: connections to be accepted. UDP: bytes of memory that is held until they are read.
    pub unread: usize,
    /// Who has it open.
    pub owner: Owner,
    /// References to it.
    pub references: usize,
    /// A number that no other socket has or had.
    pub id: u64,
    /// Datagrams that there was no room for.
    pub drops: u64,
}

/// A local socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnixReport {
    /// A number that no other socket has or had.
    pub id: u64,
    /// References to its end: the list of all, its owner, its peers.
    pub references: usize,
    /// Kind.
    pub kind: SocketKind,
    /// Whether it can be connected to.
    pub listens: bool,
    /// Whether it has a peer, or had one that is gone.
    pub is_connected: bool,
    /// Who has it open.
    pub owner: Owner,
    /// Its name as `sun_path` has it: a path without the zero byte behind it, an abstract name with the one before it;
    /// empty for none.
    pub name: Vec<u8>,
}

/// What went over the loopback since the start, in both directions, since each is the other's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Pieces of streams and datagrams.
    pub packets: u64,
    /// Bytes in them. There are no headers.
    pub bytes: u64,
}
