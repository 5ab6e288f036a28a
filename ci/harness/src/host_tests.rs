//! What a person sees when something is lacking: on the host the emulator or room on its disk, in the root a program.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use rustix::process::{Pid, Signal, kill_process};

use crate::disk_tests::is_clean;
use crate::{shared, tool, trial};

/// Room in a file system that is too small for any disk, and in one that takes the disk but not what is written to it.
const TINY: &str = "64k";
const SMALL: &str = "64m";
/// More than that.
const FILL: &str = "dd if=/dev/zero of=/big bs=1M count=100 2>/dev/null; sync; echo over";

/// The tests.
pub fn tests() -> Vec<Trial> {
    vec![
        trial("host: without an emulator the tool says what is missing", no_emulator),
        trial("host: a disk for which there is no room is an error", no_room_for_a_disk),
        trial("host: a disk that fills up ends writes, not the system", no_room_later),
        trial("host: a disk is left clean by Ctrl-C", interrupted),
        trial("host: a disk is left clean by a root that has no poweroff", no_poweroff),
    ]
}

/// A folder of this test's own, which goes with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Result<Self> {
        let path = std::env::temp_dir().join(format!("banyan-{name}-{}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left behind costs only space.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A root with nothing but a shell: the machine stops in good order all the same, and what was written is on the disk.
fn no_poweroff() -> Result<()> {
    shared::prepared()?;
    let folder = Folder::new("no-poweroff")?;
    let (root, disk) = (folder.0.join("root"), folder.0.join("disk.img"));
    for name in ["bin", "dev", "proc", "tmp"] {
        fs::create_dir_all(root.join(name))?;
    }
    // Not busybox: that finds all its programs in itself.
    reference::root::install_host_program("dash", &root)?;
    symlink("/usr/bin/dash", root.join("bin/sh"))?;
    let mut run = Command::new(tool::path()?);
    run.args(["run", "--root"]).arg(&root).arg("--disk").arg(&disk).args(["--exec", "echo kept >/file; type poweroff"]);
    let output = run.stdin(Stdio::null()).output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(127), "{}: there is a poweroff?\n{errors}", output.status);
    is_clean(&disk)?;
    let mut again = Command::new(tool::path()?);
    again.args(["run", "--disk"]).arg(&disk).args(["--exec", "read word </file; echo $word"]);
    let output = again.stdin(Stdio::null()).output()?;
    ensure!(output.stdout == b"kept\n", "{}", String::from_utf8_lossy(&output.stderr));
    is_clean(&disk)
}

/// The tool is interrupted while a program runs: it ends by the signal, and what was written is on the disk.
fn interrupted() -> Result<()> {
    shared::prepared()?;
    let folder = Folder::new("interrupted")?;
    let disk = folder.0.join("disk.img");
    let run = |command: &str| -> Result<Command> {
        let mut run = Command::new(tool::path()?);
        run.args(["run", "--disk"]).arg(&disk).args(["--exec", command]).stdin(Stdio::null()).stderr(Stdio::piped());
        Ok(run)
    };
    let mut tool = run("echo kept >/file; echo written; exec sleep 1000")?.stdout(Stdio::piped()).spawn()?;
    let mut line = String::new();
    BufReader::new(tool.stdout.as_mut().context("it was asked for")?).read_line(&mut line)?;
    kill_process(Pid::from_child(&tool), Signal::INT)?;
    let output = tool.wait_with_output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(line == "written\n" && output.status.signal() == Some(2), "{}, {line:?}\n{errors}", output.status);
    is_clean(&disk)?;
    let output = run("cat /file")?.output()?;
    ensure!(output.stdout == b"kept\n", "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// A search path with everything that is on this one's, but for the emulator and what would install it.
fn no_emulator() -> Result<()> {
    let folder = Folder::new("no-emulator")?;
    let programs = folder.0.join("bin");
    fs::create_dir(&programs)?;
    let path = std::env::var_os("PATH").context("there is a search path")?;
    let folders = std::env::split_paths(&path).filter_map(|folder| fs::read_dir(folder).ok());
    for program in folders.flatten().flatten() {
        let name = program.file_name();
        let text = name.to_string_lossy();
        if !text.starts_with("qemu") && !text.starts_with("apt") {
            // The first of a name is the one that counts.
            let _ = symlink(program.path(), programs.join(&name));
        }
    }
    // Nothing is known there from an earlier run.
    let target = folder.0.join("target");
    let mut command = Command::new(tool::path()?);
    command.args(["run", "--exec", "true"]).env("PATH", &programs).env("CARGO_TARGET_DIR", &target);
    let output = command.stdin(Stdio::null()).output()?;
    let message = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(125) && output.stdout.is_empty(), "{}\n{message}", output.status);
    ensure!(message.contains("missing: ") && message.contains("qemu-system-x86"), "{message}");
    ensure!(message.contains("There is no apt-get here") && !message.contains("panicked"), "{message}");
    Ok(())
}

/// Runs the tool with a disk in a file system of that size, which nobody else sees. `None`: this host makes none.
fn in_small(name: &str, size: &str, command: &str) -> Result<Option<std::process::Output>> {
    shared::prepared()?;
    let folder = Folder::new(name)?;
    let unshare = unshare();
    let mut trial = Command::new("unshare");
    if !works(trial.args(&unshare).args(["sh", "-c", MOUNT, "sh", size]).arg(&folder.0)) {
        eprintln!(
            "SKIPPED: unshare {unshare:?} cannot mount a file system of {size} here, so a full disk was not tested"
        );
        return Ok(None);
    }
    let disk = folder.0.join("disk.img");
    let script = format!("{MOUNT} && shift 2 && exec \"$@\"");
    let mut run = Command::new("unshare");
    run.args(&unshare).args(["sh", "-c", &script, "sh", size]).arg(&folder.0).arg(tool::path()?);
    run.args(["run", "--disk"]).arg(&disk).args(["--exec", command]).stdin(Stdio::null());
    Ok(Some(run.output()?))
}

/// Mounts a file system of size `$1` at `$2`.
const MOUNT: &str = "mount -t tmpfs -o size=$1 tmpfs \"$2\"";

/// With the rights of root in a name space of its own, if not outside.
fn unshare() -> Vec<&'static str> {
    if rustix::process::geteuid().is_root() { vec!["--mount"] } else { vec!["--user", "--map-root-user", "--mount"] }
}

fn works(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn no_room_for_a_disk() -> Result<()> {
    let Some(output) = in_small("no-room", TINY, "true")? else { return Ok(()) };
    let message = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(125), "{}\n{message}", output.status);
    let says = ["disk.img", "No space left", "no space left", "Could not allocate"];
    ensure!(says.iter().any(|words| message.contains(words)) && !message.contains("panicked"), "{message}");
    Ok(())
}

/// Linux programs see that they could not write, and the system goes on.
fn no_room_later() -> Result<()> {
    let Some(output) = in_small("full", SMALL, FILL)? else { return Ok(()) };
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(text == "over\n" && output.status.success(), "{}: {text}\n{errors}", output.status);
    ensure!(!errors.contains("panicked"), "{errors}");
    Ok(())
}
