//! What is due first: objects by time, linked into a leftist heap (Crane, 1972).
//!
//! No node is due later than its children. A node's *rank* is the number of nodes on the way from it that always goes right; the
//! left child's rank is never the lower one. So a heap of rank r has at least 2^r - 1 nodes, and of n nodes at most log2(n + 1)
//! are on any such way. Adding walks down one and up again, taking out two, and then up as long as ranks change, which is no
//! further, since each rank on that way is higher than the one before. No object can make these longer than its number can:
//! a million armed timers are 20 steps.

use crate::{Kernel, Machine, Object, Ref};

/// A node's place in its heap.
#[derive(Clone, Debug)]
pub(crate) struct Links<T> {
    pub(crate) parent: Option<Ref<T>>,
    pub(crate) left: Option<Ref<T>>,
    pub(crate) right: Option<Ref<T>>,
    pub(crate) rank: u8,
}

impl<T> Default for Links<T> {
    fn default() -> Self {
        Self { parent: None, left: None, right: None, rank: 1 }
    }
}

/// What a heap is of.
pub(crate) trait Due: Object {
    /// When; does not change while it is in a heap.
    fn due(&self) -> u64;
    fn links(&self) -> &Links<Self>;
    fn links_mut(&mut self) -> &mut Links<Self>;
}

impl<M: Machine> Kernel<M> {
    /// Add a node that is in no heap. Returns what is due first.
    pub(crate) fn heap_add<T: Due>(&mut self, first: Option<Ref<T>>, node: Ref<T>) -> Option<Ref<T>> {
        *self.get_mut(node).links_mut() = Links::default();
        self.meld(first, Some(node))
    }

    /// Take a node out of its heap. Returns what is due first then.
    pub(crate) fn heap_remove<T: Due>(&mut self, first: Option<Ref<T>>, node: Ref<T>) -> Option<Ref<T>> {
        let Links { parent, left, right, .. } = core::mem::take(self.get_mut(node).links_mut());
        let rest = self.meld(left, right);
        if let Some(rest) = rest {
            self.get_mut(rest).links_mut().parent = parent;
        }
        let Some(parent) = parent else { return rest };
        let links = self.get_mut(parent).links_mut();
        if links.left == Some(node) {
            links.left = rest;
        } else {
            links.right = rest;
        }
        let mut at = Some(parent);
        while let Some(node) = at
            && self.renew_rank(node)
        {
            at = self.get(node).links().parent;
        }
        first
    }

    /// Make two heaps one: first their ways to the right, in order of time, then the ranks from below.
    fn meld<T: Due>(&mut self, mut one: Option<Ref<T>>, mut other: Option<Ref<T>>) -> Option<Ref<T>> {
        let (mut first, mut last) = (None, None);
        while let Some(next) = one.or(other) {
            if let (Some(a), Some(b)) = (one, other)
                && self.get(b).due() < self.get(a).due()
            {
                (one, other) = (other, one);
                continue;
            }
            self.get_mut(next).links_mut().parent = last;
            match last {
                Some(last) => self.get_mut(last).links_mut().right = Some(next),
                None => first = Some(next),
            }
            if one.is_none() || other.is_none() {
                break;
            }
            last = Some(next);
            one = self.get(next).links().right;
        }
        while let Some(node) = last {
            self.renew_rank(node);
            last = self.get(node).links().parent;
        }
        first
    }

    /// One of a node's children is another, or has another rank. Whether the node's own changed by that.
    fn renew_rank<T: Due>(&mut self, node: Ref<T>) -> bool {
        let rank = |child: Option<Ref<T>>| child.map_or(0, |child| self.get(child).links().rank);
        let links = self.get(node).links();
        let (left, right) = (rank(links.left), rank(links.right));
        let links = self.get_mut(node).links_mut();
        if left < right {
            core::mem::swap(&mut links.left, &mut links.right);
        }
        let new = left.min(right) + 1;
        core::mem::replace(&mut links.rank, new) != new
    }
}
