//! A socket's port: what was sent to it and not received yet, and where its owner and its peers wait.
//!
//! Peers know each other's ports, never each other's sockets. What a peer does to a socket (data, the end of data, an
//! error) it does to the port.

use alloc::collections::VecDeque;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use linux_abi::{Errno, Result};
use rt::sync::{Mutex, MutexGuard};
use sync::WaitQueue;

use crate::address::Address;
use crate::message::{Incoming, MessageFlags, Received};
use crate::packet::Packet;
use crate::rights::Rights;

/// What a socket costs beside what is in its port.
const PORT_BYTES: usize = 1024;

/// What all ports together hold, and may hold.
static TOTAL_BYTES: AtomicUsize = AtomicUsize::new(0);
static TOTAL_LIMIT_BYTES: AtomicUsize = AtomicUsize::new(64 << 20);

/// Sets how many bytes all sockets together may hold; derived from the RAM at start-up.
pub fn set_total_limit_bytes(limit: usize) {
    TOTAL_LIMIT_BYTES.store(limit, Ordering::Relaxed);
}

fn charge_total(bytes: usize) -> Result<()> {
    let before = TOTAL_BYTES.fetch_add(bytes, Ordering::Relaxed);
    if before.saturating_add(bytes) <= TOTAL_LIMIT_BYTES.load(Ordering::Relaxed) {
        return Ok(());
    }
    TOTAL_BYTES.fetch_sub(bytes, Ordering::Relaxed);
    Err(Errno::ENOBUFS)
}

/// A port.
pub struct Port {
    id: u64,
    state: Mutex<State>,
    /// The owner waits here to receive and to accept.
    pub readable: WaitQueue,
    /// The owner waits here to send and to connect.
    pub writable: WaitQueue,
    /// The port through which its packets can be got: itself, or the listener while it waits to be accepted.
    reached_by: AtomicU64,
}

/// What is known of a port.
#[derive(Default)]
pub(crate) struct State {
    packets: VecDeque<Packet>,
    charge: usize,
    /// Nothing more comes.
    pub(crate) receive_shut: bool,
    /// The peer ended in good order: that comes before any error.
    pub(crate) finished: bool,
    /// Nothing more goes.
    pub(crate) send_shut: bool,
    /// The owner is gone.
    pub(crate) closed: bool,
    /// The connection ended at once, not in order: nothing is left of it but what waits here and the error.
    pub(crate) ended: bool,
    /// To be reported once.
    pub(crate) error: Option<Errno>,
    /// Where it is bound.
    pub(crate) address: Option<Address>,
    /// The only port from which it takes messages, if any.
    pub(crate) peer: Option<u64>,
    /// Ports whose owners may wait for room here.
    watchers: Vec<Weak<Port>>,
}

impl State {
    pub(crate) fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    pub(crate) fn packet_count(&self) -> usize {
        self.packets.len()
    }

    pub(crate) fn charge(&self) -> usize {
        self.charge
    }

    /// Bytes that are queued.
    pub(crate) fn unread_bytes(&self) -> usize {
        self.packets.iter().map(|packet| packet.unread().len()).sum()
    }

    /// Bytes of the first packet.
    pub(crate) fn first_bytes(&self) -> usize {
        self.packets.front().map_or(0, |packet| packet.unread().len())
    }

    /// Puts a packet behind what is there.
    ///
    /// # Errors
    /// `ENOBUFS`, with the packet: it is not to be dropped while the port is locked.
    pub(crate) fn push(&mut self, packet: Packet) -> core::result::Result<(), (Errno, Packet)> {
        if self.packets.try_reserve(1).is_err() || charge_total(packet.charge()).is_err() {
            return Err((Errno::ENOBUFS, packet));
        }
        self.charge += packet.charge();
        self.packets.push_back(packet);
        Ok(())
    }

    /// Puts stream data behind what is there.
    ///
    /// # Errors
    /// As [`State::push`].
    pub(crate) fn push_stream(&mut self, packet: Packet) -> core::result::Result<(), (Errno, Packet)> {
        let Some(last) = self.packets.back_mut().filter(|last| last.takes(&packet)) else { return self.push(packet) };
        let bytes = packet.data.len();
        if last.data.try_reserve(bytes).is_err() || charge_total(bytes).is_err() {
            return Err((Errno::ENOBUFS, packet));
        }
        last.data.extend_from_slice(&packet.data);
        self.charge += bytes;
        Ok(())
    }

    fn pop(&mut self) -> Option<Packet> {
        let packet = self.packets.pop_front()?;
        self.charge -= packet.charge();
        TOTAL_BYTES.fetch_sub(packet.charge(), Ordering::Relaxed);
        Some(packet)
    }

    /// Moves stream data to whoever asked; stops behind descriptions, and where another sender's data begins.
    fn read_stream(&mut self, request: &mut Incoming<'_>, into: &mut Received) -> Result<()> {
        let peeks = request.flags.contains(MessageFlags::PEEK);
        let mut index = 0;
        while request.sink.remaining() > 0 && into.files.is_empty() {
            let Some(packet) = self.packets.get_mut(index) else { break };
            if request.wants_identity && into.identity.is_some_and(|identity| identity != packet.identity) {
                break;
            }
            let moved = match request.sink.write(packet.unread()) {
                Ok(moved) => moved,
                Err(error) if into.bytes == 0 => return Err(error),
                Err(_) => break,
            };
            if moved == 0 && !packet.unread().is_empty() {
                break;
            }
            into.bytes += moved;
            into.identity = Some(packet.identity);
            if into.from.is_none() {
                into.from.clone_from(&packet.from);
            }
            if peeks {
                into.files = packet.rights.as_ref().map(Rights::peek).unwrap_or_default();
                index += 1;
                continue;
            }
            into.files = packet.rights.take().map(Rights::take).unwrap_or_default();
            packet.start += moved;
            if packet.unread().is_empty() {
                drop(self.pop());
            }
        }
        Ok(())
    }

    /// Hands the first message out.
    fn read_message(&mut self, request: &mut Incoming<'_>) -> Result<Option<Received>> {
        let Some(packet) = self.packets.front() else { return Ok(None) };
        let data = packet.unread();
        let mut moved = 0;
        while moved < data.len() && request.sink.remaining() > 0 {
            match request.sink.write(data.get(moved..).unwrap_or_default())? {
                0 => break,
                count => moved += count,
            }
        }
        let mut received = Received {
            bytes: if request.flags.contains(MessageFlags::TRUNC) { data.len() } else { moved },
            flags: if moved < data.len() { MessageFlags::TRUNC.bits() } else { 0 },
            from: packet.from.clone(),
            files: Vec::new(),
            identity: Some(packet.identity),
        };
        if request.flags.contains(MessageFlags::PEEK) {
            received.files = packet.rights.as_ref().map(Rights::peek).unwrap_or_default();
            return Ok(Some(received));
        }
        received.files = self.pop().and_then(|packet| packet.rights).map(Rights::take).unwrap_or_default();
        Ok(Some(received))
    }

    /// The connection ends at once, in both directions.
    pub(crate) fn end_with(&mut self, error: Errno) {
        (self.receive_shut, self.send_shut, self.ended) = (true, true, true);
        self.error = Some(error);
    }

    /// The error that waits to be reported, which it then was.
    pub(crate) fn take_error(&mut self) -> Result<()> {
        self.error.take().map_or(Ok(()), Err)
    }
}

impl Port {
    /// Makes an empty port. It counts even so: sockets that wait to be accepted have no descriptor.
    ///
    /// # Errors
    /// `ENOBUFS` if all sockets together hold too much.
    pub(crate) fn new() -> Result<Arc<Port>> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        charge_total(PORT_BYTES)?;
        Ok(Arc::new(Port {
            id,
            state: Mutex::new(State::default()),
            readable: WaitQueue::new(),
            writable: WaitQueue::new(),
            reached_by: AtomicU64::new(id),
        }))
    }

    /// Returns a number that no other port has or had.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn reached_by(&self) -> u64 {
        self.reached_by.load(Ordering::Relaxed)
    }

    pub(crate) fn set_reached_by(&self, port: u64) {
        self.reached_by.store(port, Ordering::Relaxed);
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Tells everybody who waits for this port's owner to look again.
    pub(crate) fn wake(&self) {
        self.readable.wake_all();
        self.writable.wake_all();
    }

    /// Lets a port's owner know when there is room here.
    pub(crate) fn add_watcher(&self, watcher: &Arc<Port>) {
        let mut state = self.state.lock();
        if state.watchers.iter().any(|other| core::ptr::eq(other.as_ptr(), Arc::as_ptr(watcher))) {
            return;
        }
        state.watchers.retain(|other| other.strong_count() > 0);
        state.watchers.push(Arc::downgrade(watcher));
    }

    /// Wakes the owners of ports that wait for room here.
    pub(crate) fn wake_watchers(&self) {
        let mut index = 0;
        loop {
            let state = self.state.lock();
            let Some(watcher) = state.watchers.get(index).map(Weak::upgrade) else { return };
            drop(state);
            if let Some(watcher) = watcher {
                watcher.writable.wake_all();
            }
            index += 1;
        }
    }

    /// Receives stream data; `None` if there is nothing yet.
    pub(crate) fn try_read_stream(&self, request: &mut Incoming<'_>, into: &mut Received) -> Option<Result<()>> {
        let mut state = self.state.lock();
        if state.is_empty() {
            return end_of(&mut state);
        }
        let before = state.charge;
        let result = state.read_stream(request, into);
        let freed = state.charge < before;
        drop(state);
        if freed {
            self.wake_watchers();
        }
        Some(result)
    }

    /// Receives a message; `None` if there is none yet.
    pub(crate) fn try_read_message(&self, request: &mut Incoming<'_>) -> Option<Result<Received>> {
        let mut state = self.state.lock();
        if let Some(error) = state.error.take() {
            return Some(Err(error));
        }
        let result = match state.read_message(request) {
            Ok(None) if state.receive_shut => Some(Ok(Received::default())),
            Ok(None) => None,
            Ok(Some(received)) => Some(Ok(received)),
            Err(error) => Some(Err(error)),
        };
        drop(state);
        if matches!(result, Some(Ok(_))) {
            self.wake_watchers();
        }
        result
    }

    /// Takes all that waits here, to be dropped with nothing locked.
    #[must_use]
    pub(crate) fn take_packets(&self) -> VecDeque<Packet> {
        let mut state = self.state.lock();
        let packets = core::mem::take(&mut state.packets);
        TOTAL_BYTES.fetch_sub(state.charge, Ordering::Relaxed);
        state.charge = 0;
        packets
    }
}

/// What an empty stream says: the end, an error, or nothing yet.
fn end_of(state: &mut State) -> Option<Result<()>> {
    if state.finished {
        return Some(Ok(()));
    }
    match state.error.take() {
        Some(error) => Some(Err(error)),
        None => state.receive_shut.then_some(Ok(())),
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        drop(self.take_packets());
        TOTAL_BYTES.fetch_sub(PORT_BYTES, Ordering::Relaxed);
    }
}
