//! TCP: listen, connect, accept.
//!
//! A connection exists once the listener has room for it, before it is accepted. Who finds no room waits at the listener
//! and is let in, first come first, when something is accepted.
//!
//! Only one socket's state is locked at a time: the listener's while the new connection is queued, then the client's.

use alloc::collections::VecDeque;
use alloc::sync::Arc;

use linux_abi::raw::net;
use linux_abi::{Errno, Result};

use super::address::{Place, loopback};
use super::table::Listening as Wanted;
use super::tcp::{Connection, Listening, Local, Report, Role, TABLE, TcpSocket, end_listening};
use crate::address::Address;
use crate::message::Patience;
use crate::rights;
use crate::socket::{Accepted, Shutdown};

/// Connections that wait to be accepted, at most (`net.core.somaxconn`).
const LISTEN_BACKLOG: i32 = 4096;

/// What connect(2) finds.
enum Start {
    /// It goes on.
    Going(Place),
    /// A connection is there already, or was refused.
    Over(Result<()>),
    /// It is under way.
    UnderWay,
}

impl TcpSocket {
    pub(super) fn listen_with(&self, backlog: i32) -> Result<()> {
        let limit = if (0..LISTEN_BACKLOG).contains(&backlog) { backlog } else { LISTEN_BACKLOG } as usize;
        let mut state = self.state.lock();
        match &mut state.role {
            Role::Listening(listening) => listening.limit = limit,
            Role::Idle | Role::Refused => {
                if state.local.is_none() {
                    self.bind_to(&mut state, Place::any(self.common.domain))?;
                }
                if let Some(local) = &state.local {
                    local.bound.listen()?;
                }
                let (backlog, waiting) = (VecDeque::new(), VecDeque::new());
                state.role = Role::Listening(Listening { backlog, limit, waiting });
            }
            Role::Connecting(_) | Role::Connected(_) => return Err(Errno::EINVAL),
        }
        Ok(())
    }

    pub(super) fn connect_to(&self, address: &Address, patience: Patience) -> Result<()> {
        if address.family() == Some(net::AF_UNSPEC) {
            return self.disconnect();
        }
        match self.begin_connecting(address)? {
            Start::Over(result) => return result,
            Start::UnderWay if patience == Patience::None => return Err(Errno::EALREADY),
            Start::UnderWay => {}
            Start::Going(remote) => {
                self.knock(remote);
                if patience == Patience::None {
                    return Err(Errno::EINPROGRESS);
                }
            }
        }
        let ended = patience.wait(&self.common.port.writable, || self.report());
        // What lasts longer than the caller's patience goes on without it.
        ended.map_err(|error| if error == Errno::EAGAIN { Errno::EINPROGRESS } else { error })?
    }

    fn begin_connecting(&self, address: &Address) -> Result<Start> {
        let mut state = self.state.lock();
        match &mut state.role {
            Role::Idle => {}
            Role::Connecting(_) => return Ok(Start::UnderWay),
            Role::Listening(_) => return Err(Errno::EISCONN),
            Role::Connected(connection) if connection.report == Report::Done => return Err(Errno::EISCONN),
            Role::Connected(_) | Role::Refused => {
                drop(state);
                return Ok(self.report().map_or(Start::UnderWay, Start::Over));
            }
        }
        let remote = Place::parse(address, self.common.domain)?.destination()?;
        match &mut state.local {
            None => {
                let local = Place { ip: loopback(remote.ip), port: 0 };
                let in_use = |error| if error == Errno::EADDRINUSE { Errno::EADDRNOTAVAIL } else { error };
                self.bind_to(&mut state, local).map_err(in_use)?;
            }
            Some(local) if local.place.ip.is_unspecified() => local.place.ip = loopback(remote.ip),
            Some(_) => {}
        }
        state.role = Role::Connecting(remote);
        drop(state);
        // Traces of an earlier attempt.
        let mut port = self.common.port.state();
        (port.receive_shut, port.send_shut, port.finished, port.error) = (false, false, false, None);
        port.ended = false;
        Ok(Start::Going(remote))
    }

    /// How an attempt ended, once it did: told once.
    fn report(&self) -> Option<Result<()>> {
        let mut state = self.state.lock();
        match &mut state.role {
            Role::Connecting(_) => None,
            Role::Connected(connection) => {
                connection.report = Report::Done;
                Some(Ok(()))
            }
            Role::Refused => {
                state.role = Role::Idle;
                drop(state);
                Some(Err(self.common.port.state().error.take().unwrap_or(Errno::ECONNABORTED)))
            }
            _ => Some(Err(Errno::ECONNABORTED)),
        }
    }

    /// Looks for a listener, and is connected, refused, or waits there.
    fn knock(&self, remote: Place) {
        let listener = TABLE.reached(remote.ip, remote.port, Wanted::Only).into_iter().next();
        let own = self.own.upgrade();
        match listener.zip(own) {
            Some((listener, own)) => listener.receive_caller(&own),
            None => self.be_refused(),
        }
    }

    /// The attempt failed.
    pub(super) fn be_refused(&self) {
        let mut state = self.state.lock();
        if !matches!(state.role, Role::Connecting(_)) {
            return;
        }
        state.role = Role::Refused;
        drop(state);
        self.common.port.state().end_with(Errno::ECONNREFUSED);
        self.common.port.wake();
    }

    fn receive_caller(&self, client: &Arc<TcpSocket>) {
        let mut state = self.state.lock();
        let Role::Listening(listening) = &mut state.role else {
            drop(state);
            return client.be_refused();
        };
        // As many as the limit and one: Linux counts so too.
        if listening.backlog.len() > listening.limit {
            listening.waiting.retain(|waiting| waiting.strong_count() > 0);
            listening.waiting.push_back(Arc::downgrade(client));
            return;
        }
        drop(state);
        let _ = self.let_in(client);
    }

    /// Makes the other end of a client's connection and queues it; `None` if there is nothing to queue.
    fn let_in(&self, client: &Arc<TcpSocket>) -> Option<()> {
        let (domain, listener_port) = (self.common.domain, &self.common.port);
        let (remote, from) = client.ways()?;
        let Ok(server) = TcpSocket::new(domain) else {
            client.be_refused();
            return None;
        };
        server.inherit(self);
        let claim = server.claim(remote);
        let bound = TABLE.join(remote.port, claim, Arc::downgrade(&server));
        {
            let mut state = server.state.lock();
            state.local = Some(Local { place: remote, bound });
            let peer = client.common.port.clone();
            state.role = Role::Connected(Connection { peer, remote: from, report: Report::Done });
        }
        client.common.port.add_watcher(&server.common.port);
        server.common.port.add_watcher(&client.common.port);
        server.common.port.set_reached_by(listener_port.id());
        if !client.be_connected(&server, remote) {
            server.hang_up();
            return None;
        }
        let mut state = self.state.lock();
        match &mut state.role {
            Role::Listening(listening) => {
                listening.backlog.push_back(server);
                drop(state);
                listener_port.readable.wake_all();
                Some(())
            }
            _ => {
                drop(state);
                server.hang_up();
                None
            }
        }
    }

    /// Where it wants to go, and where from.
    fn ways(&self) -> Option<(Place, Place)> {
        let state = self.state.lock();
        match (&state.role, &state.local) {
            (Role::Connecting(remote), Some(local)) => Some((*remote, local.place)),
            _ => None,
        }
    }

    /// The connection is there, unless the socket was closed meanwhile.
    fn be_connected(&self, server: &TcpSocket, remote: Place) -> bool {
        let mut state = self.state.lock();
        if state.closed || !matches!(state.role, Role::Connecting(_)) {
            return false;
        }
        let peer = server.common.port.clone();
        state.role = Role::Connected(Connection { peer, remote, report: Report::Owed });
        drop(state);
        self.common.port.wake();
        true
    }

    fn inherit(&self, listener: &TcpSocket) {
        let options = *listener.common.options.lock();
        *self.common.options.lock() = options;
        self.options.lock().inherit(&listener.options.lock());
    }

    pub(super) fn accept_one(&self, patience: Patience) -> Result<Accepted> {
        let socket = patience.wait(&self.common.port.readable, || self.take_connection())??;
        rights::set_reached_by(&socket.common.port, &socket.common.port);
        self.let_next_in();
        let remote = socket.connection().map_or(Place::any(self.common.domain), |connection| connection.remote);
        let peer = remote.show(self.common.domain);
        Ok(Accepted { socket, peer })
    }

    fn take_connection(&self) -> Option<Result<Arc<TcpSocket>>> {
        match &mut self.state.lock().role {
            Role::Listening(listening) => listening.backlog.pop_front().map(Ok),
            _ => Some(Err(Errno::EINVAL)),
        }
    }

    /// Lets somebody in who waits and still wants to.
    fn let_next_in(&self) {
        while let Some(client) = self.take_waiting() {
            if self.let_in(&client).is_some() {
                return;
            }
        }
    }

    fn take_waiting(&self) -> Option<Arc<TcpSocket>> {
        match &mut self.state.lock().role {
            Role::Listening(listening) => {
                core::iter::from_fn(|| listening.waiting.pop_front()).find_map(|waiting| waiting.upgrade())
            }
            _ => None,
        }
    }

    /// A listener that is shut for receiving listens no longer.
    pub(super) fn stop_listening(&self, how: Shutdown) -> Result<()> {
        let mut state = self.state.lock();
        if !matches!(state.role, Role::Listening(_)) {
            return Err(Errno::ENOTCONN);
        }
        if !how.receives() {
            return Ok(());
        }
        let old = core::mem::take(&mut *state);
        drop(state);
        if let Role::Listening(listening) = old.role {
            end_listening(listening);
        }
        drop(old.local);
        self.common.port.wake();
        Ok(())
    }

    /// Ends the connection; the socket can be used again.
    fn disconnect(&self) -> Result<()> {
        let role = core::mem::take(&mut self.state.lock().role);
        match role {
            Role::Connected(connection) => {
                connection.peer.state().end_with(Errno::ECONNRESET);
                connection.peer.wake();
            }
            Role::Listening(listening) => end_listening(listening),
            _ => {}
        }
        drop(self.common.port.take_packets());
        self.common.port.wake();
        Ok(())
    }
}
