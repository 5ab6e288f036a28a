//! All sessions, and the frames in and out.
//!
//! Pure protocol: bytes in by [`Channel::receive`], bytes out by [`Channel::take_outgoing`], clients' requests between
//! them. A request gives `None` where it must wait; it is then repeated after the next change.

use crate::session::{Session, WindowExceeded};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;
use interfaces::HostChannelError as Error;
use interfaces::host_channel::{FrameError, FrameReader, Header, Kind, MAX_PAYLOAD, VERSION, append_frame, stream};
use interfaces::host_session::{Session as Opened, TerminalSize};

/// Sessions at a time; one more is refused.
pub const MAX_SESSIONS: usize = 32;
/// Bytes on their way out, above which output waits.
const OUTGOING_BYTES: usize = 128 << 10;
/// Bytes on their way out, above which the host is at fault: it provokes answers without reading them.
const OUTGOING_LIMIT: usize = 256 << 10;

/// How the host broke the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// A frame that is none.
    Frame(FrameError),
    /// A frame that only we send, or for a stream that only we send on.
    Direction(Kind),
    /// More data or credit than a window holds.
    Window(u32),
    /// A session that is open already.
    SessionInUse(u32),
    /// Too many answers that it does not read.
    Flood,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frame(error) => error.fmt(f),
            Self::Direction(kind) => write!(f, "frame {kind:?} in the wrong direction"),
            Self::Window(session) => write!(f, "session {session}: more than its window holds"),
            Self::SessionInUse(session) => write!(f, "session {session} opened twice"),
            Self::Flood => f.write_str("answers provoked and not read"),
        }
    }
}

/// A request's result, or `None`: it must wait.
pub type Attempt<T> = Option<Result<T, Error>>;

/// The protocol's state.
#[derive(Debug, Default)]
pub struct Channel {
    frames: FrameReader,
    outgoing: VecDeque<u8>,
    sessions: Vec<Session>,
    /// Sessions that no client has taken yet.
    opened: VecDeque<u32>,
    resized: Option<TerminalSize>,
    last_size: Option<TerminalSize>,
    is_ready: bool,
}

impl Channel {
    /// Take in bytes from the host.
    ///
    /// # Errors
    /// [`Violation`]: the link cannot be used any more.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<(), Violation> {
        let mut frames = core::mem::take(&mut self.frames);
        frames.push(bytes);
        while let Some((header, payload)) = frames.next_frame().map_err(Violation::Frame)? {
            self.on_frame(&header, payload)?;
            if self.outgoing.len() > OUTGOING_LIMIT {
                return Err(Violation::Flood);
            }
        }
        self.frames = frames;
        Ok(())
    }

    fn on_frame(&mut self, header: &Header, payload: &[u8]) -> Result<(), Violation> {
        let id = header.session;
        match header.kind {
            Kind::Exec => return self.open(header, payload),
            Kind::Resize => {
                let (rows, cols) = ((header.extra >> 16) as u16, header.extra as u16);
                self.resized = Some(TerminalSize { rows, cols });
                self.last_size = self.resized.clone();
                return Ok(());
            }
            Kind::Hello | Kind::Exit | Kind::PowerOff | Kind::Refused => return Err(Violation::Direction(header.kind)),
            Kind::Data | Kind::Eof | Kind::Credit | Kind::Signal | Kind::Closed => {}
        }
        let is_input = header.stream == stream::STDIN;
        let needs_input = matches!(header.kind, Kind::Data | Kind::Eof);
        if header.kind != Kind::Signal && is_input != needs_input {
            return Err(Violation::Direction(header.kind));
        }
        // A session may have ended while the frame was on its way.
        let Ok(session) = self.session(id) else { return Ok(()) };
        let exceeded = |WindowExceeded| Violation::Window(id);
        match header.kind {
            Kind::Data => session.input.put(payload).map_err(exceeded)?,
            Kind::Eof => session.input.end(),
            Kind::Signal => session.put_signal(header.extra),
            kind => {
                let output = session.output(header.stream).map_err(|_| Violation::Direction(kind))?;
                if kind == Kind::Closed { output.close() } else { output.grant(header.extra).map_err(exceeded)? }
            }
        }
        Ok(())
    }

    fn open(&mut self, header: &Header, command: &[u8]) -> Result<(), Violation> {
        let id = header.session;
        if self.session(id).is_ok() {
            return Err(Violation::SessionInUse(id));
        }
        if self.sessions.len() == MAX_SESSIONS {
            self.send(Header::new(Kind::Refused, id, 0, 0), b"too many sessions");
            return Ok(());
        }
        self.sessions.push(Session::new(id, header.extra, command));
        self.opened.push_back(id);
        Ok(())
    }

    fn session(&mut self, id: u32) -> Result<&mut Session, Error> {
        self.sessions.iter_mut().find(|session| session.id == id).ok_or(Error::NoSession)
    }

    fn send(&mut self, header: Header, payload: &[u8]) {
        let mut frame = Vec::new();
        append_frame(&mut frame, header, payload);
        self.outgoing.extend(frame);
    }

    /// Take at most `max` bytes for the host.
    pub fn take_outgoing(&mut self, max: usize) -> Vec<u8> {
        let count = self.outgoing.len().min(max);
        self.outgoing.drain(..count).collect()
    }

    /// Whether nothing is on its way to the host.
    pub fn is_drained(&self) -> bool {
        self.outgoing.is_empty()
    }

    /// The next session that the host opened; tells the host first that we are ready.
    pub fn next_session(&mut self) -> Attempt<Opened> {
        if !core::mem::replace(&mut self.is_ready, true) {
            self.send(Header::new(Kind::Hello, 0, 0, VERSION), &[]);
        }
        let id = self.opened.pop_front()?;
        Some(self.session(id).map(|session| Opened {
            id,
            flags: session.flags,
            command_bytes: session.command.len() as u32,
        }))
    }

    /// At most `max` bytes of a command line, from `offset` on.
    pub fn command(&mut self, id: u32, offset: u32, max: usize) -> Result<Vec<u8>, Error> {
        let session = self.session(id)?;
        Ok(session.command.iter().skip(offset as usize).take(max).copied().collect())
    }

    /// Input: none at its end.
    pub fn read(&mut self, id: u32, stream: u8, max: usize) -> Attempt<Vec<u8>> {
        let session = match self.session(id) {
            Ok(session) if stream == stream::STDIN => session,
            Ok(_) => return Some(Err(Error::NoStream)),
            Err(error) => return Some(Err(error)),
        };
        let bytes = session.input.take(max)?;
        if let Some(granted) = session.input.grant() {
            self.send(Header::new(Kind::Credit, id, stream, granted), &[]);
        }
        Some(Ok(bytes))
    }

    /// Output: how many bytes were taken over.
    pub fn write(&mut self, id: u32, stream: u8, bytes: &[u8]) -> Attempt<u32> {
        let room = OUTGOING_BYTES.saturating_sub(self.outgoing.len()).min(MAX_PAYLOAD);
        let wanted = bytes.len().min(room);
        let output = match self.session(id).and_then(|session| session.output(stream)) {
            Ok(output) => output,
            Err(error) => return Some(Err(error)),
        };
        let count = match output.allowance(wanted) {
            Ok(0) if !bytes.is_empty() => return None,
            Ok(count) => count,
            Err(error) => return Some(Err(error)),
        };
        output.spend(count as u32);
        if let Some(payload) = bytes.get(..count).filter(|payload| !payload.is_empty()) {
            self.send(Header::new(Kind::Data, id, stream, 0), payload);
        }
        Some(Ok(count as u32))
    }

    /// End an output.
    pub fn end_of_stream(&mut self, id: u32, stream: u8) -> Result<(), Error> {
        if self.session(id)?.output(stream)?.end() {
            self.send(Header::new(Kind::Eof, id, stream, 0), &[]);
        }
        Ok(())
    }

    /// Nobody reads the input any more.
    pub fn close_input(&mut self, id: u32, stream: u8) -> Result<(), Error> {
        let session = self.session(id)?;
        if stream != stream::STDIN {
            return Err(Error::NoStream);
        }
        if session.input.close() {
            self.send(Header::new(Kind::Closed, id, stream, 0), &[]);
        }
        Ok(())
    }

    /// The command ended.
    pub fn exit(&mut self, id: u32, wait_status: u32) -> Result<(), Error> {
        self.remove(id)?;
        self.send(Header::new(Kind::Exit, id, 0, wait_status), &[]);
        Ok(())
    }

    /// The command is not executed.
    pub fn refuse(&mut self, id: u32, reason: &str) -> Result<(), Error> {
        self.remove(id)?;
        let reason = reason.as_bytes();
        self.send(Header::new(Kind::Refused, id, 0, 0), reason.get(..MAX_PAYLOAD).unwrap_or(reason));
        Ok(())
    }

    fn remove(&mut self, id: u32) -> Result<(), Error> {
        let index = self.sessions.iter().position(|session| session.id == id).ok_or(Error::NoSession)?;
        self.sessions.swap_remove(index);
        self.opened.retain(|&opened| opened != id);
        Ok(())
    }

    /// A client starts: ends the sessions that an earlier one had taken, and says the terminal's size again.
    pub fn begin(&mut self) {
        let taken = self.sessions.iter().map(|session| session.id).filter(|id| !self.opened.contains(id));
        for id in taken.collect::<Vec<_>>() {
            // It is there: it was just listed.
            let _ = self.refuse(id, "the system died while it ran, and was started again");
        }
        self.resized = self.last_size.clone();
    }

    /// The next signal for a session.
    pub fn next_signal(&mut self, id: u32) -> Attempt<u32> {
        match self.session(id) {
            Ok(session) => session.take_signal().map(Ok),
            Err(error) => Some(Err(error)),
        }
    }

    /// The terminal's size, once after each change.
    pub fn next_resize(&mut self) -> Attempt<TerminalSize> {
        self.resized.take().map(Ok)
    }

    /// The system has stopped.
    pub fn power_off(&mut self, failure: u32) {
        self.send(Header::new(Kind::PowerOff, 0, 0, failure), &[]);
    }
}

#[cfg(test)]
mod tests;
