//! A UDP socket: a port that datagrams are put into. What it has no room for is lost, as on any network.

use alloc::sync::{Arc, Weak};
use core::sync::atomic::{AtomicU64, Ordering};

use linux_abi::raw::net;
use linux_abi::{Errno, Result};
use rt::sync::Mutex;
use vfs::{Caller, PollEvents};

use super::address::{Cover, Place, loopback};
use super::options::{InetOptions, Nature};
use super::table::{Bound, Claim, Listening, Table};
use super::tcp::check_bind;
use super::traffic;
use crate::address::Address;
use crate::common::Common;
use crate::identity::Identity;
use crate::message::{Incoming, MessageFlags, Outgoing, Patience, Received};
use crate::options::{Options, Value};
use crate::packet::{Packet, copy_in};
use crate::socket::{Shutdown, Socket, SocketKind};

/// Most bytes of a datagram: what is left of 64 KiB beside the headers of IP and UDP.
const DATAGRAM_LIMIT_BYTES: usize = 65507;

/// Who is bound.
pub(super) static TABLE: Table<UdpSocket> = Table::new();

/// A UDP socket.
pub(super) struct UdpSocket {
    pub(super) common: Common,
    own: Weak<UdpSocket>,
    state: Mutex<State>,
    options: Mutex<InetOptions>,
    /// Datagrams that there was no room for.
    drops: AtomicU64,
}

#[derive(Default)]
struct State {
    local: Option<Local>,
    /// Whom it talks to alone.
    remote: Option<Place>,
}

struct Local {
    place: Place,
    bound: Bound<UdpSocket>,
}

impl UdpSocket {
    pub(super) fn new(domain: u32) -> Result<Arc<UdpSocket>> {
        let common = Common::new(domain, SocketKind::Datagram, super::UDP, Options::default())?;
        let nature = Nature { is_v6: domain == net::AF_INET6, is_tcp: false };
        Ok(Arc::new_cyclic(|own| UdpSocket {
            common,
            own: own.clone(),
            state: Mutex::new(State::default()),
            options: Mutex::new(InetOptions::new(nature)),
            drops: AtomicU64::new(0),
        }))
    }

    fn bind_to(&self, state: &mut State, place: Place) -> Result<()> {
        let options = *self.common.options.lock();
        let claim = Claim {
            cover: Cover::of(place.ip, self.options.lock().stack),
            reuse_address: options.reuse_address,
            reuse_port: options.reuse_port,
            uid: Identity::current().uid,
        };
        let bound = TABLE.bind(place.port, claim, self.own.clone())?;
        state.local = Some(Local { place: Place { port: bound.port, ..place }, bound });
        Ok(())
    }

    /// Where a datagram goes, and where it comes from.
    fn ways(&self, to: Option<&Address>) -> Result<(Place, Place)> {
        let to = to.map(|address| Place::parse(address, self.common.domain)).transpose()?;
        if to.is_some_and(|place| place.port == 0) {
            return Err(Errno::EINVAL);
        }
        let mut state = self.state.lock();
        let to = to.or(state.remote).ok_or(Errno::EDESTADDRREQ)?.destination()?;
        if state.local.is_none() {
            self.bind_to(&mut state, Place::any(self.common.domain)).map_err(|_| Errno::EAGAIN)?;
        }
        let local = state.local.as_ref().map_or(Place::any(self.common.domain), |local| local.place);
        let ip = if local.ip.is_unspecified() { loopback(to.ip) } else { local.ip };
        Ok((to, Place { ip, port: local.port }))
    }

    /// Whether a datagram from a place is for this socket: who is connected hears its peer alone. More for one that is.
    fn hears(&self, from: Place) -> Option<u32> {
        match self.state.lock().remote {
            None => Some(0),
            Some(remote) => (remote == from).then_some(1),
        }
    }

    /// Its own place and its peer's, once it has a port.
    pub(super) fn places(&self) -> Option<(Place, Option<Place>)> {
        let state = self.state.lock();
        Some((state.local.as_ref()?.place, state.remote))
    }

    /// How many datagrams there was no room for.
    pub(super) fn drops(&self) -> u64 {
        self.drops.load(Ordering::Relaxed)
    }

    fn deliver(&self, data: alloc::vec::Vec<u8>, from: Place) {
        let limit = self.common.options.lock().receive_buffer as usize;
        let packet = Packet::new(data, Identity::NOBODY, Some(from.show(self.common.domain)));
        let mut state = self.common.port.state();
        let fits = state.charge() < limit && state.push(packet).is_ok();
        drop(state);
        if fits {
            self.common.port.readable.wake_all();
        } else {
            self.drops.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Socket for UdpSocket {
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

    fn connect(&self, _caller: Caller<'_>, address: &Address, _patience: Patience) -> Result<()> {
        if address.family() == Some(net::AF_UNSPEC) {
            self.state.lock().remote = None;
            return Ok(());
        }
        let remote = Place::parse(address, self.common.domain)?.destination()?;
        let ip = loopback(remote.ip);
        let mut state = self.state.lock();
        match &mut state.local {
            None => self.bind_to(&mut state, Place { ip, port: 0 }).map_err(|_| Errno::EAGAIN)?,
            Some(local) if local.place.ip.is_unspecified() => {
                local.place.ip = ip;
                local.bound.set_cover(Cover::of(ip, super::address::Stack::SixOnly));
            }
            Some(_) => {}
        }
        state.remote = Some(remote);
        Ok(())
    }

    fn send(&self, message: &mut Outgoing<'_>) -> Result<usize> {
        if message.flags.contains(MessageFlags::OOB) {
            return Err(Errno::EOPNOTSUPP);
        }
        let count = message.source.remaining();
        if count > DATAGRAM_LIMIT_BYTES {
            return Err(Errno::EMSGSIZE);
        }
        {
            let mut port = self.common.port.state();
            if port.send_shut {
                return Err(Errno::EPIPE);
            }
            port.take_error()?;
        }
        let (to, from) = self.ways(message.to)?;
        let data = copy_in(message.source, count)?;
        if data.len() < count {
            return Err(Errno::EFAULT);
        }
        traffic::count(count);
        let reached = TABLE.reached(to.ip, to.port, Listening::OrNot);
        let hearing = reached.into_iter().enumerate().filter_map(|(order, socket)| {
            let fit = socket.hears(from)?;
            Some(((core::cmp::Reverse(fit), order), socket))
        });
        match hearing.min_by_key(|(rank, _)| *rank) {
            Some((_, socket)) => socket.deliver(data, from),
            // Nobody is there: who is connected is told with its next call.
            None if self.state.lock().remote == Some(to) => {
                self.common.port.state().error = Some(Errno::ECONNREFUSED);
                self.common.port.wake();
            }
            None => {}
        }
        Ok(count)
    }

    fn receive(&self, request: &mut Incoming<'_>) -> Result<Received> {
        if request.flags.contains(MessageFlags::OOB) {
            return Err(Errno::EOPNOTSUPP);
        }
        let port = &self.common.port;
        let patience = request.patience;
        let mut received = patience.wait(&port.readable, || port.try_read_message(request))??;
        received.identity = None;
        Ok(received)
    }

    fn shutdown(&self, how: Shutdown) -> Result<()> {
        if self.state.lock().remote.is_none() {
            return Err(Errno::ENOTCONN);
        }
        let mut port = self.common.port.state();
        port.receive_shut |= how.receives();
        port.send_shut |= how.sends();
        drop(port);
        self.common.port.wake();
        Ok(())
    }

    fn local_address(&self) -> Result<Address> {
        let place = self.state.lock().local.as_ref().map_or(Place::any(self.common.domain), |local| local.place);
        Ok(place.show(self.common.domain))
    }

    fn peer_address(&self) -> Result<Address> {
        let remote = self.state.lock().remote.ok_or(Errno::ENOTCONN)?;
        Ok(remote.show(self.common.domain))
    }

    fn readiness(&self) -> PollEvents {
        let state = self.common.port.state();
        let mut events = PollEvents::WRITABLE | PollEvents::WRBAND;
        events.set(PollEvents::ERR, state.error.is_some());
        events.set(PollEvents::HUP, state.receive_shut && state.send_shut);
        events.set(PollEvents::RDHUP | PollEvents::READABLE, state.receive_shut);
        if !state.is_empty() {
            events |= PollEvents::READABLE;
        }
        events
    }

    fn option(&self, level: u32, name: u32) -> Result<Value> {
        match (level, name) {
            (net::SOL_SOCKET, net::SO_ACCEPTCONN) => Ok(Value::Number(0)),
            _ => self.options.lock().get(level, name),
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
        Ok(self.common.port.state().first_bytes())
    }

    fn close(&self) {
        let state = core::mem::take(&mut *self.state.lock());
        drop(state);
        drop(self.common.port.take_packets());
    }
}
