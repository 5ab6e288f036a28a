//! Descriptors.

use super::*;
use crate::anonymous;
use crate::credentials::Credentials;

fn pipe() -> Descriptor {
    let (file, _) = anonymous::make_pipe(OpenFlags::empty(), &Credentials::root()).expect("few pipes");
    Descriptor { file, closes_on_exec: false }
}

#[test]
fn the_lowest_free_number_is_taken() {
    let table = FdTable::new();
    for expected in 0..5 {
        assert_eq!(table.insert(0, 100, pipe()), Ok(expected));
    }
    table.close(1).expect("open");
    table.close(3).expect("open");
    assert_eq!(table.insert(2, 100, pipe()), Ok(3));
    assert_eq!(table.insert(0, 100, pipe()), Ok(1));
    assert_eq!(table.insert(0, 100, pipe()), Ok(5));
    assert_eq!(table.insert(20, 100, pipe()), Ok(20));
    assert_eq!(table.insert(0, 6, pipe()), Err(Errno::EMFILE));
    assert_eq!(table.close(7), Err(Errno::EBADF));
    assert_eq!(table.close(-1), Err(Errno::EBADF));
    assert_eq!(table.numbers(), [0, 1, 2, 3, 4, 5, 20]);
}

#[test]
fn a_reservation_is_given_back_unless_filled() {
    let table = FdTable::new();
    let reserved = table.reserve(0, 10).expect("free");
    assert_eq!(table.insert(0, 10, pipe()), Ok(1));
    assert_eq!(table.get(0).err(), Some(Errno::EBADF));
    assert_eq!(table.replace(0, 10, pipe()), Err(Errno::EBUSY));
    drop(reserved);
    assert_eq!(table.reserve(0, 10).expect("free").fill(pipe()), 0);
    assert_eq!(table.insert(0, 10, pipe()), Ok(2));
}

#[test]
fn fork_shares_descriptions_and_exec_closes() {
    let table = FdTable::new();
    table.insert(0, 10, pipe()).expect("free");
    table.insert(0, 10, Descriptor { closes_on_exec: true, ..pipe() }).expect("free");
    let child = table.duplicate();
    assert!(Arc::ptr_eq(&table.get(0).expect("open"), &child.get(0).expect("open")));
    child.close_on_exec();
    assert_eq!((child.numbers(), table.numbers()), (alloc::vec![0], alloc::vec![0, 1]));
    child.replace(5, 10, pipe()).expect("below the limit");
    assert_eq!(child.replace(10, 10, pipe()), Err(Errno::EBADF));
    assert_eq!(child.insert(0, 10, pipe()), Ok(1));
    child.set_range_closes_on_exec(1, u32::MAX);
    child.close_on_exec();
    assert_eq!(child.numbers(), [0]);
}
