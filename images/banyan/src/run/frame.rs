//! Frames of the channel on a stream of the host's; `interfaces::host_channel` has the protocol.

use interfaces::host_channel::{HEADER_BYTES, Header, MAX_PAYLOAD, append_frame};
use std::io::{self, Read, Write};

pub(super) use interfaces::host_channel::{EXEC_POWER_OFF, EXEC_STRACE, INITIAL_WINDOW, Kind, VERSION, stream};

/// Most bytes of a payload.
pub(super) const MOST_BYTES: usize = MAX_PAYLOAD;

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What it is, and of which session.
    pub header: Header,
    /// What it carries.
    pub payload: Vec<u8>,
}

impl Frame {
    /// A frame without payload.
    pub(super) fn new(session: u32, kind: Kind, stream: u8, extra: u32) -> Self {
        Self { header: Header::new(kind, session, stream, extra), payload: Vec::new() }
    }

    /// The frame with a payload, of at most [`MOST_BYTES`].
    pub(super) fn with(self, payload: &[u8]) -> Self {
        Self { payload: payload.to_vec(), ..self }
    }

    /// Writes the frame in one piece.
    pub(super) fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + self.payload.len());
        append_frame(&mut bytes, self.header, &self.payload);
        to.write_all(&bytes)
    }

    /// Reads a frame; `None` at an end between two frames.
    ///
    /// # Errors
    /// The reader's, and one of kind `InvalidData` for what is no frame.
    pub fn read(from: &mut impl Read) -> io::Result<Option<Self>> {
        let mut bytes = [0; HEADER_BYTES];
        let first = from.read(&mut bytes)?;
        if first == 0 {
            return Ok(None);
        }
        from.read_exact(&mut bytes[first..])?;
        let header = Header::from_bytes(&bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let mut payload = vec![0; header.length as usize];
        from.read_exact(&mut payload)?;
        Ok(Some(Self { header, payload }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_survive_the_wire() {
        let mut wire = Vec::new();
        let long = Frame::new(7, Kind::Data, stream::STDOUT, 0).with(&[5; MOST_BYTES]);
        let short = Frame::new(7, Kind::Exit, 0, 0x700);
        long.write(&mut wire).expect("writing to memory");
        short.write(&mut wire).expect("writing to memory");
        let mut reader = wire.as_slice();
        assert_eq!(Frame::read(&mut reader).expect("it was written").map(|frame| frame.payload), Some(long.payload));
        assert_eq!(Frame::read(&mut reader).expect("it was written"), Some(short));
        assert_eq!(Frame::read(&mut reader).expect("the end is no error"), None);
    }

    #[test]
    fn broken_and_short_frames_are_errors() {
        let mut good = Vec::new();
        Frame::new(1, Kind::Data, 1, 0).write(&mut good).expect("writing to memory");
        assert!(Frame::read(&mut &good[..9]).is_err());
        good[4] = 12;
        assert_eq!(Frame::read(&mut good.as_slice()).map_err(|error| error.kind()), Err(io::ErrorKind::InvalidData));
    }
}
