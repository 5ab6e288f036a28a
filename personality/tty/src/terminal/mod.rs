//! A terminal: a line discipline with its queues, settings and session, between processes and a device.
//!
//! Output passes through `outgoing`, which a device's [`Output`] empties; a pseudo-terminal has none, its master takes
//! the bytes from the queue. Input comes by [`Tty::receive`] and waits in `waiting` while the discipline is full.
//!
//! Locks: `state` is a leaf. No [`JobControl`] method, no [`Output`] and no user memory is touched under it; signals
//! that arise under it are collected as an [`Outcome`] and sent after. `draining` is held while the device takes
//! bytes, never together with `state` except for the moment in which bytes are taken from the queue.
//!
//! Hanging up raises `hangups`; an open file whose number is older reads as ended and writes with `EIO`.

mod ioctl;
mod job;
mod read;
mod write;

pub(crate) use ioctl::Side;

use crate::discipline::{Effects, Flow, LineDiscipline, Signal};
use crate::job_control::{JobControl, Pid, TerminalSignal};
use crate::termios::Termios;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use linux_abi::raw::general as linux;
use linux_abi::{Errno, Result};
use rt::sync::Mutex;
use sync::WaitQueue;
use vfs::DeviceNumber;

use crate::sessions::Sessions;

/// Most input that waits for the discipline.
const WAITING_BYTES: usize = 65_536;
/// Output that may wait before writers wait.
const OUTGOING_BYTES: usize = 8192;
/// Bytes given to a device at once: small, so that the interrupt key stops a flood soon.
const DRAIN_BYTES: usize = 512;
/// Echo beyond this is lost, so that typing cannot exhaust memory while output is stopped.
const ECHO_BYTES: usize = OUTGOING_BYTES * 2;

/// A device that a terminal's output goes to.
pub trait Output: Send + Sync {
    /// Sends all of `bytes`, waiting for the device as long as it takes. Fails by losing bytes only.
    fn write(&self, bytes: &[u8]);
}

/// The size of a window, as `TIOCGWINSZ` has it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct WindowSize {
    /// Lines.
    pub rows: u16,
    /// Columns.
    pub columns: u16,
    /// Width in pixels, or 0.
    pub width: u16,
    /// Height in pixels, or 0.
    pub height: u16,
}

/// How far a master is from its terminal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum OtherSide {
    /// A device, or an open master.
    Present,
    /// The master was closed for good.
    Gone,
}

pub(crate) struct State {
    pub(crate) discipline: LineDiscipline,
    /// Input that did not fit into the discipline.
    pub(crate) waiting: VecDeque<u8>,
    pub(crate) outgoing: VecDeque<u8>,
    pub(crate) window: WindowSize,
    pub(crate) session: Option<Pid>,
    pub(crate) foreground: Option<Pid>,
    exclusive: bool,
    pub(crate) opens: u32,
    /// The last of at least one opener left (a master then reads an error).
    pub(crate) abandoned: bool,
    pub(crate) hangups: u64,
    pub(crate) other_side: OtherSide,
    /// `VSTOP` was sent because input was piling up (`IXOFF`).
    throttled: bool,
    /// Packet mode of the master, with the status bits it has not read yet.
    pub(crate) packet: Option<u8>,
}

/// A terminal.
pub struct Tty {
    pub(crate) device: DeviceNumber,
    pub(crate) state: Mutex<State>,
    /// Woken when a reader may find something, and at each change of state.
    pub(crate) input: WaitQueue,
    /// Woken when there is room for output.
    pub(crate) room: WaitQueue,
    /// Woken when a master may find output or may write.
    pub(crate) master: WaitQueue,
    output: Option<Arc<dyn Output>>,
    draining: Mutex<()>,
    pub(crate) sessions: Arc<Sessions>,
}

/// What is to be done after the state's lock was released.
#[derive(Default)]
pub(crate) struct Outcome {
    signals: Vec<TerminalSignal>,
    foreground: Option<Pid>,
}

impl Tty {
    /// Makes a terminal over a device, or without one for a pseudo-terminal.
    pub fn new(
        device: DeviceNumber,
        termios: Termios,
        output: Option<Arc<dyn Output>>,
        sessions: Arc<Sessions>,
    ) -> Arc<Self> {
        let state = State {
            discipline: LineDiscipline::new(termios),
            waiting: VecDeque::new(),
            outgoing: VecDeque::new(),
            window: WindowSize::default(),
            session: None,
            foreground: None,
            exclusive: false,
            opens: 0,
            abandoned: false,
            hangups: 0,
            other_side: OtherSide::Present,
            throttled: false,
            packet: None,
        };
        Arc::new(Self {
            device,
            state: Mutex::new(state),
            input: WaitQueue::new(),
            room: WaitQueue::new(),
            master: WaitQueue::new(),
            output,
            draining: Mutex::new(()),
            sessions,
        })
    }

    /// Device number, as `/proc/PID/stat` shows it.
    pub fn device(&self) -> DeviceNumber {
        self.device
    }

    /// Foreground process group, if there is one.
    pub fn foreground(&self) -> Option<Pid> {
        self.state.lock().foreground
    }

    /// Takes bytes typed at the device; returns how many there was room for.
    pub fn receive(&self, bytes: &[u8]) -> usize {
        let mut state = self.state.lock();
        let room = WAITING_BYTES.saturating_sub(state.waiting.len());
        let taken = bytes.len().min(room);
        state.waiting.extend(bytes.iter().take(taken));
        let outcome = state.process_waiting();
        drop(state);
        self.carry_out(outcome);
        taken
    }

    /// Changes the window's size; the foreground group is told of a change.
    pub fn set_window(&self, window: WindowSize) {
        let mut state = self.state.lock();
        if state.window == window {
            return;
        }
        state.window = window;
        let outcome = Outcome { signals: [TerminalSignal::WindowChanged].into(), foreground: state.foreground };
        drop(state);
        self.carry_out(outcome);
    }

    /// Hangs the terminal up: its session leader and foreground group are told, its open files are dead.
    pub fn hang_up(&self) {
        let mut state = self.state.lock();
        state.hangups = state.hangups.wrapping_add(1);
        state.discipline.flush_input();
        state.waiting.clear();
        state.outgoing.clear();
        state.exclusive = false;
        let session = state.session.take();
        let foreground = state.foreground.take();
        drop(state);
        let job_control = self.job_control();
        if let Some(session) = session {
            self.sessions.forget(session);
            job_control.signal_process(session, TerminalSignal::Hangup);
            job_control.signal_process(session, TerminalSignal::Continue);
        }
        if let Some(group) = foreground {
            job_control.signal_group(group, TerminalSignal::Hangup);
            job_control.signal_group(group, TerminalSignal::Continue);
        }
        self.wake_all();
    }

    /// Counts one more open file; returns the number by which the file notices a hang-up.
    ///
    /// # Errors
    /// `EBUSY` if another opened it exclusively, `EIO` if its master is gone.
    pub(crate) fn count_open(&self) -> Result<u64> {
        let administrator = self.job_control().caller_is_administrator();
        let mut state = self.state.lock();
        if state.other_side == OtherSide::Gone {
            return Err(Errno::EIO);
        }
        if state.exclusive && state.opens > 0 && !administrator {
            return Err(Errno::EBUSY);
        }
        state.opens += 1;
        state.abandoned = false;
        Ok(state.hangups)
    }

    pub(crate) fn count_close(&self) {
        let mut state = self.state.lock();
        state.opens = state.opens.saturating_sub(1);
        if state.opens == 0 {
            state.abandoned = true;
            state.exclusive = false;
        }
        drop(state);
        self.wake_all();
    }

    pub(crate) fn job_control(&self) -> &dyn JobControl {
        self.sessions.job_control()
    }

    pub(crate) fn wake_all(&self) {
        self.input.wake_all();
        self.room.wake_all();
        self.master.wake_all();
    }

    /// Sends what `outcome` collected and moves output on. Called with no lock held.
    pub(crate) fn carry_out(&self, outcome: Outcome) {
        if let Some(group) = outcome.foreground {
            for signal in outcome.signals {
                self.job_control().signal_group(group, signal);
            }
        }
        self.drain();
        self.wake_all();
    }

    /// Gives waiting output to the device. One thread does it at a time; the others leave it to that one.
    pub(crate) fn drain(&self) {
        let Some(output) = &self.output else {
            self.master.wake_all();
            return;
        };
        loop {
            let Some(draining) = self.draining.try_lock() else { return };
            let chunk: Vec<u8> = self.state.lock().take_output(DRAIN_BYTES);
            if !chunk.is_empty() {
                output.write(&chunk);
                self.room.wake_all();
                continue;
            }
            drop(draining);
            // Someone may have queued output after our look and found us still draining.
            if !self.state.lock().has_output() {
                return;
            }
        }
    }
}

impl State {
    /// Feeds waiting input to the discipline as far as it fits.
    pub(crate) fn process_waiting(&mut self) -> Outcome {
        let mut effects = Effects::default();
        while !self.waiting.is_empty() {
            let taken = self.discipline.receive(self.waiting.make_contiguous(), &mut effects);
            self.waiting.drain(..taken);
            if taken == 0 {
                break;
            }
        }
        self.throttle(&mut effects);
        self.apply(effects)
    }

    /// With `IXOFF`, asks the sender to pause while input piles up and to go on when it was read.
    fn throttle(&mut self, effects: &mut Effects) {
        let settings = *self.discipline.termios();
        let wanted = if self.throttled { self.discipline.room() < 3968 } else { !self.waiting.is_empty() };
        if wanted == self.throttled || (!self.throttled && !settings.input(linux::IXOFF)) {
            return;
        }
        self.throttled = wanted;
        let character = settings.character(if wanted { linux::VSTOP } else { linux::VSTART });
        if character != 0 {
            effects.echo.push(character);
        }
    }

    /// Applies what input brought about to the queues; the rest is the caller's, after unlocking.
    pub(crate) fn apply(&mut self, effects: Effects) -> Outcome {
        if effects.flush_output {
            self.outgoing.clear();
            self.note_packet(linux::TIOCPKT_FLUSHREAD | linux::TIOCPKT_FLUSHWRITE);
        }
        match effects.flow {
            Some(Flow::Stopped) => self.note_packet(linux::TIOCPKT_STOP),
            Some(Flow::Started) => self.note_packet(linux::TIOCPKT_START),
            None => {}
        }
        let room = ECHO_BYTES.saturating_sub(self.outgoing.len());
        self.outgoing.extend(effects.echo.iter().take(room));
        let signals = effects.signals.iter().map(|signal| match signal {
            Signal::Interrupt => TerminalSignal::Interrupt,
            Signal::Quit => TerminalSignal::Quit,
            Signal::Suspend => TerminalSignal::Stop,
        });
        Outcome { signals: signals.collect(), foreground: self.foreground }
    }

    /// Remembers a status for the master's packet mode; opposites replace each other.
    pub(crate) fn note_packet(&mut self, bits: u32) {
        let opposite = match bits {
            linux::TIOCPKT_STOP => linux::TIOCPKT_START,
            linux::TIOCPKT_START => linux::TIOCPKT_STOP,
            _ => 0,
        };
        if let Some(status) = &mut self.packet {
            *status = (*status & !(opposite as u8)) | bits as u8;
        }
    }

    pub(crate) fn has_output(&self) -> bool {
        !self.outgoing.is_empty() && !self.discipline.is_stopped()
    }

    /// Takes up to `limit` bytes of output, unless it is stopped.
    pub(crate) fn take_output(&mut self, limit: usize) -> Vec<u8> {
        if self.discipline.is_stopped() {
            return Vec::new();
        }
        let count = limit.min(self.outgoing.len());
        self.outgoing.drain(..count).collect()
    }
}
