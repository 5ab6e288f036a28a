//! The script for gdb (`ci/debug/banyan.py`) on a machine that runs: threads, capabilities, run queues, symbols of servers.

use std::ffi::OsString;
use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use banyan::run::{Config, Mode, Vm};
use banyan::{setup, workspace};
use libtest_mimic::Trial;

use crate::{shared, trial};

/// The tests.
pub fn tests() -> Vec<Trial> {
    vec![trial("debugger: gdb's script knows threads, capabilities, run queues and servers", script)]
}

/// What gdb is told, one after the other.
const COMMANDS: [&str; 7] = [
    "banyan threads",
    "banyan queues",
    "banyan caps root",
    "banyan symbols root",
    "banyan symbols fs",
    "info line fs_server::main",
    "banyan nonsense",
];

fn script() -> Result<()> {
    shared::prepared()?;
    let gdb = {
        let _lock = workspace::lock()?;
        setup::debugger()?
    };
    let folder = workspace::own("debug-test")?;
    let (socket, programs) =
        (folder.join(format!("{}.gdb", std::process::id())), folder.join(format!("{}.tsv", std::process::id())));
    // What an earlier process of this number left.
    let _ = fs::remove_file(&socket);
    let mut config = Config::new(Mode::Exec);
    let stub =
        format!("socket,id=debugger,path={},server=on,wait=off", socket.display().to_string().replace(',', ",,"));
    config.emulator = ["-chardev", &stub, "-gdb", "chardev:debugger"].map(OsString::from).into();
    let vm = Vm::start(&config)?;
    vm.write_programs(&programs)?;
    // It has booted, and its threads have names.
    vm.exec("true", b"", shared::LIMIT)?;

    let script = workspace::source().join("ci/debug/banyan.py");
    let mut command = Command::new(gdb);
    command.args(["-nx", "-batch", "-x"]).arg(script).args(["-ex", "banyan kernel", "-ex"]);
    command.arg(format!("target remote {}", socket.display()));
    command.args(COMMANDS.iter().flat_map(|line| ["-ex", line])).stdin(Stdio::null());
    let output = command.env("BANYAN_PROGRAMS", &programs).output().context("cannot start gdb")?;
    drop(vm);
    for file in [&socket, &programs] {
        // What is left behind costs only space.
        let _ = fs::remove_file(file);
    }
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    for expected in EXPECTED {
        ensure!(text.contains(expected), "there is no {expected:?} in:\n{text}\n{errors}");
    }
    ensure!(errors.contains("there is no command nonsense"), "{errors}");
    let threads = text.lines().filter(|line| line.contains(" priority ") && line.contains(" rip 0x")).count();
    ensure!(threads >= 10, "only {threads} threads:\n{text}\n{errors}");
    Ok(())
}

/// What it has to show.
const EXPECTED: &[&str] = &[
    // Threads, with what they wait for.
    " root ",
    " personality",
    "Receiving",
    // Run queues.
    "processor 0 runs ",
    // Capabilities of the root task.
    "CapTable 0x",
    "IrqControl",
    "Untyped",
    // Symbols.
    "symbols of root from ",
    "symbols of fs from ",
];
