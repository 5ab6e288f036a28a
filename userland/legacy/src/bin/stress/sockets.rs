//! Sockets: local pairs, and connections and datagrams over the loopback, between threads.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;

use legacy_programs::random::Random;

use crate::{Outcome, bytes, expect};

/// What was sent comes back, whole and in order.
pub(super) fn round(random: &mut Random, _folder: &Path) -> Outcome {
    let count = 1 + random.below(100_000) as usize;
    let sent = bytes(random, count);
    match random.below(3) {
        0 => {
            let (one, other) = UnixStream::pair()?;
            let far = other.try_clone()?;
            echoed(&sent, one.try_clone()?, one, other, far, |end| end.shutdown(Shutdown::Write))
        }
        1 => {
            let listener = TcpListener::bind("127.0.0.1:0")?;
            let one = TcpStream::connect(listener.local_addr()?)?;
            let (other, _) = listener.accept()?;
            let far = other.try_clone()?;
            echoed(&sent, one.try_clone()?, one, other, far, |end| end.shutdown(Shutdown::Write))
        }
        _ => datagrams(&sent),
    }
}

/// One thread sends, one returns what it gets, and this one reads.
fn echoed<S: Read + Write + Send>(
    sent: &[u8],
    mut writer: S,
    mut reader: S,
    mut far_reader: S,
    mut far_writer: S,
    end: impl Fn(&S) -> std::io::Result<()> + Send + Sync,
) -> Outcome {
    let mut back = Vec::new();
    let end = &end;
    let results = thread::scope(|scope| {
        let sender = scope.spawn(move || writer.write_all(sent).and_then(|()| end(&writer)));
        let echo = scope.spawn(move || {
            std::io::copy(&mut far_reader, &mut far_writer)?;
            end(&far_writer)
        });
        let read = reader.read_to_end(&mut back).map(drop);
        [sender.join(), echo.join(), Ok(read)]
    });
    for result in results {
        result.map_err(|_| "a thread panicked")??;
    }
    expect(back == sent, || format!("{} bytes came back of {}", back.len(), sent.len()))
}

/// One at a time, so that none is lost for want of room.
fn datagrams(sent: &[u8]) -> Outcome {
    let (one, other) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
    one.connect(other.local_addr()?)?;
    let mut buffer = [0; 2_000];
    for piece in sent.chunks(1_500).take(20) {
        one.send(piece)?;
        let (count, from) = other.recv_from(&mut buffer)?;
        let same = buffer.get(..count) == Some(piece) && from == one.local_addr()?;
        expect(same, || format!("a datagram of {count} bytes from {from}, {} sent", piece.len()))?;
    }
    Ok(())
}
