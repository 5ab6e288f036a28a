//! The sockets of TCP and UDP that have a port, for who lists them all.

use alloc::sync::Arc;
use alloc::vec::Vec;

use linux_abi::InetState;

use super::address::Place;
use super::tcp::{self, Connection, Role, TcpSocket};
use super::udp::{self, UdpSocket};
use crate::port::Port;
use crate::report::{InetReport, Owner};

/// The TCP sockets that listen or have a connection: listeners first, each by port.
///
/// One whose connection ended in both directions is not among them, as on Linux, and nothing is left of it as `TIME_WAIT`.
#[must_use]
pub fn tcp_sockets() -> Vec<InetReport> {
    let mut reports: Vec<_> = tcp::TABLE.sockets().iter().filter_map(report_tcp).collect();
    reports.sort_by_key(|report| report.state != InetState::Listen);
    reports
}

/// The UDP sockets that have a port, by port.
#[must_use]
pub fn udp_sockets() -> Vec<InetReport> {
    udp::TABLE.sockets().iter().filter_map(report_udp).collect()
}

/// What a socket's state says of it.
enum Seen {
    Listening { backlog: usize },
    Connecting(Place),
    Connected(Connection),
}

fn report_tcp(socket: &Arc<TcpSocket>) -> Option<InetReport> {
    let (local, seen) = look_at(socket)?;
    let any = Place::any(socket.common.domain);
    let port = &socket.common.port;
    let (remote, state, unsent, unread) = match seen {
        Seen::Listening { backlog } => (any, InetState::Listen, 0, backlog),
        Seen::Connecting(remote) => (remote, InetState::SynSent, 1, 0),
        Seen::Connected(connection) => {
            let state = state_of(port, &connection.peer)?;
            (connection.remote, state, 0, port.state().unread_bytes())
        }
    };
    Some(InetReport {
        local: local.socket_address(socket.common.domain),
        remote: remote.socket_address(socket.common.domain),
        state,
        unsent,
        unread,
        owner: Owner::of(&socket.common),
        references: others(socket),
        id: port.id(),
        drops: 0,
    })
}

fn look_at(socket: &TcpSocket) -> Option<(Place, Seen)> {
    let state = socket.state.lock();
    let local = state.local.as_ref()?.place;
    let seen = match &state.role {
        Role::Idle | Role::Refused => return None,
        Role::Listening(listening) => Seen::Listening { backlog: listening.backlog.len() },
        Role::Connecting(remote) => Seen::Connecting(*remote),
        Role::Connected(connection) => Seen::Connected(connection.clone()),
    };
    Some((local, seen))
}

/// How far a connection is; `None` if it is over.
fn state_of(own: &Port, peer: &Port) -> Option<InetState> {
    let ended_by_peer = {
        let peer = peer.state();
        peer.send_shut || peer.closed
    };
    let own = own.state();
    match (own.send_shut, ended_by_peer) {
        _ if own.ended => None,
        (false, false) => Some(InetState::Established),
        (true, false) => Some(InetState::FinWait2),
        (false, true) => Some(InetState::CloseWait),
        (true, true) => None,
    }
}

fn report_udp(socket: &Arc<UdpSocket>) -> Option<InetReport> {
    let (local, remote) = socket.places()?;
    let domain = socket.common.domain;
    Some(InetReport {
        local: local.socket_address(domain),
        remote: remote.unwrap_or(Place::any(domain)).socket_address(domain),
        state: if remote.is_some() { InetState::Established } else { InetState::Close },
        unsent: 0,
        unread: socket.common.port.state().charge(),
        owner: Owner::of(&socket.common),
        // The table counts as one, as Linux's does.
        references: others(socket).saturating_add(1),
        id: socket.common.port.id(),
        drops: socket.drops(),
    })
}

/// References to a socket beside the one through which it is looked at.
fn others<S>(socket: &Arc<S>) -> usize {
    Arc::strong_count(socket).saturating_sub(1)
}
