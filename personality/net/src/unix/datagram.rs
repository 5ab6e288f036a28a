//! Messages between local sockets: datagrams and sequences.

use alloc::sync::Arc;

use linux_abi::raw::net;
use linux_abi::{Errno, Result};
use vfs::Caller;

use super::{DATAGRAM_BACKLOG, Peer, Role, UnixSocket, name};
use crate::address::Address;
use crate::identity::Identity;
use crate::message::{Incoming, MessageFlags, Outgoing, Received};
use crate::packet::copy_in;
use crate::port::Port;
use crate::socket::SocketKind;

impl UnixSocket {
    pub(super) fn connect_datagram(&self, caller: Caller<'_>, address: &Address) -> Result<()> {
        let peer = match address.family() {
            Some(net::AF_UNSPEC) => None,
            _ => Some(self.find_peer(caller, address)?),
        };
        if let Some(peer) = peer {
            self.set_peer(&peer.port, Identity::current());
            return Ok(());
        }
        let old = core::mem::take(&mut self.state.lock().role);
        self.common.port.state().peer = None;
        drop(old);
        Ok(())
    }

    fn find_peer(&self, caller: Caller<'_>, address: &Address) -> Result<Peer> {
        let other = name::find(caller, address)?;
        if other.kind() != self.kind() {
            return Err(Errno::EPROTOTYPE);
        }
        self.may_send_to(&other.common.port)?;
        Ok(Peer { port: other.common.port.clone(), identity: Identity::NOBODY })
    }

    /// Who is connected takes messages from its peer alone.
    fn may_send_to(&self, port: &Port) -> Result<()> {
        let peer = port.state().peer;
        if peer.is_none_or(|peer| peer == self.common.port.id()) { Ok(()) } else { Err(Errno::EPERM) }
    }

    pub(super) fn send_message(&self, message: &mut Outgoing<'_>) -> Result<usize> {
        if message.flags.contains(MessageFlags::OOB) {
            return Err(Errno::EOPNOTSUPP);
        }
        let target = self.target(message)?;
        let limit = self.common.options.lock().send_buffer as usize;
        // What a message costs beside its bytes has to fit as well.
        if message.source.remaining() > limit.saturating_sub(32) {
            return Err(Errno::EMSGSIZE);
        }
        if self.common.port.state().send_shut {
            return Err(Errno::EPIPE);
        }
        let count = message.source.remaining();
        let data = copy_in(message.source, count)?;
        if data.len() < count {
            return Err(Errno::EFAULT);
        }
        let mut packet = Some(self.packet(&target, data, message)?);
        target.port.add_watcher(&self.common.port);
        let sent =
            message.patience.wait(&self.common.port.writable, || self.try_push(&target.port, &mut packet, limit));
        // What was not sent is dropped with nothing locked.
        drop(packet);
        match sent.and_then(|sent| sent) {
            Ok(()) => Ok(count),
            Err(error) => {
                self.note_refusal(&target, message, error);
                Err(error)
            }
        }
    }

    fn target(&self, message: &Outgoing<'_>) -> Result<Peer> {
        match (message.to, message.caller) {
            (Some(address), Some(caller)) if self.kind() == SocketKind::Datagram => self.find_peer(caller, address),
            _ => self.peer().ok_or(Errno::ENOTCONN),
        }
    }

    fn try_push(
        &self,
        port: &Arc<Port>,
        packet: &mut Option<crate::packet::Packet>,
        limit: usize,
    ) -> Option<Result<()>> {
        if let Some(error) = self.common.port.state().error.take() {
            return Some(Err(error));
        }
        let own = self.common.port.id();
        let mut state = port.state();
        if state.closed {
            let error = if self.kind() == SocketKind::Datagram { Errno::ECONNREFUSED } else { Errno::EPIPE };
            return Some(Err(error));
        }
        if state.receive_shut {
            return Some(Err(Errno::EPIPE));
        }
        if state.peer.is_some_and(|peer| peer != own) {
            return Some(Err(Errno::EPERM));
        }
        let crowded = state.peer != Some(own) && state.packet_count() > DATAGRAM_BACKLOG;
        if crowded || state.charge() >= limit {
            return None;
        }
        let pushed = state.push(packet.take()?);
        drop(state);
        if let Err((error, unsent)) = pushed {
            *packet = Some(unsent);
            return Some(Err(error));
        }
        port.readable.wake_all();
        Some(Ok(()))
    }

    /// A datagram socket whose peer is gone is connected no longer.
    fn note_refusal(&self, target: &Peer, message: &Outgoing<'_>, error: Errno) {
        if error != Errno::ECONNREFUSED || message.to.is_some() {
            return;
        }
        let mut state = self.state.lock();
        let is_peer = matches!(&state.role, Role::Connected(peer) if Arc::ptr_eq(&peer.port, &target.port));
        if is_peer {
            state.role = Role::Idle;
            drop(state);
            self.common.port.state().peer = None;
        }
    }

    pub(super) fn receive_message(&self, request: &mut Incoming<'_>) -> Result<Received> {
        if request.flags.contains(MessageFlags::OOB) {
            return Err(Errno::EOPNOTSUPP);
        }
        if self.kind() == SocketKind::SeqPacket && self.peer().is_none() {
            return Err(Errno::ENOTCONN);
        }
        let port = &self.common.port;
        let patience = request.patience;
        patience.wait(&port.readable, || port.try_read_message(request))?
    }
}
