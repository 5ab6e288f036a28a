//! Levels, edges, single reports, closed files, epolls in epolls.

use std::vec::Vec;

use super::*;
use crate::anonymous::{Reopen, make_pipe, open_object};
use crate::credentials::Credentials;
use crate::flags::OpenFlags;
use crate::metadata::FileKind;
use guest_memory::{SliceSink, SliceSource};

const IN: u32 = raw::EPOLLIN;

fn pipe() -> (Arc<OpenFile>, Arc<OpenFile>) {
    make_pipe(OpenFlags::NONBLOCK, &Credentials::root()).expect("few pipes are open")
}

fn write(file: &OpenFile) {
    assert_eq!(file.write(&mut SliceSource::new(b"x")), Ok(1));
}

fn read(file: &OpenFile) {
    assert_eq!(file.read(&mut SliceSink::new(&mut [0])), Ok(1));
}

fn reported(epoll: &Epoll) -> Vec<(u32, u64)> {
    let mut all = Vec::new();
    let result = epoll.wait(8, Some(0), &mut |events, data| {
        all.push((events.bits(), data));
        Ok(())
    });
    assert_eq!(result, Ok(all.len()));
    all
}

fn open(epoll: &Arc<Epoll>) -> Arc<OpenFile> {
    open_object(epoll.clone(), "anon_inode:[eventpoll]", FileKind::Regular, OpenFlags::RDWR, Reopen::Refused)
        .expect("few files are open")
}

#[test]
fn a_level_is_reported_as_long_as_it_holds_and_an_edge_once() {
    let (level, edge) = (Epoll::new(), Epoll::new());
    let (reader, writer) = pipe();
    level.add(3, &reader, Interest::new(IN, 7)).expect("it is new");
    edge.add(3, &reader, Interest::new(IN | raw::EPOLLET, 8)).expect("it is new");
    assert!(reported(&level).is_empty() && reported(&edge).is_empty());
    write(&writer);
    assert_eq!((reported(&level), reported(&edge)), ([(IN, 7)].into(), [(IN, 8)].into()));
    assert_eq!((reported(&level), reported(&edge)), ([(IN, 7)].into(), [].into()));
    write(&writer);
    assert_eq!(reported(&edge), [(IN, 8)], "more data is another edge");
    read(&reader);
    read(&reader);
    assert!(reported(&level).is_empty() && reported(&edge).is_empty());
}

#[test]
fn a_single_report_waits_to_be_asked_for_again() {
    let epoll = Epoll::new();
    let (reader, writer) = pipe();
    epoll.add(3, &reader, Interest::new(IN | raw::EPOLLONESHOT, 1)).expect("it is new");
    write(&writer);
    assert_eq!((reported(&epoll).len(), reported(&epoll).len()), (1, 0));
    write(&writer);
    assert!(reported(&epoll).is_empty());
    epoll.modify(3, &reader, Interest::new(IN, 2)).expect("it is watched");
    assert_eq!(reported(&epoll), [(IN, 2)]);
}

#[test]
fn what_could_not_be_handed_out_is_not_lost() {
    let epoll = Epoll::new();
    let (reader, writer) = pipe();
    epoll.add(3, &reader, Interest::new(IN | raw::EPOLLONESHOT | raw::EPOLLET, 1)).expect("it is new");
    write(&writer);
    assert_eq!(epoll.wait(1, Some(0), &mut |_, _| Err(Errno::EFAULT)), Err(Errno::EFAULT));
    assert_eq!(reported(&epoll), [(IN, 1)]);
}

#[test]
fn a_closed_description_is_watched_no_longer_and_a_duplicate_keeps_it() {
    let epoll = Epoll::new();
    let (reader, writer) = pipe();
    let duplicate = reader.clone();
    epoll.add(3, &reader, Interest::new(IN, 1)).expect("it is new");
    assert_eq!(epoll.add(3, &duplicate, Interest::new(IN, 1)), Err(Errno::EEXIST));
    assert_eq!(epoll.add(4, &duplicate, Interest::new(IN, 2)), Ok(()));
    write(&writer);
    drop(reader);
    assert_eq!(reported(&epoll), [(IN, 1), (IN, 2)]);
    assert_eq!(epoll.remove(4, &duplicate), Ok(()));
    drop(duplicate);
    assert!(reported(&epoll).is_empty());
    assert!(epoll.items.lock().is_empty(), "the dead item was thrown out");
}

#[test]
fn no_more_than_the_limit_is_reported_and_all_get_their_turn() {
    let epoll = Epoll::new();
    let pipes: Vec<_> = (0..3).map(|_| pipe()).collect();
    for (number, (reader, writer)) in pipes.iter().enumerate() {
        epoll.add(3, reader, Interest::new(IN, number as u64)).expect("it is new");
        write(writer);
    }
    let mut seen = Vec::new();
    for _ in 0..3 {
        let note = &mut |_, data| {
            seen.push(data);
            Ok(())
        };
        assert_eq!(epoll.wait(1, Some(0), note), Ok(1));
    }
    seen.sort_unstable();
    assert_eq!(seen, [0, 1, 2]);
}

#[test]
fn epolls_watch_epolls_but_never_in_a_circle_and_not_too_deep() {
    let epolls: Vec<_> = (0..7).map(|_| Epoll::new()).collect();
    let files: Vec<_> = epolls.iter().map(open).collect();
    for outer in 1..6 {
        assert_eq!(epolls[outer].add(3, &files[outer - 1], Interest::new(IN, 0)), Ok(()), "{outer}");
    }
    assert_eq!(epolls[6].add(3, &files[5], Interest::new(IN, 0)), Err(Errno::ELOOP), "too deep");
    assert_eq!(epolls[0].add(3, &files[6], Interest::new(IN, 0)), Err(Errno::ELOOP), "too deep from below");
    assert_eq!(epolls[0].add(3, &files[5], Interest::new(IN, 0)), Err(Errno::ELOOP), "a circle");
    let (reader, writer) = pipe();
    epolls[0].add(9, &reader, Interest::new(IN, 0)).expect("it is new");
    assert!(reported(&epolls[5]).is_empty());
    write(&writer);
    assert_eq!(reported(&epolls[5]).len(), 1);
    read(&reader);
    assert!(reported(&epolls[5]).is_empty());
    write(&writer);
    assert_eq!(reported(&epolls[5]).len(), 1, "after a look in vain the next event counts");
}

#[test]
fn a_wait_is_ended_by_another_thread() {
    let epoll = Epoll::new();
    let (reader, writer) = pipe();
    epoll.add(3, &reader, Interest::new(IN, 5)).expect("it is new");
    let other = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(20));
        write(&writer);
        writer
    });
    let mut seen = 0;
    let note = &mut |_, data| {
        seen = data;
        Ok(())
    };
    assert_eq!((epoll.wait(4, None, note), seen), (Ok(1), 5));
    other.join().expect("it wrote");
}
