//! Commands of the host: each a shell with pipes to the host.
//!
//! A session ends, with the command's wait status, when the command has ended *and* nobody has its output open any more:
//! what it left running in the background with that output keeps the session open, as with ssh(1).

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use guest_memory::{SliceSink, SliceSource};
use interfaces::host_channel::{EXEC_POWER_OFF, EXEC_STRACE, stream};
use interfaces::host_session::Session;
use interfaces::system::StopReason;
use interfaces::{HostChannel, HostChannelClient, HostChannelError};
use linux_abi::{Errno, Result};
use rt::thread::JoinHandle;
use task::signal::{SigInfo, Signal};
use task::{Pid, TraceSink, send_to_group};
use vfs::anonymous::make_pipe;
use vfs::{Credentials, OpenFile, OpenFlags};

use crate::hooks::End;
use crate::power;
use crate::program::Shell;
use crate::trace::{Destination, Trace};
use crate::world::World;

const STACK_BYTES: usize = 64 << 10;
/// Bytes moved at once.
const PIECE_BYTES: usize = 3584;
/// How long to wait when the server has too many requests.
const PAUSE_NS: u64 = 10_000_000;

/// Serves the host's commands until the link to the host is gone; then the system stops.
pub(crate) fn serve(host: HostChannelClient, world: &Arc<World>) {
    loop {
        match host.next_session() {
            Ok(session) => open(host, session, world),
            Err(HostChannelError::Busy) => pause(),
            Err(error) => {
                log::error!("there are no more commands: {error}");
                return power::stop(StopReason::Orderly);
            }
        }
    }
}

/// Serves them in a thread, beside the shell on the console.
pub(crate) fn serve_beside(host: HostChannelClient, world: &Arc<World>) {
    let world = world.clone();
    if let Err(error) = rt::thread::spawn("sessions", STACK_BYTES, move || serve(host, &world)) {
        log::warn!("the host's commands are not served: {error:?}");
    }
}

fn pause() {
    rt::thread::sleep_until(rt::time::now_ns() + PAUSE_NS);
}

fn open(host: HostChannelClient, session: Session, world: &Arc<World>) {
    let id = session.id;
    let world = world.clone();
    if rt::thread::spawn("session", STACK_BYTES, move || run(host, &session, &world)).is_err() {
        // The host may have left; then there is nobody to refuse.
        let _ = host.refuse(id, "too many sessions");
    }
}

fn run(host: HostChannelClient, session: &Session, world: &World) {
    let refuse = |reason: &str| {
        // The host may have left; then there is nobody to refuse.
        let _ = host.refuse(session.id, reason);
    };
    if session.flags & EXEC_POWER_OFF != 0 {
        // What reboot(2) does, without a program of the root's that would call it.
        return power::stop(StopReason::Orderly);
    }
    let Some(command) = fetch_command(&host, session) else { return refuse("the command cannot be read") };
    let running = match start(host, session, command, world) {
        Ok(running) => running,
        Err(error) => return refuse(error.name()),
    };
    drain(&host, session.id, stream::STDOUT, running.output);
    running.error_pump.join();
    let status = running.end.wait();
    if session.flags & EXEC_STRACE != 0 {
        // As below.
        let _ = host.end_of_stream(session.id, stream::STRACE);
    }
    // The host may have left; then the status concerns nobody.
    let _ = host.exit(session.id, status as u32);
}

fn fetch_command(host: &HostChannelClient, session: &Session) -> Option<Vec<u8>> {
    let mut command = Vec::new();
    while command.len() < session.command_bytes as usize {
        let piece = host.command(session.id, command.len() as u32).ok().filter(|piece| !piece.is_empty())?;
        command.extend(piece);
    }
    Some(command)
}

/// A command that runs.
struct Running {
    output: Arc<OpenFile>,
    error_pump: JoinHandle,
    end: Arc<End>,
}

fn start(host: HostChannelClient, session: &Session, command: Vec<u8>, world: &World) -> Result<Running> {
    let id = session.id;
    let root = Credentials::root();
    let (input, to_input) = make_pipe(OpenFlags::empty(), &root)?;
    let (output, to_output) = make_pipe(OpenFlags::empty(), &root)?;
    let (errors, to_errors) = make_pipe(OpenFlags::empty(), &root)?;
    // First what may fail; these end by themselves when the pipes' other ends or the session are gone.
    let error_pump = spawn("session-stderr", move || drain(&host, id, stream::STDERR, errors))?;
    spawn("session-stdin", move || feed(&host, id, &to_input))?;
    let traces = session.flags & EXEC_STRACE != 0;
    let shell = Shell {
        arguments: vec![b"sh".to_vec(), b"-c".to_vec(), command],
        terminal: None,
        streams: [input, to_output, to_errors],
        trace: traces.then(|| Trace::new(Destination::Session(host, id)) as Arc<dyn TraceSink>),
        host_session: id.into(),
    };
    let mut started = None;
    shell.start(&world.namespace, |process| started = Some((process.pid, world.ends.expect(process.pid))))?;
    let (pid, end) = started.expect("a shell that starts was seen before");
    if spawn("session-signals", move || pass_signals(&host, id, pid)).is_err() {
        log::warn!("session {id} gets no signals: there is no memory for a thread");
    }
    Ok(Running { output, error_pump, end })
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle> {
    rt::thread::spawn(name, STACK_BYTES, body).map_err(|_| Errno::EAGAIN)
}

/// Sends all of `bytes` to the host.
///
/// # Errors
/// The host does not want them (any more).
pub(crate) fn write_all(
    host: &HostChannelClient,
    id: u32,
    stream: u8,
    mut bytes: &[u8],
) -> core::result::Result<(), HostChannelError> {
    while !bytes.is_empty() {
        let piece = bytes.get(..PIECE_BYTES).unwrap_or(bytes);
        match host.write(id, stream, piece) {
            Ok(count) => bytes = bytes.get(count as usize..).unwrap_or_default(),
            Err(HostChannelError::Busy) => pause(),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Brings what comes out of a pipe to the host. The pipe's end is closed when the host does not want more, so that its
/// writers notice.
fn drain(host: &HostChannelClient, id: u32, stream: u8, pipe: Arc<OpenFile>) {
    let mut buffer = vec![0; PIECE_BYTES];
    loop {
        let count = match pipe.read(&mut SliceSink::new(&mut buffer)) {
            Ok(0) | Err(_) => break,
            Ok(count) => count,
        };
        if write_all(host, id, stream, buffer.get(..count).unwrap_or_default()).is_err() {
            return;
        }
    }
    // The host may have closed the stream already.
    let _ = host.end_of_stream(id, stream);
}

/// Brings the host's input to a pipe, until either end is closed.
fn feed(host: &HostChannelClient, id: u32, pipe: &Arc<OpenFile>) {
    loop {
        let bytes = match host.read(id, stream::STDIN, PIECE_BYTES as u32) {
            Ok(bytes) if bytes.is_empty() => return,
            Ok(bytes) => bytes,
            Err(HostChannelError::Busy) => {
                pause();
                continue;
            }
            Err(_) => return,
        };
        if put_all(pipe, &bytes).is_err() {
            // The session may be over.
            let _ = host.close_input(id, stream::STDIN);
            return;
        }
    }
}

fn put_all(pipe: &Arc<OpenFile>, mut bytes: &[u8]) -> Result<()> {
    while !bytes.is_empty() {
        let count = pipe.write(&mut SliceSource::new(bytes))?;
        bytes = bytes.get(count..).unwrap_or_default();
    }
    Ok(())
}

/// Sends the host's signals to the command's process group.
fn pass_signals(host: &HostChannelClient, id: u32, group: Pid) {
    loop {
        match host.next_signal(id) {
            Ok(number) => {
                if let Ok(signal) = Signal::new(number.into()) {
                    send_to_group(group, &SigInfo::user(signal, 0, 0));
                }
            }
            Err(HostChannelError::Busy) => pause(),
            Err(_) => return,
        }
    }
}
