//! Shared memory on the host back end.

use std::sync::Mutex;

use rt::Error;
use rt::memory::{Owned, Shared, Window, count};

/// The count of capabilities is the whole process's.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn bytes_pass_at_every_alignment() {
    let _alone = ALONE.lock();
    let shared = Shared::allocate(100).expect("memory");
    let window = shared.window();
    assert_eq!(window.bytes(), 4096);
    let bytes: Vec<u8> = (1..=64).collect();
    for start in 0..9 {
        for length in 0..=40 {
            window.zero(0, 4096).expect("inside");
            window.copy_in(start, &bytes[..length]).expect("inside");
            let mut all = [0xff; 64];
            window.copy_out(0, &mut all).expect("inside");
            assert_eq!(&all[start..start + length], &bytes[..length]);
            assert!(all[..start].iter().chain(&all[start + length..]).all(|byte| *byte == 0));
            window.copy_in(0, &bytes).expect("inside");
            window.zero(start, length).expect("inside");
            window.copy_out(start, &mut all[..length]).expect("inside");
            assert!(all[..length].iter().all(|byte| *byte == 0));
        }
    }
}

#[test]
fn what_lies_outside_is_an_error() {
    let _alone = ALONE.lock();
    let shared = Shared::allocate(4096).expect("memory");
    let window = shared.window();
    for (offset, length) in [(4096, 1), (4095, 2), (usize::MAX, 1), (usize::MAX, usize::MAX)] {
        assert_eq!(window.zero(offset, length), Err(Error::InvalidArgument));
    }
    assert_eq!(window.copy_in(4090, &[0; 7]), Err(Error::InvalidArgument));
    assert_eq!(window.copy_out(4097, &mut []), Err(Error::InvalidArgument));
    assert_eq!(window.copy_out(4096, &mut []), Ok(()));
    assert!(Window::map(shared.memory(), 4097).is_err());
    assert!(Window::map(shared.memory(), 0).is_err());
    assert!(Shared::allocate(0).is_err());
    assert!(Owned::copy_of(77).is_err());
}

#[test]
fn both_sides_and_the_device_see_the_same_bytes() {
    let _alone = ALONE.lock();
    let shared = Shared::allocate(8192).expect("memory");
    let received = Owned::copy_of(shared.memory().slot()).expect("it is memory");
    assert_eq!(received.bytes(), Ok(8192));
    assert_eq!(received.physical().map(|(physical, _)| physical), shared.physical());
    let theirs = received.map(8192).expect("it is as large");
    drop(received);
    shared.window().copy_in(5000, b"hello").expect("inside");
    let mut bytes = [0; 5];
    theirs.copy_out(5000, &mut bytes).expect("inside");
    assert_eq!(&bytes, b"hello");
    let device = Window::at_physical(shared.physical().expect("its own") + 5000, 5).expect("it is there");
    device.copy_in(0, b"HELLO").expect("inside");
    theirs.copy_out(5000, &mut bytes).expect("inside");
    assert_eq!(&bytes, b"HELLO");
}

#[test]
fn nothing_is_left_of_what_is_dropped() {
    let _alone = ALONE.lock();
    let before = count();
    for _ in 0..1_000 {
        let shared = Shared::allocate(4096).expect("memory");
        let lent = Owned::copy_of(shared.memory().slot()).expect("it is memory");
        let window = lent.map(4096).expect("it is as large");
        drop(shared);
        assert_eq!(lent.bytes(), Err(Error::InvalidCapability), "the owner has revoked it");
        drop((lent, window));
    }
    assert_eq!(count(), before);
}
