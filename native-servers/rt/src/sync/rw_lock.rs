//! The sleeping readers-writer lock.
//!
//! State: 0 free, [`WRITER`] one writer, else the number of readers. A thread that cannot enter waits in one queue; who
//! leaves last wakes all of it. A writer that waits holds new readers back, so that readers cannot starve it.

use core::cell::UnsafeCell;
use core::fmt;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicU32, Ordering};

use super::{WaitList, Woken};

const WRITER: u32 = u32::MAX;

/// Data that many threads may read or one may change.
pub struct RwLock<T: ?Sized> {
    state: AtomicU32,
    waiting_writers: AtomicU32,
    sleeping: AtomicU32,
    waiters: WaitList,
    data: UnsafeCell<T>,
}

// SAFETY: the data is reached only through guards, which follow the usual rule of many readers or one writer.
unsafe impl<T: ?Sized + Send> Send for RwLock<T> {}
// SAFETY: as above; readers on several threads share `&T`, hence `Sync`.
unsafe impl<T: ?Sized + Send + Sync> Sync for RwLock<T> {}

/// Shared access to the data of an [`RwLock`].
#[must_use = "the lock is released at once when the guard is not kept"]
pub struct RwLockReadGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
}

/// Exclusive access to the data of an [`RwLock`].
#[must_use = "the lock is released at once when the guard is not kept"]
pub struct RwLockWriteGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
}

/// Keeps new readers out of an [`RwLock`]; those that are inside stay.
#[must_use = "readers are let in at once when this is not kept"]
pub struct ReadersHeld<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
}

impl<T> RwLock<T> {
    /// Wraps `data`.
    pub const fn new(data: T) -> Self {
        Self {
            state: AtomicU32::new(0),
            waiting_writers: AtomicU32::new(0),
            sleeping: AtomicU32::new(0),
            waiters: WaitList::new(),
            data: UnsafeCell::new(data),
        }
    }

    /// Unwraps the data.
    pub fn into_inner(self) -> T {
        self.data.into_inner()
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Takes the lock for reading. A thread must not do so twice at a time: a writer between would block both.
    pub fn read(&self) -> RwLockReadGuard<'_, T> {
        self.wait_until(|| self.enter_reader());
        RwLockReadGuard { lock: self }
    }

    /// Takes the lock for writing.
    pub fn write(&self) -> RwLockWriteGuard<'_, T> {
        if !self.enter_writer() {
            self.waiting_writers.fetch_add(1, Ordering::SeqCst);
            self.wait_until(|| self.enter_writer());
            self.waiting_writers.fetch_sub(1, Ordering::SeqCst);
        }
        RwLockWriteGuard { lock: self }
    }

    /// Lets no new readers in until the result is dropped.
    pub fn hold_readers(&self) -> ReadersHeld<'_, T> {
        self.waiting_writers.fetch_add(1, Ordering::SeqCst);
        ReadersHeld { lock: self }
    }

    /// Takes the lock for writing at a moment in which no thread has it, if there is one before the monotonic time `until_ns`.
    /// In contrast to [`write`](Self::write) it lets readers in while it waits.
    pub fn try_write_until(&self, until_ns: u64) -> Option<RwLockWriteGuard<'_, T>> {
        while !self.enter_writer() {
            let mut entered = false;
            let must_wait = || {
                entered = self.enter_writer();
                !entered
            };
            self.sleeping.fetch_add(1, Ordering::SeqCst);
            let woken = self.waiters.wait(must_wait, || (), Some(until_ns));
            self.sleeping.fetch_sub(1, Ordering::SeqCst);
            if entered {
                break;
            }
            if woken == Woken::ByDeadline {
                return None;
            }
        }
        Some(RwLockWriteGuard { lock: self })
    }

    /// Takes the lock for reading if that needs no wait.
    pub fn try_read(&self) -> Option<RwLockReadGuard<'_, T>> {
        self.enter_reader().then(|| RwLockReadGuard { lock: self })
    }

    /// Takes the lock for writing if that needs no wait.
    pub fn try_write(&self) -> Option<RwLockWriteGuard<'_, T>> {
        self.enter_writer().then(|| RwLockWriteGuard { lock: self })
    }

    /// The data, where exclusive access to the lock proves that nobody has it.
    pub fn get_mut(&mut self) -> &mut T {
        self.data.get_mut()
    }

    fn enter_reader(&self) -> bool {
        self.waiting_writers.load(Ordering::SeqCst) == 0
            && self
                .state
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |readers| (readers < WRITER - 1).then(|| readers + 1))
                .is_ok()
    }

    fn enter_writer(&self) -> bool {
        self.state.compare_exchange(0, WRITER, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    /// Waits until `enter` succeeds. The last attempt before each sleep is made under the queue's lock and after
    /// `sleeping` was raised, so that a leaver either lets it succeed or sees that it must wake.
    fn wait_until(&self, mut enter: impl FnMut() -> bool) {
        while !enter() {
            let mut entered = false;
            self.sleeping.fetch_add(1, Ordering::SeqCst);
            self.waiters.wait(
                || {
                    entered = enter();
                    !entered
                },
                || (),
                None,
            );
            self.sleeping.fetch_sub(1, Ordering::SeqCst);
            if entered {
                return;
            }
        }
    }

    fn leave(&self) {
        if self.sleeping.load(Ordering::SeqCst) != 0 {
            self.waiters.wake_all();
        }
    }
}

impl<T: ?Sized> Drop for ReadersHeld<'_, T> {
    fn drop(&mut self) {
        self.lock.waiting_writers.fetch_sub(1, Ordering::SeqCst);
        self.lock.leave();
    }
}

impl<T: ?Sized> Drop for RwLockReadGuard<'_, T> {
    fn drop(&mut self) {
        if self.lock.state.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.lock.leave();
        }
    }
}

impl<T: ?Sized> Drop for RwLockWriteGuard<'_, T> {
    fn drop(&mut self) {
        self.lock.state.store(0, Ordering::SeqCst);
        self.lock.leave();
    }
}

impl<T: ?Sized> Deref for RwLockReadGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: the guard exists, so there is no writer.
        unsafe { &*self.lock.data.get() }
    }
}

impl<T: ?Sized> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: the guard exists, so this thread is the only one inside.
        unsafe { &*self.lock.data.get() }
    }
}

impl<T: ?Sized> DerefMut for RwLockWriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard exists and is borrowed exclusively, so this is the only reference.
        unsafe { &mut *self.lock.data.get() }
    }
}

impl<T: Default> Default for RwLock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.try_read() {
            Some(guard) => f.debug_tuple("RwLock").field(&&*guard).finish(),
            None => f.write_str("RwLock(<locked>)"),
        }
    }
}
