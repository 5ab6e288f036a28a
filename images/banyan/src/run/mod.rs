//! A running Banyan: QEMU with the boot archive, and the two ways in.
//!
//! [`Vm`] starts QEMU and owns it: it dies with its `Vm`, and with this process. In [`Mode::Exec`] commands run over the
//! framed channel ([`Vm::exec`], [`Vm::open`]), many at once on one boot; in [`Mode::Interactive`] the serial line
//! ([`Vm::serial`]) is the system's console. [`interactive`] and [`exec`] connect a person's terminal and streams;
//! [`control`] lets other processes command a running system.

pub mod channel;
pub mod control;
pub mod exec;
pub mod frame;
pub mod interactive;
mod log;
mod placement;
mod qemu;
mod terminal;
pub mod trace;
mod vm;

pub use channel::{End, Event, Output, Session, Status, Stop, Stream};
pub use placement::{OnCrash, Placement, Places, SERVICES};
pub use qemu::disk_arguments;
pub use vm::Vm;

use crate::disk::Storage;
use crate::root::Root;
use std::ffi::OsString;
use std::path::PathBuf;

/// What the system's console does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A login shell on the serial line; the system powers off when it ends.
    Interactive,
    /// Commands come over the channel.
    Exec,
}

/// Size of a terminal, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Lines.
    pub rows: u16,
    /// Characters a line.
    pub columns: u16,
}

/// How to run the system.
#[derive(Clone, Debug)]
pub struct Config {
    /// What the console does.
    pub mode: Mode,
    /// The tree that legacy programs see.
    pub root: Root,
    /// Where that tree is.
    pub storage: Storage,
    /// Where the services run at the start; without a disk there are none.
    pub places: Places,
    /// What follows when the personality dies.
    pub on_crash: OnCrash,
    /// Memory of the machine.
    pub memory_bytes: u64,
    /// Processors of the machine, 1 to 32.
    pub cpus: u8,
    /// Whether devices are behind an IOMMU.
    pub iommu: Iommu,
    /// Let `rdtsc` count instructions (one a "nanosecond"), repeatably.
    pub count_instructions: bool,
    /// Stop before the first instruction until a debugger comes there.
    pub debugger: Option<Debugger>,
    /// Print every process's system calls: interactively into the log, for commands in [`Output::strace`].
    pub strace: bool,
    /// Trace what the kernel does, for [`Vm::write_trace`]: bytes of the ring, whose last events are kept.
    pub trace_bytes: Option<u64>,
    /// A new file where every write and flush that reaches the disk is logged, in the format of Linux's `dm-log-writes`.
    pub write_log: Option<PathBuf>,
    /// Size of the terminal at the start.
    pub window: Window,
    /// More boot options (`key=value`), handed to the tasks whose manifest asks for them.
    pub options: Vec<(String, String)>,
    /// The system's manifest.
    pub manifest: PathBuf,
    /// More arguments for the emulator, behind all others.
    pub emulator: Vec<OsString>,
}

/// Where a machine waits for a debugger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Debugger {
    /// At a socket of this name, which must be free.
    Socket(PathBuf),
    /// At this port of the host, for itself.
    Port(u16),
}

/// Whether the machine has an IOMMU (Intel VT-d).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Iommu {
    /// Devices reach all memory.
    Absent,
    /// Devices reach what the kernel maps for them.
    Present,
}

/// Processors where nothing else is said: as many as the environment's `BANYAN_SMP` says, or one. So all tests can be run on
/// several.
#[must_use]
pub fn usual_cpus() -> u8 {
    let said = std::env::var("BANYAN_SMP").ok().and_then(|number| number.parse().ok());
    said.filter(|cpus| (1..=MOST_CPUS).contains(cpus)).unwrap_or(1)
}

/// As many as the kernel starts.
const MOST_CPUS: u8 = 32;

impl Config {
    /// The default system with the default root, in `mode`.
    pub fn new(mode: Mode) -> Self {
        Self {
            mode,
            root: Root::Default,
            storage: Storage::Memory,
            places: Places::all(Placement::Personality),
            on_crash: OnCrash::Halt,
            memory_bytes: 512 << 20,
            cpus: usual_cpus(),
            iommu: Iommu::Absent,
            count_instructions: false,
            debugger: None,
            strace: false,
            trace_bytes: None,
            write_log: None,
            window: Window { rows: 24, columns: 80 },
            options: Vec::new(),
            manifest: crate::image::default_manifest(),
            emulator: Vec::new(),
        }
    }

    /// The boot options as `key=value` lines.
    pub fn option_lines(&self) -> String {
        let mode = match self.mode {
            Mode::Interactive => "interactive",
            Mode::Exec => "exec",
        };
        let strace = u8::from(self.strace);
        let Window { rows, columns } = self.window;
        let mut lines = format!("mode={mode}\nrows={rows}\ncols={columns}\nstrace={strace}\n");
        if let Storage::Disk(_) = self.storage {
            lines.push_str(&format!("root=disk\nplace={}\n", self.places));
        }
        lines.push_str(&format!("on-personality-crash={}\n", self.on_crash));
        if let Some(bytes) = self.trace_bytes {
            lines.push_str(&format!("trace={bytes}\n"));
        }
        for (key, value) in &self.options {
            lines.push_str(&format!("{key}={value}\n"));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Disk;

    #[test]
    fn options_say_where_the_root_is() {
        let mut config = Config::new(Mode::Exec);
        assert!(!config.option_lines().contains("root="));
        config.storage = Storage::Disk(Disk::Fresh);
        config.places.change("fs=native").expect("it is well formed");
        config.on_crash = OnCrash::Restart;
        let lines = config.option_lines();
        assert!(lines.contains("\nroot=disk\nplace=block:personality,fs:native\n"), "{lines}");
        assert!(lines.ends_with("on-personality-crash=restart\n"), "{lines}");
    }
}
