//! The microkernel's own tests, each under its name: a root task that is nothing but tests, booted once.
//!
//! The task (`userland/native/kernel-test`) writes `[kernel-test] ok NAME` or `[kernel-test] FAILED NAME: reason` to the
//! kernel's log and switches the machine off. The machine counts instructions, so that a run repeats exactly and the
//! task's measurements (`[kernel-test] bench NAME INSTRUCTIONS`) mean something.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use banyan::symbols::Symbols;
use banyan::{build, image, setup, workspace};
use libtest_mimic::Trial;

use crate::trial;

/// How long the tests may take; they take seconds.
const LIMIT: Duration = Duration::from_secs(300);
/// What each line of the task begins with.
const PREFIX: &str = "[kernel-test] ";
/// The list of tests is this file's.
const SOURCE: &str = include_str!("../../../userland/native/kernel-test/src/tests.rs");

/// The tests.
#[must_use]
pub fn tests() -> Vec<Trial> {
    let single = names().map(|name| trial(format!("kernel: {name}"), move || passed(name)));
    single.chain([trial("kernel: all tests run to the end", complete)]).collect()
}

/// The tests' names, from the table in their source.
fn names() -> impl Iterator<Item = &'static str> {
    SOURCE.lines().filter_map(|line| Some(line.trim().strip_prefix("(\"")?.split_once('"')?.0))
}

fn passed(name: &str) -> Result<()> {
    outcome(log()?, name).unwrap_or_else(|| bail!("it did not run; the log's end:\n{}", end(log()?)))
}

/// What the log says of a test.
fn outcome(log: &str, name: &str) -> Option<Result<()>> {
    said(log).find_map(|line| {
        if line.strip_prefix("ok ") == Some(name) {
            return Some(Ok(()));
        }
        let reason = line.strip_prefix("FAILED ")?.strip_prefix(name)?.strip_prefix(": ")?;
        Some(Err(anyhow!("{reason}")))
    })
}

fn complete() -> Result<()> {
    let (log, count) = (log()?, names().count());
    let done = format!("done: {count} passed, 0 failed");
    ensure!(said(log).any(|line| line == done), "there is no line \"{done}\"; the log's end:\n{}", end(log));
    Ok(())
}

fn said(log: &str) -> impl Iterator<Item = &str> {
    log.lines().filter_map(|line| line.trim_end().strip_prefix(PREFIX))
}

pub(crate) fn end(log: &str) -> String {
    banyan::progress::tail(log)
}

/// The lines with measurements: a name and a number of instructions each.
///
/// # Errors
/// When the tests do not build or run.
pub fn figures() -> Result<Vec<&'static str>> {
    Ok(said(log()?).filter_map(|line| line.strip_prefix("bench ")).collect())
}

/// The log of the one boot.
fn log() -> Result<&'static str> {
    static LOG: OnceLock<Result<String, String>> = OnceLock::new();
    let log = LOG.get_or_init(|| boot().map_err(|error| format!("{error:#}")));
    log.as_ref().map(String::as_str).map_err(|message| anyhow!("{message}"))
}

/// Builds and boots the tests; what the kernel and they logged.
fn boot() -> Result<String> {
    let programs = [build::LOADER, build::KERNEL, build::KERNEL_TEST];
    logged("kernel-test", &programs, |programs, path| image::build_single(programs, build::KERNEL_TEST, "", path))
}

/// Boots the tests with a random attack of so many calls, and gives the line that says what it did.
///
/// # Errors
/// When something does not build or run, or the attack has found something.
pub fn attack(seed: u64, calls: u64) -> Result<String> {
    let programs = [build::LOADER, build::KERNEL, build::KERNEL_TEST];
    let options = format!("seed={seed}\ncalls={calls}\n");
    // Some 1,500 instructions a call, as a slow machine emulates them.
    let limit = LIMIT + Duration::from_micros(calls.saturating_mul(400));
    let log = logged_within(limit, "kernel-attack", &programs, |programs, path| {
        image::build_single(programs, build::KERNEL_TEST, &options, path)
    })?;
    let result = outcome(&log, "random_calls_harm_nobody");
    result.unwrap_or_else(|| bail!("it did not end; the log's end:\n{}", end(&log)))?;
    let line = said(&log).find_map(|line| line.strip_prefix("attack: "));
    line.map(String::from).context("the attack does not say what it did")
}

/// Builds some programs, boots the image that `image` makes of them until the machine stops, and gives the log.
///
/// # Errors
/// When something does not build, or the machine does not stop in time.
pub(crate) fn logged(
    name: &str,
    programs: &[build::Program],
    image: impl FnOnce(&build::Programs, &Path) -> Result<image::Image>,
) -> Result<String> {
    logged_within(LIMIT, name, programs, image)
}

fn logged_within(
    limit: Duration,
    name: &str,
    programs: &[build::Program],
    image: impl FnOnce(&build::Programs, &Path) -> Result<image::Image>,
) -> Result<String> {
    let lock = workspace::lock()?;
    let tools = setup::ensure()?;
    let programs = build::programs(&tools, programs)?;
    drop(lock);
    let folder = workspace::own(name)?;
    let run = std::process::id();
    let image = image(&programs, &folder.join(format!("{run}.archive")))?;
    let log = folder.join(format!("{run}.log"));
    let ended = emulate_within(machine(&tools, &image, &log), limit);
    let text = fs::read(&log).with_context(|| format!("cannot read {}", log.display()))?;
    let text = Symbols::new(&image.binaries).explain(&String::from_utf8_lossy(&text));
    for path in [&log, &image.archive] {
        // What is left behind costs only space.
        let _ = fs::remove_file(path);
    }
    ended.with_context(|| format!("the log's end:\n{}", end(&text)))?;
    Ok(text)
}

/// QEMU with `image`, counting instructions, and what it writes to its debug console in `log`.
pub(crate) fn machine(tools: &setup::Tools, image: &image::Image, log: &Path) -> Command {
    let mut command = match &tools.setpriv {
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", "KILL", "--"]).arg(&tools.qemu);
            command
        }
        None => Command::new(&tools.qemu),
    };
    command.args("-M q35 -accel tcg -smp 1 -nodefaults -no-reboot -no-user-config -display none -vga none".split(' '));
    command.args("-cpu max,-erms,-fsrm -icount shift=0,sleep=off -m 512M".split(' '));
    command.args(["-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-debugcon"]);
    command.arg(file_device(log)).arg("-kernel").arg(&image.loader).arg("-initrd").arg(&image.archive);
    command
}

/// QEMU takes a comma in a path doubled.
fn file_device(path: &Path) -> String {
    format!("file:{}", path.display().to_string().replace(',', ",,"))
}

/// Waits until QEMU stops. Its status says nothing that the log does not.
pub(crate) fn emulate(command: Command) -> Result<()> {
    emulate_within(command, LIMIT)
}

fn emulate_within(mut command: Command, limit: Duration) -> Result<()> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_the_table() {
        let all: Vec<_> = names().collect();
        assert!(all.len() > 40 && all.contains(&"a_call_is_answered"), "{all:?}");
    }

    #[test]
    fn outcomes_are_told_apart() {
        let log = "[ukernel] x\n[kernel-test] ok ab\r\n[kernel-test] FAILED a: line 3: why\n";
        assert!(outcome(log, "ab").is_some_and(|outcome| outcome.is_ok()));
        let failure = outcome(log, "a").expect("it ran").expect_err("it failed");
        assert_eq!(failure.to_string(), "line 3: why");
        assert!(outcome(log, "b").is_none());
    }
}
