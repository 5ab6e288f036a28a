//! A TCP socket: two ports that know each other.

use alloc::collections::VecDeque;
use alloc::sync::{Arc, Weak};

use linux_abi::raw::net;
use linux_abi::{Errno, Result};
use rt::sync::Mutex;
use vfs::{Caller, Capability, PollEvents};

use super::address::{Cover, Place};
use super::options::{InetOptions, Nature};
use super::table::{Bound, Claim, Table};
use super::traffic;
use crate::address::Address;
use crate::common::Common;
use crate::identity::Identity;
use crate::message::{Incoming, MessageFlags, Outgoing, Patience, Received};
use crate::options::{Options, Value};
use crate::packet::{PIECE_BYTES, Packet, copy_in};
use crate::port::Port;
use crate::socket::{Accepted, Shutdown, Socket, SocketKind};
use crate::unix::receive_from;

/// What a new socket's buffers are (`net.ipv4.tcp_wmem`, `tcp_rmem`).
const SEND_BUFFER_BYTES: u32 = 16384;
const RECEIVE_BUFFER_BYTES: u32 = 131_072;
/// Ports below are for who has the right.
const FIRST_FREE_PORT: u16 = 1024;

/// Who is bound.
pub(super) static TABLE: Table<TcpSocket> = Table::new();

/// A TCP socket.
pub(super) struct TcpSocket {
    pub(super) common: Common,
    pub(super) own: Weak<TcpSocket>,
    pub(super) state: Mutex<State>,
    pub(super) options: Mutex<InetOptions>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) role: Role,
    pub(super) local: Option<Local>,
    pub(super) closed: bool,
}

pub(super) struct Local {
    pub(super) place: Place,
    pub(super) bound: Bound<TcpSocket>,
}

#[derive(Default)]
pub(super) enum Role {
    #[default]
    Idle,
    /// It waits at a listener.
    Connecting(Place),
    /// It was refused, which nobody was told yet.
    Refused,
    Listening(Listening),
    Connected(Connection),
}

pub(super) struct Listening {
    pub(super) backlog: VecDeque<Arc<TcpSocket>>,
    pub(super) limit: usize,
    /// Those for whom there is no room yet.
    pub(super) waiting: VecDeque<Weak<TcpSocket>>,
}

#[derive(Clone)]
pub(super) struct Connection {
    pub(super) peer: Arc<Port>,
    pub(super) remote: Place,
    pub(super) report: Report,
}

/// Whether connect(2) has told of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Report {
    Owed,
    Done,
}

impl TcpSocket {
    pub(super) fn new(domain: u32) -> Result<Arc<TcpSocket>> {
        let options =
            Options { send_buffer: SEND_BUFFER_BYTES, receive_buffer: RECEIVE_BUFFER_BYTES, ..Options::default() };
        let common = Common::new(domain, SocketKind::Stream, super::TCP, options)?;
        let nature = Nature { is_v6: domain == net::AF_INET6, is_tcp: true };
        Ok(Arc::new_cyclic(|own| TcpSocket {
            common,
            own: own.clone(),
            state: Mutex::new(State::default()),
            options: Mutex::new(InetOptions::new(nature)),
        }))
    }

    pub(super) fn claim(&self, place: Place) -> Claim {
        let options = self.common.options.lock();
        Claim {
            cover: Cover::of(place.ip, self.options.lock().stack),
            reuse_address: options.reuse_address,
            reuse_port: options.reuse_port,
            uid: Identity::current().uid,
        }
    }

    /// Binds it to a place, of which the port may be chosen.
    pub(super) fn bind_to(&self, state: &mut State, place: Place) -> Result<()> {
        let bound = TABLE.bind(place.port, self.claim(place), self.own.clone())?;
        state.local = Some(Local { place: Place { port: bound.port, ..place }, bound });
        Ok(())
    }

    pub(super) fn connection(&self) -> Option<Connection> {
        match &self.state.lock().role {
            Role::Connected(connection) => Some(connection.clone()),
            _ => None,
        }
    }

    /// What may wait at the peer: both buffers together.
    fn limit(&self) -> usize {
        let options = self.common.options.lock();
        options.send_buffer as usize + options.receive_buffer as usize
    }

    fn has_room(&self, peer: &Port) -> bool {
        peer.state().charge().saturating_mul(2) <= self.limit()
    }

    /// Waits until something can be sent, and to whom.
    fn wait_for_room(&self, message: &Outgoing<'_>) -> Result<Arc<Port>> {
        let limit = self.limit();
        message.patience.wait(&self.common.port.writable, || {
            {
                let mut own = self.common.port.state();
                if let Some(error) = own.error.take() {
                    return Some(Err(error));
                }
                if own.send_shut {
                    return Some(Err(Errno::EPIPE));
                }
            }
            match &self.state.lock().role {
                Role::Connected(connection) => {
                    let peer = connection.peer.state();
                    let ready = peer.closed || peer.charge() < limit;
                    drop(peer);
                    ready.then(|| Ok(connection.peer.clone()))
                }
                Role::Connecting(_) => None,
                _ => Some(Err(Errno::EPIPE)),
            }
        })?
    }

    fn send_piece(&self, message: &mut Outgoing<'_>) -> Result<usize> {
        let peer = self.wait_for_room(message)?;
        let data = copy_in(message.source, PIECE_BYTES)?;
        let count = data.len();
        if count == 0 {
            return Ok(0);
        }
        let mut state = peer.state();
        if state.closed {
            drop(state);
            traffic::count(count);
            self.be_reset();
            return Ok(count);
        }
        let was_empty = state.is_empty();
        let pushed = state.push_stream(Packet::new(data, Identity::NOBODY, None));
        drop(state);
        pushed.map_err(|(error, _)| error)?;
        traffic::count(count);
        match was_empty {
            true => peer.readable.wake_all(),
            false => peer.readable.notify_listeners(),
        }
        Ok(count)
    }

    /// What was sent found nobody: the answer is a reset, which shows with the next call.
    fn be_reset(&self) {
        let mut state = self.common.port.state();
        let error = if state.finished { Errno::EPIPE } else { Errno::ECONNRESET };
        state.end_with(error);
        drop(state);
        self.common.port.wake();
    }

    /// Ends the connection from this side.
    fn leave(&self, connection: &Connection) {
        let abrupt = self.common.options.lock().linger == Some(0) || !self.common.port.state().is_empty();
        let mut peer = connection.peer.state();
        peer.receive_shut = true;
        if abrupt {
            peer.end_with(Errno::ECONNRESET);
        } else {
            peer.finished = true;
        }
        drop(peer);
        connection.peer.wake();
    }

    /// Ends a connection that was not accepted.
    pub(super) fn hang_up(&self) {
        if let Some(connection) = self.connection() {
            connection.peer.state().end_with(Errno::ECONNRESET);
            connection.peer.wake();
        }
        let state = self.take_state();
        drop(state);
        drop(self.common.port.take_packets());
    }

    fn take_state(&self) -> State {
        let mut state = self.state.lock();
        self.common.port.state().closed = true;
        core::mem::replace(&mut *state, State { closed: true, ..State::default() })
    }
}

impl Socket for TcpSocket {
    fn common(&self) -> &Common {
        &self.common
    }

    fn bind(&self, caller: Caller<'_>, address: &Address) -> Result<()> {
        let place = Place::parse(address, self.common.domain)?;
        check_bind(caller, place)?;
        let mut state = self.state.lock();
        if state.local.is_some() {
            return Err(Errno::EINVAL);
        }
        self.bind_to(&mut state, place)
    }

    fn connect(&self, _caller: Caller<'_>, address: &Address, patience: Patience) -> Result<()> {
        self.connect_to(address, patience)
    }

    fn listen(&self, backlog: i32) -> Result<()> {
        self.listen_with(backlog)
    }

    fn accept(&self, patience: Patience) -> Result<Accepted> {
        self.accept_one(patience)
    }

    fn send(&self, message: &mut Outgoing<'_>) -> Result<usize> {
        if message.flags.contains(MessageFlags::OOB) {
            return Err(Errno::EOPNOTSUPP);
        }
        let mut total = 0;
        loop {
            match self.send_piece(message) {
                Ok(0) => return Ok(total),
                Ok(count) => total += count,
                Err(error) if total == 0 => return Err(error),
                Err(_) => return Ok(total),
            }
            if message.source.remaining() == 0 {
                return Ok(total);
            }
        }
    }

    fn receive(&self, request: &mut Incoming<'_>) -> Result<Received> {
        if request.flags.contains(MessageFlags::OOB) {
            return Err(Errno::EINVAL);
        }
        let patience = request.patience;
        let ready = patience.wait(&self.common.port.readable, || match &self.state.lock().role {
            Role::Connected(_) => Some(Ok(())),
            Role::Connecting(_) => None,
            // A refusal is reported by whatever call comes first.
            Role::Refused => Some(self.common.port.state().take_error()),
            _ => Some(Err(Errno::ENOTCONN)),
        })?;
        ready?;
        let mut received = receive_from(&self.common.port, request)?;
        received.identity = None;
        Ok(received)
    }

    fn shutdown(&self, how: Shutdown) -> Result<()> {
        let Some(connection) = self.connection() else { return self.stop_listening(how) };
        {
            let mut own = self.common.port.state();
            own.receive_shut |= how.receives();
            own.send_shut |= how.sends();
        }
        if how.sends() {
            let mut peer = connection.peer.state();
            peer.receive_shut = true;
            peer.finished = true;
        }
        self.common.port.wake();
        connection.peer.wake();
        Ok(())
    }

    fn local_address(&self) -> Result<Address> {
        let place = self.state.lock().local.as_ref().map_or(Place::any(self.common.domain), |local| local.place);
        Ok(place.show(self.common.domain))
    }

    fn peer_address(&self) -> Result<Address> {
        let connection = self.connection().ok_or(Errno::ENOTCONN)?;
        Ok(connection.remote.show(self.common.domain))
    }

    fn readiness(&self) -> PollEvents {
        let peer = match &self.state.lock().role {
            Role::Listening(listening) if listening.backlog.is_empty() => return PollEvents::empty(),
            Role::Listening(_) => return PollEvents::READABLE,
            // Neither ready nor failed.
            Role::Connecting(_) => return PollEvents::empty(),
            Role::Connected(connection) => Some(connection.peer.clone()),
            Role::Idle | Role::Refused => None,
        };
        let writable = peer.as_ref().is_none_or(|peer| self.has_room(peer));
        let state = self.common.port.state();
        let mut events = PollEvents::empty();
        events.set(PollEvents::ERR, state.error.is_some());
        events.set(PollEvents::HUP, peer.is_none() || (state.receive_shut && state.send_shut));
        events.set(PollEvents::RDHUP | PollEvents::READABLE, state.receive_shut);
        if !state.is_empty() {
            events |= PollEvents::READABLE;
        }
        events.set(PollEvents::WRITABLE, writable || state.send_shut);
        events
    }

    fn option(&self, level: u32, name: u32) -> Result<Value> {
        if level != net::SOL_SOCKET {
            return self.options.lock().get(level, name);
        }
        match name {
            net::SO_ACCEPTCONN => Ok(matches!(self.state.lock().role, Role::Listening(_)).into()),
            _ => Err(Errno::ENOPROTOOPT),
        }
    }

    fn set_option(&self, level: u32, name: u32, value: &[u8]) -> Result<()> {
        let is_bound = self.state.lock().local.is_some();
        if is_bound && (level, name) == (net::SOL_IPV6, net::IPV6_V6ONLY) {
            return Err(Errno::EINVAL);
        }
        self.options.lock().set(level, name, value)
    }

    fn unread_bytes(&self) -> Result<usize> {
        if matches!(self.state.lock().role, Role::Listening(_)) {
            return Err(Errno::EINVAL);
        }
        Ok(self.common.port.state().unread_bytes())
    }

    fn close(&self) {
        let state = self.take_state();
        match state.role {
            Role::Connected(connection) => self.leave(&connection),
            Role::Listening(listening) => end_listening(listening),
            Role::Idle | Role::Refused | Role::Connecting(_) => {}
        }
        drop(state.local);
        drop(self.common.port.take_packets());
        self.common.port.wake_watchers();
    }
}

/// Checks that a place can be bound.
///
/// # Errors
/// `EADDRNOTAVAIL` if it is another machine's, `EACCES` for ports that need a right.
pub(super) fn check_bind(caller: Caller<'_>, place: Place) -> Result<()> {
    if !place.is_local() {
        return Err(Errno::EADDRNOTAVAIL);
    }
    let privileged = (1..FIRST_FREE_PORT).contains(&place.port);
    if privileged && !caller.credentials.has(Capability::NetBindService) {
        return Err(Errno::EACCES);
    }
    Ok(())
}

/// Ends what waits to be accepted.
pub(super) fn end_listening(listening: Listening) {
    for socket in listening.backlog {
        socket.hang_up();
    }
    for socket in listening.waiting.iter().filter_map(Weak::upgrade) {
        socket.be_refused();
    }
}
