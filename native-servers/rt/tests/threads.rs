//! Locks and parking on the host back end: the portable code is the same that runs on the target.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rt::sync::{Condvar, Mutex, OnceCell, RwLock};
use rt::{thread, time};

const STACK: usize = 1 << 16;

#[test]
fn a_mutex_excludes() {
    let counter = Arc::new(Mutex::new(0u64));
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let counter = counter.clone();
            thread::spawn("adder", STACK, move || (0..20_000).for_each(|_| *counter.lock() += 1)).expect("spawn")
        })
        .collect();
    threads.into_iter().for_each(thread::JoinHandle::join);
    assert_eq!(*counter.lock(), 160_000);
}

#[test]
fn a_readers_writer_lock_excludes_writers_and_starves_nobody() {
    let pair = Arc::new(RwLock::new((0u64, 0u64)));
    let threads: Vec<_> = (0..6)
        .map(|number| {
            let pair = pair.clone();
            let body = move || {
                for _ in 0..5_000 {
                    if number % 3 == 0 {
                        let mut pair = pair.write();
                        pair.0 += 1;
                        pair.1 += 1;
                    } else {
                        let pair = pair.read();
                        assert_eq!(pair.0, pair.1);
                    }
                }
            };
            thread::spawn("worker", STACK, body).expect("spawn")
        })
        .collect();
    threads.into_iter().for_each(thread::JoinHandle::join);
    assert_eq!(*pair.read(), (10_000, 10_000));
}

#[test]
fn a_condition_variable_loses_no_wake_up() {
    let turn = Arc::new((Mutex::new(0u32), Condvar::new()));
    let other = turn.clone();
    let player = thread::spawn("player", STACK, move || {
        for round in 0..2_000 {
            let guard = other.1.wait_while(other.0.lock(), |turn| *turn != 2 * round + 1);
            let mut guard = guard;
            *guard += 1;
            other.1.notify_one();
        }
    })
    .expect("spawn");
    for round in 0..2_000 {
        let mut guard = turn.1.wait_while(turn.0.lock(), |turn| *turn != 2 * round);
        *guard += 1;
        turn.1.notify_one();
    }
    player.join();
    assert_eq!(*turn.0.lock(), 4_000);
}

#[test]
fn a_condition_variable_times_out() {
    let mutex = Mutex::new(());
    let condvar = Condvar::new();
    let deadline = time::now_ns() + 5_000_000;
    let (guard, notified) = condvar.wait_until(mutex.lock(), deadline);
    drop(guard);
    assert!(!notified);
    assert!(time::now_ns() >= deadline);
    condvar.notify_all();
}

#[test]
fn a_permit_is_latched_once_and_not_taken_by_a_lock() {
    let mutex = Arc::new(Mutex::new(()));
    let guard = mutex.lock();
    let stage = Arc::new(AtomicUsize::new(0));
    let (their_mutex, their_stage) = (mutex.clone(), stage.clone());
    let sleeper = thread::spawn("sleeper", STACK, move || {
        their_stage.store(1, Ordering::SeqCst);
        drop(their_mutex.lock());
        thread::park();
        their_stage.store(2, Ordering::SeqCst);
        assert!(!thread::park_until(time::now_ns() + 1_000_000), "two unparks give one permit");
    })
    .expect("spawn");
    while stage.load(Ordering::SeqCst) == 0 {
        thread::yield_now();
    }
    sleeper.thread().unpark();
    sleeper.thread().unpark();
    drop(guard);
    sleeper.join();
    assert_eq!(stage.load(Ordering::SeqCst), 2);
}

#[test]
fn local_words_belong_to_their_thread() {
    thread::set_local(7);
    thread::spawn("other", STACK, || {
        assert_eq!(thread::local(), 0);
        thread::set_local(8);
        assert_eq!(thread::current().name(), "other");
    })
    .expect("spawn")
    .join();
    assert_eq!(thread::local(), 7);
}

#[test]
fn a_once_cell_keeps_its_first_value() {
    let cell = OnceCell::new();
    assert_eq!(cell.set(1), Ok(()));
    assert_eq!(cell.set(2), Err(2));
    assert_eq!(*cell.get_or_init(|| 3), 1);
}

#[test]
fn an_attempt_that_fails_leaves_a_readers_writers_lock_as_it_is() {
    let lock = RwLock::new(0u64);
    let writing = lock.write();
    assert!(lock.try_read().is_none() && lock.try_write().is_none());
    assert!(lock.try_read().is_none(), "the failed attempts let nobody in");
    drop(writing);
    let reading = lock.read();
    assert!(lock.try_write().is_none());
    assert!(lock.try_write_until(rt::time::now_ns() + 1_000_000).is_none());
    let other = lock.try_read().expect("readers are not held back");
    drop((reading, other));
    assert!(lock.try_write_until(0).is_some());
}

#[test]
fn readers_that_are_held_back_come_in_afterwards() {
    let lock = Arc::new(RwLock::new(0u64));
    let inside = lock.read();
    let held = lock.hold_readers();
    assert!(lock.try_read().is_none());
    drop(inside);
    let outside = lock.clone();
    let reader = std::thread::spawn(move || *outside.read());
    *lock.try_write().expect("nobody is inside") = 7;
    drop(held);
    assert_eq!(reader.join().expect("it comes in"), 7);
    assert!(lock.try_read().is_some());
}

#[test]
fn a_patient_writer_gets_the_moment_without_readers() {
    let lock = Arc::new(RwLock::new(0u64));
    let reading = lock.read();
    let writer = {
        let lock = lock.clone();
        std::thread::spawn(move || *lock.try_write_until(u64::MAX).expect("it waits for as long as it takes") += 1)
    };
    for _ in 0..100 {
        // Whether the writer waits already or not.
        drop(lock.read());
    }
    drop(reading);
    writer.join().expect("it gets the lock");
    assert_eq!(*lock.read(), 1);
}
