//! What processors share without a lock: the big lock itself, and the calls that its holder makes to other processors.
//!
//! The lock is one word: a bit that says it is taken, and one for each processor that sleeps until it is free. To take a free
//! lock is one atomic instruction, and to give it back another, which tells whether somebody sleeps. Whoever comes takes it when it is
//! free, so that it never stays with a processor that is not there (where processors are threads of a host's, the next in a line
//! may not run for milliseconds); who finds it taken looks again for a while, and then sleeps. Giving it back wakes one
//! of those who sleep, in turn; that one takes it some time, and wakes the next.
//!
//! Whoever waits for it serves calls meanwhile, so its holder may wait for a call's end: a processor is either
//! in user space or idle, where an interrupt gets it here, or waits here, or is on its way between the two.

use core::num::NonZeroU64;

use crate::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::{Ref, RemoteCall};

/// The lock around the kernel.
pub struct BigLock {
    word: AtomicU64,
}

/// Somebody has it.
const TAKEN: u64 = 1;
/// Position of the bits of those who sleep.
const SLEEPERS: u32 = 32;

/// What the processor that wants the lock does meanwhile.
pub trait Waiting {
    /// How often to look before sleeping: for longer than most hold the lock, and shorter than it takes to sleep and wake.
    const LOOKS: u32;

    /// Its number.
    fn cpu(&self) -> u32;
    /// Let a moment pass.
    fn let_pass(&self);
    /// The same, and serve calls.
    fn pause(&mut self);
    /// Sleep until it is woken or called, or something else is up; at once, if that has been so since the last time.
    fn sleep(&mut self);
}

/// How the lock was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It was free.
    AtOnce,
    /// There was time for something else in between.
    Later,
}

impl BigLock {
    /// A free lock, of a zero.
    pub const fn new(word: AtomicU64) -> Self {
        Self { word }
    }

    /// Take the lock.
    #[inline(always)]
    pub fn acquire(&self, waiting: impl Waiting) -> Taken {
        if self.try_acquire() { Taken::AtOnce } else { self.acquire_later(waiting) }
    }

    #[inline(always)]
    fn try_acquire(&self) -> bool {
        self.word.fetch_or(TAKEN, Ordering::Acquire) & TAKEN == 0
    }

    #[cold]
    #[inline(never)]
    fn acquire_later<W: Waiting>(&self, mut waiting: W) -> Taken {
        let own = 1 << SLEEPERS << waiting.cpu();
        loop {
            for _ in 0..W::LOOKS {
                if self.word.load(Ordering::Relaxed) & TAKEN == 0 && self.try_acquire() {
                    return Taken::Later;
                }
                waiting.pause();
            }
            // Where it is taken as the bit appears, who gives it back sees the bit.
            if self.word.fetch_or(own, Ordering::Relaxed) & TAKEN != 0 {
                waiting.sleep();
            }
            self.word.fetch_and(!own, Ordering::Relaxed);
        }
    }

    /// Whether others sleep until it is free. By its holder only.
    pub fn is_wanted(&self) -> bool {
        self.word.load(Ordering::Relaxed) >> SLEEPERS != 0
    }

    /// Give the lock back. By its holder only, with `cpu` its number; `wake` ends the sleep of a processor.
    #[inline(always)]
    pub fn release<W: Waiting>(&self, waiting: W, wake: impl FnOnce(u32)) {
        if self.word.fetch_sub(TAKEN, Ordering::Release) != TAKEN {
            self.wake_next(waiting, wake);
        }
    }

    /// Wake the next one that sleeps, counted from this one on, and give it time to take the lock: this one may be back at
    /// once.
    #[cold]
    #[inline(never)]
    fn wake_next<W: Waiting>(&self, waiting: W, wake: impl FnOnce(u32)) {
        let sleepers = (self.word.load(Ordering::Relaxed) >> SLEEPERS) as u32;
        if sleepers == 0 {
            return;
        }
        let first = waiting.cpu() + 1;
        let next = (first + sleepers.rotate_right(first).trailing_zeros()) % u32::BITS;
        let bit = 1 << SLEEPERS << next;
        // If the bit is gone that one is awake, and takes the lock some time.
        if self.word.fetch_and(!bit, Ordering::Relaxed) & bit != 0 {
            wake(next);
            let mut looks = 0..W::LOOKS;
            while looks.next().is_some() && self.word.load(Ordering::Relaxed) & TAKEN == 0 {
                waiting.let_pass();
            }
        }
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
