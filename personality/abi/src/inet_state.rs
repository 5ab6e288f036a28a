//! States of sockets of TCP and UDP.

/// How far a connection of TCP is, or whether a UDP socket has a peer, by its number in Linux's include/net/tcp_states.h; a
/// loopback without packets has no other states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InetState {
    /// Both directions are open. A UDP socket: it has a peer.
    Established = 1,
    /// It waits for room at a listener.
    SynSent = 2,
    /// This side ended sending.
    FinWait2 = 5,
    /// A UDP socket without a peer.
    Close = 7,
    /// The peer ended sending.
    CloseWait = 8,
    /// Can be connected to.
    Listen = 10,
}
