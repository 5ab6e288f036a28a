//! A guest made of a thread: what sessions look like from the other end of the channel.

use super::super::frame::{Frame, Kind, VERSION, stream};
use super::*;

/// Starts a channel whose other end `guest` serves, after the greeting.
fn channel(guest: impl FnOnce(UnixStream) + Send + 'static) -> Arc<Channel> {
    let (ours, mut theirs) = UnixStream::pair().expect("sockets can be made");
    std::thread::spawn(move || {
        Frame::new(0, Kind::Hello, 0, VERSION).write(&mut theirs).expect("the host listens");
        guest(theirs);
    });
    let channel = Channel::start(ours).expect("the stream can be shared");
    assert_eq!(channel.wait_ready(soon()), Ok(()));
    channel
}

fn soon() -> Option<Instant> {
    Some(Instant::now() + Duration::from_secs(20))
}

fn read(from: &mut UnixStream) -> Frame {
    Frame::read(from).expect("the host keeps to the protocol").expect("the host is still there")
}

/// Gives the input back, within the windows, and ends with status 7.
fn cat(mut host: UnixStream) {
    assert_eq!(read(&mut host).payload, b"cat");
    let mut window = u64::from(frame::INITIAL_WINDOW);
    let mut held = Vec::new();
    let mut ended = false;
    while !ended || !held.is_empty() {
        let frame = read(&mut host);
        match frame.header.kind {
            Kind::Data => {
                let bytes = u32::try_from(frame.payload.len()).expect("at most a payload");
                held.extend(frame.payload);
                Frame::new(1, Kind::Credit, stream::STDIN, bytes).write(&mut host).expect("the host listens");
            }
            Kind::Eof => ended = true,
            Kind::Credit => window += u64::from(frame.header.extra),
            other => panic!("{other:?}"),
        }
        while window > 0 && !held.is_empty() {
            let bytes = held.len().min(frame::MOST_BYTES).min(usize::try_from(window).expect("a window is small"));
            let now: Vec<u8> = held.drain(..bytes).collect();
            window -= bytes as u64;
            Frame::new(1, Kind::Data, stream::STDOUT, 0).with(&now).write(&mut host).expect("the host listens");
        }
    }
    Frame::new(1, Kind::Data, stream::STDERR, 0).with(b"done").write(&mut host).expect("the host listens");
    Frame::new(1, Kind::Exit, 0, 7 << 8).write(&mut host).expect("the host listens");
}

#[test]
fn a_session_carries_more_than_its_windows() {
    let input: Vec<u8> = (0..1_000_000u32).map(|number| (number >> 3) as u8).collect();
    let session = channel(cat).open("cat", 0).expect("the channel is open");
    let output = session.complete(&input, soon()).expect("the command ends");
    assert!(output.stdout == input, "{} bytes", output.stdout.len());
    assert_eq!((output.status.code(), output.stderr.as_slice()), (7, &b"done"[..]));
}

#[test]
fn input_that_nobody_reads_does_not_hold_the_session_up() {
    let channel = channel(|mut host| {
        assert_eq!(read(&mut host).header.kind, Kind::Exec);
        Frame::new(1, Kind::Exit, 0, 9).write(&mut host).expect("the host listens");
        // Stays until the host has gone.
        while let Ok(Some(_)) = Frame::read(&mut host) {}
    });
    let session = channel.open("true", 0).expect("the channel is open");
    let output = session.complete(&[0; 1_000_000], soon()).expect("the command ends");
    assert_eq!(output.status.code(), 128 + 9);
}

#[test]
fn a_guest_that_sends_more_than_it_may_is_cut_off() {
    let channel = channel(|mut host| {
        read(&mut host);
        for _ in 0..3 {
            let data = Frame::new(1, Kind::Data, stream::STDOUT, 0).with(&[0; frame::MOST_BYTES]);
            data.write(&mut host).expect("the host listens");
        }
        while let Ok(Some(_)) = Frame::read(&mut host) {}
    });
    let session = channel.open("flood", 0).expect("the channel is open");
    let end = channel.wait_end(soon());
    assert_eq!(end, Some(End::Failed("the guest sent more than it was granted".into())));
    assert!(matches!(session.next(soon()), Ok(Event::Data(Stream::Output, bytes)) if bytes.len() == 65536));
    assert!(matches!(session.next(soon()), Err(Stop::Ended(End::Failed(_)))));
}

#[test]
fn power_off_ends_the_wait_and_deadlines_pass() {
    let channel = channel(|mut host| {
        read(&mut host);
        read(&mut host);
        Frame::new(0, Kind::PowerOff, 0, 0).write(&mut host).expect("the host listens");
    });
    let session = channel.open("sleep", 0).expect("the channel is open");
    assert_eq!(session.next(Some(Instant::now() + Duration::from_millis(50))), Err(Stop::TimedOut));
    channel.resize(Window { rows: 25, columns: 80 }).expect("the guest listens");
    assert_eq!(session.next(soon()), Err(Stop::Ended(End::PoweredOff)));
}
