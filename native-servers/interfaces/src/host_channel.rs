//! The framing between the system and the host tool: one byte stream that carries many sessions' streams.
//!
//! A frame is a 16-byte little-endian header and a payload:
//!
//! | bytes | field |
//! |---|---|
//! | 0..4 | session, chosen by the host from 1; 0: none |
//! | 4 | [`Kind`] |
//! | 5 | stream: see [`stream`] |
//! | 6..8 | zero |
//! | 8..12 | bytes of the payload, at most [`MAX_PAYLOAD`] |
//! | 12..16 | extra, as the kind says |
//!
//! Each stream starts with a window of [`INITIAL_WINDOW`] bytes in its direction; who consumes grants more by
//! [`Kind::Credit`]. A peer that breaks a rule of this page is cut off: a [`FrameError`] is final.

use alloc::vec::Vec;
use core::fmt;

/// Version of this protocol, in the HELLO frame's extra.
pub const VERSION: u32 = 1;
/// Bytes of a header.
pub const HEADER_BYTES: usize = 16;
/// Most bytes of a payload.
pub const MAX_PAYLOAD: usize = 32_768;
/// Bytes that may be sent on a stream before the first credit.
pub const INITIAL_WINDOW: u32 = 65_536;
/// Bit of an EXEC frame's extra: trace the command's system calls on [`stream::STRACE`].
pub const EXEC_STRACE: u32 = 1;
/// Of [`Kind::Exec`]: no command; the system is to stop in good order, and what it was asked by ends with it.
pub const EXEC_POWER_OFF: u32 = 2;

/// Numbers of a session's streams.
pub mod stream {
    /// Standard input: host to guest.
    pub const STDIN: u8 = 0;
    /// Standard output: guest to host.
    pub const STDOUT: u8 = 1;
    /// Standard error: guest to host.
    pub const STDERR: u8 = 2;
    /// The trace of system calls: guest to host.
    pub const STRACE: u8 = 3;
    /// How many there are.
    pub const COUNT: u8 = 4;
}

/// What a frame is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Guest to host, once, when ready; extra: [`VERSION`].
    Hello = 1,
    /// Host to guest: open a session; payload: command line for `sh -c`; extra: [`EXEC_STRACE`] or
    /// [`EXEC_POWER_OFF`].
    Exec = 2,
    /// Bytes of a stream.
    Data = 3,
    /// No more data on a stream.
    Eof = 4,
    /// The consumer of a stream grants `extra` more bytes.
    Credit = 5,
    /// Guest to host: the command ended; extra: Linux wait status. The session is over.
    Exit = 6,
    /// Host to guest, session 0: the terminal's size; extra: rows << 16 | columns.
    Resize = 7,
    /// Host to guest: send the command a signal; extra: its number.
    Signal = 8,
    /// Guest to host, session 0: the system has stopped; extra: 0 orderly, else after a failure.
    PowerOff = 9,
    /// Guest to host: the command is not executed; payload: the reason. The session is over.
    Refused = 10,
    /// The reader of a stream is gone.
    Closed = 11,
}

impl Kind {
    /// The kind with this number, if there is one.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Hello,
            2 => Self::Exec,
            3 => Self::Data,
            4 => Self::Eof,
            5 => Self::Credit,
            6 => Self::Exit,
            7 => Self::Resize,
            8 => Self::Signal,
            9 => Self::PowerOff,
            10 => Self::Refused,
            11 => Self::Closed,
            _ => return None,
        })
    }

    /// Whether frames of this kind may have a payload.
    const fn has_payload(self) -> bool {
        matches!(self, Self::Exec | Self::Data | Self::Refused)
    }

    /// Whether frames of this kind belong to a session.
    const fn has_session(self) -> bool {
        !matches!(self, Self::Hello | Self::Resize | Self::PowerOff)
    }
}

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Session, or 0.
    pub session: u32,
    /// What it is about.
    pub kind: Kind,
    /// Stream, or 0.
    pub stream: u8,
    /// Bytes of the payload.
    pub length: u32,
    /// As the kind says.
    pub extra: u32,
}

/// How a peer broke the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// The kind is unknown.
    Kind(u8),
    /// The stream does not exist.
    Stream(u8),
    /// Bytes 6 and 7 are not zero.
    Reserved,
    /// The payload is longer than allowed (for this kind).
    Length(u32),
    /// A session where there must be none, or none where there must be one.
    Session(u32),
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind(kind) => write!(f, "frame of unknown kind {kind}"),
            Self::Stream(stream) => write!(f, "frame for stream {stream}, which does not exist"),
            Self::Reserved => f.write_str("frame whose reserved bytes are not zero"),
            Self::Length(length) => write!(f, "frame with a payload of {length} bytes"),
            Self::Session(session) => write!(f, "frame of a kind that does not go with session {session}"),
        }
    }
}

impl core::error::Error for FrameError {}

impl Header {
    /// A header without payload.
    #[must_use]
    pub const fn new(kind: Kind, session: u32, stream: u8, extra: u32) -> Self {
        Self { session, kind, stream, length: 0, extra }
    }

    /// The header's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0..4].copy_from_slice(&self.session.to_le_bytes());
        bytes[4] = self.kind as u8;
        bytes[5] = self.stream;
        bytes[8..12].copy_from_slice(&self.length.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.extra.to_le_bytes());
        bytes
    }

    /// Reads and checks a header.
    ///
    /// # Errors
    /// The peer broke the protocol.
    pub fn from_bytes(bytes: &[u8; HEADER_BYTES]) -> Result<Self, FrameError> {
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let (session, stream, length, extra) = (word(0), bytes[5], word(8), word(12));
        let kind = Kind::from_number(bytes[4]).ok_or(FrameError::Kind(bytes[4]))?;
        if stream >= stream::COUNT {
            return Err(FrameError::Stream(stream));
        }
        if bytes[6] != 0 || bytes[7] != 0 {
            return Err(FrameError::Reserved);
        }
        let most = if kind.has_payload() { MAX_PAYLOAD as u32 } else { 0 };
        if length > most {
            return Err(FrameError::Length(length));
        }
        if kind.has_session() != (session != 0) {
            return Err(FrameError::Session(session));
        }
        Ok(Self { session, kind, stream, length, extra })
    }
}

/// Appends a frame to `out`.
///
/// # Panics
/// If the payload is longer than [`MAX_PAYLOAD`].
pub fn append_frame(out: &mut Vec<u8>, header: Header, payload: &[u8]) {
    assert!(payload.len() <= MAX_PAYLOAD, "the caller splits long payloads");
    let header = Header { length: payload.len() as u32, ..header };
    out.extend_from_slice(&header.to_bytes());
    out.extend_from_slice(payload);
}

/// Puts frames together from a byte stream, however it is cut.
#[derive(Debug, Default)]
pub struct FrameReader {
    pending: Vec<u8>,
    /// Bytes at the front of `pending` that are done with.
    consumed: usize,
}

impl FrameReader {
    /// A reader at the start of a stream.
    #[must_use]
    pub const fn new() -> Self {
        Self { pending: Vec::new(), consumed: 0 }
    }

    /// Adds bytes as they came in. Take all frames before adding more: so no more than a frame is ever kept.
    pub fn push(&mut self, bytes: &[u8]) {
        self.pending.drain(..self.consumed);
        self.consumed = 0;
        self.pending.extend_from_slice(bytes);
    }

    /// The next whole frame, if it is there.
    ///
    /// # Errors
    /// The peer broke the protocol; the stream cannot be used any more.
    pub fn next_frame(&mut self) -> Result<Option<(Header, &[u8])>, FrameError> {
        let rest = &self.pending[self.consumed..];
        let Some((header, rest)) = rest.split_first_chunk::<HEADER_BYTES>() else {
            return Ok(None);
        };
        let header = Header::from_bytes(header)?;
        let Some(payload) = rest.get(..header.length as usize) else {
            return Ok(None);
        };
        self.consumed += HEADER_BYTES + payload.len();
        Ok(Some((header, payload)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn frames(bytes: &[u8], cut: usize) -> Result<Vec<(Header, Vec<u8>)>, FrameError> {
        let mut reader = FrameReader::new();
        let mut frames = Vec::new();
        for piece in bytes.chunks(cut) {
            reader.push(piece);
            while let Some((header, payload)) = reader.next_frame()? {
                frames.push((header, payload.to_vec()));
            }
        }
        Ok(frames)
    }

    #[test]
    fn frames_survive_any_cut() {
        let mut bytes = Vec::new();
        append_frame(&mut bytes, Header::new(Kind::Hello, 0, 0, VERSION), b"");
        append_frame(&mut bytes, Header::new(Kind::Data, 7, stream::STDOUT, 0), &[5; 1000]);
        append_frame(&mut bytes, Header::new(Kind::Exit, 7, 0, 0x700), b"");
        let whole = frames(&bytes, bytes.len()).expect("well-formed");
        assert_eq!(whole.len(), 3);
        assert_eq!(whole[1].1, vec![5; 1000]);
        assert_eq!(whole[2].0.extra, 0x700);
        for cut in [1, 2, 15, 16, 17, 500] {
            assert_eq!(frames(&bytes, cut).as_ref(), Ok(&whole));
        }
    }

    #[test]
    fn each_broken_rule_is_named() {
        let good = Header { length: 4, ..Header::new(Kind::Data, 1, 0, 0) }.to_bytes();
        let broken = |at: usize, value: u8| {
            let mut bytes = good;
            bytes[at] = value;
            Header::from_bytes(&bytes)
        };
        assert_eq!(broken(4, 0), Err(FrameError::Kind(0)));
        assert_eq!(broken(4, 12), Err(FrameError::Kind(12)));
        assert_eq!(broken(5, 4), Err(FrameError::Stream(4)));
        assert_eq!(broken(6, 1), Err(FrameError::Reserved));
        assert_eq!(broken(10, 1), Err(FrameError::Length(0x1_0004)));
        assert_eq!(broken(11, 0x80), Err(FrameError::Length(0x8000_0004)));
        assert_eq!(broken(0, 0), Err(FrameError::Session(0)));
        assert_eq!(broken(4, Kind::Credit as u8), Err(FrameError::Length(4)), "credit has no payload");
    }

    #[test]
    fn random_bytes_never_panic() {
        let mut state = 1u64;
        for _ in 0..20_000 {
            let bytes: Vec<u8> = (0..40)
                .map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    // Mostly small values, so that some headers are valid.
                    if state >> 60 < 12 { (state >> 50) as u8 & 3 } else { (state >> 40) as u8 }
                })
                .collect();
            let _ = frames(&bytes, 7);
        }
    }
}
