//! Connections of streams and sequences: listen, connect, accept.

use alloc::collections::VecDeque;
use alloc::sync::Arc;

use linux_abi::{Errno, Result};
use vfs::Caller;

use super::{LISTEN_BACKLOG, Listening, Role, UnixSocket, name};
use crate::address::Address;
use crate::identity::Identity;
use crate::message::Patience;
use crate::rights;
use crate::socket::{Accepted, SocketKind};

/// What a listener says to a connection.
enum Answer {
    Taken(Identity),
    Full,
}

impl UnixSocket {
    pub(super) fn listen_stream(&self, backlog: i32) -> Result<()> {
        if self.kind() == SocketKind::Datagram {
            return Err(Errno::EOPNOTSUPP);
        }
        // A negative number is a large one, as on Linux.
        let limit = if (0..LISTEN_BACKLOG).contains(&backlog) { backlog } else { LISTEN_BACKLOG } as usize;
        let mut state = self.state.lock();
        if state.binding.is_none() {
            return Err(Errno::EINVAL);
        }
        match &mut state.role {
            Role::Idle => {
                let identity = Identity::current();
                state.role = Role::Listening(Listening { backlog: VecDeque::new(), limit, identity });
            }
            Role::Listening(listening) => {
                listening.limit = limit;
                listening.identity = Identity::current();
            }
            Role::Connecting | Role::Connected(_) => return Err(Errno::EINVAL),
        }
        drop(state);
        self.common.port.wake_watchers();
        Ok(())
    }

    pub(super) fn accept_stream(&self, patience: Patience) -> Result<Accepted> {
        if self.kind() == SocketKind::Datagram {
            return Err(Errno::EOPNOTSUPP);
        }
        let socket = patience.wait(&self.common.port.readable, || self.take_connection())??;
        rights::set_reached_by(&socket.common.port, &socket.common.port);
        self.common.port.wake_watchers();
        let peer = socket.peer().map(|peer| Self::address_of(&peer.port)).unwrap_or_else(name::unnamed);
        Ok(Accepted { socket, peer })
    }

    fn take_connection(&self) -> Option<Result<Arc<UnixSocket>>> {
        let shut = self.common.port.state().receive_shut;
        match &mut self.state.lock().role {
            Role::Listening(listening) => match listening.backlog.pop_front() {
                Some(socket) => Some(Ok(socket)),
                None => shut.then_some(Err(Errno::EINVAL)),
            },
            _ => Some(Err(Errno::EINVAL)),
        }
    }

    pub(super) fn connect_stream(&self, caller: Caller<'_>, address: &Address, patience: Patience) -> Result<()> {
        self.begin_connecting()?;
        let result = self.connect_to_listener(caller, address, patience);
        if result.is_err() {
            self.state.lock().role = Role::Idle;
        }
        result
    }

    fn begin_connecting(&self) -> Result<()> {
        let mut state = self.state.lock();
        match state.role {
            Role::Idle => state.role = Role::Connecting,
            Role::Connecting => return Err(Errno::EALREADY),
            Role::Listening(_) => return Err(Errno::EINVAL),
            Role::Connected(_) => return Err(Errno::EISCONN),
        }
        Ok(())
    }

    fn connect_to_listener(&self, caller: Caller<'_>, address: &Address, patience: Patience) -> Result<()> {
        let own = self.own.upgrade().ok_or(Errno::ECONNREFUSED)?;
        patience.wait(&self.common.port.writable, || {
            let listener = match name::find(caller, address) {
                Ok(listener) => listener,
                Err(error) => return Some(Err(error)),
            };
            match own.offer_to(&listener) {
                Ok(Answer::Full) => None,
                Ok(Answer::Taken(_)) => Some(Ok(())),
                Err(error) => Some(Err(error)),
            }
        })?
    }

    /// Asks a listener to take the connection.
    fn offer_to(self: &Arc<Self>, listener: &Arc<UnixSocket>) -> Result<Answer> {
        if listener.kind() != self.kind() {
            return Err(Errno::EPROTOTYPE);
        }
        // Before the look at its queue, so that room that comes now is not missed.
        listener.common.port.add_watcher(&self.common.port);
        let server = UnixSocket::new(self.kind())?;
        server.set_peer(&self.common.port, Identity::current());
        server.common.port.state().address = Some(Self::address_of(&listener.common.port));
        server.common.port.set_reached_by(listener.common.port.id());
        server.inherit(listener);
        let identity = match listener.enqueue(&server)? {
            Answer::Taken(identity) => identity,
            Answer::Full => return Ok(Answer::Full),
        };
        self.set_peer(&server.common.port, identity);
        // The listener may have been closed, or the connection accepted and ended, just now: both are told by the port.
        listener.common.port.readable.wake_all();
        Ok(Answer::Taken(identity))
    }

    fn inherit(&self, listener: &UnixSocket) {
        self.common.options.lock().pass_credentials = listener.common.options.lock().pass_credentials;
    }

    fn enqueue(&self, server: &Arc<UnixSocket>) -> Result<Answer> {
        let shut = self.common.port.state().receive_shut;
        match &mut self.state.lock().role {
            Role::Listening(_) if shut => Err(Errno::ECONNREFUSED),
            Role::Listening(listening) if listening.backlog.len() > listening.limit => Ok(Answer::Full),
            Role::Listening(listening) => {
                listening.backlog.push_back(server.clone());
                Ok(Answer::Taken(listening.identity))
            }
            _ => Err(Errno::ECONNREFUSED),
        }
    }
}
