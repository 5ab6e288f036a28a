//! What processors share without a lock, in all interleavings and with all that the memory model allows (`loom`): the source is
//! the kernel's, with loom's atomics in place of the processor's.

#[path = "../../../ukernel/core/src/lock.rs"]
mod lock;

mod atomic {
    pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};
}

use std::sync::atomic::{AtomicUsize, Ordering as Std};

use atomic::{AtomicU32, AtomicU64};
use lock::{BigLock, Calls, Waiting};
use loom::cell::UnsafeCell;
use loom::model::Builder;
use loom::sync::{Arc, Notify};
use loom::thread;
use ukernel_core::{Ref, RemoteCall};

const CPUS: usize = 3;

struct Machine {
    lock: BigLock,
    calls: Calls,
    /// The interrupt that both wakes and calls, for each processor.
    interrupts: [Notify; CPUS],
    /// What the lock is around.
    inside: UnsafeCell<()>,
    /// Calls that were served.
    served: AtomicU32,
}

impl Machine {
    fn new() -> Self {
        Self {
            lock: BigLock::new(AtomicU64::new(0)),
            calls: Calls::new(AtomicU32::new(0), AtomicU32::new(0), AtomicU64::new(0)),
            interrupts: core::array::from_fn(|_| Notify::new()),
            inside: UnsafeCell::new(()),
            served: AtomicU32::new(0),
        }
    }

    /// Enter and leave the kernel.
    fn enter(&self, cpu: u32, act: impl FnOnce()) {
        self.lock.acquire(Processor { machine: self, cpu });
        // loom sees to it that nobody else is at it.
        self.inside.with_mut(|_| ());
        act();
        self.lock.release(Processor { machine: self, cpu }, |other| self.interrupts[other as usize].notify());
    }

    fn serve(&self, cpu: u32) {
        self.calls.serve(cpu, |call| {
            assert!(matches!(call, RemoteCall::Invalidate(0x1000)));
            self.served.fetch_add(1, atomic::Ordering::Relaxed);
        });
    }

    /// What the lock's holder does for a call.
    fn call(&self, cpus: u32) {
        self.calls.begin(cpus, RemoteCall::Invalidate(0x1000));
        for cpu in (0..CPUS).filter(|cpu| cpus & 1 << cpu != 0) {
            self.interrupts[cpu].notify();
        }
        while !self.calls.ended() {
            thread::yield_now();
        }
    }
}

struct Processor<'a> {
    machine: &'a Machine,
    cpu: u32,
}

impl Waiting for Processor<'_> {
    const LOOKS: u32 = 1;

    fn cpu(&self) -> u32 {
        self.cpu
    }

    fn let_pass(&self) {
        thread::yield_now();
    }

    fn pause(&mut self) {
        self.machine.serve(self.cpu);
        self.let_pass();
    }

    fn sleep(&mut self) {
        self.machine.interrupts[self.cpu as usize].wait();
    }
}

/// Explore all interleavings with so many switches that nothing forces. A sleep that nobody ends is a deadlock, which loom reports.
fn explore(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    let mut builder = Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(move || {
        RUNS.fetch_add(1, Std::Relaxed);
        model();
    });
    println!("{} interleavings so far", RUNS.load(Std::Relaxed));
}

#[test]
fn one_processor_at_a_time_has_the_lock_and_none_sleeps_for_ever() {
    explore(3, || {
        let machine = Arc::new(Machine::new());
        let others = [1, 2].map(|cpu| {
            let machine = machine.clone();
            thread::spawn(move || machine.enter(cpu, || ()))
        });
        machine.enter(0, || ());
        others.into_iter().for_each(|other| drop(other.join()));
        assert!(!machine.lock.is_wanted());
    });
}

#[test]
fn a_processor_that_comes_back_at_once_starves_nobody_for_ever() {
    explore(4, || {
        let machine = Arc::new(Machine::new());
        let other = thread::spawn({
            let machine = machine.clone();
            move || machine.enter(1, || ())
        });
        (0..2).for_each(|_| machine.enter(0, || ()));
        drop(other.join());
    });
}

#[test]
fn calls_reach_who_waits_sleeps_or_is_elsewhere() {
    explore(3, || {
        let machine = Arc::new(Machine::new());
        let other = thread::spawn({
            let machine = machine.clone();
            move || {
                machine.enter(1, || ());
                // In user space, where the interrupt arrives.
                while machine.served.load(atomic::Ordering::Relaxed) == 0 {
                    machine.interrupts[1].wait();
                    machine.serve(1);
                }
            }
        });
        machine.enter(0, || machine.call(1 << 1));
        drop(other.join());
        assert_eq!(machine.served.load(atomic::Ordering::Relaxed), 1);
    });
}
