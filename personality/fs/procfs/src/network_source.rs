//! Where procfs gets what it tells of the network: sockets and interfaces, each as a snapshot.

use alloc::vec::Vec;
use core::net::SocketAddr;

use linux_abi::InetState;

/// A protocol with ports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// A socket of TCP or UDP.
#[derive(Clone, Debug)]
pub struct InetSocket {
    /// Own address; its version is the socket's, so IPv4 is mapped in a socket of IPv6.
    pub local: SocketAddr,
    /// The peer's, or the unspecified one.
    pub remote: SocketAddr,
    /// State.
    pub state: InetState,
    /// Bytes to be sent.
    pub sending: u64,
    /// Bytes to be read (of UDP: with what keeping them costs), or connections to be accepted.
    pub receiving: u64,
    /// Whose it is.
    pub uid: u32,
    /// Inode; 0 without a descriptor.
    pub inode: u64,
    /// References.
    pub references: u64,
    /// A number of its own, shown where Linux shows a hash of an address in the kernel.
    pub id: u64,
    /// Datagrams that were lost here.
    pub drops: u64,
}

/// State of a local socket, by its number (`SS_*` of Linux's include/uapi/linux/net.h).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LocalState {
    /// Not connected.
    Unconnected = 1,
    /// Connected, and waits to be accepted.
    Connecting = 2,
    /// Connected.
    Connected = 3,
    /// Neither connected nor open.
    Disconnecting = 4,
}

/// A local socket.
#[derive(Clone, Debug)]
pub struct LocalSocket {
    /// A number of its own.
    pub id: u64,
    /// References.
    pub references: u64,
    /// It can be connected to.
    pub listens: bool,
    /// `SOCK_*`.
    pub kind: u32,
    /// State.
    pub state: LocalState,
    /// Inode; 0 without a descriptor.
    pub inode: u64,
    /// Name as `sun_path` has it, an abstract one with the zero byte before it; empty for none.
    pub name: Vec<u8>,
}

/// What went through an interface since the start, one way.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traffic {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

/// The sockets and interfaces that procfs shows.
pub trait NetworkSource {
    /// Sockets of a protocol, of both versions of IP, in the order in which they are to be shown.
    fn inet_sockets(&self, transport: Transport) -> Vec<InetSocket>;

    /// Local sockets.
    fn local_sockets(&self) -> Vec<LocalSocket>;

    /// What went over `lo`, which is what came from it.
    fn loopback(&self) -> Traffic;
}
