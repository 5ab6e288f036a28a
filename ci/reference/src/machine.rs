//! Starts Linux in the emulator: the machine is the one that Banyan gets.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How time passes in the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Clock {
    /// As on the host.
    Wall,
    /// One "nanosecond" an instruction, so that `rdtsc` counts instructions.
    Instructions,
}

/// What the kernel is told about the machine's weaknesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tuning {
    /// As Debian ships it.
    Default,
    /// `mitigations=off init_on_alloc=0`: what anchors' `lean` column is.
    Lean,
    /// `pti=on`: the kernel has page tables of its own, so that each call switches the address space.
    Isolated,
    /// `pti=off`: it shares the programs' page tables.
    Shared,
}

/// A machine to start.
#[derive(Clone, Debug)]
pub struct Machine {
    /// `qemu-system-x86_64`.
    pub qemu: PathBuf,
    /// The kernel.
    pub kernel: PathBuf,
    /// The initial root, as cpio.
    pub root: PathBuf,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Processors.
    pub cpus: u8,
    /// Its clock.
    pub clock: Clock,
    /// Its kernel's options.
    pub tuning: Tuning,
    /// More arguments for the emulator: a disk, say.
    pub more: Vec<OsString>,
}

impl Machine {
    /// Starts it with the serial ports going to the QEMU devices `console` and `results` (`file:NAME`, `stdio` ...).
    ///
    /// # Errors
    /// When QEMU does not start.
    pub fn start(&self, console: &str, results: &str) -> Result<Child> {
        let mut command = Command::new(&self.qemu);
        command.args(["-M", "q35", "-nodefaults", "-no-reboot", "-display", "none", "-accel", "tcg", "-smp"]);
        command.arg(self.cpus.to_string());
        match self.clock {
            Clock::Wall => command.args(["-cpu", "max"]),
            Clock::Instructions => command.args(["-cpu", "max,-erms,-fsrm", "-icount", "shift=0,sleep=off"]),
        };
        command.arg("-m").arg(format!("{}M", self.memory_bytes >> 20));
        command.arg("-kernel").arg(&self.kernel).arg("-initrd").arg(&self.root);
        command.args(["-serial", console, "-serial", results, "-append", &self.command_line()]).args(&self.more);
        command.stdin(Stdio::null()).stderr(Stdio::inherit()).stdout(Stdio::piped());
        command.spawn().with_context(|| format!("cannot start {}", self.qemu.display()))
    }

    /// Starts it and waits until it stops.
    ///
    /// # Errors
    /// When QEMU does not start, fails, or `limit` passes.
    pub fn run(&self, console: &Path, results: &Path, limit: Duration) -> Result<()> {
        let file = |path: &Path| format!("file:{}", path.display());
        let mut child = self.start(&file(console), &file(results))?;
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            if let Some(status) = child.try_wait()? {
                if status.success() {
                    return Ok(());
                }
                bail!("QEMU with Linux ended with {status}; its console is {}", console.display());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        child.kill()?;
        child.wait()?;
        bail!("Linux did not stop within {} s; its console is {}", limit.as_secs(), console.display())
    }

    fn command_line(&self) -> String {
        let tuning = match self.tuning {
            Tuning::Default => "",
            Tuning::Lean => " mitigations=off init_on_alloc=0",
            Tuning::Isolated => " pti=on",
            Tuning::Shared => " pti=off",
        };
        format!("console=ttyS0 quiet panic=-1 rdinit=/init{tuning}")
    }
}
