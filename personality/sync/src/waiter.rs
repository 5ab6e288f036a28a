//! The one thing per thread that others wake: a permit to run on, and a sticky "a signal needs attention" flag.
//!
//! Waiters are kept in a table by the index in the thread's local word (index + 1; 0 is "none yet"), made at first use
//! and never removed: personality threads are pooled and live as long as the personality.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use rt::sync::Mutex;
use rt::thread::ThreadHandle;

/// Why [`Waiter::park`] returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// Somebody called [`Waiter::wake`] or [`Waiter::interrupt`].
    Woken,
    /// The deadline passed.
    TimedOut,
}

/// A thread, as those see it that wake it.
pub struct Waiter {
    thread: ThreadHandle,
    woken: AtomicBool,
    interrupted: AtomicBool,
    blocked_ns: AtomicU64,
    /// Since when the thread is parked, or 0.
    parked_since_ns: AtomicU64,
}

static WAITERS: Mutex<Vec<Arc<Waiter>>> = Mutex::new(Vec::new());

impl Waiter {
    /// Returns the calling thread's waiter.
    pub fn current() -> Arc<Self> {
        let word = rt::thread::local();
        let mut waiters = WAITERS.lock();
        if let Some(waiter) = word.checked_sub(1).and_then(|index| waiters.get(index)) {
            return waiter.clone();
        }
        let waiter = Arc::new(Self {
            thread: rt::thread::current(),
            woken: AtomicBool::new(false),
            interrupted: AtomicBool::new(false),
            blocked_ns: AtomicU64::new(0),
            parked_since_ns: AtomicU64::new(0),
        });
        waiters.push(waiter.clone());
        rt::thread::set_local(waiters.len());
        waiter
    }

    /// Returns the calling thread's number: small, dense and stable, for tables with an entry for each thread.
    pub fn current_index() -> usize {
        match rt::thread::local().checked_sub(1) {
            Some(index) => index,
            None => {
                Self::current();
                rt::thread::local().saturating_sub(1)
            }
        }
    }

    /// Lets the thread's present or next [`park`](Self::park) return.
    pub fn wake(&self) {
        if !self.woken.swap(true, Ordering::AcqRel) {
            self.thread.unpark();
        }
    }

    /// Says that a signal needs attention: interruptible waits end until [`clear_interrupt`](Self::clear_interrupt).
    pub fn interrupt(&self) {
        self.interrupted.store(true, Ordering::Release);
        self.wake();
    }

    /// Takes the flag of [`interrupt`](Self::interrupt) back.
    pub fn clear_interrupt(&self) {
        self.interrupted.store(false, Ordering::Release);
    }

    /// Whether a signal needs attention.
    pub fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Acquire)
    }

    /// Time that the thread has spent in [`park`](Self::park) since it started, the present park included.
    pub fn blocked_ns(&self) -> u64 {
        let present = match self.parked_since_ns.load(Ordering::Relaxed) {
            0 => 0,
            since => rt::time::now_ns().saturating_sub(since),
        };
        self.blocked_ns.load(Ordering::Relaxed) + present
    }

    /// Waits until woken or `deadline_ns` (monotonic); returns at once where a wake-up was latched.
    /// Only for the waiter's own thread.
    pub fn park(&self, deadline_ns: Option<u64>) -> Woken {
        if self.woken.swap(false, Ordering::AcqRel) {
            return Woken::Woken;
        }
        let start = rt::time::now_ns();
        self.parked_since_ns.store(start, Ordering::Relaxed);
        let woken = self.park_until_woken(deadline_ns);
        self.parked_since_ns.store(0, Ordering::Relaxed);
        let blocked = rt::time::now_ns().saturating_sub(start);
        self.blocked_ns.fetch_add(blocked, Ordering::Relaxed);
        woken
    }

    fn park_until_woken(&self, deadline_ns: Option<u64>) -> Woken {
        loop {
            if self.woken.swap(false, Ordering::AcqRel) {
                return Woken::Woken;
            }
            match deadline_ns {
                None => rt::thread::park(),
                Some(deadline) => {
                    if !rt::thread::park_until(deadline) && rt::time::now_ns() >= deadline {
                        return match self.woken.swap(false, Ordering::AcqRel) {
                            true => Woken::Woken,
                            false => Woken::TimedOut,
                        };
                    }
                }
            }
        }
    }
}
