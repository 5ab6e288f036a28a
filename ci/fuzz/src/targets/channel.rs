//! The host channel's frames, on both of its ends.

use host_channel_server::channel::Channel;
use interfaces::host_channel::{HEADER_BYTES, Header, Kind, append_frame, stream};

use crate::{Answer, Target};

/// What the host tool reads.
pub const FRAMES: Target = Target { name: "channel-frames", good: from_guest, head: 4096, inputs: 20_000, run: host };
/// What the guest's server reads, and what programs then ask it.
pub const GUEST: Target = Target { name: "channel-guest", good: from_host, head: 4096, inputs: 20_000, run: guest };

/// Bytes that arrive at a time: not a frame's length.
const PIECE: usize = 23;

fn frames(all: &[(Kind, u8, u32, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (kind, stream, extra, payload) in all {
        let session = u32::from(!matches!(kind, Kind::Hello | Kind::PowerOff | Kind::Resize));
        append_frame(&mut bytes, Header::new(*kind, session, *stream, *extra), payload);
    }
    bytes
}

fn from_guest() -> Vec<u8> {
    frames(&[
        (Kind::Hello, 0, interfaces::host_channel::VERSION, b""),
        (Kind::Data, stream::STDOUT, 0, b"a line\n"),
        (Kind::Credit, stream::STDIN, 4096, b""),
        (Kind::Eof, stream::STDOUT, 0, b""),
        (Kind::Exit, 0, 0x700, b""),
        (Kind::PowerOff, 0, 0, b""),
    ])
}

fn from_host() -> Vec<u8> {
    frames(&[
        (Kind::Exec, 0, 0, b"cat; echo done"),
        (Kind::Resize, 0, 50 << 16 | 132, b""),
        (Kind::Data, stream::STDIN, 0, b"some input for the program"),
        (Kind::Credit, stream::STDOUT, 1000, b""),
        (Kind::Signal, 0, 2, b""),
        (Kind::Eof, stream::STDIN, 0, b""),
        (Kind::Closed, stream::STDERR, 0, b""),
    ])
}

fn host(mut bytes: &[u8]) -> Answer {
    if let Some(Ok(header)) = bytes.first_chunk::<HEADER_BYTES>().map(Header::from_bytes) {
        assert_eq!(Some(&header.to_bytes()), bytes.first_chunk(), "a header changes on the way");
    }
    let mut rest = bytes.len();
    loop {
        match banyan::run::frame::Frame::read(&mut bytes) {
            Ok(Some(_)) => assert!(bytes.len() < rest, "a frame of no bytes"),
            Ok(None) => return Answer::Understood,
            Err(_) => return Answer::Refused,
        }
        rest = bytes.len();
    }
}

fn guest(bytes: &[u8]) -> Answer {
    let mut channel = Channel::default();
    channel.begin();
    for piece in bytes.chunks(PIECE) {
        if channel.receive(piece).is_err() {
            return Answer::Refused;
        }
        while let Some(Ok(session)) = channel.next_session() {
            let _ = channel.command(session.id, 0, 100);
            let _ = channel.read(session.id, stream::STDIN, 100);
            let _ = channel.write(session.id, stream::STDOUT, &[1; 2000]);
            let _ = (channel.next_signal(session.id), channel.next_resize());
            let _ = channel.exit(session.id, 0);
        }
        let _ = channel.take_outgoing(1000);
    }
    Answer::Understood
}
