//! Streams, messages, descriptions in messages, and what is limited.

use std::vec::Vec;

use alloc::sync::Arc;
use guest_memory::{SliceSink, SliceSource};
use linux_abi::raw::net;
use linux_abi::{Errno, Result};
use rt::sync::{Mutex, MutexGuard};
use vfs::{Credentials, File, OpenFile, OpenFlags, PollEvents, PollTable};

use crate::family::{Family, Request};
use crate::message::{Incoming, MessageFlags, Outgoing, Patience, Received};
use crate::socket::{Socket, SocketKind};
use crate::unix::Unix;
use crate::{SocketFile, open};

/// The table of what is under way, and the sum of all buffers, belong to all tests together.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock()
}

fn pair(kind: SocketKind) -> (Arc<OpenFile>, Arc<OpenFile>) {
    let credentials = Credentials::root();
    let request = Request { domain: net::AF_UNIX, kind: kind.number(), protocol: 0, credentials: &credentials };
    let (a, b) = Unix.create_pair(request).expect("there is room");
    let opened = |socket| open(socket, OpenFlags::NONBLOCK, &credentials).expect("few files are open");
    (opened(a), opened(b))
}

fn socket(file: &OpenFile) -> &dyn Socket {
    &**file.downcast::<SocketFile>().expect("it is a socket").socket()
}

fn send_with(file: &OpenFile, bytes: &[u8], files: &[&Arc<OpenFile>], limit: u64) -> Result<usize> {
    let mut source = SliceSource::new(bytes);
    let mut message = Outgoing::plain(&mut source, MessageFlags::empty(), Patience::None);
    message.files = files.iter().map(|file| (*file).clone()).collect();
    message.files_limit = limit;
    socket(file).send(&mut message)
}

fn send(file: &OpenFile, bytes: &[u8]) -> Result<usize> {
    send_with(file, bytes, &[], 0)
}

fn receive(file: &OpenFile, room: usize) -> Result<(Vec<u8>, Received)> {
    let mut bytes = std::vec![0; room];
    let mut sink = SliceSink::new(&mut bytes);
    let mut request =
        Incoming { sink: &mut sink, flags: MessageFlags::empty(), patience: Patience::None, wants_identity: false };
    let received = socket(file).receive(&mut request)?;
    bytes.truncate(received.bytes);
    Ok((bytes, received))
}

fn text(file: &OpenFile, room: usize) -> Result<Vec<u8>> {
    receive(file, room).map(|(bytes, _)| bytes)
}

#[test]
fn a_stream_joins_what_messages_keep_apart() {
    let _alone = alone();
    for (kind, expected) in [(SocketKind::Stream, &b"onetwo"[..]), (SocketKind::SeqPacket, b"one")] {
        let (a, b) = pair(kind);
        assert_eq!((send(&a, b"one"), send(&a, b"two")), (Ok(3), Ok(3)));
        assert_eq!(text(&b, 9).as_deref(), Ok(expected));
    }
}

#[test]
fn a_stream_stops_behind_descriptions() {
    let _alone = alone();
    let (a, b) = pair(SocketKind::Stream);
    let (c, _d) = pair(SocketKind::Stream);
    send(&a, b"1").expect("there is room");
    send_with(&a, b"2", &[&c], 9).expect("there is room");
    send(&a, b"3").expect("there is room");
    let (bytes, received) = receive(&b, 9).expect("data waits");
    assert_eq!((bytes.as_slice(), received.files.len()), (&b"12"[..], 1));
    assert_eq!(text(&b, 9).as_deref(), Ok(&b"3"[..]));
}

#[test]
fn a_full_stream_refuses_and_is_writable_again_when_read() {
    let _alone = alone();
    let (a, b) = pair(SocketKind::Stream);
    let mut sent = 0;
    while let Ok(count) = send(&a, &[7; 5000]) {
        sent += count;
    }
    assert!((100_000..400_000).contains(&sent), "{sent}");
    let ready = |file: &OpenFile| file.poll(&mut PollTable::looking());
    assert!(!ready(&a).contains(PollEvents::OUT));
    let mut got = 0;
    while let Ok(bytes) = text(&b, 70_000) {
        assert!(bytes.iter().all(|byte| *byte == 7));
        got += bytes.len();
    }
    assert_eq!(got, sent);
    assert!(ready(&a).contains(PollEvents::OUT));
}

#[test]
fn the_end_of_one_side_is_seen_by_the_other() {
    let _alone = alone();
    let (a, b) = pair(SocketKind::Stream);
    send(&a, b"rest").expect("there is room");
    drop(a);
    assert_eq!((text(&b, 9).as_deref(), text(&b, 9).as_deref()), (Ok(&b"rest"[..]), Ok(&b""[..])));
    assert_eq!(send(&b, b"x"), Err(Errno::EPIPE));
    let (a, b) = pair(SocketKind::Stream);
    send(&b, b"unread").expect("there is room");
    drop(a);
    assert_eq!((text(&b, 9), text(&b, 9)), (Err(Errno::ECONNRESET), Ok(Vec::new())));
}

/// A file of which one can see whether it was closed.
struct Witness;

impl File for Witness {}

fn witness() -> Arc<OpenFile> {
    let (reopen, kind) = (vfs::anonymous::Reopen::Refused, vfs::FileKind::Regular);
    vfs::anonymous::open_object(Arc::new(Witness), "witness", kind, OpenFlags::RDWR, reopen).expect("few are open")
}

#[test]
fn circles_of_sockets_in_messages_end_and_what_is_held_stays() {
    let _alone = alone();
    let seen = witness();
    let weak = Arc::downgrade(&seen);
    let (a, b) = pair(SocketKind::Stream);
    let (c, d) = pair(SocketKind::Datagram);
    send_with(&a, b"x", &[&a, &b, &seen], 99).expect("there is room");
    send_with(&b, b"x", &[&a, &c], 99).expect("there is room");
    send_with(&c, b"x", &[&d, &seen], 99).expect("there is room");
    // One that is held, in a circle with itself, and with one more that only it leads to.
    let (kept, other) = pair(SocketKind::Stream);
    send_with(&other, b"x", &[&other, &kept], 99).expect("there is room");
    drop((seen, a, b, c, d, other));
    // Garbage is found when another socket ends.
    drop(pair(SocketKind::Stream));
    assert_eq!(weak.strong_count(), 0);
    let (_, received) = receive(&kept, 9).expect("it was not collected");
    assert_eq!(received.files.len(), 2);
}

#[test]
fn a_long_chain_of_sockets_in_messages_ends_without_a_deep_stack() {
    let _alone = alone();
    let end = witness();
    let weak = Arc::downgrade(&end);
    let (mut a, mut b) = pair(SocketKind::Stream);
    send_with(&a, b"x", &[&end], u64::MAX).expect("there is room");
    drop(end);
    for _ in 0..3000 {
        let (c, d) = pair(SocketKind::Stream);
        send_with(&c, b"x", &[&a, &b], u64::MAX).expect("there is room");
        (a, b) = (c, d);
    }
    drop((a, b));
    assert_eq!(weak.strong_count(), 0);
}

#[test]
fn a_user_has_only_so_many_descriptions_under_way() {
    let _alone = alone();
    let (a, b) = pair(SocketKind::Stream);
    let file = witness();
    assert_eq!(send_with(&a, b"x", &[&file, &file], 3), Ok(1));
    assert_eq!(send_with(&a, b"x", &[&file, &file], 3), Err(Errno::ETOOMANYREFS));
    drop(receive(&b, 1));
    // What nobody can receive counts no longer.
    let (c, d) = pair(SocketKind::Stream);
    send_with(&c, b"x", &[&c, &d], 3).expect("there is room");
    drop((c, d));
    assert_eq!(send_with(&a, b"x", &[&file, &file], 3), Ok(1));
}

#[test]
fn all_sockets_together_hold_only_so_much() {
    let _alone = alone();
    crate::set_total_limit_bytes(100_000);
    let (a, b) = pair(SocketKind::Stream);
    let error = loop {
        if let Err(error) = send(&a, &[0; 4096]) {
            break error;
        }
    };
    assert_eq!(error, Errno::ENOBUFS);
    while text(&b, 10_000).is_ok() {}
    assert_eq!(send(&a, &[0; 4096]), Ok(4096));
    drop((a, b));
    crate::set_total_limit_bytes(64 << 20);
}
