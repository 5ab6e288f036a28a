//! The sleeping mutex.
//!
//! States: free, locked, locked with (perhaps) waiters. Only a thread that found the lock taken puts it into the last
//! state, and it does so again when it gets the lock, so no waiter is forgotten.

use core::cell::UnsafeCell;
use core::fmt;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicU32, Ordering};

use super::WaitList;

const FREE: u32 = 0;
const LOCKED: u32 = 1;
const CONTENDED: u32 = 2;

/// Data that one thread at a time may use; others sleep.
pub struct Mutex<T: ?Sized> {
    state: AtomicU32,
    waiters: WaitList,
    data: UnsafeCell<T>,
}

// SAFETY: the data is reached only through a guard, and there is one guard at a time.
unsafe impl<T: ?Sized + Send> Send for Mutex<T> {}
// SAFETY: the data is reached only through a guard, and there is one guard at a time.
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}

/// Access to the data of a [`Mutex`] for as long as it lives.
#[must_use = "the lock is released at once when the guard is not kept"]
pub struct MutexGuard<'a, T: ?Sized> {
    mutex: &'a Mutex<T>,
}

impl<T> Mutex<T> {
    /// Wraps `data`.
    pub const fn new(data: T) -> Self {
        Self { state: AtomicU32::new(FREE), waiters: WaitList::new(), data: UnsafeCell::new(data) }
    }

    /// Unwraps the data.
    pub fn into_inner(self) -> T {
        self.data.into_inner()
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Takes the lock, sleeping while another thread has it.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        if self.state.compare_exchange(FREE, LOCKED, Ordering::Acquire, Ordering::Relaxed).is_err() {
            self.lock_contended();
        }
        MutexGuard { mutex: self }
    }

    /// Takes the lock if it is free.
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.state.compare_exchange(FREE, LOCKED, Ordering::Acquire, Ordering::Relaxed).ok()?;
        Some(MutexGuard { mutex: self })
    }

    /// The data, where exclusive access to the mutex proves that nobody has the lock.
    pub fn get_mut(&mut self) -> &mut T {
        self.data.get_mut()
    }

    #[cold]
    fn lock_contended(&self) {
        while self.state.swap(CONTENDED, Ordering::SeqCst) != FREE {
            self.waiters.wait(|| self.state.load(Ordering::SeqCst) == CONTENDED, || (), None);
        }
    }

    fn unlock(&self) {
        if self.state.swap(FREE, Ordering::SeqCst) == CONTENDED {
            self.waiters.wake_one();
        }
    }
}

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    /// The mutex of this guard, for a condition variable that takes the lock again.
    pub(super) fn mutex(guard: &Self) -> &'a Mutex<T> {
        guard.mutex
    }
}

impl<T: ?Sized> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        self.mutex.unlock();
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: the guard exists, so this thread has the lock.
        unsafe { &*self.mutex.data.get() }
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard exists and is borrowed exclusively, so this is the only reference.
        unsafe { &mut *self.mutex.data.get() }
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.try_lock() {
            Some(guard) => f.debug_tuple("Mutex").field(&&*guard).finish(),
            None => f.write_str("Mutex(<locked>)"),
        }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
