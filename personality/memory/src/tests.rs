//! Tests of frames and user copies.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use std::cell::RefCell;

use linux_abi::{Errno, Result};

use crate::host::{FlatMemory, Translator, set_translator};
use crate::*;

#[test]
fn frames_are_counted_and_come_back_zeroed() {
    let frame = Frame::alloc_zeroed().expect("memory");
    assert_eq!(frame.write(4090, b"0123456789"), 6);
    let second = frame.clone();
    assert_eq!((frame.refcount(), frame.number()), (2, second.number()));
    let copy = frame.duplicate().expect("memory");
    let mut bytes = [0; 6];
    copy.read(4090, &mut bytes);
    assert_eq!(&bytes, b"012345");
    drop((frame, second, copy));
    for _ in 0..100 {
        let mut bytes = [1; 4096];
        Frame::alloc_zeroed().expect("memory").read(0, &mut bytes);
        assert!(bytes.iter().all(|&byte| byte == 0));
    }
}

#[test]
fn the_zero_page_is_shared_and_not_counted() {
    let zero = Frame::zero();
    let count = zero.refcount();
    drop(zero.clone());
    assert_eq!(zero.refcount(), count);
    assert!(zero.is_zero_page());
}

#[test]
fn values_and_strings_travel() {
    let _memory = FlatMemory::install(0x1000, 2);
    write_value(UserAddr(0x1ffe), &0x1122_3344u32).expect("mapped");
    assert_eq!(read_value::<u32>(UserAddr(0x1ffe)), Ok(0x1122_3344));
    write_bytes(UserAddr(0x1fc0), &[b'a'; 100]).expect("mapped");
    write_zeros(UserAddr(0x2024), 1).expect("mapped");
    assert_eq!(read_c_string(UserAddr(0x1fc0), 100), Ok(vec![b'a'; 100]));
    assert_eq!(read_c_string(UserAddr(0x1fc0), 99), Err(Errno::ENAMETOOLONG));
    write_bytes(UserAddr(0x2ff0), &[b'a'; 16]).expect("mapped");
    assert_eq!(read_c_string(UserAddr(0x2ff0), 100), Err(Errno::EFAULT));
}

#[test]
fn ranges_outside_user_space_are_refused() {
    for addr in [0, 0xfff, USER_END, u64::MAX, 1 << 63, 0x3000] {
        let _memory = FlatMemory::install(0x1000, 2);
        assert_eq!(read_bytes(UserAddr(addr), &mut [0; 4]), Err(Errno::EFAULT));
        assert_eq!(write_bytes(UserAddr(addr), &[0; 4]), Err(Errno::EFAULT));
        assert_eq!(read_c_string(UserAddr(addr), 4), Err(Errno::EFAULT));
    }
    assert_eq!(atomic_load_u32(UserAddr(0x1002)), Err(Errno::EINVAL));
}

#[test]
fn partial_transfers_report_what_was_done() {
    let _memory = FlatMemory::install(0x1000, 1);
    let mut io = UserIo::vectored(vec![
        UserSegment { start: UserAddr(0x1000), bytes: 8 },
        UserSegment { start: UserAddr(0x1ffc), bytes: 8 },
    ])
    .expect("short");
    assert_eq!(Sink::write(&mut io, &[7; 16]), Ok(12));
    assert_eq!(Sink::write(&mut io, &[7; 4]), Err(Errno::EFAULT));
    let too_long = UserSegment { start: UserAddr(0), bytes: usize::MAX / 2 + 1 };
    assert!(UserIo::vectored(vec![too_long, too_long]).is_err());
}

#[test]
fn words_are_compared_and_exchanged() {
    let _memory = FlatMemory::install(0x1000, 1);
    assert_eq!(compare_exchange_u32(UserAddr(0x1004), 0, 5), Ok(0));
    assert_eq!(compare_exchange_u32(UserAddr(0x1004), 0, 6), Ok(5));
    assert_eq!(atomic_load_u32(UserAddr(0x1004)), Ok(5));
}

/// Pages that appear when they are asked for.
struct Lazy(std::sync::Mutex<Vec<(u64, Frame)>>);

impl Translator for Lazy {
    fn translate(&self, page: u64, _write: bool) -> Option<Frame> {
        let pages = self.0.lock().ok()?;
        pages.iter().find(|(number, _)| *number == page).map(|(_, frame)| frame.clone())
    }
}

std::thread_local! {
    static LAZY: RefCell<Option<Arc<Lazy>>> = const { RefCell::new(None) };
}

fn make_page(addr: UserAddr, _write: bool) -> Result<()> {
    LAZY.with(|lazy| match &*lazy.borrow() {
        Some(lazy) if addr.0 < 0x5000 => {
            let page = (addr.0 / PAGE_BYTES, Frame::alloc_zeroed()?);
            lazy.0.lock().map_err(|_| Errno::EFAULT)?.push(page);
            Ok(())
        }
        _ => Err(Errno::EFAULT),
    })
}

#[test]
fn faults_within_a_copy_are_resolved() {
    set_fault_handler(make_page);
    let lazy = Arc::new(Lazy(Vec::new().into()));
    LAZY.with(|slot| *slot.borrow_mut() = Some(lazy.clone()));
    set_translator(Some(lazy));
    let bytes: Vec<u8> = (0..9000u32).map(|n| n as u8).collect();
    write_bytes(UserAddr(0x1ffb), &bytes).expect("pages are made");
    let mut back = vec![0; 9000];
    read_bytes(UserAddr(0x1ffb), &mut back).expect("pages are there");
    assert_eq!(back, bytes);
    assert_eq!(user::write_partial(UserAddr(0x4ffd), &bytes), 3);
}
