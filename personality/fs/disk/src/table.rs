//! The inodes that are in memory: one object for each, however often and by whatever name it is looked up.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use hashbrown::HashMap;
use rt::sync::Mutex;

use crate::node::Node;

#[derive(Default)]
struct Inner {
    nodes: HashMap<u64, Weak<Node>>,
    /// How many inodes have left memory.
    evictions: u64,
}

/// Inodes by number.
#[derive(Default)]
pub(crate) struct Table(Mutex<Inner>);

impl Table {
    /// How many inodes have left memory so far.
    pub(crate) fn evictions(&self) -> u64 {
        self.0.lock().evictions
    }

    /// The inode with this number, if it is in memory.
    pub(crate) fn get(&self, number: u64) -> Option<Arc<Node>> {
        self.0.lock().nodes.get(&number)?.upgrade()
    }

    /// The inode with this number, made by `make` if it is not in memory. `None`: one has left memory since `evictions`
    /// was asked for, perhaps this one, newer than what `make` knows.
    pub(crate) fn get_or_insert(
        &self,
        number: u64,
        evictions: u64,
        make: impl FnOnce() -> Arc<Node>,
    ) -> Option<Arc<Node>> {
        let mut inner = self.0.lock();
        if let Some(node) = inner.nodes.get(&number).and_then(Weak::upgrade) {
            return Some(node);
        }
        if inner.evictions != evictions {
            return None;
        }
        let node = make();
        inner.nodes.insert(number, Arc::downgrade(&node));
        Some(node)
    }

    /// Enters an inode that was just made on the disk.
    pub(crate) fn insert(&self, node: &Arc<Node>) {
        self.0.lock().nodes.insert(node.number(), Arc::downgrade(node));
    }

    /// Notes that an inode has left memory.
    pub(crate) fn evict(&self, number: u64) {
        let mut inner = self.0.lock();
        inner.evictions += 1;
        if inner.nodes.get(&number).is_some_and(|node| node.strong_count() == 0) {
            inner.nodes.remove(&number);
        }
    }

    /// All inodes that are in memory, in no order.
    pub(crate) fn all(&self) -> Vec<Arc<Node>> {
        self.0.lock().nodes.values().filter_map(Weak::upgrade).collect()
    }

    /// Some of the inodes, in no order: those from position `from` on, at most `count`; none if somebody has the table.
    /// They must be let go only after this has returned: an inode that leaves memory needs the table.
    pub(crate) fn try_some(&self, from: usize, count: usize) -> Vec<Arc<Node>> {
        let Some(inner) = self.0.try_lock() else { return Vec::new() };
        inner.nodes.values().skip(from).filter_map(Weak::upgrade).take(count).collect()
    }
}
