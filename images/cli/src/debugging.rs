//! `--gdb`: where a debugger finds this machine, and what it is told.
//!
//! Each machine has files of its own in `target/banyan/debug`, by the number of the tool's process: a socket, and the list of programs
//! for `ci/debug/banyan.py`, whose first line says where the machine waits. Both go with it.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use banyan::progress::say;
use banyan::run::{Debugger, Vm};
use banyan::workspace;

/// Where a machine waits for its debugger.
#[derive(Debug)]
pub struct Debugging {
    debugger: Debugger,
    list: PathBuf,
}

impl Debugging {
    /// A place for this process's machine: at a socket, or at a port of this host.
    ///
    /// # Errors
    /// When there is no folder for it.
    pub fn new(port: Option<u16>) -> Result<Self> {
        let folder = workspace::own("debug")?;
        let file = |kind: &str| folder.join(format!("{}.{kind}", std::process::id()));
        let debugger = match port {
            Some(port) => Debugger::Port(port),
            None => Debugger::Socket(file("gdb")),
        };
        let debugging = Self { debugger, list: file("tsv") };
        debugging.remove();
        Ok(debugging)
    }

    /// For the machine's configuration.
    pub fn debugger(&self) -> Debugger {
        self.debugger.clone()
    }

    /// Leaves what the debugger's script needs, and says how to call it.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn announce(&self, vm: &Vm) -> Result<()> {
        vm.write_programs(&self.list)?;
        let programs = fs::read_to_string(&self.list).context("it was just written")?;
        let target = match &self.debugger {
            Debugger::Socket(path) => path.display().to_string(),
            Debugger::Port(port) => format!("127.0.0.1:{port}"),
        };
        fs::write(&self.list, format!("@target\t{target}\t0\n{programs}"))
            .with_context(|| format!("cannot write {}", self.list.display()))?;
        let number = std::process::id();
        say(&format!("the machine waits for a debugger: gdb -x ci/debug/banyan.py -ex 'banyan attach {number}'"));
        Ok(())
    }

    fn remove(&self) {
        // What is left behind costs only space.
        let _ = fs::remove_file(&self.list);
        if let Debugger::Socket(path) = &self.debugger {
            let _ = fs::remove_file(path);
        }
    }
}

impl Drop for Debugging {
    fn drop(&mut self) {
        self.remove();
    }
}
