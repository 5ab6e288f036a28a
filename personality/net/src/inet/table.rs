//! Who is bound to which port: a table for each protocol.
//!
//! Two may share a port if their addresses do not meet, if both allow it (`SO_REUSEPORT`, by the same user), or if both
//! reuse addresses and neither listens.

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::net::IpAddr;
use core::sync::atomic::{AtomicU16, AtomicU64, Ordering};

use linux_abi::{Errno, Result};
use rt::sync::Mutex;

use super::address::Cover;

/// Ports that are chosen for who asks for none (`net.ipv4.ip_local_port_range`).
const CHOSEN_PORTS: core::ops::RangeInclusive<u16> = 32768..=60999;

/// What is asked for.
#[derive(Clone, Copy)]
pub(super) struct Claim {
    pub(super) cover: Cover,
    /// `SO_REUSEADDR` of the socket.
    pub(super) reuse_address: bool,
    /// `SO_REUSEPORT` of the socket.
    pub(super) reuse_port: bool,
    pub(super) uid: u32,
}

struct Entry<S> {
    id: u64,
    claim: Claim,
    listens: bool,
    socket: Weak<S>,
}

/// The bound sockets of a protocol.
pub(super) struct Table<S> {
    ports: Mutex<BTreeMap<u16, Vec<Entry<S>>>>,
    next_chosen: AtomicU16,
    next_id: AtomicU64,
}

/// A socket's place in the table, until dropped.
pub(super) struct Bound<S: 'static> {
    table: &'static Table<S>,
    pub(super) port: u16,
    id: u64,
}

/// Who is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listening {
    Only,
    OrNot,
}

impl<S> Table<S> {
    pub(super) const fn new() -> Table<S> {
        Table { ports: Mutex::new(BTreeMap::new()), next_chosen: AtomicU16::new(0), next_id: AtomicU64::new(0) }
    }

    /// Binds a socket to a port, or to one that is chosen if it is 0.
    ///
    /// # Errors
    /// `EADDRINUSE`.
    pub(super) fn bind(&'static self, port: u16, claim: Claim, socket: Weak<S>) -> Result<Bound<S>> {
        let mut ports = self.ports.lock();
        let port = match port {
            0 => self.choose(&ports).ok_or(Errno::EADDRINUSE)?,
            port => port,
        };
        let entries = ports.entry(port).or_default();
        if entries.iter().any(|entry| conflict(&entry.claim, &claim, entry.listens)) {
            return Err(Errno::EADDRINUSE);
        }
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        entries.push(Entry { id, claim, listens: false, socket });
        Ok(Bound { table: self, port, id })
    }

    /// Enters one more socket at a port where a listener is: a connection to it.
    pub(super) fn join(&'static self, port: u16, claim: Claim, socket: Weak<S>) -> Bound<S> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        self.ports.lock().entry(port).or_default().push(Entry { id, claim, listens: false, socket });
        Bound { table: self, port, id }
    }

    fn choose(&self, ports: &BTreeMap<u16, Vec<Entry<S>>>) -> Option<u16> {
        let (first, last) = (*CHOSEN_PORTS.start(), *CHOSEN_PORTS.end());
        let count = last - first + 1;
        let start = self.next_chosen.load(Ordering::Relaxed);
        let mut candidates = (0..count).map(|step| first + (start + step) % count);
        let chosen = candidates.find(|port| !ports.contains_key(port))?;
        self.next_chosen.store((chosen - first + 1) % count, Ordering::Relaxed);
        Some(chosen)
    }

    /// All of them, by port.
    pub(super) fn sockets(&self) -> Vec<Arc<S>> {
        let ports = self.ports.lock();
        ports.values().flatten().filter_map(|entry| entry.socket.upgrade()).collect()
    }

    /// The sockets that are reached at an address, those that are meant alone first.
    pub(super) fn reached(&self, ip: IpAddr, port: u16, listening: Listening) -> Vec<Arc<S>> {
        let ports = self.ports.lock();
        let entries = ports.get(&port).into_iter().flatten();
        let wanted = entries.filter(|entry| entry.listens || listening == Listening::OrNot);
        let mut found: Vec<_> =
            wanted.filter_map(|entry| Some((entry.claim.cover.fit(ip)?, entry.socket.upgrade()?))).collect();
        drop(ports);
        found.sort_by_key(|(fit, _)| core::cmp::Reverse(*fit));
        found.into_iter().map(|(_, socket)| socket).collect()
    }
}

fn conflict(old: &Claim, new: &Claim, one_listens: bool) -> bool {
    let share = old.reuse_port && new.reuse_port && old.uid == new.uid;
    let reuse = old.reuse_address && new.reuse_address && !one_listens;
    old.cover.meets(&new.cover) && !share && !reuse
}

impl<S> Bound<S> {
    /// Lets the socket be connected to.
    ///
    /// # Errors
    /// `EADDRINUSE` if another one, with which it only shares by reusing the address, listens already.
    pub(super) fn listen(&self) -> Result<()> {
        let mut ports = self.table.ports.lock();
        let entries = ports.get_mut(&self.port).ok_or(Errno::EINVAL)?;
        let own = entries.iter().find(|entry| entry.id == self.id).map(|entry| entry.claim).ok_or(Errno::EINVAL)?;
        let mut others = entries.iter().filter(|entry| entry.id != self.id && entry.listens);
        if others.any(|entry| conflict(&entry.claim, &own, true)) {
            return Err(Errno::EADDRINUSE);
        }
        if let Some(entry) = entries.iter_mut().find(|entry| entry.id == self.id) {
            entry.listens = true;
        }
        Ok(())
    }

    /// Changes the addresses at which it is reached.
    pub(super) fn set_cover(&self, cover: Cover) {
        let mut ports = self.table.ports.lock();
        let entry = ports.get_mut(&self.port).and_then(|all| all.iter_mut().find(|entry| entry.id == self.id));
        if let Some(entry) = entry {
            entry.claim.cover = cover;
        }
    }
}

impl<S> Drop for Bound<S> {
    fn drop(&mut self) {
        let mut ports = self.table.ports.lock();
        let Some(entries) = ports.get_mut(&self.port) else { return };
        let mine = entries.iter().position(|entry| entry.id == self.id).map(|index| entries.swap_remove(index));
        if entries.is_empty() {
            ports.remove(&self.port);
        }
        drop(ports);
        drop(mine);
    }
}

#[cfg(test)]
mod tests {
    use super::super::address::Stack;
    use super::*;

    fn claim(ip: &str, stack: Stack, reuse_address: bool) -> Claim {
        let ip = ip.parse().expect("a test's address is one");
        Claim { cover: Cover::of(ip, stack), reuse_address, reuse_port: false, uid: 0 }
    }

    #[test]
    fn addresses_that_meet_share_no_port_and_those_that_do_not_may() {
        static TABLE: Table<()> = Table::new();
        let none = Weak::new();
        let first = TABLE.bind(0, claim("127.0.0.1", Stack::Both, false), none.clone()).expect("a port is free");
        let bind = |ip, stack| TABLE.bind(first.port, claim(ip, stack, false), none.clone()).err();
        for (ip, stack) in [("127.0.0.1", Stack::Both), ("0.0.0.0", Stack::Both), ("::", Stack::Both)] {
            assert_eq!(bind(ip, stack), Some(Errno::EADDRINUSE), "{ip}");
        }
        for (ip, stack) in [("127.0.0.2", Stack::Both), ("::1", Stack::Both), ("::", Stack::SixOnly)] {
            assert_eq!(bind(ip, stack), None, "{ip}");
        }
        let port = first.port;
        drop(first);
        assert!(TABLE.bind(port, claim("0.0.0.0", Stack::Both, false), none.clone()).is_ok());
    }

    #[test]
    fn a_port_that_is_reused_has_one_listener_and_is_reused_no_more() {
        static TABLE: Table<()> = Table::new();
        let bind = |port| TABLE.bind(port, claim("0.0.0.0", Stack::Both, true), Weak::new());
        let one = bind(0).expect("a port is free");
        let other = bind(one.port).expect("both reuse it");
        assert_eq!(one.listen(), Ok(()));
        assert_eq!(other.listen(), Err(Errno::EADDRINUSE));
        assert_eq!(bind(one.port).err(), Some(Errno::EADDRINUSE));
    }
}
