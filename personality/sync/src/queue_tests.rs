//! Waiting with real threads.

use super::*;
use core::sync::atomic::AtomicBool;

extern crate std;
use std::thread;

#[test]
fn a_condition_that_holds_is_taken_without_waiting() {
    let queue = WaitQueue::new();
    assert_eq!(queue.wait(None, || Some(3)), Ok(3));
    assert!(queue.is_empty());
}

#[test]
fn a_deadline_ends_a_wait() {
    let queue = WaitQueue::new();
    let deadline = rt::time::now_ns() + 20_000_000;
    assert_eq!(queue.wait(Some(deadline), || None::<()>), Err(WaitError::TimedOut));
    assert!(rt::time::now_ns() >= deadline);
    assert!(queue.is_empty());
}

#[test]
fn no_wake_up_is_lost_between_two_threads_that_hand_a_token_back_and_forth() {
    let shared = Arc::new((WaitQueue::new(), AtomicUsize::new(0)));
    let other = shared.clone();
    let handle = thread::spawn(move || {
        for turn in 0..2000 {
            other.0.wait_uninterruptible(|| (other.1.load(Ordering::SeqCst) == 2 * turn + 1).then_some(()));
            other.1.store(2 * turn + 2, Ordering::SeqCst);
            other.0.wake_all();
        }
    });
    for turn in 0..2000 {
        shared.1.store(2 * turn + 1, Ordering::SeqCst);
        shared.0.wake_all();
        shared.0.wait_uninterruptible(|| (shared.1.load(Ordering::SeqCst) == 2 * turn + 2).then_some(()));
    }
    handle.join().expect("the other side finished");
}

#[test]
fn an_interrupt_ends_a_wait_and_sticks_until_cleared() {
    let queue = Arc::new(WaitQueue::new());
    let inner = queue.clone();
    let (send, receive) = std::sync::mpsc::channel();
    let handle = thread::spawn(move || {
        let waiter = Waiter::current();
        send.send(waiter.clone()).expect("the test listens");
        let first = inner.wait(None, || None::<()>);
        let second = inner.wait(None, || None::<()>);
        waiter.clear_interrupt();
        let third = inner.wait(Some(rt::time::now_ns() + 1_000_000), || None::<()>);
        (first, second, third)
    });
    receive.recv().expect("the thread sends its waiter").interrupt();
    let (first, second, third) = handle.join().expect("the thread ends");
    assert_eq!(first, Err(WaitError::Interrupted));
    assert_eq!(second, Err(WaitError::Interrupted));
    assert_eq!(third, Err(WaitError::TimedOut));
}

#[test]
fn wake_one_wakes_each_waiter_once() {
    let queue = Arc::new((WaitQueue::new(), AtomicUsize::new(0), AtomicBool::new(false)));
    let threads: std::vec::Vec<_> = (0..4)
        .map(|_| {
            let queue = queue.clone();
            thread::spawn(move || {
                queue.0.wait_uninterruptible(|| {
                    queue.1.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).ok()
                });
            })
        })
        .collect();
    for _ in 0..4 {
        queue.1.fetch_add(1, Ordering::SeqCst);
        queue.0.wake_one();
    }
    for thread in threads {
        thread.join().expect("each is woken");
    }
}

struct Count(AtomicUsize);

impl Listener for Count {
    fn notify(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn listeners_are_told_of_every_wake_up_until_they_are_gone() {
    let queue = WaitQueue::new();
    let counts: [Arc<Count>; 2] = core::array::from_fn(|_| Arc::new(Count(AtomicUsize::new(0))));
    for count in &counts {
        let weak: Weak<Count> = Arc::downgrade(count);
        queue.subscribe(weak);
    }
    queue.wake_all();
    queue.wake_one();
    queue.notify_listeners();
    assert_eq!(counts.each_ref().map(|count| count.0.load(Ordering::SeqCst)), [3, 3]);
    let [first, second] = counts;
    drop(first);
    queue.wake_all();
    assert_eq!(second.0.load(Ordering::SeqCst), 4);
}

#[test]
fn those_that_are_gone_do_not_pile_up() {
    let queue = WaitQueue::new();
    for _ in 0..10_000 {
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let weak: Weak<Count> = Arc::downgrade(&count);
        queue.subscribe(weak);
    }
    assert!(queue.listeners.len() < 100, "{}", queue.listeners.len());
}
