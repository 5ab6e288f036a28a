//! Serves one client of the control socket.
//!
//! The guest must not suffer from a client that breaks the protocol: windows are counted here, and such a client is cut
//! off.

use super::START_LIMIT;
use crate::run::channel::Channel;
use crate::run::frame::{EXEC_STRACE, Frame, INITIAL_WINDOW, Kind, VERSION, stream};
use anyhow::{Context, Result, bail};
use std::collections::HashMap;
use std::io::BufReader;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Linux's number of SIGHUP.
const SIGHUP: u32 = 1;

/// A client's sessions.
type Sessions = Mutex<HashMap<u32, Relayed>>;

/// One session of a client, by the client's number.
pub(super) struct Relayed {
    /// Its number with the guest.
    pub(super) id: u32,
    /// Bytes of input that the guest still takes.
    pub(super) input: u64,
    /// Bytes of each output that the client has not given credit for.
    pub(super) owed: [u64; 3],
}

/// Serves one client until it leaves or breaks the protocol.
pub(super) fn serve(client: UnixStream, channel: &Channel) {
    if channel.wait_ready(Some(Instant::now() + START_LIMIT)).is_err() {
        return;
    }
    let Ok(reader) = client.try_clone() else { return };
    let sessions = Sessions::default();
    let (sender, frames) = mpsc::channel();
    std::thread::scope(|scope| {
        let sessions = &sessions;
        scope.spawn(move || write_frames(client, &frames, sessions));
        if let Err(error) = read_frames(reader, channel, sessions, &sender) {
            crate::progress::say(&format!("the client of the control socket is cut off: {error:#}"));
        }
        drop(sender);
        for session in locked(sessions).values() {
            hang_up(channel, session.id);
        }
    });
}

fn locked(sessions: &Sessions) -> MutexGuard<'_, HashMap<u32, Relayed>> {
    sessions.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends a session as a terminal does that is closed.
fn hang_up(channel: &Channel, id: u32) {
    let closed = [stream::STDOUT, stream::STDERR, stream::STRACE].map(|number| Frame::new(id, Kind::Closed, number, 0));
    let signal = Frame::new(id, Kind::Signal, 0, SIGHUP);
    let end = Frame::new(id, Kind::Eof, stream::STDIN, 0);
    for frame in [signal, end].into_iter().chain(closed) {
        // Without the guest there is nothing to end.
        let _ = channel.pass_on(id, frame);
    }
}

/// Passes the client's frames on until it leaves.
fn read_frames(client: UnixStream, channel: &Channel, sessions: &Sessions, sender: &Sender<Frame>) -> Result<()> {
    let mut reader = BufReader::new(client);
    while let Ok(Some(frame)) = Frame::read(&mut reader) {
        let number = frame.header.session;
        if frame.header.kind == Kind::Exec {
            open(frame, channel, sessions, sender)?;
            continue;
        }
        // A session may have ended while the frame was on its way.
        let Some(id) = locked(sessions).get_mut(&number).map(|session| session.check(&frame)).transpose()? else {
            continue;
        };
        channel.pass_on(id, frame).context("the system stopped")?;
    }
    Ok(())
}

fn open(frame: Frame, channel: &Channel, sessions: &Sessions, sender: &Sender<Frame>) -> Result<()> {
    let number = frame.header.session;
    if frame.header.extra & !EXEC_STRACE != 0 {
        bail!("it wants a command run in a way that there is not");
    }
    // Held, so that an answer finds the session.
    let mut sessions = locked(sessions);
    if sessions.contains_key(&number) {
        bail!("it uses the number {number} twice");
    }
    let back = Back { number, sender: sender.clone() };
    let id = channel.relay(frame, Box::new(move |frame| back.send(frame))).context("the system stopped")?;
    sessions.insert(number, Relayed { id, input: INITIAL_WINDOW.into(), owed: [0; 3] });
    Ok(())
}

/// The way back to the client.
struct Back {
    number: u32,
    sender: Sender<Frame>,
}

impl Back {
    fn send(&self, mut frame: Frame) -> bool {
        frame.header.session = self.number;
        self.sender.send(frame).is_ok()
    }
}

impl Relayed {
    /// Checks that the guest will not take offence at a client's frame; our number of the session.
    pub(super) fn check(&mut self, frame: &Frame) -> Result<u32> {
        let header = frame.header;
        let output = usize::from(header.stream).checked_sub(1).and_then(|index| self.owed.get_mut(index));
        match (header.kind, output) {
            (Kind::Data, None) => {
                let left = self.input.checked_sub(frame.payload.len() as u64);
                self.input = left.context("it sends more input than it may")?;
            }
            (Kind::Credit, Some(owed)) => {
                let left = owed.checked_sub(header.extra.into());
                *owed = left.context("it gives credit for what it did not get")?;
            }
            (Kind::Eof, None) | (Kind::Closed, Some(_)) | (Kind::Signal, None) => {}
            (kind, _) => bail!("it sends {kind:?} for stream {}", header.stream),
        }
        Ok(self.id)
    }

    /// Keeps account of a frame to the client.
    pub(super) fn note(&mut self, frame: &Frame) {
        let header = frame.header;
        match (header.kind, usize::from(header.stream).checked_sub(1)) {
            (Kind::Credit, None) => self.input = self.input.saturating_add(header.extra.into()),
            (Kind::Data, Some(index)) => self.owed[index] += frame.payload.len() as u64,
            _ => {}
        }
    }
}

/// Greets the client, then passes the guest's frames to it, until nobody sends any more or the client is gone.
fn write_frames(mut client: UnixStream, frames: &Receiver<Frame>, sessions: &Sessions) {
    let hello = Frame::new(0, Kind::Hello, 0, VERSION);
    if hello.write(&mut client).is_err() {
        return;
    }
    for frame in frames {
        let number = frame.header.session;
        if let Some(session) = locked(sessions).get_mut(&number) {
            session.note(&frame);
        }
        if matches!(frame.header.kind, Kind::Exit | Kind::Refused) {
            locked(sessions).remove(&number);
        }
        if frame.write(&mut client).is_err() {
            return;
        }
    }
}
