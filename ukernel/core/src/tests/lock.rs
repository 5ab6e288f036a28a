//! The big lock tells its holder that others wait, and wakes them. (All interleavings: `ci/model/tests/lock.rs`.)

use std::sync::Arc;
use std::thread;

use crate::atomic::AtomicU64;
use crate::lock::{BigLock, Taken, Waiting};

/// A processor with this number that is a thread.
struct Cpu(u32);

impl Waiting for Cpu {
    const LOOKS: u32 = 3;

    fn cpu(&self) -> u32 {
        self.0
    }

    fn let_pass(&self) {
        thread::yield_now();
    }

    fn pause(&mut self) {
        thread::yield_now();
    }

    fn sleep(&mut self) {
        thread::park();
    }
}

#[test]
fn the_holder_sees_that_others_wait_and_wakes_them() {
    let lock = Arc::new(BigLock::new(AtomicU64::new(0)));
    assert_eq!(lock.acquire(Cpu(0)), Taken::AtOnce);
    assert!(!lock.is_wanted());
    let other = thread::spawn({
        let lock = Arc::clone(&lock);
        move || {
            let taken = lock.acquire(Cpu(31));
            let wanted = lock.is_wanted();
            lock.release(Cpu(31), |_| ());
            (taken, wanted)
        }
    });
    while !lock.is_wanted() {
        thread::yield_now();
    }
    lock.release(Cpu(0), |cpu| {
        assert_eq!(cpu, 31);
        other.thread().unpark();
    });
    assert_eq!(other.join().expect("it ends"), (Taken::Later, false));
}
