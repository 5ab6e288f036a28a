//! Local sockets: unix(7).
//!
//! A stream's or a sequence's two ends know each other's ports; what is sent is put into the peer's. Backpressure is the
//! sender's send buffer, as on Linux. A datagram socket takes at most [`DATAGRAM_BACKLOG`] messages from others than its
//! peer.
//!
//! Lock order: a socket's state is locked without any other socket's; a listener's is where connections are queued.

mod connect;
mod datagram;
mod list;
mod name;
mod stream;

use alloc::collections::VecDeque;
use alloc::sync::{Arc, Weak};

use linux_abi::raw::net;
use linux_abi::{Errno, Result};
use rt::sync::Mutex;
use vfs::{Caller, PollEvents};

use crate::address::Address;
use crate::common::Common;
use crate::family::{Family, Pair, Request};
use crate::identity::Identity;
use crate::message::{Incoming, Outgoing, Patience, Received};
use crate::options::{Options, Value};
use crate::port::Port;
use crate::socket::{Accepted, Shutdown, Socket, SocketKind};
use list::Listed;
pub use list::unix_sockets;
use name::Binding;
pub(crate) use stream::receive_from;

/// Messages that wait at a datagram socket before its senders have to wait (`net.unix.max_dgram_qlen`), and that wait at a
/// listener if it does not say less (`net.core.somaxconn`).
const DATAGRAM_BACKLOG: usize = 10;
const LISTEN_BACKLOG: i32 = 4096;

/// Makes local sockets.
pub struct Unix;

impl Family for Unix {
    fn create(&self, request: Request<'_>) -> Result<Arc<dyn Socket>> {
        Ok(UnixSocket::new(kind(request)?)?)
    }

    fn create_pair(&self, request: Request<'_>) -> Result<Pair> {
        let kind = kind(request)?;
        let (one, other) = (UnixSocket::new(kind)?, UnixSocket::new(kind)?);
        let identity = Identity::current();
        one.set_peer(&other.common.port, identity);
        other.set_peer(&one.common.port, identity);
        Ok((one, other))
    }
}

fn kind(request: Request<'_>) -> Result<SocketKind> {
    const RAW: u32 = net::SOCK_RAW;
    if !matches!(request.protocol, 0 | net::AF_UNIX) {
        return Err(Errno::EPROTONOSUPPORT);
    }
    // A raw local socket is a datagram socket.
    if request.kind == RAW { Ok(SocketKind::Datagram) } else { request.kind() }
}

/// A local socket.
pub struct UnixSocket {
    common: Common,
    own: Weak<UnixSocket>,
    state: Mutex<State>,
    _listed: Listed,
}

#[derive(Default)]
struct State {
    role: Role,
    binding: Option<Binding>,
}

#[derive(Default)]
enum Role {
    #[default]
    Idle,
    /// It is about to be connected.
    Connecting,
    Listening(Listening),
    Connected(Peer),
}

struct Listening {
    backlog: VecDeque<Arc<UnixSocket>>,
    limit: usize,
    identity: Identity,
}

#[derive(Clone)]
struct Peer {
    port: Arc<Port>,
    identity: Identity,
}

impl UnixSocket {
    fn new(kind: SocketKind) -> Result<Arc<UnixSocket>> {
        let common = Common::new(net::AF_UNIX, kind, 0, Options::default())?;
        Ok(Arc::new_cyclic(|own| {
            let listed = Listed::new(common.port.id(), own.clone());
            UnixSocket { common, own: own.clone(), state: Mutex::new(State::default()), _listed: listed }
        }))
    }

    fn kind(&self) -> SocketKind {
        self.common.kind
    }

    fn set_peer(&self, port: &Arc<Port>, identity: Identity) {
        self.state.lock().role = Role::Connected(Peer { port: port.clone(), identity });
        self.common.port.state().peer = Some(port.id());
        port.add_watcher(&self.common.port);
    }

    fn peer(&self) -> Option<Peer> {
        match &self.state.lock().role {
            Role::Connected(peer) => Some(peer.clone()),
            _ => None,
        }
    }

    fn address_of(port: &Port) -> Address {
        port.state().address.clone().unwrap_or_else(name::unnamed)
    }
}

impl Socket for UnixSocket {
    fn common(&self) -> &Common {
        &self.common
    }

    fn bind(&self, caller: Caller<'_>, address: &Address) -> Result<()> {
        let name = name::Name::parse(address)?;
        if self.state.lock().binding.is_some() {
            return Err(Errno::EINVAL);
        }
        let binding = Binding::new(caller, name, &self.own)?;
        let mut state = self.state.lock();
        if state.binding.is_some() {
            drop(state);
            drop(binding);
            return Err(Errno::EINVAL);
        }
        self.common.port.state().address = Some(binding.address());
        state.binding = Some(binding);
        Ok(())
    }

    fn connect(&self, caller: Caller<'_>, address: &Address, patience: Patience) -> Result<()> {
        match self.kind() {
            SocketKind::Datagram => self.connect_datagram(caller, address),
            _ => self.connect_stream(caller, address, patience),
        }
    }

    fn listen(&self, backlog: i32) -> Result<()> {
        self.listen_stream(backlog)
    }

    fn accept(&self, patience: Patience) -> Result<Accepted> {
        self.accept_stream(patience)
    }

    fn send(&self, message: &mut Outgoing<'_>) -> Result<usize> {
        match self.kind() {
            SocketKind::Stream => self.send_stream(message),
            _ => self.send_message(message),
        }
    }

    fn receive(&self, request: &mut Incoming<'_>) -> Result<Received> {
        match self.kind() {
            SocketKind::Stream => self.receive_stream(request),
            _ => self.receive_message(request),
        }
    }

    fn shutdown(&self, how: Shutdown) -> Result<()> {
        let peer = self.peer();
        let mark = |port: &Port, receives: bool, sends: bool| {
            let mut state = port.state();
            state.receive_shut |= receives;
            state.send_shut |= sends;
            drop(state);
            port.wake();
        };
        mark(&self.common.port, how.receives(), how.sends());
        if let Some(peer) = peer.filter(|_| self.kind().is_connected()) {
            mark(&peer.port, how.sends(), how.receives());
        }
        Ok(())
    }

    fn local_address(&self) -> Result<Address> {
        Ok(Self::address_of(&self.common.port))
    }

    fn peer_address(&self) -> Result<Address> {
        self.peer().map(|peer| Self::address_of(&peer.port)).ok_or(Errno::ENOTCONN)
    }

    fn readiness(&self) -> PollEvents {
        let (has_backlog, is_listening, peer) = match &self.state.lock().role {
            Role::Listening(listening) => (!listening.backlog.is_empty(), true, None),
            Role::Connected(peer) => (false, false, Some(peer.port.clone())),
            _ => (false, false, None),
        };
        let writable = !is_listening && peer.as_ref().is_none_or(|peer| self.has_room(peer));
        let state = self.common.port.state();
        let mut events = PollEvents::empty();
        events.set(PollEvents::ERR, state.error.is_some());
        events.set(PollEvents::HUP, state.receive_shut && state.send_shut);
        events.set(PollEvents::RDHUP | PollEvents::READABLE, state.receive_shut);
        if has_backlog || !state.is_empty() {
            events |= PollEvents::READABLE;
        }
        if self.kind().is_connected() && peer.is_none() && !is_listening {
            events |= PollEvents::HUP;
        }
        if writable {
            events |= PollEvents::WRITABLE | PollEvents::WRBAND;
        }
        events
    }

    fn option(&self, level: u32, name: u32) -> Result<Value> {
        if level != net::SOL_SOCKET {
            return Err(Errno::EOPNOTSUPP);
        }
        match name {
            net::SO_PEERCRED => {
                let identity = match &self.state.lock().role {
                    Role::Connected(peer) => peer.identity,
                    Role::Listening(listening) => listening.identity,
                    _ => Identity::NOBODY,
                };
                Ok(Value::Bytes(identity.to_bytes().to_vec()))
            }
            net::SO_ACCEPTCONN => Ok(matches!(self.state.lock().role, Role::Listening(_)).into()),
            _ => Err(Errno::ENOPROTOOPT),
        }
    }

    fn set_option(&self, _level: u32, _name: u32, _value: &[u8]) -> Result<()> {
        Err(Errno::EOPNOTSUPP)
    }

    fn unread_bytes(&self) -> Result<usize> {
        if matches!(self.state.lock().role, Role::Listening(_)) {
            return Err(Errno::EINVAL);
        }
        let state = self.common.port.state();
        Ok(match self.kind() {
            SocketKind::Datagram => state.first_bytes(),
            _ => state.unread_bytes(),
        })
    }

    fn close(&self) {
        let state = core::mem::take(&mut *self.state.lock());
        self.common.port.state().closed = true;
        match state.role {
            Role::Listening(listening) => {
                for waiting in listening.backlog {
                    waiting.hang_up(Some(Errno::ECONNRESET));
                }
            }
            Role::Connected(peer) => self.leave(&peer),
            Role::Idle | Role::Connecting => {}
        }
        drop(state.binding);
        drop(self.common.port.take_packets());
        self.common.port.wake_watchers();
    }
}

impl UnixSocket {
    /// Ends a connection from this side; what was not read is an error for the peer.
    fn leave(&self, peer: &Peer) {
        if !self.kind().is_connected() {
            return;
        }
        let unread = !self.common.port.state().is_empty();
        let mut state = peer.port.state();
        state.receive_shut = true;
        state.send_shut = true;
        if unread {
            state.error = Some(Errno::ECONNRESET);
        }
        drop(state);
        peer.port.wake();
    }

    /// Ends a connection that was not accepted.
    fn hang_up(&self, error: Option<Errno>) {
        self.close_with(error);
    }

    fn close_with(&self, error: Option<Errno>) {
        let peer = self.peer();
        self.close();
        if let Some(peer) = peer {
            peer.port.state().error = error;
            peer.port.wake();
        }
    }
}
