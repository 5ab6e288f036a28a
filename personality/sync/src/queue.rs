//! A place where threads wait for a condition.

use crate::listener::{Listener, Listeners};
use crate::waiter::{Waiter, Woken};
use alloc::collections::VecDeque;
use alloc::sync::{Arc, Weak};
use core::sync::atomic::{AtomicUsize, Ordering};
use rt::sync::Mutex;

/// Why a wait ended without its condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitError {
    /// A signal needs attention.
    Interrupted,
    /// The deadline passed.
    TimedOut,
}

/// Threads that wait, first come first woken. Waking does not remove: a registration ends when it is dropped.
///
/// Beside them there are [`Listener`]s, told of every wake-up, for those who want to know without a thread that waits.
pub struct WaitQueue {
    /// Number of registrations, so that waking an empty queue takes no lock.
    count: AtomicUsize,
    waiters: Mutex<VecDeque<Entry>>,
    listeners: Listeners,
}

struct Entry {
    number: u64,
    waiter: Arc<Waiter>,
    woken: bool,
}

/// A waiter's place in a queue; leaves the queue when dropped.
pub struct Registration<'a> {
    queue: &'a WaitQueue,
    number: u64,
}

impl Default for WaitQueue {
    fn default() -> Self {
        Self::new()
    }
}

impl WaitQueue {
    /// Makes an empty queue.
    pub const fn new() -> Self {
        Self { count: AtomicUsize::new(0), waiters: Mutex::new(VecDeque::new()), listeners: Listeners::new() }
    }

    /// Whether anybody waits.
    pub fn is_empty(&self) -> bool {
        // Pairs with the fence in `register`: either we see the registration, or the waiter sees the new condition.
        core::sync::atomic::fence(Ordering::SeqCst);
        self.count.load(Ordering::SeqCst) == 0
    }

    /// Lets a listener know of every wake-up from now on, until it is gone or the queue is.
    pub fn subscribe(&self, listener: Weak<dyn Listener>) {
        self.listeners.add(listener);
    }

    /// Tells the listeners, and wakes nobody: something happened that makes no difference to those who wait.
    pub fn notify_listeners(&self) {
        core::sync::atomic::fence(Ordering::SeqCst);
        self.listeners.notify();
    }

    /// Wakes the first waiter that was not woken since it registered.
    pub fn wake_one(&self) {
        let nobody_waits = self.is_empty();
        self.listeners.notify();
        if nobody_waits {
            return;
        }
        let first = self.waiters.lock().iter_mut().find(|entry| !entry.woken).map(|entry| {
            entry.woken = true;
            entry.waiter.clone()
        });
        if let Some(waiter) = first {
            waiter.wake();
        }
    }

    /// Wakes all waiters.
    pub fn wake_all(&self) {
        let nobody_waits = self.is_empty();
        self.listeners.notify();
        if nobody_waits {
            return;
        }
        let mut next = 0;
        // One at a time: no allocation, and nobody is woken under the lock.
        loop {
            let found = {
                let mut waiters = self.waiters.lock();
                waiters.iter_mut().find(|entry| entry.number >= next).map(|entry| {
                    entry.woken = true;
                    (entry.number, entry.waiter.clone())
                })
            };
            let Some((number, waiter)) = found else { return };
            waiter.wake();
            next = number + 1;
        }
    }

    /// Enters the queue. Test the condition after this, then [`Waiter::park`].
    pub fn register(&self, waiter: &Arc<Waiter>) -> Registration<'_> {
        let mut waiters = self.waiters.lock();
        // Numbers ascend from front to back; an empty queue may start again at 0.
        let number = waiters.back().map_or(0, |entry| entry.number + 1);
        waiters.push_back(Entry { number, waiter: waiter.clone(), woken: false });
        self.count.fetch_add(1, Ordering::SeqCst);
        core::sync::atomic::fence(Ordering::SeqCst);
        Registration { queue: self, number }
    }

    /// Waits until `cond` gives a value, a signal needs attention, or `deadline_ns` (monotonic) passes.
    ///
    /// # Errors
    /// [`WaitError`]; the condition is tested once more before either is reported.
    pub fn wait<T>(&self, deadline_ns: Option<u64>, cond: impl FnMut() -> Option<T>) -> Result<T, WaitError> {
        self.wait_on(&Waiter::current(), deadline_ns, true, cond)
    }

    /// Waits until `cond` gives a value, whatever signals come.
    pub fn wait_uninterruptible<T>(&self, cond: impl FnMut() -> Option<T>) -> T {
        match self.wait_on(&Waiter::current(), None, false, cond) {
            Ok(value) => value,
            Err(_) => unreachable!("without deadline and interrupts a wait ends only by its condition"),
        }
    }

    fn wait_on<T>(
        &self,
        waiter: &Arc<Waiter>,
        deadline_ns: Option<u64>,
        interruptible: bool,
        mut cond: impl FnMut() -> Option<T>,
    ) -> Result<T, WaitError> {
        if let Some(value) = cond() {
            return Ok(value);
        }
        loop {
            let registration = self.register(waiter);
            if let Some(value) = cond() {
                return Ok(value);
            }
            if interruptible && waiter.is_interrupted() {
                return Err(WaitError::Interrupted);
            }
            let woken = waiter.park(deadline_ns);
            drop(registration);
            if let Some(value) = cond() {
                return Ok(value);
            }
            if woken == Woken::TimedOut {
                return Err(WaitError::TimedOut);
            }
        }
    }
}

impl Registration<'_> {
    /// Whether a wake-up was directed at this registration.
    pub fn was_woken(&self) -> bool {
        let waiters = self.queue.waiters.lock();
        waiters.iter().any(|entry| entry.number == self.number && entry.woken)
    }
}

impl Drop for Registration<'_> {
    fn drop(&mut self) {
        let mut waiters = self.queue.waiters.lock();
        if let Some(index) = waiters.iter().position(|entry| entry.number == self.number) {
            waiters.remove(index);
            self.queue.count.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
