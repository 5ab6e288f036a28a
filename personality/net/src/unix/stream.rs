//! Bytes between two local sockets.

use linux_abi::{Errno, Result};

use super::{Peer, UnixSocket};
use crate::identity::Identity;
use crate::message::{Incoming, MessageFlags, Outgoing, Received};
use crate::packet::{PIECE_BYTES, Packet, copy_in};
use crate::port::Port;
use crate::rights::Rights;

impl UnixSocket {
    /// Whether a peer takes more without much waiting: it holds no more than a quarter of the send buffer.
    pub(super) fn has_room(&self, peer: &Port) -> bool {
        let limit = self.common.options.lock().send_buffer as usize;
        let state = peer.state();
        let own = state.peer == Some(self.common.port.id());
        let crowded = !self.kind().is_connected() && !own && state.packet_count() > super::DATAGRAM_BACKLOG;
        state.charge().saturating_mul(4) <= limit && !crowded
    }

    pub(super) fn send_stream(&self, message: &mut Outgoing<'_>) -> Result<usize> {
        if message.flags.contains(MessageFlags::OOB) {
            return Err(Errno::EOPNOTSUPP);
        }
        let peer = self.peer();
        if message.to.is_some() {
            return Err(if peer.is_some() { Errno::EISCONN } else { Errno::EOPNOTSUPP });
        }
        let peer = peer.ok_or(Errno::ENOTCONN)?;
        let limit = self.common.options.lock().send_buffer as usize;
        let mut total = 0;
        loop {
            let step = self.send_piece(&peer, message, limit);
            match step {
                Ok(count) => total += count,
                Err(error) if total == 0 => return Err(error),
                Err(_) => return Ok(total),
            }
            if message.source.remaining() == 0 {
                return Ok(total);
            }
        }
    }

    fn send_piece(&self, peer: &Peer, message: &mut Outgoing<'_>, limit: usize) -> Result<usize> {
        self.wait_for_room(peer, message, limit)?;
        let data = copy_in(message.source, PIECE_BYTES.min(limit / 2))?;
        let count = data.len();
        if count == 0 {
            return Ok(0);
        }
        let packet = self.packet(peer, data, message)?;
        let mut state = peer.port.state();
        let was_empty = state.is_empty();
        let pushed = if state.closed { Err((Errno::EPIPE, packet)) } else { state.push_stream(packet) };
        drop(state);
        // What was not sent is dropped with nothing locked.
        pushed.map_err(|(error, _)| error)?;
        match was_empty {
            true => peer.port.readable.wake_all(),
            false => peer.port.readable.notify_listeners(),
        }
        Ok(count)
    }

    fn wait_for_room(&self, peer: &Peer, message: &Outgoing<'_>, limit: usize) -> Result<()> {
        message.patience.wait(&self.common.port.writable, || {
            {
                let mut own = self.common.port.state();
                if let Some(error) = own.error.take() {
                    // What a reset means to who sends.
                    return Some(Err(if error == Errno::ECONNRESET { Errno::EPIPE } else { error }));
                }
                if own.send_shut {
                    return Some(Err(Errno::EPIPE));
                }
            }
            (peer.port.state().charge() < limit).then_some(Ok(()))
        })?
    }

    /// A packet with what goes along: the sender's credentials, and descriptions with the first piece.
    pub(super) fn packet(&self, to: &Peer, data: alloc::vec::Vec<u8>, message: &mut Outgoing<'_>) -> Result<Packet> {
        let identity = message.identity.unwrap_or_else(Identity::current);
        let from = self.common.port.state().address.clone();
        let mut packet = Packet::new(data, identity, from);
        let files = core::mem::take(&mut message.files);
        if !files.is_empty() {
            packet.rights = Some(Rights::new(files, &to.port, identity.uid, message.files_limit)?);
        }
        Ok(packet)
    }

    pub(super) fn receive_stream(&self, request: &mut Incoming<'_>) -> Result<Received> {
        if request.flags.contains(MessageFlags::OOB) {
            return Err(Errno::EOPNOTSUPP);
        }
        if self.peer().is_none() {
            return Err(Errno::EINVAL);
        }
        receive_from(&self.common.port, request)
    }
}

/// Receives stream data from a port: what is there, or all that was asked for if `MSG_WAITALL` says so.
pub(crate) fn receive_from(port: &Port, request: &mut Incoming<'_>) -> Result<Received> {
    let mut received = Received::default();
    if request.sink.remaining() == 0 {
        return Ok(received);
    }
    let all = request.flags.contains(MessageFlags::WAITALL) && !request.flags.contains(MessageFlags::PEEK);
    loop {
        let before = received.bytes;
        let patience = request.patience;
        let result = patience.wait(&port.readable, || port.try_read_stream(request, &mut received));
        match result.and_then(|result| result) {
            Ok(()) => {}
            Err(error) if received.bytes == 0 => return Err(error),
            Err(_) => return Ok(received),
        }
        let ended = received.bytes == before;
        if ended || !all || request.sink.remaining() == 0 || !received.files.is_empty() {
            return Ok(received);
        }
    }
}
