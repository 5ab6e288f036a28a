//! Those who are told of a queue's wake-ups and do not wait at it.
//!
//! A queue knows them weakly: who wants to hear no more just lets go of the listener. Entries of those that are gone are
//! thrown out whenever the table has doubled, so there are at most twice as many as live ones.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};
use rt::sync::Mutex;

/// The table is not looked through before it has this many entries.
const FIRST_PURGE: usize = 16;

/// Wants to know of wake-ups.
pub trait Listener: Send + Sync {
    /// Something may have changed. Called from whatever thread wakes, perhaps with its locks held: must not block, and
    /// may only lock leaves.
    fn notify(&self);
}

pub(crate) struct Listeners {
    /// Entries, so that telling nobody takes no lock.
    count: AtomicUsize,
    table: Mutex<Table>,
}

struct Table {
    entries: Vec<(u64, Weak<dyn Listener>)>,
    /// Ascends from front to back.
    next_number: u64,
    purge_at: usize,
}

impl Listeners {
    pub(crate) const fn new() -> Self {
        let table = Table { entries: Vec::new(), next_number: 0, purge_at: FIRST_PURGE };
        Self { count: AtomicUsize::new(0), table: Mutex::new(table) }
    }

    pub(crate) fn add(&self, listener: Weak<dyn Listener>) {
        let mut table = self.table.lock();
        if table.entries.len() >= table.purge_at {
            table.entries.retain(|(_, listener)| listener.strong_count() > 0);
            table.purge_at = (table.entries.len() * 2).max(FIRST_PURGE);
        }
        let number = table.next_number;
        table.next_number += 1;
        table.entries.push((number, listener));
        self.count.store(table.entries.len(), Ordering::SeqCst);
        // As in `WaitQueue::register`: who changes something sees the listener, or the listener's owner the change.
        core::sync::atomic::fence(Ordering::SeqCst);
    }

    /// Tells each, one at a time and with nothing locked. Behind a fence that comes after what changed.
    pub(crate) fn notify(&self) {
        if self.count.load(Ordering::SeqCst) == 0 {
            return;
        }
        let mut next = 0;
        while let Some((number, listener)) = self.next_from(next) {
            listener.notify();
            next = number + 1;
        }
    }

    fn next_from(&self, next: u64) -> Option<(u64, Arc<dyn Listener>)> {
        let table = self.table.lock();
        let start = table.entries.partition_point(|(number, _)| *number < next);
        let rest = table.entries.get(start..).unwrap_or_default();
        rest.iter().find_map(|(number, listener)| Some((*number, listener.upgrade()?)))
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.table.lock().entries.len()
    }
}
