//! Bare machines for suites of tests: an image, a log, and what else the suite wants plugged in.
//!
//! They count instructions, so that a run repeats exactly and what it measures means something, unless they are to have
//! several processors that run at once. When the machine has
//! stopped its log is read and its files are removed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use banyan::symbols::Symbols;
use banyan::{build, image, setup, workspace};

use crate::suite::end;

/// How long a suite may take; it takes seconds.
pub(crate) const LIMIT: Duration = Duration::from_secs(300);

/// How many processors a machine has, and how they run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// So many, in turn, and the clock counts their instructions.
    Counted(u8),
    /// So many, each for itself and as fast as it can.
    Free(u8),
}

/// Where a suite's files are.
pub(crate) struct Bench {
    /// What was found on the host.
    pub tools: setup::Tools,
    /// The programs.
    pub programs: build::Programs,
    pace: Pace,
    folder: PathBuf,
    files: Vec<PathBuf>,
}

impl Bench {
    /// Builds some programs; files will be in a folder of that name.
    ///
    /// # Errors
    /// When a tool is missing or something does not build.
    pub(crate) fn new(name: &str, programs: &[build::Program]) -> Result<Self> {
        Self::with(name, |tools| build::programs(tools, programs))
    }

    /// The same, with another way to build.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub(crate) fn with(name: &str, build: impl FnOnce(&setup::Tools) -> Result<build::Programs>) -> Result<Self> {
        let _lock = workspace::lock()?;
        let tools = setup::ensure()?;
        let programs = build(&tools)?;
        Ok(Self { tools, programs, pace: Pace::Counted(1), folder: workspace::own(name)?, files: Vec::new() })
    }

    /// The same, for a machine that runs like this.
    pub(crate) fn paced(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }

    /// The path of a file of this run, which goes with it.
    pub(crate) fn file(&mut self, kind: &str) -> PathBuf {
        let path = self.folder.join(format!("{}.{kind}", std::process::id()));
        self.files.push(path.clone());
        path
    }

    /// Boots `image` with more arguments for QEMU, until the machine stops; its log, with names in its stack traces.
    ///
    /// # Errors
    /// When the machine does not stop in time.
    pub(crate) fn log_of(&mut self, image: &image::Image, arguments: &[String], limit: Duration) -> Result<String> {
        let log = self.file("log");
        let mut command = machine(&self.tools, image, &log, self.pace);
        command.args(arguments);
        let ended = emulate(command, limit);
        let text = fs::read(&log).with_context(|| format!("cannot read {}", log.display()))?;
        let text = Symbols::new(&image.binaries).explain(&String::from_utf8_lossy(&text));
        ended.with_context(|| format!("the log's end:\n{}", end(&text)))?;
        Ok(text)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        for path in &self.files {
            // What is left behind costs only space.
            let _ = fs::remove_file(path);
        }
    }
}

/// QEMU with `image`, and what it writes to its debug console in `log`.
fn machine(tools: &setup::Tools, image: &image::Image, log: &Path, pace: Pace) -> Command {
    let mut command = match &tools.setpriv {
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", "KILL", "--"]).arg(&tools.qemu);
            command
        }
        None => Command::new(&tools.qemu),
    };
    command.args("-M q35 -nodefaults -no-reboot -no-user-config -display none -vga none".split(' '));
    command.args("-cpu max,-erms,-fsrm -m 512M".split(' '));
    match pace {
        Pace::Counted(cpus) => {
            command.args(["-accel", "tcg", "-icount", "shift=0,sleep=off", "-smp"]).arg(cpus.to_string())
        }
        Pace::Free(cpus) => command.args(["-accel", "tcg,thread=multi", "-smp"]).arg(cpus.to_string()),
    };
    command.args(["-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-debugcon"]);
    command.arg(format!("file:{}", doubled(log)));
    command.arg("-kernel").arg(&image.loader).arg("-initrd").arg(&image.archive);
    command
}

/// The arguments for a disk whose content is a file.
pub(crate) fn disk(path: &Path) -> Vec<String> {
    let drive = format!("if=none,id=disk,format=raw,file={}", doubled(path));
    ["-drive", &drive, "-device", "virtio-blk-pci,disable-legacy=on,drive=disk"].map(String::from).into()
}

/// QEMU takes a comma in a path doubled.
fn doubled(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

/// Waits until QEMU stops. Its status says nothing that the log does not.
fn emulate(mut command: Command, limit: Duration) -> Result<()> {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let mut child = command.spawn().context("cannot start QEMU")?;
    let deadline = Instant::now() + limit;
    while Instant::now() < deadline {
        if child.try_wait()?.is_some() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill()?;
    child.wait()?;
    bail!("the tests did not end within {} s", limit.as_secs())
}
