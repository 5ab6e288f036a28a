//! Terminals with a made-up system of processes behind them.

use crate::console::{self, CONSOLE, Console, SERIAL_LINE};
use crate::pty::{Multiplexer, PtyTable, TERMINAL_MAJOR, Terminals};
use crate::terminal::WindowSize;
use crate::{Caller, JobControl, Output, OwnTerminal, Pid, Sessions, TerminalSignal, Tty};
use alloc::sync::Arc;
use guest_memory::io::{SliceSink, SliceSource};
use linux_abi::raw::general as linux;
use linux_abi::{Errno, Result};
use std::sync::Mutex;
use std::time::Duration;
use vfs::{CharDevice, DeviceNumber, File, OpenFlags, PollEvents, PollTable};

struct Processes {
    caller: Mutex<Caller>,
    signals: Mutex<Vec<(Pid, TerminalSignal)>>,
    disregards: Mutex<bool>,
    orphaned: Mutex<bool>,
}

impl JobControl for Processes {
    fn caller(&self) -> Option<Caller> {
        Some(*self.caller.lock().unwrap_or_else(|error| error.into_inner()))
    }
    fn caller_is_administrator(&self) -> bool {
        false
    }
    fn caller_disregards(&self, _signal: TerminalSignal) -> bool {
        *self.disregards.lock().expect("no test panics inside")
    }
    fn is_orphaned(&self, _group: Pid) -> bool {
        *self.orphaned.lock().expect("no test panics inside")
    }
    fn session_of_group(&self, group: Pid) -> Option<Pid> {
        (group < 100).then_some(10)
    }
    fn signal_group(&self, group: Pid, signal: TerminalSignal) {
        self.signals.lock().expect("no test panics inside").push((group, signal));
    }
    fn signal_process(&self, process: Pid, signal: TerminalSignal) {
        self.signals.lock().expect("no test panics inside").push((process, signal));
    }
}

impl Processes {
    fn become_process(&self, pid: Pid, group: Pid, session: Pid) {
        *self.caller.lock().expect("no test panics inside") = Caller { pid, group, session, uid: 1000 };
    }

    fn take_signals(&self) -> Vec<(Pid, TerminalSignal)> {
        std::mem::take(&mut *self.signals.lock().expect("no test panics inside"))
    }
}

#[derive(Default)]
struct Screen(Mutex<Vec<u8>>);

impl Output for Screen {
    fn write(&self, bytes: &[u8]) {
        self.0.lock().expect("no test panics inside").extend_from_slice(bytes);
    }
}

impl Screen {
    fn take(&self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut *self.0.lock().expect("no test panics inside"))).into_owned()
    }
}

struct System {
    processes: Arc<Processes>,
    sessions: Arc<Sessions>,
    screen: Arc<Screen>,
    tty: Arc<Tty>,
}

/// A console, and a session leader 10 without terminal who calls.
fn system() -> System {
    let caller = Caller { pid: 10, group: 10, session: 10, uid: 1000 };
    let processes = Arc::new(Processes {
        caller: Mutex::new(caller),
        signals: Mutex::default(),
        disregards: Mutex::default(),
        orphaned: Mutex::default(),
    });
    let sessions = Sessions::new(processes.clone());
    let screen = Arc::new(Screen::default());
    let tty = console::new(screen.clone(), sessions.clone());
    System { processes, sessions, screen, tty }
}

impl System {
    fn open(&self, device: DeviceNumber, flags: OpenFlags) -> Arc<dyn File> {
        Console(self.tty.clone()).open(device, flags).expect("the console opens").file
    }
}

fn read(file: &dyn File, flags: OpenFlags) -> Result<Vec<u8>> {
    let mut buffer = [0; 1000];
    let mut sink = SliceSink::new(&mut buffer);
    let count = file.read(0, &mut sink, flags)?;
    Ok(buffer[..count].to_vec())
}

fn write(file: &dyn File, bytes: &[u8], flags: OpenFlags) -> Result<usize> {
    file.write(0, &mut SliceSource::new(bytes), flags)
}

const RW: OpenFlags = OpenFlags::RDWR;

#[test]
fn the_console_echoes_and_delivers_lines() {
    let system = system();
    let file = system.open(CONSOLE, RW);
    assert_eq!(read(&*file, RW | OpenFlags::NONBLOCK), Err(Errno::EAGAIN));
    system.tty.receive(b"ls\r");
    assert_eq!(system.screen.take(), "ls\r\n");
    assert_eq!(read(&*file, RW), Ok(b"ls\n".to_vec()));
    assert_eq!(write(&*file, b"a\nb", RW), Ok(3));
    assert_eq!(system.screen.take(), "a\r\nb");
}

#[test]
fn a_blocked_reader_wakes_when_a_line_is_typed() {
    let system = system();
    let file = system.open(CONSOLE, RW);
    let reader = std::thread::spawn(move || read(&*file, RW));
    std::thread::sleep(Duration::from_millis(20));
    system.tty.receive(b"half");
    system.tty.receive(b" done\n");
    assert_eq!(reader.join().expect("the reader ends"), Ok(b"half done\n".to_vec()));
}

#[test]
fn vtime_ends_a_read_without_input() {
    let system = system();
    let mut termios = *system.tty.state.lock().discipline.termios();
    termios.c_lflag = 0;
    termios.c_cc[linux::VMIN as usize] = 0;
    termios.c_cc[linux::VTIME as usize] = 1;
    system.tty.state.lock().discipline.set_termios(termios, &mut crate::discipline::Effects::default());
    let file = system.open(CONSOLE, RW);
    assert_eq!(read(&*file, RW), Ok(Vec::new()));
    system.tty.receive(b"xy");
    assert_eq!(read(&*file, RW), Ok(b"xy".to_vec()));
}

#[test]
fn a_session_leader_gets_the_serial_line_but_not_the_console() {
    let system = system();
    let _console = system.open(CONSOLE, RW);
    assert!(system.sessions.terminal(10).is_none());
    assert!(OwnTerminal(system.sessions.clone()).open(DeviceNumber::new(5, 0), RW).is_err());
    let _quiet = system.open(SERIAL_LINE, RW | OpenFlags::NOCTTY);
    assert!(system.sessions.terminal(10).is_none());
    let _line = system.open(SERIAL_LINE, RW);
    assert!(system.sessions.terminal(10).is_some());
    assert!(OwnTerminal(system.sessions.clone()).open(DeviceNumber::new(5, 0), RW).is_ok());
    assert_eq!(system.tty.foreground(), Some(10));
}

#[test]
fn keys_signal_the_foreground_group() {
    let system = system();
    let _line = system.open(SERIAL_LINE, RW);
    system.tty.set_foreground(20).expect("group 20 is of session 10");
    system.tty.receive(b"\x03\x1a");
    assert_eq!(system.processes.take_signals(), [(20, TerminalSignal::Interrupt), (20, TerminalSignal::Stop)]);
    assert_eq!(system.tty.set_foreground(-1), Err(Errno::ERESTARTSYS), "group 10 is in the background now");
}

#[test]
fn background_processes_are_stopped_or_refused() {
    let system = system();
    let file = system.open(SERIAL_LINE, RW);
    system.processes.become_process(30, 30, 10);
    assert_eq!(read(&*file, RW), Err(Errno::ERESTARTSYS));
    assert_eq!(system.processes.take_signals(), [(30, TerminalSignal::BackgroundRead)]);
    assert_eq!(write(&*file, b"x", RW), Ok(1), "without TOSTOP everyone may write");
    *system.processes.disregards.lock().expect("unlocked") = true;
    assert_eq!(read(&*file, RW), Err(Errno::EIO));
    *system.processes.disregards.lock().expect("unlocked") = false;
    *system.processes.orphaned.lock().expect("unlocked") = true;
    assert_eq!(read(&*file, RW), Err(Errno::EIO));
}

#[test]
fn a_hang_up_ends_open_files_and_tells_the_session() {
    let system = system();
    let file = system.open(SERIAL_LINE, RW);
    system.sessions.leader_ended(10);
    assert!(system.processes.take_signals().contains(&(10, TerminalSignal::Hangup)));
    assert_eq!(read(&*file, RW), Ok(Vec::new()));
    assert_eq!(write(&*file, b"x", RW), Err(Errno::EIO));
    assert!(system.sessions.terminal(10).is_none());
    let fresh = system.open(SERIAL_LINE, RW);
    assert_eq!(write(&*fresh, b"x", RW), Ok(1));
}

#[test]
fn a_new_window_size_is_announced_once() {
    let system = system();
    let _line = system.open(SERIAL_LINE, RW);
    let size = WindowSize { rows: 24, columns: 80, width: 0, height: 0 };
    system.tty.set_window(size);
    system.tty.set_window(size);
    assert_eq!(system.processes.take_signals(), [(10, TerminalSignal::WindowChanged)]);
}

#[test]
fn stopped_output_waits_and_goes_on() {
    let system = system();
    let file = system.open(CONSOLE, RW);
    system.tty.receive(b"\x13");
    assert_eq!(write(&*file, b"held", RW), Ok(4));
    assert_eq!(system.screen.take(), "");
    let flood = vec![b'x'; 20_000];
    assert!(write(&*file, &flood, RW | OpenFlags::NONBLOCK).expect("some fits") < 20_000);
    system.tty.receive(b"\x11");
    assert!(system.screen.take().starts_with("heldxxx"));
}

#[test]
fn a_pseudo_terminal_carries_bytes_both_ways_and_ends_with_its_master() {
    let system = system();
    let table = PtyTable::new(4, system.sessions.clone());
    let master = Multiplexer(table.clone()).open(crate::pty::MULTIPLEXER, RW).expect("there is room").file;
    let device = DeviceNumber::new(TERMINAL_MAJOR, 0);
    assert!(Terminals(table.clone()).open(device, RW).is_err(), "locked at first");
    let any: &dyn core::any::Any = &*master;
    let peer = any.downcast_ref::<crate::pty::Master>().expect("a master").open_peer(RW).expect("opens");
    assert_eq!(write(&*master, b"hi\n", RW), Ok(3));
    assert_eq!(read(&*peer, RW), Ok(b"hi\n".to_vec()));
    assert_eq!(write(&*peer, b"ok\n", RW), Ok(3));
    assert_eq!(read(&*master, RW), Ok(b"hi\r\nok\r\n".to_vec()));
    assert_eq!(read(&*master, RW | OpenFlags::NONBLOCK), Err(Errno::EAGAIN));
    assert_eq!(table.indices(), [0]);
    drop(master);
    assert!(table.indices().is_empty());
    assert_eq!(read(&*peer, RW), Ok(Vec::new()));
    assert!(peer.poll(&mut PollTable::looking()).contains(PollEvents::HUP));
}

#[test]
fn a_master_reads_an_error_when_the_last_opener_left() {
    let system = system();
    let table = PtyTable::new(4, system.sessions.clone());
    let master = table.create().expect("there is room");
    let peer = master.open_peer(RW | OpenFlags::NOCTTY).expect("opens");
    write(&*peer, b"last words", RW).expect("there is room");
    drop(peer);
    assert_eq!(read(&*master, RW), Ok(b"last words".to_vec()));
    assert_eq!(read(&*master, RW), Err(Errno::EIO));
    assert!(master.poll(&mut PollTable::looking()).contains(PollEvents::HUP));
    let _again = master.open_peer(RW | OpenFlags::NOCTTY).expect("opens again");
    assert_eq!(read(&*master, RW | OpenFlags::NONBLOCK), Err(Errno::EAGAIN));
}
