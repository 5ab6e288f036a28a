//! The queue of threads that wait for a lock or a condition.
//!
//! A waiter's node lives on its own stack. It is in the queue exactly while its `woken` is false and its thread is inside
//! [`WaitList::wait`]; the queue's spin lock guards all links. A waker unlinks the node and takes the thread's handle
//! *before* it sets `woken`, because from then on the node may be gone.

use core::cell::Cell;
use core::ptr;
use core::sync::atomic::{AtomicBool, Ordering};

use super::SpinLock;
use crate::thread::{self, ThreadHandle};

/// Threads that wait, first come first served.
pub(crate) struct WaitList {
    queue: SpinLock<Queue>,
}

struct Queue {
    head: *const Node,
    tail: *const Node,
}

// SAFETY: the pointers are dereferenced only under the spin lock, and the nodes they name outlive their membership.
unsafe impl Send for Queue {}

struct Node {
    thread: ThreadHandle,
    next: Cell<*const Node>,
    woken: AtomicBool,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    /// There was no need to wait.
    NotSlept,
    /// By [`WaitList::wake_one`] or [`WaitList::wake_all`].
    ByPeer,
    /// By the deadline.
    ByDeadline,
}

impl WaitList {
    pub(crate) const fn new() -> Self {
        Self { queue: SpinLock::new(Queue { head: ptr::null(), tail: ptr::null() }) }
    }

    /// Waits until woken or until the monotonic `deadline_ns`.
    ///
    /// `must_wait` is asked under the queue's lock: a waker that changes the condition first and wakes second is never
    /// missed. `queued` runs once the thread is in the queue (a condition variable releases its mutex there); it must not
    /// panic.
    pub(crate) fn wait(
        &self,
        must_wait: impl FnOnce() -> bool,
        queued: impl FnOnce(),
        deadline_ns: Option<u64>,
    ) -> Woken {
        let thread = thread::current();
        let node = Node { thread, next: Cell::new(ptr::null()), woken: AtomicBool::new(false) };
        {
            let mut queue = self.queue.lock();
            if !must_wait() {
                return Woken::NotSlept;
            }
            queue.push(&node);
        }
        queued();
        if node.thread.sleep_until_set(&node.woken, deadline_ns) {
            return Woken::ByPeer;
        }
        let mut queue = self.queue.lock();
        if node.woken.load(Ordering::SeqCst) {
            return Woken::ByPeer;
        }
        queue.remove(&node);
        Woken::ByDeadline
    }

    /// Wakes the thread that waits longest, if any does.
    pub(crate) fn wake_one(&self) {
        if let Some(thread) = self.pop() {
            thread.wake();
        }
    }

    /// Wakes all that wait now.
    pub(crate) fn wake_all(&self) {
        while let Some(thread) = self.pop() {
            thread.wake();
        }
    }
}

impl WaitList {
    /// Takes the first thread out; the lock is free again when this returns.
    fn pop(&self) -> Option<ThreadHandle> {
        self.queue.lock().pop()
    }
}

impl Queue {
    fn push(&mut self, node: &Node) {
        if self.tail.is_null() {
            self.head = node;
        } else {
            // SAFETY: `tail` is in the queue, so its waiter has not left `wait`; we hold the lock.
            unsafe { &*self.tail }.next.set(node);
        }
        self.tail = node;
    }

    /// Unlinks the first node and marks it woken; its thread must then be woken.
    fn pop(&mut self) -> Option<ThreadHandle> {
        if self.head.is_null() {
            return None;
        }
        // SAFETY: `head` is in the queue, so its waiter has not left `wait`; we hold the lock.
        let node = unsafe { &*self.head };
        self.head = node.next.get();
        if self.head.is_null() {
            self.tail = ptr::null();
        }
        let thread = node.thread.clone();
        node.woken.store(true, Ordering::SeqCst);
        Some(thread)
    }

    fn remove(&mut self, node: &Node) {
        let mut previous: *const Node = ptr::null();
        let mut at = self.head;
        while !at.is_null() && !ptr::eq(at, node) {
            previous = at;
            // SAFETY: as in `pop`.
            at = unsafe { &*at }.next.get();
        }
        if at.is_null() {
            return;
        }
        let next = node.next.get();
        if previous.is_null() {
            self.head = next;
        } else {
            // SAFETY: as in `pop`.
            unsafe { &*previous }.next.set(next);
        }
        if next.is_null() {
            self.tail = previous;
        }
    }
}
