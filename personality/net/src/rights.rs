//! Descriptions under way in messages (`SCM_RIGHTS`): how many, and which will never arrive.
//!
//! A local socket can be in a message that waits at a port that only that socket could read: then no descriptor leads there,
//! and counting references never ends it. So every message with descriptions has a *ticket* here, which says at which
//! port it waits; [`collect`] finds the sockets that are referred to by messages alone and reached from nowhere else,
//! and empties their ports (as Linux's net/unix/garbage.c does). Being garbage is final: nobody can take such a socket out.
//!
//! It is looked for when a local socket ends for good, and when much is under way. (A circle's own last descriptor ends
//! nothing: the messages still refer to it.)
//!
//! The table's lock is the innermost of all. Files are dropped with nothing locked, and one after the other, not one
//! within the other: a long chain of sockets in each other's messages must not overflow a stack.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use linux_abi::{Errno, Result};
use rt::sync::Mutex;
use vfs::OpenFile;

use crate::file::SocketFile;
use crate::port::Port;

/// Most descriptions in one message (`SCM_MAX_FD`).
pub const DESCRIPTOR_LIMIT: usize = 253;

/// Garbage is looked for whenever as many more sockets are under way.
const COLLECT_EACH: usize = 4096;

/// Descriptions in a message.
pub(crate) struct Rights {
    ticket: u64,
    files: Vec<Arc<OpenFile>>,
}

struct Ticket {
    /// The port at which the message waits.
    at: Weak<Port>,
    uid: u32,
    count: u64,
    /// Those that are local sockets: only they can be in a circle.
    sockets: Vec<Traveller>,
}

struct Traveller {
    id: u64,
    file: Weak<OpenFile>,
    port: Arc<Port>,
}

struct Table {
    tickets: BTreeMap<u64, Ticket>,
    next: u64,
    /// Descriptions under way, by the sender's user.
    by_user: BTreeMap<u32, u64>,
    sockets: usize,
}

static TABLE: Mutex<Table> =
    Mutex::new(Table { tickets: BTreeMap::new(), next: 0, by_user: BTreeMap::new(), sockets: 0 });

impl Rights {
    /// Sends descriptions on their way to a port.
    ///
    /// # Errors
    /// `ETOOMANYREFS` if the user would have more than `limit` under way.
    pub(crate) fn new(files: Vec<Arc<OpenFile>>, at: &Arc<Port>, uid: u32, limit: u64) -> Result<Rights> {
        if is_time_to_collect(&files, uid, limit) {
            collect();
        }
        let sockets: Vec<_> = files.iter().filter_map(Traveller::new).collect();
        let count = files.len() as u64;
        let mut table = TABLE.lock();
        let user = table.by_user.entry(uid).or_insert(0);
        if user.saturating_add(count) > limit {
            drop(table);
            bury(files);
            return Err(Errno::ETOOMANYREFS);
        }
        *user += count;
        table.sockets += sockets.len();
        let ticket = table.next;
        table.next += 1;
        table.tickets.insert(ticket, Ticket { at: Arc::downgrade(at), uid, count, sockets });
        Ok(Rights { ticket, files })
    }

    /// Takes them out: they have arrived.
    pub(crate) fn take(mut self) -> Vec<Arc<OpenFile>> {
        core::mem::take(&mut self.files)
    }

    /// Copies them, for who only looks.
    pub(crate) fn peek(&self) -> Vec<Arc<OpenFile>> {
        // Under the table's lock: a copy is a reference from outside, and `collect` must not miss it.
        let _table = TABLE.lock();
        self.files.clone()
    }
}

impl Drop for Rights {
    fn drop(&mut self) {
        let mut table = TABLE.lock();
        let ticket = table.tickets.remove(&self.ticket);
        if let Some(ticket) = &ticket {
            table.sockets -= ticket.sockets.len();
            if let Some(user) = table.by_user.get_mut(&ticket.uid) {
                *user -= ticket.count;
                if *user == 0 {
                    table.by_user.remove(&ticket.uid);
                }
            }
        }
        drop(table);
        drop(ticket);
        bury(core::mem::take(&mut self.files));
    }
}

/// Whether what is under way comes near a limit: some of it may be garbage that no closing brought to light.
fn is_time_to_collect(files: &[Arc<OpenFile>], uid: u32, limit: u64) -> bool {
    let table = TABLE.lock();
    let user = table.by_user.get(&uid).copied().unwrap_or(0);
    let more = files.len();
    user.saturating_add(more as u64) > limit || table.sockets / COLLECT_EACH != (table.sockets + more) / COLLECT_EACH
}

impl Traveller {
    fn new(file: &Arc<OpenFile>) -> Option<Traveller> {
        let port = file.downcast::<SocketFile>()?.socket().common().port.clone();
        Some(Traveller { id: file.id(), file: Arc::downgrade(file), port })
    }
}

/// Files to be dropped, and whether somebody is at it.
static GRAVEYARD: Mutex<Vec<Arc<OpenFile>>> = Mutex::new(Vec::new());
static BURYING: AtomicBool = AtomicBool::new(false);

/// Drops files; within another drop it leaves them to that.
fn bury(files: Vec<Arc<OpenFile>>) {
    if files.is_empty() {
        return;
    }
    GRAVEYARD.lock().extend(files);
    while !BURYING.swap(true, Ordering::AcqRel) {
        loop {
            let next = GRAVEYARD.lock().pop();
            match next {
                Some(file) => drop(file),
                None => break,
            }
        }
        BURYING.store(false, Ordering::Release);
        // Somebody may have come between the last look and the store.
        if GRAVEYARD.lock().is_empty() {
            return;
        }
    }
}

/// Ends sockets that are in messages which nobody can ever receive. Called when a socket was closed.
pub(crate) fn collect() {
    static COLLECTING: Mutex<()> = Mutex::new(());
    // A socket that ends with another's messages: whoever closes that other one looks once, at the end. Each look costs
    // what is under way.
    if BURYING.load(Ordering::Acquire) || TABLE.lock().sockets == 0 {
        return;
    }
    // One at a time; who comes meanwhile (by what is dropped here) is looked after by the loop.
    let Some(_guard) = COLLECTING.try_lock() else { return };
    loop {
        let garbage = find_garbage();
        if garbage.is_empty() {
            return;
        }
        for port in garbage {
            drop(port.take_packets());
        }
    }
}

/// Says through which port another one's packets can be got from now on.
pub(crate) fn set_reached_by(port: &Port, through: &Port) {
    // A change of what leads where: under the table's lock, as all of them.
    let _table = TABLE.lock();
    port.set_reached_by(through.id());
}

/// The ports, with something in them, of sockets that no descriptor leads to.
fn find_garbage() -> Vec<Arc<Port>> {
    let table = TABLE.lock();
    let ports: Vec<_> = table.tickets.values().filter_map(|ticket| Some((ticket.at.upgrade()?, ticket))).collect();
    let unreached = unreached(&ports);
    // Their own messages, and those of connections that wait to be accepted by them.
    let mut ports: Vec<_> = ports.into_iter().map(|(port, _)| port).collect();
    drop(table);
    ports.retain(|port| unreached.contains(&port.reached_by()));
    ports
}

/// The numbers of those ports of travelling sockets, not empty, which are reached from no other place than such ports.
fn unreached(tickets: &[(Arc<Port>, &Ticket)]) -> BTreeSet<u64> {
    // How often each travelling socket is in a message; which sockets are in the messages at each port.
    let mut travellers: BTreeMap<u64, (u64, &Traveller)> = BTreeMap::new();
    let mut inside: BTreeMap<u64, Vec<&Traveller>> = BTreeMap::new();
    for (at, ticket) in tickets {
        for traveller in &ticket.sockets {
            travellers.entry(traveller.id).or_insert((0, traveller)).0 += 1;
            inside.entry(at.reached_by()).or_default().push(traveller);
        }
    }
    let travelling: BTreeSet<u64> = travellers.values().map(|(_, one)| one.port.id()).collect();
    let held = |(count, one): &&(u64, &Traveller)| one.file.strong_count() as u64 > *count;
    let mut to_visit: Vec<u64> = travellers.values().filter(held).map(|(_, one)| one.port.id()).collect();
    to_visit.extend(inside.keys().filter(|port| !travelling.contains(port)));
    let mut reached = BTreeSet::new();
    while let Some(port) = to_visit.pop() {
        if reached.insert(port) {
            to_visit.extend(inside.get(&port).into_iter().flatten().map(|one| one.port.id()));
        }
    }
    travelling.into_iter().filter(|port| inside.contains_key(port) && !reached.contains(port)).collect()
}
