//! The framing of the channel between host and guest.
//!
//! A frame is a 16-byte little-endian header (session u32, kind u8, stream u8, zero u16, length u32, extra u32) and
//! `length` bytes of payload, at most [`MAX_PAYLOAD`]. Each stream of each session has a window of
//! [`INITIAL_WINDOW`] bytes a direction, which its consumer extends by credit. The guest's bytes are checked: a frame that
//! breaks these rules ends the channel.

use std::io::{self, Read, Write};

/// Most bytes of a payload.
pub const MAX_PAYLOAD: usize = 32768;
/// Bytes that may be sent on a stream before the first credit.
pub const INITIAL_WINDOW: u64 = 65536;
/// Version of the protocol, in `HELLO`.
pub const VERSION: u32 = 1;
/// Bytes of a header.
const HEADER_BYTES: usize = 16;

/// What a frame means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// The guest is ready; extra: the protocol's version.
    Hello = 1,
    /// Run a command line; extra bit 0: trace its system calls.
    Exec = 2,
    /// Bytes of a stream.
    Data = 3,
    /// A stream's end.
    Eof = 4,
    /// More bytes may be sent on a stream; extra: how many.
    Credit = 5,
    /// The command ended; extra: its Linux wait status.
    Exit = 6,
    /// The terminal's size; extra: rows << 16 | columns.
    Resize = 7,
    /// Send a signal to the command; extra: its number.
    Signal = 8,
    /// The system has stopped; extra: 0 when orderly.
    PowerOff = 9,
    /// The command could not be started; payload: why.
    Refused = 10,
    /// The reader of a stream is gone.
    Closed = 11,
}

impl Kind {
    const ALL: [Self; 11] = [
        Self::Hello,
        Self::Exec,
        Self::Data,
        Self::Eof,
        Self::Credit,
        Self::Exit,
        Self::Resize,
        Self::Signal,
        Self::PowerOff,
        Self::Refused,
        Self::Closed,
    ];

    fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == number)
    }
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Which session it belongs to; 0: the whole system.
    pub session: u32,
    /// What it means.
    pub kind: Kind,
    /// Which of the session's streams: 0 input, 1 output, 2 errors, 3 system-call trace.
    pub stream: u8,
    /// A number, by kind.
    pub extra: u32,
    /// Bytes, by kind.
    pub payload: Vec<u8>,
}

impl Frame {
    /// A frame without payload.
    pub fn new(session: u32, kind: Kind, stream: u8, extra: u32) -> Self {
        Self { session, kind, stream, extra, payload: Vec::new() }
    }

    /// Writes the frame in one piece.
    ///
    /// # Errors
    /// When the payload is too long, or the writer fails.
    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        if self.payload.len() > MAX_PAYLOAD {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a frame carries at most 32768 bytes"));
        }
        let length = u32::try_from(self.payload.len()).expect("the length was checked above");
        let mut bytes = Vec::with_capacity(HEADER_BYTES + self.payload.len());
        bytes.extend(self.session.to_le_bytes());
        bytes.extend([self.kind as u8, self.stream, 0, 0]);
        bytes.extend(length.to_le_bytes());
        bytes.extend(self.extra.to_le_bytes());
        bytes.extend(&self.payload);
        to.write_all(&bytes)
    }

    /// Reads a frame; `None` at an end between two frames.
    ///
    /// # Errors
    /// When the reader fails, ends inside a frame, or the frame breaks the protocol.
    pub fn read(from: &mut impl Read) -> io::Result<Option<Self>> {
        let mut header = [0; HEADER_BYTES];
        let first = from.read(&mut header)?;
        if first == 0 {
            return Ok(None);
        }
        from.read_exact(&mut header[first..])?;
        let (mut frame, length) = Self::parse(&header)?;
        frame.payload.resize(length, 0);
        from.read_exact(&mut frame.payload)?;
        Ok(Some(frame))
    }

    fn parse(header: &[u8; HEADER_BYTES]) -> io::Result<(Self, usize)> {
        let [s0, s1, s2, s3, kind, stream, z0, z1, l0, l1, l2, l3, e0, e1, e2, e3] = *header;
        let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        let known = Kind::from_number(kind).filter(|_| length <= MAX_PAYLOAD && [z0, z1] == [0, 0] && stream <= 3);
        let Some(kind) = known else {
            let text = format!("the guest sent a frame that is none: {header:02x?}");
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        };
        let session = u32::from_le_bytes([s0, s1, s2, s3]);
        Ok((Self::new(session, kind, stream, u32::from_le_bytes([e0, e1, e2, e3])), length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_survive_the_wire() {
        let frames: Vec<Frame> = Kind::ALL
            .into_iter()
            .map(|kind| Frame { session: 7, kind, stream: 2, extra: 0xdead_beef, payload: vec![kind as u8; 1000] })
            .collect();
        let mut wire = Vec::new();
        frames.iter().for_each(|frame| frame.write(&mut wire).expect("writing to memory"));
        let mut reader = wire.as_slice();
        for frame in frames {
            assert_eq!(Frame::read(&mut reader).expect("it was just written"), Some(frame));
        }
        assert_eq!(Frame::read(&mut reader).expect("the end is no error"), None);
    }

    #[test]
    fn broken_frames_are_errors() {
        let mut good = Vec::new();
        Frame::new(1, Kind::Data, 1, 0).write(&mut good).expect("writing to memory");
        for (index, value) in [(4, 0), (4, 12), (5, 4), (6, 1), (10, 1)] {
            let mut bad = good.clone();
            bad[index] = value;
            bad.extend([0; 70000]);
            assert!(Frame::read(&mut bad.as_slice()).is_err(), "byte {index} = {value}");
        }
        assert!(Frame::read(&mut &good[..9]).is_err());
    }

    #[test]
    fn long_payloads_are_refused() {
        let frame = Frame { payload: vec![0; MAX_PAYLOAD + 1], ..Frame::new(1, Kind::Data, 0, 0) };
        assert!(frame.write(&mut Vec::new()).is_err());
    }
}
