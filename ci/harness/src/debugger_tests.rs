//! The script for gdb (`ci/debug/banyan.py`) on a machine that runs: threads, capabilities, run queues, symbols of servers.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use anyhow::{Context, Error, Result, ensure};
use banyan::run::{Config, Mode, Vm};
use banyan::{setup, workspace};
use libtest_mimic::Trial;

use crate::{shared, tool, trial};

/// The tests.
pub fn tests() -> Vec<Trial> {
    vec![
        trial("debugger: gdb's script knows threads, capabilities, run queues and servers", script),
        trial("debugger: two machines wait for gdb, each for its own", two_machines),
    ]
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

/// Two runs of the tool wait at the same time; each goes on when its own debugger leaves.
fn two_machines() -> Result<()> {
    shared::prepared()?;
    let gdb = {
        let _lock = workspace::lock()?;
        setup::debugger()?
    };
    let start = |word: &str| {
        let mut command = Command::new(tool::path()?);
        command.args(["run", "--gdb", "--exec", &format!("echo {word}")]).stdin(Stdio::null());
        Ok::<Child, Error>(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?)
    };
    let words = ["one", "two"];
    let machines = [start(words[0])?, start(words[1])?];
    // The second is let go first: it waits for nobody else.
    for (machine, word) in machines.into_iter().zip(words).rev() {
        let output = let_go(&gdb, machine)?;
        let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(text.trim_end() == word && output.status.success(), "{}: {text}{errors}", output.status);
    }
    Ok(())
}

/// Waits until a machine says where it waits, attaches and leaves; what it did then.
fn let_go(gdb: &Path, mut machine: Child) -> Result<Output> {
    let mut said = String::new();
    let mut lines = BufReader::new(machine.stderr.take().context("it was asked for")?);
    while !said.contains("banyan attach ") {
        let line = said.len();
        ensure!(lines.read_line(&mut said)? > 0, "the tool ended: {}", &said[..line]);
    }
    let number = machine.id().to_string();
    ensure!(said.contains(&format!("'banyan attach {number}'")), "{said}");
    let script = workspace::source().join("ci/debug/banyan.py");
    let mut command = Command::new(gdb);
    command.args(["-nx", "-batch", "-x"]).arg(script).args(["-ex", &format!("banyan attach {number}")]);
    let debugger = command.args(["-ex", "info registers rip", "-ex", "detach"]).stdin(Stdio::null()).output()?;
    let (text, errors) = (String::from_utf8_lossy(&debugger.stdout), String::from_utf8_lossy(&debugger.stderr));
    ensure!(text.contains("rip ") && text.contains("0xfff0"), "gdb sees no processor at its reset:\n{text}{errors}");
    // It is read to its end, so that the tool is never held up.
    let rest = std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
    let output = machine.wait_with_output()?;
    let _ = rest.join();
    Ok(output)
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
