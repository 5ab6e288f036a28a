//! A person's terminal on the system's serial line.
//!
//! Ctrl-A is the escape character: Ctrl-A x leaves, Ctrl-A Ctrl-A or Ctrl-A a sends a Ctrl-A. The first of these ends the
//! run: the system stops, the person leaves, the time is over, or a signal asks this process to end.

use super::channel::End;
use super::{Vm, terminal};
use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, poll};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGWINCH};
use std::io::{Read, Write, stdin, stdout};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

const ESCAPE: u8 = 1;
/// How long the last output may take to arrive after the system stopped.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Why an interactive run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leave {
    /// The person left; the system ran on.
    Left,
    /// The system stopped.
    Ended(End),
    /// The time was over.
    TimedOut,
    /// A signal asked this process to end.
    Signal(i32),
}

/// The size of the person's terminal.
pub fn window() -> Option<super::Window> {
    terminal::window()
}

/// Connects the terminal with a system that was started in interactive mode, until one of them ends it.
///
/// # Errors
/// When its serial line cannot be used.
pub fn run(vm: Vm, limit: Option<Duration>) -> Result<(Vm, Leave)> {
    let vm = Arc::new(vm);
    let deadline = limit.map(|limit| Instant::now() + limit);
    let raw = terminal::make_raw();
    let (sender, leaving) = channel();
    watch_signals(&vm, sender.clone())?;
    let output = copy_out(vm.serial().context("cannot use the serial line")?);
    copy_in(vm.serial().context("cannot use the serial line")?, sender.clone());
    let over = Arc::new(AtomicBool::new(false));
    watch_end(Arc::downgrade(&vm), Arc::clone(&over), deadline, sender);
    let leave = leaving.recv().expect("the thread that watches for the end sends last");
    // Else that thread would hold the system most of the time, and `reclaim` might never get it.
    over.store(true, Ordering::Relaxed);
    if matches!(leave, Leave::Ended(_)) {
        // What the system wrote last is still on its way through QEMU.
        let _ = output.recv_timeout(LAST_WORDS);
    }
    drop(raw);
    let vm = reclaim(vm);
    Ok((vm, leave))
}

/// Waits until the threads that only look at the system now and then have let go of it.
fn reclaim(mut vm: Arc<Vm>) -> Vm {
    loop {
        match Arc::try_unwrap(vm) {
            Ok(vm) => return vm,
            Err(shared) => vm = shared,
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn watch_end(vm: Weak<Vm>, over: Arc<AtomicBool>, deadline: Option<Instant>, leave: Sender<Leave>) {
    std::thread::spawn(move || {
        while !over.load(Ordering::Relaxed) {
            let Some(vm) = vm.upgrade() else { return };
            if let Some(end) = vm.wait(Some(Instant::now() + Duration::from_millis(100))) {
                drop(vm);
                // Nobody waits any more when the run ended for another reason.
                let _ = leave.send(Leave::Ended(end));
                return;
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                drop(vm);
                let _ = leave.send(Leave::TimedOut);
                return;
            }
        }
    });
}

fn watch_signals(vm: &Arc<Vm>, leave: Sender<Leave>) -> Result<()> {
    let mut signals =
        signal_hook::iterator::Signals::new([SIGWINCH, SIGTERM, SIGHUP, SIGINT]).context("cannot handle signals")?;
    let vm = Arc::downgrade(vm);
    std::thread::spawn(move || {
        for signal in signals.forever() {
            if signal != SIGWINCH {
                terminal::restore();
                let _ = leave.send(Leave::Signal(signal));
                return;
            }
            if let (Some(window), Some(vm)) = (terminal::window(), vm.upgrade()) {
                // The system may just have stopped.
                let _ = vm.resize(window);
            }
        }
    });
    Ok(())
}

/// Copies the serial line to standard output; the receiver hears of the end.
fn copy_out(mut serial: UnixStream) -> std::sync::mpsc::Receiver<()> {
    let (done, ended) = channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        loop {
            match serial.read(&mut buffer) {
                Ok(0) | Err(_) => break,
                Ok(bytes) => {
                    // Without a reader the system goes on; the person can still type.
                    let _ = stdout().write_all(&buffer[..bytes]).and_then(|()| stdout().flush());
                }
            }
        }
        let _ = done.send(());
    });
    ended
}

fn copy_in(mut serial: UnixStream, leave: Sender<Leave>) {
    std::thread::spawn(move || {
        let mut keys = Keys::default();
        let mut buffer = [0; 1024];
        loop {
            let mut input = stdin();
            let ready = poll(&mut [PollFd::new(&input, PollFlags::IN)], None);
            let bytes = match ready.map(|_| input.read(&mut buffer)) {
                Ok(Ok(bytes @ 1..)) => bytes,
                _ => return,
            };
            let (typed, left) = keys.take(&buffer[..bytes]);
            if serial.write_all(&typed).is_err() {
                return;
            }
            if left {
                let _ = leave.send(Leave::Left);
                return;
            }
        }
    });
}

/// Finds the escape sequences among what is typed.
#[derive(Default)]
struct Keys {
    escaped: bool,
}

impl Keys {
    /// What goes to the system, and whether the person leaves.
    fn take(&mut self, bytes: &[u8]) -> (Vec<u8>, bool) {
        let mut typed = Vec::with_capacity(bytes.len());
        for &byte in bytes {
            match (std::mem::take(&mut self.escaped), byte) {
                (false, ESCAPE) => self.escaped = true,
                (true, b'x' | b'X') => return (typed, true),
                (true, b'a' | ESCAPE) => typed.push(ESCAPE),
                (true, other) => typed.extend([ESCAPE, other]),
                (false, other) => typed.push(other),
            }
        }
        (typed, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ctrl_a_x_leaves_and_ctrl_a_a_sends_ctrl_a() {
        assert_eq!(Keys::default().take(b"ab\x01xc"), (b"ab".to_vec(), true));
        assert_eq!(Keys::default().take(b"\x01a\x01\x01\x01b"), (b"\x01\x01\x01b".to_vec(), false));
        let mut keys = Keys::default();
        assert_eq!(keys.take(b"\x01"), (Vec::new(), false));
        assert_eq!(keys.take(b"x"), (Vec::new(), true));
    }
}
