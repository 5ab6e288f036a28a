//! The block driver's tests on a machine with a disk, each under its name: a system of the pci server and one task
//! (`userland/native/block-test`), booted once.
//!
//! The task logs `ok NAME` or `FAILED NAME: reason`, measurements as `bench NAME INSTRUCTIONS`, and switches the machine off.

use std::fs::{self, File};
use std::path::Path;
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow, bail, ensure};
use banyan::root::Tree;
use banyan::run::{Config, Mode};
use banyan::symbols::Symbols;
use banyan::{build, image, setup, workspace};
use libtest_mimic::Trial;

use crate::kernel_tests::{emulate, machine};
use crate::trial;

/// What each line of the task begins with.
const PREFIX: &str = "[block-test] ";
/// The list of tests is this file's.
const SOURCE: &str = include_str!("../../../userland/native/block-test/src/tests.rs");
/// The system.
const MANIFEST: &str = "images/systems/tests/block.toml";
/// Size of the disk; the task expects it.
const DISK_BYTES: u64 = 16 << 20;

/// The tests.
#[must_use]
pub fn tests() -> Vec<Trial> {
    let single = names().map(|name| trial(format!("block: {name}"), move || passed(name)));
    single.chain([trial("block: all tests run to the end", complete)]).collect()
}

/// The tests' names, from the table in their source.
fn names() -> impl Iterator<Item = &'static str> {
    SOURCE.lines().filter_map(|line| Some(line.trim().strip_prefix("(\"")?.split_once('"')?.0))
}

fn said(log: &str) -> impl Iterator<Item = &str> {
    log.lines().filter_map(|line| line.trim_end().strip_prefix(PREFIX))
}

fn passed(name: &str) -> Result<()> {
    let log = log()?;
    for line in said(log) {
        if line.strip_prefix("ok ") == Some(name) {
            return Ok(());
        }
        let failed = line.strip_prefix("FAILED ").and_then(|line| line.strip_prefix(name));
        if let Some(reason) = failed.and_then(|line| line.strip_prefix(": ")) {
            bail!("{reason}");
        }
    }
    bail!("it did not run; the log's end:\n{}", banyan::progress::tail(log))
}

fn complete() -> Result<()> {
    let (log, count) = (log()?, names().count());
    let done = format!("done: {count} passed, 0 failed");
    let is_done = said(log).any(|line| line == done);
    ensure!(is_done, "there is no line \"{done}\"; the log's end:\n{}", banyan::progress::tail(log));
    Ok(())
}

/// The lines with measurements.
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

fn boot() -> Result<String> {
    let lock = workspace::lock()?;
    let tools = setup::ensure()?;
    let programs = build::programs(&tools, build::BLOCK_TEST)?;
    drop(lock);
    let folder = workspace::own("block-test")?;
    let run = std::process::id();
    let [archive, log, disk] = ["archive", "log", "disk"].map(|kind| folder.join(format!("{run}.{kind}")));
    let config = Config { manifest: workspace::source().join(MANIFEST), ..Config::new(Mode::Exec) };
    let image = image::build(&programs, &config, &Tree::default(), &archive)?;
    File::create(&disk)?.set_len(DISK_BYTES)?;
    let mut command = machine(&tools, &image, &log);
    command.arg("-drive").arg(format!("if=none,id=disk,format=raw,file={}", doubled(&disk)));
    command.args(["-device", "virtio-blk-pci,disable-legacy=on,drive=disk"]);
    // All zero, and five requests a second: the others wait, and are not begun.
    command.args(["-object", "throttle-group,id=five,x-iops-total=5"]);
    command.args(["-blockdev", "driver=null-co,node-name=zero,size=16777216,read-zeroes=on"]);
    command.args(["-blockdev", "driver=throttle,node-name=slow,throttle-group=five,file=zero"]);
    command.args(["-device", "virtio-blk-pci,disable-legacy=on,drive=slow"]);
    let ended = emulate(command);
    let text = fs::read(&log).with_context(|| format!("cannot read {}", log.display()))?;
    let text = Symbols::new(&image.binaries).explain(&String::from_utf8_lossy(&text));
    for path in [&log, &archive, &disk] {
        // What is left behind costs only space.
        let _ = fs::remove_file(path);
    }
    ended.with_context(|| format!("the log's end:\n{}", banyan::progress::tail(&text)))?;
    Ok(text)
}

/// QEMU takes a comma in a path doubled.
fn doubled(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_the_table() {
        let all: Vec<_> = names().collect();
        assert!(all.len() > 5 && all.contains(&"threads_find_what_they_wrote"), "{all:?}");
    }
}
