//! The timers of a process that has no threads.

extern crate std;

use core::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::Limits;
use crate::signal::Actions;

fn process() -> Arc<Process> {
    Arc::new(Process::new(7, Limits::initial(10), Arc::new(Mutex::new(Actions::default()))))
}

const SECOND: u64 = 1_000_000_000;

#[test]
fn a_timer_tells_what_is_left_and_setting_it_returns_the_old_setting() {
    let process = process();
    let new = Setting { value_ns: 1000 * SECOND, interval_ns: 5 };
    assert_eq!(set_interval(&process, IntervalTimer::Real, new), Setting::default());
    let left = interval(&process, IntervalTimer::Real);
    assert!(left.value_ns > 900 * SECOND && left.value_ns <= 1000 * SECOND && left.interval_ns == 5);
    let old = set_interval(&process, IntervalTimer::Real, Setting::default());
    assert!(old.value_ns > 900 * SECOND);
    assert_eq!(interval(&process, IntervalTimer::Real), Setting::default());
}

#[test]
fn what_expires_just_now_is_sent_before_a_timer_is_set_or_deleted() {
    let process = process();
    let notice = Notice { signal: None, thread: None, value: None };
    let id = create(&process, TimerClock::Monotonic, notice).expect("the first timer");
    let expiry = process.expiry.lock();
    let ended = Arc::new(AtomicU32::new(0));
    let threads = [0, 1].map(|number| {
        let (process, ended) = (process.clone(), ended.clone());
        std::thread::spawn(move || {
            match number {
                0 => drop(set_interval(&process, IntervalTimer::Real, Setting::default())),
                _ => delete(&process, id).expect("it exists"),
            }
            ended.fetch_add(1, Ordering::SeqCst);
        })
    });
    std::thread::sleep(core::time::Duration::from_millis(20));
    assert_eq!(ended.load(Ordering::SeqCst), 0);
    drop(expiry);
    for thread in threads {
        thread.join().expect("it does not panic");
    }
    assert_eq!(ended.load(Ordering::SeqCst), 2);
}

#[test]
fn cancelling_leaves_nothing_in_the_queue() {
    let process = process();
    set_interval(&process, IntervalTimer::Real, Setting { value_ns: 1 << 60, interval_ns: 0 });
    let notice = Notice { signal: None, thread: None, value: None };
    let id = create(&process, TimerClock::Monotonic, notice).expect("the first timer");
    set_timer(&process, id, Setting { value_ns: u64::MAX, interval_ns: 1 }, true).expect("it exists");
    cancel_all(&process);
    let weak = Arc::downgrade(&process);
    assert!(
        !QUEUE.lock().entries.values().any(|target| matches!(target, Target::Process(owner, _) if owner.ptr_eq(&weak)))
    );
    assert_eq!(timer(&process, id), Err(Errno::EINVAL));
}

#[test]
fn a_periodic_timer_counts_what_it_missed() {
    let process = process();
    let notice = Notice { signal: None, thread: None, value: None };
    let id = create(&process, TimerClock::Monotonic, notice).expect("the first timer");
    let start = rt::time::now_ns().max(1);
    set_timer(&process, id, Setting { value_ns: start, interval_ns: 1_000_000 }, true).expect("it exists");
    sleep_until(start + 3_000_000).expect("nobody interrupts");
    let key = process.timers.lock().timer(Slot::Posix(id)).and_then(|timer| timer.key).expect("it is armed");
    expire(&process, Slot::Posix(id), key);
    assert!(overruns(&process, id).is_ok_and(|count| count >= 2));
    assert!(timer(&process, id).is_ok_and(|left| left.value_ns <= 1_000_000 && left.interval_ns == 1_000_000));
    delete(&process, id).expect("it exists");
}

#[test]
fn sleeping_lasts_until_the_deadline() {
    let deadline = rt::time::now_ns() + 5_000_000;
    assert_eq!(sleep_until(deadline), Ok(()));
    assert!(rt::time::now_ns() >= deadline);
}
