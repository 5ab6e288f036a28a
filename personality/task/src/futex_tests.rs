//! Futexes between host threads, over flat memory.

use super::*;
use guest_memory::host::{FlatMemory, set_translator};
use guest_memory::write_value;

extern crate std;
use std::thread;

const WORD: UserAddr = UserAddr(0x10_0000);
const OTHER: UserAddr = UserAddr(0x10_0100);

fn space() -> Arc<AddressSpace> {
    AddressSpace::new(mm::Limits::default()).expect("the host has memory")
}

fn request(address: UserAddr, expected: u32, deadline_ns: Option<u64>) -> FutexWait {
    FutexWait { address, scope: Scope::Private, expected, bits: u32::MAX, deadline_ns }
}

fn wake_until(space: &Arc<AddressSpace>, address: UserAddr, count: usize) {
    let mut woken = 0;
    while woken < count {
        woken += wake_bits(space, address, Scope::Private, u32::MAX, count - woken).expect("the address is good");
        thread::yield_now();
    }
}

#[test]
fn another_value_and_bad_addresses_do_not_wait() {
    let _memory = FlatMemory::install(WORD.0, 1);
    let space = space();
    write_value(WORD, &5u32).expect("mapped");
    assert_eq!(wait(&space, &request(WORD, 4, None)), Err(Errno::EAGAIN));
    assert_eq!(wait(&space, &request(UserAddr(WORD.0 + 1), 4, None)), Err(Errno::EINVAL));
    assert_eq!(wait(&space, &request(UserAddr(u64::MAX - 3), 4, None)), Err(Errno::EFAULT));
    let deadline = rt::time::now_ns() + 2_000_000;
    assert_eq!(wait(&space, &request(WORD, 5, Some(deadline))), Err(Errno::ETIMEDOUT));
    assert!(bucket(Key::new(&space, WORD, Scope::Private).expect("good").bucket()).lock().is_empty());
}

#[test]
fn waiters_are_woken_and_requeued() {
    let memory = FlatMemory::install(WORD.0, 1);
    let space = space();
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let (memory, space) = (memory.clone(), space.clone());
            thread::spawn(move || {
                set_translator(Some(memory));
                wait(&space, &request(WORD, 0, None))
            })
        })
        .collect();
    let words = TwoWords { from: WORD, to: OTHER, scope: Scope::Private };
    let (mut woken, mut moved) = (0, 0);
    while woken + moved < 3 {
        let done = requeue(&space, words, (1 - woken, 2 - moved), Some(0)).expect("the word is 0");
        (woken, moved) = (woken + done.0, moved + done.1);
    }
    assert_eq!((woken, moved), (1, 2));
    assert_eq!(wake_bits(&space, WORD, Scope::Private, u32::MAX, 9), Ok(0));
    wake_until(&space, OTHER, 2);
    for thread in threads {
        assert_eq!(thread.join().expect("the thread ends"), Ok(()));
    }
}

#[test]
fn wake_op_changes_the_second_word() {
    let _memory = FlatMemory::install(WORD.0, 1);
    let space = space();
    write_value(OTHER, &7u32).expect("mapped");
    let words = TwoWords { from: WORD, to: OTHER, scope: Scope::Private };
    let add_3_if_equal_7 = raw::FUTEX_OP_ADD << 28 | raw::FUTEX_OP_CMP_EQ << 24 | 3 << 12 | 7;
    assert_eq!(wake_op(&space, words, (1, 1), add_3_if_equal_7), Ok(0));
    assert_eq!(read_value::<u32>(OTHER), Ok(10));
    assert_eq!(wake_op(&space, words, (1, 1), 7 << 28), Err(Errno::ENOSYS));
    let shift =
        Operation::decode((raw::FUTEX_OP_OR | raw::FUTEX_OP_OPARG_SHIFT) << 28 | 4 << 12 | 0xfff).expect("good");
    assert_eq!((shift.operand, shift.compared), (16, -1));
}
