//! The condition variable.

use core::fmt;

use super::{Mutex, MutexGuard, WaitList, Woken};

/// A place to wait for a change of what a [`Mutex`] guards.
pub struct Condvar {
    waiters: WaitList,
}

impl Condvar {
    /// One that nobody waits for.
    pub const fn new() -> Self {
        Self { waiters: WaitList::new() }
    }

    /// Releases the lock, waits to be notified, takes the lock again.
    pub fn wait<'a, T: ?Sized>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        self.wait_deadline(guard, None).0
    }

    /// Waits for as long as `condition` holds.
    pub fn wait_while<'a, T: ?Sized>(
        &self,
        mut guard: MutexGuard<'a, T>,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> MutexGuard<'a, T> {
        while condition(&mut guard) {
            guard = self.wait(guard);
        }
        guard
    }

    /// As [`wait`](Self::wait), but at most until the monotonic time `deadline_ns`; whether it was notified.
    pub fn wait_until<'a, T: ?Sized>(&self, guard: MutexGuard<'a, T>, deadline_ns: u64) -> (MutexGuard<'a, T>, bool) {
        self.wait_deadline(guard, Some(deadline_ns))
    }

    /// Wakes one thread that waits.
    pub fn notify_one(&self) {
        self.waiters.wake_one();
    }

    /// Wakes all threads that wait.
    pub fn notify_all(&self) {
        self.waiters.wake_all();
    }

    fn wait_deadline<'a, T: ?Sized>(
        &self,
        guard: MutexGuard<'a, T>,
        deadline_ns: Option<u64>,
    ) -> (MutexGuard<'a, T>, bool) {
        let mutex: &'a Mutex<T> = MutexGuard::mutex(&guard);
        // Queued before the lock is released: whoever takes the lock next and notifies finds this thread.
        let woken = self.waiters.wait(|| true, move || drop(guard), deadline_ns);
        (mutex.lock(), woken == Woken::ByPeer)
    }
}

impl Default for Condvar {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Condvar")
    }
}
