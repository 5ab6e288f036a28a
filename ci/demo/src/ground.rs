//! What demonstrations stand on: the built system, the legacy programs, Linux.

use anyhow::{Context, Result, bail};
use banyan::run::{Config, Output, Vm};
use banyan::{build, setup, workspace};
use reference::Workshop;
use reference::programs::Programs;
use std::time::{Duration, Instant};

/// Longest that one step may take; only a hang takes that long.
pub const LIMIT: Duration = Duration::from_secs(280);

/// The built system.
pub struct Ground {
    /// What was found on the host.
    pub tools: setup::Tools,
    /// The freestanding programs.
    pub programs: build::Programs,
}

impl Ground {
    /// Builds everything; takes a moment when nothing has changed.
    ///
    /// # Errors
    /// When a tool is missing or something does not build.
    pub fn new() -> Result<Self> {
        let _lock = workspace::lock()?;
        let tools = setup::ensure()?;
        let programs = build::guest(&tools)?;
        Ok(Self { tools, programs })
    }

    /// Where Linux's side works.
    #[must_use]
    pub fn workshop(&self) -> Workshop {
        Workshop {
            source: workspace::source(),
            folder: workspace::target().join("bench"),
            qemu: self.tools.qemu.clone(),
            busybox: self.tools.busybox.clone(),
        }
    }

    /// The programs that run on both systems.
    ///
    /// # Errors
    /// When they do not build.
    pub fn legacy(&self) -> Result<Programs> {
        Programs::build(&self.workshop())
    }

    /// Starts a system and waits until it takes commands.
    ///
    /// # Errors
    /// When it does not start; the log's end says why.
    pub fn start(&self, config: &Config) -> Result<Vm> {
        let vm = Vm::start_built(config, &self.tools, &self.programs)?;
        if let Err(stop) = vm.wait_ready(Some(Instant::now() + LIMIT)) {
            let log = vm.explained_log().unwrap_or_default();
            bail!("the system does not start: {stop}\n{}", banyan::progress::tail(&log));
        }
        Ok(vm)
    }
}

/// Runs a command that has to end well; what it printed.
///
/// # Errors
/// When it does not.
pub fn output(vm: &Vm, command: &str) -> Result<String> {
    let output = vm.exec(command, b"", LIMIT)?;
    succeeded(&output, command)?;
    String::from_utf8(output.stdout).context("the command prints text")
}

/// Checks that a command ended well.
///
/// # Errors
/// When it did not, with what it said.
pub fn succeeded(output: &Output, command: &str) -> Result<()> {
    if output.status.code() != 0 {
        let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        bail!("{command:?} ended with status {}:\n{text}{errors}", output.status.code());
    }
    Ok(())
}
