//! The host's end of the channel: sessions over one stream.
//!
//! One thread reads frames and files them under their session; consumers wait for their own. Nothing the guest sends
//! makes the reader wait: what it may send is bounded by the windows, and a guest that exceeds one ends the channel.
//! A session may also be relayed: its frames then go to somebody else, who keeps the windows with the guest.
//!
//! Locks: `state` and `writer` are never held together.

use super::Window;
use super::frame::{self, Frame, Kind, stream};
use anyhow::{Result, bail};
use std::collections::HashMap;
use std::fmt;
use std::io::{self, BufReader};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often a wait without deadline looks again.
const AGAIN: Duration = Duration::from_secs(1);

/// What a session's command writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Output,
    /// Standard error.
    Errors,
    /// The trace of its system calls.
    Trace,
}

impl Stream {
    const ALL: [Self; 3] = [Self::Output, Self::Errors, Self::Trace];

    fn number(self) -> u8 {
        match self {
            Self::Output => stream::STDOUT,
            Self::Errors => stream::STDERR,
            Self::Trace => stream::STRACE,
        }
    }
}

/// A Linux wait status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub u32);

impl Status {
    /// The status as shells give it: the exit code, or 128 and the signal's number.
    pub fn code(self) -> i32 {
        let code = match self.0 & 0x7f {
            0 => (self.0 >> 8) & 0xff,
            signal => 128 + signal,
        };
        i32::try_from(code).expect("at most 255")
    }
}

/// What a session tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The command wrote this; [`Session::consumed`] lets it write more.
    Data(Stream, Vec<u8>),
    /// The command ended, and everything it wrote until then has been told.
    Exit(Status),
    /// The guest did not start the command; why.
    Refused(String),
}

/// How a system stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It was asked to, and did.
    PoweredOff,
    /// It failed; how.
    Failed(String),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PoweredOff => f.write_str("it was switched off"),
            Self::Failed(reason) => f.write_str(reason),
        }
    }
}

/// Why there is no event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The deadline passed.
    TimedOut,
    /// The system stopped.
    Ended(End),
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("the time is over"),
            Self::Ended(end) => write!(f, "the system stopped: {end}"),
        }
    }
}

/// All that a command did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// How it ended.
    pub status: Status,
    /// What it wrote to standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub stderr: Vec<u8>,
    /// Its system calls, when they were traced.
    pub strace: Vec<u8>,
}

/// What has come for a session and was not told yet.
#[derive(Default)]
struct Inbox {
    pending: [Vec<u8>; 3],
    /// Bytes the guest may still send.
    granted: [u64; 3],
    exit: Option<Status>,
    refused: Option<String>,
    input_window: u64,
    input_closed: bool,
}

/// Takes the frames of a relayed session; false: nobody wants them any more.
pub(super) type Forward = Box<dyn FnMut(Frame) -> bool + Send>;

#[derive(Default)]
struct State {
    ready: bool,
    end: Option<End>,
    sessions: HashMap<u32, Inbox>,
    relayed: HashMap<u32, Forward>,
    last_session: u32,
}

impl State {
    fn new_session(&mut self) -> u32 {
        self.last_session += 1;
        self.last_session
    }
}

/// The channel to one running system.
pub(super) struct Channel {
    state: Mutex<State>,
    changed: Condvar,
    writer: Mutex<UnixStream>,
    listener: Mutex<Option<JoinHandle<()>>>,
}

impl Channel {
    /// Starts to listen on `stream`.
    ///
    /// # Errors
    /// When the stream cannot be shared with the reading thread.
    pub(super) fn start(stream: UnixStream) -> io::Result<Arc<Self>> {
        let reader = stream.try_clone()?;
        let channel = Arc::new(Self {
            state: Mutex::default(),
            changed: Condvar::new(),
            writer: Mutex::new(stream),
            listener: Mutex::default(),
        });
        let this = Arc::clone(&channel);
        let listener = std::thread::spawn(move || this.listen(reader));
        *channel.listener.lock().unwrap_or_else(PoisonError::into_inner) = Some(listener);
        Ok(channel)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, frame: &Frame) -> io::Result<()> {
        frame.write(&mut *self.writer.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn listen(&self, stream: UnixStream) {
        let mut reader = BufReader::with_capacity(128 << 10, stream);
        loop {
            match Frame::read(&mut reader) {
                Ok(Some(frame)) => {
                    if let Err(problem) = self.receive(frame) {
                        return self.end(End::Failed(problem));
                    }
                }
                // QEMU closes its end when it stops; whoever watches it says how it stopped.
                Ok(None) => return,
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    return self.end(End::Failed(error.to_string()));
                }
                Err(_) => return,
            }
        }
    }

    /// Notes how the system stopped, when QEMU is gone: what it sent before is heard first.
    pub(super) fn finish(&self, end: End) {
        let listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(listener) = listener {
            // The listener does not panic; if it did, there is nothing more to hear.
            let _ = listener.join();
        }
        self.end(end);
    }

    /// Notes how the system stopped; the first word counts.
    fn end(&self, end: End) {
        let mut state = self.state();
        state.end.get_or_insert(end);
        state.relayed.clear();
        drop(state);
        self.changed.notify_all();
    }

    fn receive(&self, frame: Frame) -> Result<(), String> {
        let mut state = self.state();
        let header = frame.header;
        match header.kind {
            Kind::Hello if header.extra == frame::VERSION => state.ready = true,
            Kind::Hello => return Err(format!("the guest speaks version {} of the channel", header.extra)),
            Kind::PowerOff if header.extra == 0 => {
                state.end.get_or_insert(End::PoweredOff);
            }
            Kind::PowerOff => return Err(format!("the system stopped by itself (reason {})", header.extra)),
            // A session that nobody waits for any more may still have frames on their way.
            _ => match state.sessions.get_mut(&header.session) {
                Some(inbox) => inbox.receive(frame)?,
                None => {
                    state.forward(frame);
                    return Ok(());
                }
            },
        }
        drop(state);
        self.changed.notify_all();
        Ok(())
    }

    /// Waits until `pick` finds something.
    fn wait<T>(&self, deadline: Option<Instant>, mut pick: impl FnMut(&mut State) -> Option<T>) -> Result<T, Stop> {
        let mut state = self.state();
        loop {
            if let Some(found) = pick(&mut state) {
                return Ok(found);
            }
            if let Some(end) = &state.end {
                return Err(Stop::Ended(end.clone()));
            }
            let left = match deadline {
                Some(deadline) => deadline.saturating_duration_since(Instant::now()),
                None => AGAIN,
            };
            if left.is_zero() {
                return Err(Stop::TimedOut);
            }
            let waited = self.changed.wait_timeout(state, left.min(AGAIN));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until the guest takes commands.
    pub(super) fn wait_ready(&self, deadline: Option<Instant>) -> Result<(), Stop> {
        self.wait(deadline, |state| state.ready.then_some(()))
    }

    /// Waits until the system stopped.
    pub(super) fn wait_end(&self, deadline: Option<Instant>) -> Option<End> {
        self.wait(deadline, |state| state.end.clone()).ok()
    }

    /// Tells the guest the terminal's size.
    pub(super) fn resize(&self, window: Window) -> io::Result<()> {
        let size = u32::from(window.rows) << 16 | u32::from(window.columns);
        self.send(&Frame::new(0, Kind::Resize, 0, size))
    }

    /// Starts a command line.
    pub(super) fn open(self: &Arc<Self>, command: &str, flags: u32) -> Result<Session> {
        if command.len() > frame::MOST_BYTES {
            bail!("a command line has at most {} bytes", frame::MOST_BYTES);
        }
        let id = {
            let mut state = self.state();
            let id = state.new_session();
            state.sessions.insert(id, Inbox::new());
            id
        };
        let session = Session { id, channel: Arc::clone(self) };
        self.send(&Frame::new(id, Kind::Exec, 0, flags).with(command.as_bytes()))?;
        Ok(session)
    }

    /// Starts a session whose frames from the guest go to `forward`; `None` when the system stopped.
    pub(super) fn relay(&self, exec: Frame, forward: Forward) -> Option<u32> {
        let id = {
            let mut state = self.state();
            if state.end.is_some() {
                return None;
            }
            let id = state.new_session();
            state.relayed.insert(id, forward);
            id
        };
        self.pass_on(id, exec).ok()?;
        Some(id)
    }

    /// Sends the guest a frame of a relayed session.
    pub(super) fn pass_on(&self, id: u32, mut frame: Frame) -> io::Result<()> {
        frame.header.session = id;
        self.send(&frame)
    }
}

impl State {
    /// Passes a frame of a relayed session on, when it is one and somebody still listens.
    fn forward(&mut self, frame: Frame) {
        let id = frame.header.session;
        let is_last = matches!(frame.header.kind, Kind::Exit | Kind::Refused);
        let is_lost = self.relayed.get_mut(&id).is_some_and(|forward| !forward(frame));
        if is_last || is_lost {
            self.relayed.remove(&id);
        }
    }
}

impl Inbox {
    fn new() -> Self {
        let window = u64::from(frame::INITIAL_WINDOW);
        Self { granted: [window; 3], input_window: window, ..Self::default() }
    }

    fn receive(&mut self, frame: Frame) -> Result<(), String> {
        let header = frame.header;
        let output = usize::from(header.stream).checked_sub(1);
        match (header.kind, output) {
            (Kind::Data, Some(stream)) => {
                let bytes = frame.payload.len() as u64;
                self.granted[stream] =
                    self.granted[stream].checked_sub(bytes).ok_or("the guest sent more than it was granted")?;
                self.pending[stream].extend(frame.payload);
            }
            // The command's end is what counts.
            (Kind::Eof, Some(_)) => {}
            (Kind::Credit, None) => self.input_window = self.input_window.saturating_add(header.extra.into()),
            (Kind::Closed, None) => self.input_closed = true,
            (Kind::Exit, _) => self.exit = Some(Status(header.extra)),
            (Kind::Refused, _) => self.refused = Some(String::from_utf8_lossy(&frame.payload).into_owned()),
            _ => return Err(format!("the guest sent {:?} for stream {}", header.kind, header.stream)),
        }
        Ok(())
    }

    fn next(&mut self) -> Option<Event> {
        for (index, stream) in Stream::ALL.into_iter().enumerate() {
            if !self.pending[index].is_empty() {
                return Some(Event::Data(stream, std::mem::take(&mut self.pending[index])));
            }
        }
        if let Some(reason) = &self.refused {
            return Some(Event::Refused(reason.clone()));
        }
        self.exit.map(Event::Exit)
    }
}

/// One command in the guest.
pub struct Session {
    id: u32,
    channel: Arc<Channel>,
}

impl Session {
    /// Waits for what the command does next.
    ///
    /// # Errors
    /// When `deadline` passes, or the system stops.
    pub fn next(&self, deadline: Option<Instant>) -> Result<Event, Stop> {
        self.channel.wait(deadline, |state| state.sessions.get_mut(&self.id)?.next())
    }

    /// Lets the command write `bytes` more to `stream`.
    pub fn consumed(&self, stream: Stream, bytes: usize) {
        let extra = u32::try_from(bytes).expect("at most a window");
        if let Some(inbox) = self.channel.state().sessions.get_mut(&self.id) {
            inbox.granted[usize::from(stream.number()) - 1] += u64::from(extra);
        }
        // When the channel is gone, the next event says why.
        let _ = self.channel.send(&Frame::new(self.id, Kind::Credit, stream.number(), extra));
    }

    /// Sends standard input; waits while the command does not read.
    ///
    /// # Errors
    /// When the command no longer reads (`BrokenPipe`) or the system stopped.
    pub fn send_input(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let most = bytes.len().min(frame::MOST_BYTES) as u64;
            let granted = self.channel.wait(None, |state| self.take_input_window(state, most));
            let granted = granted.map_err(|_| io::ErrorKind::ConnectionAborted)?;
            let (now, later) = bytes.split_at(granted.ok_or(io::ErrorKind::BrokenPipe)?);
            self.channel.send(&Frame::new(self.id, Kind::Data, stream::STDIN, 0).with(now))?;
            bytes = later;
        }
        Ok(())
    }

    /// How much may be sent now; `Some(None)` when nobody will read it.
    #[expect(clippy::option_option, reason = "the outer one is `wait`'s: not yet known")]
    fn take_input_window(&self, state: &mut State, most: u64) -> Option<Option<usize>> {
        let Some(inbox) = state.sessions.get_mut(&self.id) else { return Some(None) };
        if inbox.input_closed || inbox.exit.is_some() || inbox.refused.is_some() {
            return Some(None);
        }
        let bytes = inbox.input_window.min(most);
        inbox.input_window -= bytes;
        (bytes > 0).then(|| Some(usize::try_from(bytes).expect("at most a payload")))
    }

    /// Ends standard input.
    ///
    /// # Errors
    /// When the channel is gone.
    pub fn end_input(&self) -> io::Result<()> {
        self.channel.send(&Frame::new(self.id, Kind::Eof, stream::STDIN, 0))
    }

    /// Tells the guest that nobody reads `stream` any more.
    ///
    /// # Errors
    /// When the channel is gone.
    pub fn close(&self, stream: Stream) -> io::Result<()> {
        self.channel.send(&Frame::new(self.id, Kind::Closed, stream.number(), 0))
    }

    /// Sends a Linux signal to the command.
    ///
    /// # Errors
    /// When the channel is gone.
    pub fn signal(&self, number: u32) -> io::Result<()> {
        self.channel.send(&Frame::new(self.id, Kind::Signal, 0, number))
    }

    /// Runs the command to its end with `input`.
    ///
    /// # Errors
    /// When `deadline` passes, the system stops, or the guest refuses the command.
    pub fn complete(&self, input: &[u8], deadline: Option<Instant>) -> Result<Output> {
        std::thread::scope(|scope| {
            // A command that does not read all its input is no error.
            scope.spawn(|| self.send_input(input).and_then(|()| self.end_input()));
            let output = self.collect(deadline);
            self.forget();
            output
        })
    }

    fn collect(&self, deadline: Option<Instant>) -> Result<Output> {
        let mut collected = [Vec::new(), Vec::new(), Vec::new()];
        loop {
            match self.next(deadline) {
                Ok(Event::Data(stream, bytes)) => {
                    self.consumed(stream, bytes.len());
                    collected[usize::from(stream.number()) - 1].extend(bytes);
                }
                Ok(Event::Exit(status)) => {
                    let [stdout, stderr, strace] = collected;
                    return Ok(Output { status, stdout, stderr, strace });
                }
                Ok(Event::Refused(reason)) => bail!("the command did not run to its end: {reason}"),
                Err(Stop::TimedOut) => bail!("the command took too long"),
                Err(Stop::Ended(end)) => bail!("the system stopped: {end}"),
            }
        }
    }

    fn forget(&self) {
        self.channel.state().sessions.remove(&self.id);
        self.channel.changed.notify_all();
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.forget();
    }
}

#[cfg(test)]
#[path = "channel_tests.rs"]
mod tests;
