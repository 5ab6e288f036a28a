//! One QEMU with the system in it.
//!
//! A thread of its own starts QEMU, collects its complaints and reaps it. That thread lives as long as QEMU: the "die with
//! your parent" that `setpriv` arranges is tied to the thread that starts the process.

use super::channel::{Channel, End, Output, Session, Stop};
use super::frame;
use super::log::{RunFiles, Writer};
use super::{Config, Mode, Window, qemu, trace};
use crate::disk::{self, Drive, Storage};
use crate::root::{self, Contents, Root};
use crate::{build, image, setup};
use anyhow::{Context, Result, anyhow, bail};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a start may take before it counts as failed.
const START_LIMIT: Duration = Duration::from_secs(180);

/// A running system; it ends with this value.
pub struct Vm {
    channel: Arc<Channel>,
    serial: UnixStream,
    child: Arc<Mutex<Option<Child>>>,
    watcher: Option<JoinHandle<()>>,
    files: RunFiles,
    image: image::Image,
    drive: Option<Drive>,
    strace: bool,
    memory_bytes: u64,
    started: Instant,
}

impl Vm {
    /// Makes sure that everything is installed and built, writes the boot archive and starts QEMU.
    ///
    /// It does not wait for the system to be ready; [`Vm::exec`] and [`Vm::wait_ready`] do.
    ///
    /// # Errors
    /// When a tool is missing and cannot be installed, something does not build, the root or the manifest is bad, or QEMU
    /// does not start.
    pub fn start(config: &Config) -> Result<Self> {
        let lock = crate::workspace::lock()?;
        let tools = setup::ensure()?;
        // What the person gave is looked at before the long step.
        let config = Config { root: Root::Loaded(root::load(&config.root, &tools)?), ..config.clone() };
        let programs = build::guest(&tools)?;
        drop(lock);
        Self::start_built(&config, &tools, &programs)
    }

    /// As [`Vm::start`], with what is installed and built already.
    ///
    /// # Errors
    /// When the root or the manifest is bad, or QEMU does not start.
    pub fn start_built(config: &Config, tools: &setup::Tools, programs: &build::Programs) -> Result<Self> {
        let files = RunFiles::new()?;
        let contents = root::load(&config.root, tools)?;
        let (drive, tree) = match (&config.storage, contents) {
            (Storage::Disk(disk), contents) => {
                (Some(disk::prepare(disk, &contents, &tools.e2fs, &files.disk())?), Arc::default())
            }
            (Storage::Memory, Contents::Tree(tree)) => (None, tree),
            (Storage::Memory, Contents::Image(path)) => {
                bail!("{} is a disk's image, and the root is to be in memory", path.display())
            }
        };
        let image = image::build(programs, config, &tree, &files.archive())?;
        Self::launch(config, tools, image, files, drive)
    }

    fn launch(
        config: &Config,
        tools: &setup::Tools,
        image: image::Image,
        files: RunFiles,
        drive: Option<Drive>,
    ) -> Result<Self> {
        let (ours, theirs) = UnixStream::pair().context("cannot make a socket")?;
        let (serial, their_serial) = UnixStream::pair().context("cannot make a socket")?;
        let channel = Channel::start(ours)?;
        let mut command = dies_with_us(tools);
        let memory = files.memory();
        let machine = qemu::Files {
            loader: &image.loader,
            archive: &image.archive,
            log: files.log(),
            memory: config.trace_bytes.map(|_| &*memory),
            disk: drive.as_ref().map(Drive::path),
        };
        command.args(qemu::arguments(config, &machine));
        command.stdin(OwnedFd::from(theirs)).stdout(OwnedFd::from(their_serial)).stderr(Stdio::piped());
        let started = Instant::now();
        let (child, watcher) = watch(command, Arc::clone(&channel))?;
        let watcher = Some(watcher);
        let vm = Self {
            channel,
            serial,
            child,
            watcher,
            files,
            image,
            drive,
            strace: config.strace,
            memory_bytes: config.memory_bytes,
            started,
        };
        if config.mode == Mode::Exec {
            vm.files.keep_serial(vm.serial()?);
        }
        Ok(vm)
    }

    /// Writes the list of the system's programs for a debugger, one a line: name, ELF file, load address.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_programs(&self, path: &Path) -> Result<()> {
        let row = |binary: &crate::symbols::Binary| {
            format!("{}\t{}\t{:#x}\n", binary.name, binary.elf.display(), binary.base)
        };
        let text: String = self.image.binaries.iter().map(row).collect();
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Waits until the system takes commands.
    ///
    /// # Errors
    /// When it stops, or takes longer than `deadline` (or than any start takes).
    pub fn wait_ready(&self, deadline: Option<Instant>) -> Result<(), Stop> {
        let limit = Instant::now() + START_LIMIT;
        let stop = self.channel.wait_ready(Some(deadline.map_or(limit, |deadline| deadline.min(limit))));
        match stop {
            Err(Stop::TimedOut) if deadline.is_none_or(|deadline| deadline > limit) => {
                let seconds = START_LIMIT.as_secs();
                Err(Stop::Ended(End::Failed(format!("the system was not ready after {seconds} s"))))
            }
            other => other,
        }
    }

    /// Runs `sh -c command` in the system with `input`, to its end.
    ///
    /// # Errors
    /// When the system stops, or the command takes longer than `limit`.
    pub fn exec(&self, command: &str, input: &[u8], limit: Duration) -> Result<Output> {
        let deadline = Some(Instant::now() + limit);
        let running = || format!("running {command:?}; the log is {}", self.log().display());
        self.wait_ready(deadline).map_err(|stop| anyhow!("the system is not ready: {stop}")).with_context(running)?;
        self.open(command)?.complete(input, deadline).with_context(running)
    }

    /// Starts `sh -c command`; many may run at once.
    ///
    /// # Errors
    /// When the channel is gone or the command line too long.
    pub fn open(&self, command: &str) -> Result<Session> {
        self.channel.open(command, if self.strace { frame::EXEC_STRACE } else { 0 })
    }

    pub(super) fn channel(&self) -> Arc<Channel> {
        Arc::clone(&self.channel)
    }

    /// When QEMU was started.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// The system's serial line: in interactive mode, its console.
    ///
    /// # Errors
    /// When the host has no descriptor left.
    pub fn serial(&self) -> io::Result<UnixStream> {
        self.serial.try_clone()
    }

    /// Tells the system the size of the terminal on its serial line.
    ///
    /// # Errors
    /// When the channel is gone.
    pub fn resize(&self, window: Window) -> io::Result<()> {
        self.channel.resize(window)
    }

    /// Waits until the system stops; `None` when `deadline` passes first.
    pub fn wait(&self, deadline: Option<Instant>) -> Option<End> {
        self.channel.wait_end(deadline)
    }

    /// The file with the kernel's and servers' log.
    pub fn log(&self) -> &Path {
        self.files.log()
    }

    /// The disk's image, when there is one. While the system runs it may be in the middle of anything.
    pub fn disk(&self) -> Option<&Path> {
        self.drive.as_ref().map(Drive::path)
    }

    /// The log with the addresses of stack traces named; the file has the same afterwards if QEMU has ended.
    ///
    /// # Errors
    /// When the log cannot be read or written.
    pub fn explained_log(&self) -> Result<String> {
        self.files.explain(&self.image.binaries, writer(&self.child))
    }

    /// Stops QEMU and writes the trace that [`Config::trace_bytes`] asked for, as Chrome's trace format; says how many
    /// events it has and how many came before them.
    ///
    /// # Errors
    /// When there is none, or the file cannot be written.
    pub fn write_trace(&mut self, to: &Path) -> Result<(usize, u64)> {
        self.kill();
        let log = std::fs::read(self.log()).context("cannot read the log")?;
        trace::export(&String::from_utf8_lossy(&log), &self.files.memory(), self.memory_bytes, to)
    }

    /// Has the system stop in good order, so that its disk is clean: how it stopped, or `None` if it did not within `limit`. No
    /// program of the root's is needed.
    pub fn power_off(&self, limit: Duration) -> Option<End> {
        // If it cannot be asked any more it has stopped, or is about to.
        let _session = self.channel.open("", frame::EXEC_POWER_OFF);
        self.wait(Some(Instant::now() + limit))
    }

    /// Stops QEMU now.
    pub fn kill(&mut self) {
        if let Some(child) = self.child.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            // It may have ended by itself already.
            let _ = child.kill();
        }
        if let Some(watcher) = self.watcher.take() {
            // The watcher does not panic, and if it did QEMU would be dead all the same.
            let _ = watcher.join();
        }
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Whether QEMU may still write to the log. That the system said that it stops does not tell: the kernel logs on.
fn writer(child: &Mutex<Option<Child>>) -> Writer {
    let mut child = child.lock().unwrap_or_else(PoisonError::into_inner);
    match child.as_mut().map(Child::try_wait) {
        None | Some(Ok(Some(_))) => Writer::Gone,
        Some(Ok(None) | Err(_)) => Writer::Running,
    }
}

/// The command that becomes QEMU; where `setpriv` exists, the kernel kills it when this process dies. It is in a process group of its
/// own: a terminal's Ctrl-C is for this process, which may want the system to stop in good order.
fn dies_with_us(tools: &setup::Tools) -> Command {
    let mut command = match &tools.setpriv {
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", "KILL", "--"]).arg(&tools.qemu);
            command
        }
        None => Command::new(&tools.qemu),
    };
    command.process_group(0);
    command
}

type SharedChild = Arc<Mutex<Option<Child>>>;

/// Starts `command` in a thread that stays until it ends, and then tells `channel`.
fn watch(mut command: Command, channel: Arc<Channel>) -> Result<(SharedChild, JoinHandle<()>)> {
    let shared = SharedChild::default();
    let child = Arc::clone(&shared);
    let (started, starting) = mpsc::channel();
    let watcher = std::thread::spawn(move || {
        let spawned = command.spawn();
        // QEMU alone keeps its ends of the sockets, so that its end shows there.
        drop(command);
        follow(spawned, &child, &channel, &started);
    });
    starting.recv().expect("the watcher reports first")?;
    Ok((shared, watcher))
}

fn follow(spawned: io::Result<Child>, shared: &SharedChild, channel: &Channel, started: &Sender<Result<()>>) {
    let mut errors = match spawned {
        Ok(mut child) => {
            let errors = child.stderr.take().expect("it was asked for at the start");
            *shared.lock().unwrap_or_else(PoisonError::into_inner) = Some(child);
            // The receiver waits in `watch`.
            let _ = started.send(Ok(()));
            errors
        }
        Err(error) => {
            let _ = started.send(Err(error).context("cannot start QEMU"));
            return;
        }
    };
    let mut complaints = Vec::new();
    // Whatever could be read is enough; the end of the stream is QEMU's end.
    let _ = errors.read_to_end(&mut complaints);
    let status = shared.lock().unwrap_or_else(PoisonError::into_inner).as_mut().map(Child::wait);
    channel.finish(match status {
        Some(Ok(status)) => qemu::end(status, &String::from_utf8_lossy(&complaints)),
        _ => End::Failed("QEMU was lost".into()),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_has_a_writer_until_the_process_has_ended() {
        let child = Command::new("cat").stdin(Stdio::piped()).spawn().expect("cat starts");
        let child = Mutex::new(Some(child));
        assert_eq!(writer(&child), Writer::Running);
        if let Some(child) = child.lock().expect("nobody panicked").as_mut() {
            child.kill().expect("it is ours");
            child.wait().expect("it is ours");
        }
        assert_eq!(writer(&child), Writer::Gone);
        assert_eq!(writer(&Mutex::new(None)), Writer::Gone);
    }
}
