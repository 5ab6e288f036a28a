//! The console: its terminal's device, and in interactive mode the shell on it.

use alloc::sync::Arc;

use interfaces::system::StopReason;
use interfaces::{Console, ConsoleClient, HostChannel, HostChannelClient};
use linux_abi::Result;
use rt::Env;
use task::TraceSink;
use tty::{Output, Tty, WindowSize};
use vfs::{Caller, Credentials, FsContext, OpenFlags, WalkFlags};

use crate::power;
use crate::program::Shell;
use crate::trace::{Destination, Trace};
use crate::world::World;

const STACK_BYTES: usize = 64 << 10;
/// Bytes of input taken at once.
const INPUT_BYTES: u32 = 1024;
/// How long input waits when the terminal has no room.
const PAUSE_NS: u64 = 10_000_000;
/// The terminal's type, if nobody says otherwise.
const TERMINAL: &str = "linux";

/// The console server as a terminal's device.
pub(crate) struct Screen(pub(crate) ConsoleClient);

impl Output for Screen {
    fn write(&self, bytes: &[u8]) {
        for piece in bytes.chunks(ipc::MAX_BYTES) {
            if let Err(error) = self.0.write(piece) {
                log::error!("console output is lost: {error}");
                return;
            }
        }
    }
}

/// Starts the threads that bring input and the window's size to the terminal.
pub(crate) fn start_pumps(env: &Env, tty: &Arc<Tty>, console: ConsoleClient, host: HostChannelClient) {
    let dimension = |key| env.option(key).and_then(|text| text.parse().ok()).unwrap_or(0);
    tty.set_window(WindowSize { rows: dimension("rows"), columns: dimension("cols"), ..WindowSize::default() });
    let (typed, sized) = (tty.clone(), tty.clone());
    rt::thread::spawn("console-input", STACK_BYTES, move || pump_input(&typed, &console))
        .expect("there is memory at the start");
    rt::thread::spawn("window", STACK_BYTES, move || pump_window(&sized, &host)).expect("there is memory at the start");
}

fn pump_input(tty: &Tty, console: &ConsoleClient) {
    loop {
        match console.read(INPUT_BYTES) {
            Ok(bytes) => type_all(tty, &bytes),
            Err(error) => {
                log::error!("there is no more console input: {error}");
                return tty.hang_up();
            }
        }
    }
}

fn type_all(tty: &Tty, mut bytes: &[u8]) {
    loop {
        bytes = bytes.get(tty.receive(bytes)..).unwrap_or_default();
        if bytes.is_empty() {
            return;
        }
        rt::thread::sleep_until(rt::time::now_ns() + PAUSE_NS);
    }
}

fn pump_window(tty: &Tty, host: &HostChannelClient) {
    // Without a host the size stays as it is.
    while let Ok(size) = host.next_resize() {
        tty.set_window(WindowSize { rows: size.rows, columns: size.cols, ..WindowSize::default() });
    }
}

/// Runs a shell on the console; the system's end is the shell's.
pub(crate) fn run_shell(env: &Env, world: &World) {
    match start_shell(env, world) {
        Ok(end) => {
            end.wait();
            power::stop(StopReason::Orderly);
        }
        Err(error) => {
            log::error!("/bin/sh cannot be started: {}", error.name());
            power::stop(StopReason::Failure);
        }
    }
}

fn start_shell(env: &Env, world: &World) -> Result<Arc<crate::hooks::End>> {
    let fs = FsContext::new(world.namespace.clone());
    let credentials = Credentials::root();
    let caller = Caller { credentials: &credentials, fs: &fs };
    let console = caller.open(None, b"/dev/console", OpenFlags::RDWR, 0, WalkFlags::empty())?;
    let trace = env.option("strace").filter(|value| !matches!(*value, "" | "0"));
    let trace = trace.map(|_| Trace::new(Destination::Log) as Arc<dyn TraceSink>);
    let shell = Shell {
        arguments: [b"-sh".to_vec()].into(),
        terminal: Some(env.option("term").filter(|term| !term.is_empty()).unwrap_or(TERMINAL)),
        streams: [console.clone(), console.clone(), console],
        trace,
        host_session: 0,
    };
    let mut end = None;
    shell.start(&world.namespace, |process| {
        end = Some(world.ends.expect(process.pid));
        world.console.adopt(process.pid, process.pid);
    })?;
    Ok(end.expect("a shell that starts was seen before"))
}
