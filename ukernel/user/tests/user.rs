//! What of the library does not need a kernel.

use ukernel_user::{Cap, Error, Memory, slots, words};

#[test]
fn bytes_and_words_are_views_of_one_another() {
    let mut some = [0u64; 2];
    words::as_bytes_mut(&mut some)[..9].copy_from_slice(b"abcdefghi");
    assert_eq!(some, [words::pack(b"abcdefgh"), words::pack(b"i")]);
    assert_eq!(&words::as_bytes(&some)[..9], b"abcdefghi");
}

#[test]
fn slots_are_given_once_until_they_are_freed() {
    assert_eq!(slots::allocate(), Err(Error::OutOfMemory));
    slots::add_free(100, 70);
    let mut taken: Vec<u64> = (0..70).map(|_| slots::allocate().expect("declared free")).collect();
    taken.sort_unstable();
    assert_eq!(taken, (100..170).collect::<Vec<_>>());
    assert_eq!(slots::allocate(), Err(Error::OutOfMemory));
    slots::free(123);
    assert_eq!(slots::allocate(), Ok(123));
    slots::free(0);
    slots::free(u64::MAX);
    assert_eq!(slots::allocate(), Err(Error::OutOfMemory));
}

#[test]
fn a_capability_is_a_slot_with_a_type() {
    let cap: Cap<Memory> = Cap::new(7);
    assert_eq!(format!("{cap:?}"), "Memory@7");
    assert_eq!(cap.size(), Err(Error::InvalidMethod), "there is no kernel on the host");
}
