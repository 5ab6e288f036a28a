//! One command with this process's own streams, and its exit status as ours.

use super::Vm;
use super::channel::{End, Event, Session, Status, Stop, Stream};
use anyhow::{Context, Result, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use std::io::{self, Read, Write, stderr, stdin, stdout};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How a command's run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// The command ended.
    Exit(Status),
    /// The time was over.
    TimedOut,
    /// The system stopped first.
    Ended(End),
    /// A signal asked this process to end.
    Signal(i32),
}

/// Runs `command` in a system with standard input, output and error passed through.
///
/// # Errors
/// When the system refuses the command.
pub fn run(vm: &Vm, command: &str, limit: Option<Duration>) -> Result<Done> {
    let deadline = limit.map(|limit| Instant::now() + limit);
    match vm.wait_ready(deadline) {
        Ok(()) => pass(vm.open(command)?, deadline, Some(&Signals::expect()?)),
        Err(stop) => Ok(stopped(stop)),
    }
}

/// Signals that ask this process to end, from now on: the first is noted, the next one has its usual effect.
struct Signals(Arc<AtomicUsize>);

impl Signals {
    fn expect() -> Result<Self> {
        let (some, noted) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            let number = usize::try_from(signal).context("signals have positive numbers")?;
            // In this order: the first looks at what an earlier signal has left.
            flag::register_conditional_default(signal, Arc::clone(&some))
                .and_then(|_| flag::register(signal, Arc::clone(&some)))
                .and_then(|_| flag::register_usize(signal, Arc::clone(&noted), number))
                .context("cannot handle signals")?;
        }
        Ok(Self(noted))
    }

    fn noted(&self) -> Option<i32> {
        i32::try_from(self.0.load(Ordering::SeqCst)).ok().filter(|signal| *signal != 0)
    }
}

/// Ends this process as a noted signal would have done, for those who wait for it.
pub fn die_of(signal: i32) {
    // What it would have returned for is not among the signals that are noted.
    let _ = signal_hook::low_level::emulate_default_handler(signal);
}

/// What a refusal may come from.
fn hint(reason: &str) -> &'static str {
    match reason {
        "ENOENT" => " (the root has no /bin/sh to run it, or not the loader that this names)",
        "EACCES" | "ENOEXEC" => " (the root's /bin/sh, which would run it, is no program that can be run)",
        _ => "",
    }
}

fn stopped(stop: Stop) -> Done {
    match stop {
        Stop::TimedOut => Done::TimedOut,
        Stop::Ended(end) => Done::Ended(end),
    }
}

/// Passes standard input, output and error through to a session, until it ends.
///
/// # Errors
/// When the system refuses the command.
pub fn pass_through(session: Session, deadline: Option<Instant>) -> Result<Done> {
    pass(session, deadline, None)
}

/// How often the loop below looks for signals.
const LOOK: Duration = Duration::from_millis(100);

fn pass(session: Session, deadline: Option<Instant>, signals: Option<&Signals>) -> Result<Done> {
    let session = Arc::new(session);
    let input = Arc::clone(&session);
    // Nobody waits for this thread: it may hang in a read of a terminal.
    std::thread::spawn(move || send_input(&input));
    let mut closed = Vec::new();
    loop {
        if let Some(signal) = signals.and_then(Signals::noted) {
            return Ok(Done::Signal(signal));
        }
        let look = signals.map(|_| Instant::now() + LOOK);
        let until = [deadline, look].into_iter().flatten().min();
        match session.next(until) {
            Ok(Event::Data(stream, bytes)) => {
                if !closed.contains(&stream) && write(stream, &bytes).is_err() {
                    closed.push(stream);
                    // When the channel is gone, the next event says why.
                    let _ = session.close(stream);
                }
                session.consumed(stream, bytes.len());
            }
            Ok(Event::Exit(status)) => return Ok(Done::Exit(status)),
            Ok(Event::Refused(reason)) => bail!("the command did not run to its end: {reason}{}", hint(&reason)),
            Err(Stop::TimedOut) if deadline.is_none_or(|deadline| Instant::now() < deadline) => {}
            Err(stop) => return Ok(stopped(stop)),
        }
    }
}

fn write(stream: Stream, bytes: &[u8]) -> io::Result<()> {
    match stream {
        Stream::Output => stdout().write_all(bytes).and_then(|()| stdout().flush()),
        Stream::Errors | Stream::Trace => stderr().write_all(bytes),
    }
}

/// Copies standard input until its end, or until nobody wants it.
fn send_input(session: &Session) {
    let mut buffer = vec![0; 32 << 10];
    loop {
        match stdin().read(&mut buffer) {
            Ok(0) => break,
            Ok(bytes) => {
                if session.send_input(&buffer[..bytes]).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Without standard input (closed, or a directory) the command sees its end.
            Err(_) => break,
        }
    }
    // When the channel is gone nobody waits for the end.
    let _ = session.end_input();
}
