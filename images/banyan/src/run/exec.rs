//! One command with this process's own streams, and its exit status as ours.

use super::Vm;
use super::channel::{End, Event, Session, Status, Stop, Stream};
use anyhow::{Result, bail};
use std::io::{self, Read, Write, stderr, stdin, stdout};
use std::sync::Arc;
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
}

/// Runs `command` in a system with standard input, output and error passed through.
///
/// # Errors
/// When the system refuses the command.
pub fn run(vm: &Vm, command: &str, limit: Option<Duration>) -> Result<Done> {
    let deadline = limit.map(|limit| Instant::now() + limit);
    match vm.wait_ready(deadline) {
        Ok(()) => pass_through(vm.open(command)?, deadline),
        Err(stop) => Ok(stopped(stop)),
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
    let session = Arc::new(session);
    let input = Arc::clone(&session);
    // Nobody waits for this thread: it may hang in a read of a terminal.
    std::thread::spawn(move || send_input(&input));
    let mut closed = Vec::new();
    loop {
        match session.next(deadline) {
            Ok(Event::Data(stream, bytes)) => {
                if !closed.contains(&stream) && write(stream, &bytes).is_err() {
                    closed.push(stream);
                    // When the channel is gone, the next event says why.
                    let _ = session.close(stream);
                }
                session.consumed(stream, bytes.len());
            }
            Ok(Event::Exit(status)) => return Ok(Done::Exit(status)),
            Ok(Event::Refused(reason)) => bail!("the system refused the command: {reason}"),
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
