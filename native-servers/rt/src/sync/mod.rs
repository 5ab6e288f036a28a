//! Locks that sleep, and the spin lock for tiny leaf sections.
//!
//! A contended thread parks; an uncontended operation is one atomic instruction. There is no poisoning: a panic ends the
//! whole task. Everything is built on [`WaitList`], which is built on the per-thread sleep and wake of
//! [`thread`](crate::thread); nothing here knows how many CPUs there are.

mod condvar;
#[expect(unsafe_code, reason = "a lock hands out references to shared data")]
mod mutex;
mod once_cell;
#[expect(unsafe_code, reason = "a lock hands out references to shared data")]
mod rw_lock;
#[expect(unsafe_code, reason = "an intrusive queue of nodes on the waiters' stacks")]
mod wait_list;

pub use condvar::Condvar;
pub use mutex::{Mutex, MutexGuard};
pub use once_cell::OnceCell;
pub use rw_lock::{ReadersHeld, RwLock, RwLockReadGuard, RwLockWriteGuard};
pub(crate) use wait_list::{WaitList, Woken};

/// A spin lock for sections of a few instructions that neither fault nor block.
///
/// All threads of a task have one priority, so a spinning thread that yields lets the holder run, on any number of CPUs; one
/// whose priority is [raised](crate::thread::raise) sleeps for a moment instead.
pub type SpinLock<T> = spin::mutex::SpinMutex<T, YieldWhileSpinning>;

/// Yields the CPU between two attempts to take a [`SpinLock`].
#[derive(Debug)]
pub struct YieldWhileSpinning;

impl spin::RelaxStrategy for YieldWhileSpinning {
    fn relax() {
        crate::os::yield_now();
    }
}
