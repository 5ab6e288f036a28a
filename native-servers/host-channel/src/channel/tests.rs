//! The channel against a host that keeps the protocol, and one that does not.

use super::*;
use alloc::vec;
use interfaces::host_channel::INITIAL_WINDOW;
use stream::{STDERR, STDIN, STDOUT};

fn frame(kind: Kind, session: u32, stream: u8, extra: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    append_frame(&mut bytes, Header::new(kind, session, stream, extra), payload);
    bytes
}

/// All frames that are on their way to the host.
fn sent(channel: &mut Channel) -> Vec<(Header, Vec<u8>)> {
    let mut reader = FrameReader::new();
    reader.push(&channel.take_outgoing(usize::MAX));
    let mut frames = Vec::new();
    while let Some((header, payload)) = reader.next_frame().expect("we keep the protocol") {
        frames.push((header, payload.into()));
    }
    frames
}

fn open() -> Channel {
    let mut channel = Channel::default();
    assert_eq!(channel.next_session(), None);
    let hello = sent(&mut channel);
    assert_eq!((hello[0].0.kind, hello[0].0.extra, hello.len()), (Kind::Hello, VERSION, 1));
    assert_eq!(channel.receive(&frame(Kind::Exec, 7, 0, 1, b"echo hi")), Ok(()));
    assert_eq!(channel.next_session(), Some(Ok(Opened { id: 7, flags: 1, command_bytes: 7 })));
    assert_eq!(channel.command(7, 5, 100), Ok(b"hi".into()));
    channel
}

#[test]
fn a_session_reads_writes_and_exits() {
    let mut channel = open();
    assert_eq!(channel.read(7, STDIN, 10), None);
    assert_eq!(channel.receive(&frame(Kind::Data, 7, STDIN, 0, b"input")), Ok(()));
    assert_eq!(channel.read(7, STDIN, 3), Some(Ok(b"inp".into())));
    assert_eq!(channel.receive(&frame(Kind::Eof, 7, STDIN, 0, b"")), Ok(()));
    assert_eq!(channel.read(7, STDIN, 3), Some(Ok(b"ut".into())));
    assert_eq!(channel.read(7, STDIN, 3), Some(Ok(vec![])));
    assert_eq!(channel.write(7, STDOUT, b"output"), Some(Ok(6)));
    assert_eq!(channel.end_of_stream(7, STDOUT), Ok(()));
    assert_eq!(channel.exit(7, 0x100), Ok(()));
    let kinds: Vec<_> = sent(&mut channel).into_iter().map(|(header, _)| (header.kind, header.extra)).collect();
    assert_eq!(kinds, [(Kind::Data, 0), (Kind::Eof, 0), (Kind::Exit, 0x100)]);
    assert_eq!(channel.write(7, STDOUT, b"late"), Some(Err(Error::NoSession)));
    assert_eq!(channel.receive(&frame(Kind::Data, 7, STDIN, 0, b"late")), Ok(()));
}

#[test]
fn output_stops_at_the_window_of_its_stream_and_goes_on_with_credit() {
    let mut channel = open();
    let bytes = vec![1; 3000];
    let mut total = 0;
    while let Some(result) = channel.write(7, STDOUT, &bytes) {
        total += result.expect("the stream is open");
        sent(&mut channel);
    }
    assert_eq!(total, INITIAL_WINDOW);
    assert_eq!(channel.write(7, STDERR, b"others go on"), Some(Ok(12)));
    assert_eq!(channel.receive(&frame(Kind::Credit, 7, STDOUT, 10, b"")), Ok(()));
    assert_eq!(channel.write(7, STDOUT, &bytes), Some(Ok(10)));
    assert_eq!(channel.receive(&frame(Kind::Closed, 7, STDOUT, 0, b"")), Ok(()));
    assert_eq!(channel.write(7, STDOUT, &bytes), Some(Err(Error::Closed)));
}

#[test]
fn input_is_granted_as_it_is_read() {
    let mut channel = open();
    let mut window = INITIAL_WINDOW as usize;
    for _ in 0..200 {
        assert!(window >= 5000);
        assert_eq!(channel.receive(&frame(Kind::Data, 7, STDIN, 0, &[3; 5000])), Ok(()));
        window -= 5000;
        assert_eq!(channel.read(7, STDIN, 9999).expect("it came").expect("it is open").len(), 5000);
        for (header, _) in sent(&mut channel) {
            assert_eq!(header.kind, Kind::Credit);
            window += header.extra as usize;
        }
    }
}

#[test]
fn output_waits_where_the_link_does() {
    let mut channel = open();
    assert_eq!(channel.receive(&frame(Kind::Credit, 7, STDOUT, 1 << 20, b"")), Ok(()));
    while channel.write(7, STDOUT, &[1; 3000]).is_some() {}
    assert!(channel.outgoing.len() < OUTGOING_BYTES + 4096);
    sent(&mut channel);
    assert!(channel.write(7, STDOUT, b"again").is_some());
}

#[test]
fn a_closed_input_tells_the_host_once() {
    let mut channel = open();
    assert_eq!(channel.close_input(7, STDIN), Ok(()));
    assert_eq!(channel.close_input(7, STDIN), Ok(()));
    assert_eq!(channel.close_input(7, STDOUT), Err(Error::NoStream));
    let kinds: Vec<_> = sent(&mut channel).into_iter().map(|(header, _)| header.kind).collect();
    assert_eq!(kinds, [Kind::Closed]);
    assert_eq!(channel.read(7, STDIN, 1), Some(Ok(vec![])));
}

#[test]
fn signals_and_sizes_arrive() {
    let mut channel = open();
    assert_eq!((channel.next_signal(7), channel.next_resize()), (None, None));
    assert_eq!(channel.receive(&frame(Kind::Signal, 7, 0, 2, b"")), Ok(()));
    assert_eq!(channel.receive(&frame(Kind::Resize, 0, 0, 24 << 16 | 80, b"")), Ok(()));
    assert_eq!(channel.next_signal(7), Some(Ok(2)));
    assert_eq!(channel.next_resize(), Some(Ok(TerminalSize { rows: 24, cols: 80 })));
    assert_eq!((channel.next_signal(7), channel.next_resize()), (None, None));
}

#[test]
fn each_violation_is_named() {
    let violation = |bytes: &[u8]| open().receive(bytes);
    assert_eq!(violation(&frame(Kind::Exec, 7, 0, 0, b"x")), Err(Violation::SessionInUse(7)));
    assert_eq!(violation(&frame(Kind::Exit, 7, 0, 0, b"")), Err(Violation::Direction(Kind::Exit)));
    assert_eq!(violation(&frame(Kind::Data, 7, STDOUT, 0, b"x")), Err(Violation::Direction(Kind::Data)));
    assert_eq!(violation(&frame(Kind::Credit, 7, STDIN, 1, b"")), Err(Violation::Direction(Kind::Credit)));
    assert_eq!(violation(&frame(Kind::Credit, 7, STDOUT, u32::MAX, b"")), Err(Violation::Window(7)));
    assert_eq!(violation(&[0xff; 16]), Err(Violation::Frame(FrameError::Kind(0xff))));
    let mut channel = open();
    let full = frame(Kind::Data, 7, STDIN, 0, &[0; MAX_PAYLOAD]);
    assert_eq!([channel.receive(&full), channel.receive(&full)], [Ok(()), Ok(())]);
    assert_eq!(channel.receive(&frame(Kind::Data, 7, STDIN, 0, b"x")), Err(Violation::Window(7)));
}

#[test]
fn sessions_are_limited_and_a_flood_ends_the_link() {
    let mut channel = Channel::default();
    for id in 1..=MAX_SESSIONS as u32 {
        assert_eq!(channel.receive(&frame(Kind::Exec, id, 0, 0, b"x")), Ok(()));
    }
    assert_eq!(channel.receive(&frame(Kind::Exec, 1000, 0, 0, b"x")), Ok(()));
    assert_eq!(sent(&mut channel)[0].0.kind, Kind::Refused);
    let flood = (0..100_000).try_for_each(|_| channel.receive(&frame(Kind::Exec, 1000, 0, 0, b"x")));
    assert_eq!(flood, Err(Violation::Flood));
}

#[test]
fn random_frames_never_panic() {
    let mut state = 7u64;
    let mut random = |bound: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % bound
    };
    for _ in 0..300 {
        let mut channel = open();
        for _ in 0..100 {
            let kind = Kind::from_number(2 + random(10) as u8).expect("2 to 11 exist");
            let payload = vec![0; if random(2) == 0 { 0 } else { random(2000) as usize }];
            let bytes = frame(kind, random(9) as u32, random(5) as u8, random(1 << 32) as u32, &payload);
            if channel.receive(&bytes).is_err() {
                break;
            }
            let _ = channel.next_session();
            let _ = channel.read(random(9) as u32, random(5) as u8, random(5000) as usize);
            let _ = channel.write(random(9) as u32, random(5) as u8, &payload);
            if random(20) == 0 {
                let _ = channel.exit(random(9) as u32, 0);
            }
        }
    }
}
