//! The big lock tells its holder that others wait.

use std::sync::Arc;
use std::thread;

use crate::atomic::AtomicU32;
use crate::lock::BigLock;

#[test]
fn the_holder_sees_that_others_wait() {
    let lock = Arc::new(BigLock::new(AtomicU32::new(0), AtomicU32::new(0)));
    lock.acquire(thread::yield_now);
    assert!(!lock.is_wanted());
    let other = thread::spawn({
        let lock = Arc::clone(&lock);
        move || {
            lock.acquire(thread::yield_now);
            let wanted = lock.is_wanted();
            lock.release();
            wanted
        }
    });
    while !lock.is_wanted() {
        thread::yield_now();
    }
    lock.release();
    assert!(!other.join().expect("it ends"));
}
