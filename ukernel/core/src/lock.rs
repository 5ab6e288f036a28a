//! What processors share without a lock: the big lock itself, and the calls that its holder makes to other processors.
//!
//! The lock is a ticket lock: whoever comes first is first, a free lock costs one atomic instruction to take and none to
//! give back. Whoever waits for it serves calls meanwhile, so its holder may wait for a call's end: a processor is either
//! in user space or idle, where an interrupt gets it here, or waits here, or is on its way between the two.

use core::num::NonZeroU64;

use crate::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::{Ref, RemoteCall};

/// The lock around the kernel.
pub struct BigLock {
    next: AtomicU32,
    serving: AtomicU32,
}

impl BigLock {
    /// A free lock, of two zeros.
    pub const fn new(next: AtomicU32, serving: AtomicU32) -> Self {
        Self { next, serving }
    }

    /// Take the lock; `wait` is called again and again until it is ours.
    #[inline(always)]
    pub fn acquire(&self, wait: impl FnMut()) {
        let ticket = self.next.fetch_add(1, Ordering::Relaxed);
        if self.serving.load(Ordering::Acquire) != ticket {
            self.acquire_later(ticket, wait);
        }
    }

    #[cold]
    #[inline(never)]
    fn acquire_later(&self, ticket: u32, mut wait: impl FnMut()) {
        while self.serving.load(Ordering::Acquire) != ticket {
            wait();
        }
    }

    /// Whether others wait for it. By its holder only.
    pub fn is_wanted(&self) -> bool {
        self.next.load(Ordering::Relaxed).wrapping_sub(self.serving.load(Ordering::Relaxed)) > 1
    }

    /// Give the lock to the next one. By its holder only.
    #[inline(always)]
    pub fn release(&self) {
        self.serving.store(self.serving.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
    }
}

/// One call to a set of processors at a time, made by the lock's holder.
pub struct Calls {
    /// The processors that have not done it yet, as bits.
    pending: AtomicU32,
    kind: AtomicU32,
    argument: AtomicU64,
}

const UNLOAD: u32 = 0;
const INVALIDATE: u32 = 1;
const INVALIDATE_ALL: u32 = 2;
const RETIRE_ROOT: u32 = 3;

impl Calls {
    /// No call, from three zeros.
    pub const fn new(pending: AtomicU32, kind: AtomicU32, argument: AtomicU64) -> Self {
        Self { pending, kind, argument }
    }

    /// Make a call to these processors. By the lock's holder only, when the call before has ended.
    pub fn begin(&self, cpus: u32, what: RemoteCall) {
        let (kind, argument) = match what {
            RemoteCall::Unload(thread) => (UNLOAD, thread.address()),
            RemoteCall::Invalidate(address) => (INVALIDATE, address),
            RemoteCall::InvalidateAll => (INVALIDATE_ALL, 0),
            RemoteCall::RetireRoot => (RETIRE_ROOT, 0),
        };
        self.kind.store(kind, Ordering::Relaxed);
        self.argument.store(argument, Ordering::Relaxed);
        self.pending.store(cpus, Ordering::Release);
    }

    /// Whether all have done it.
    pub fn ended(&self) -> bool {
        self.pending.load(Ordering::Acquire) == 0
    }

    /// Do what was asked of this processor, if something was.
    #[inline(always)]
    pub fn serve(&self, cpu: u32, act: impl FnOnce(RemoteCall)) {
        if self.pending.load(Ordering::Acquire) & 1 << cpu == 0 {
            return;
        }
        let argument = self.argument.load(Ordering::Relaxed);
        let what = match (self.kind.load(Ordering::Relaxed), NonZeroU64::new(argument)) {
            (UNLOAD, Some(thread)) => RemoteCall::Unload(Ref::from_address(thread)),
            (INVALIDATE, _) => RemoteCall::Invalidate(argument),
            (RETIRE_ROOT, _) => RemoteCall::RetireRoot,
            _ => RemoteCall::InvalidateAll,
        };
        act(what);
        self.pending.fetch_and(!(1 << cpu), Ordering::Release);
    }
}
