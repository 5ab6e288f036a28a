//! A personality that wants its disk back, after the driver has moved out of it: each attempt under its name.
//!
//! The system is the default one, with the same grants for everybody; only the personality's program is another
//! (`userland/native/hostile-personality`). It logs `ok NAME` or `FAILED NAME: reason` and stops the machine.

use std::fs::{self, File};
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow, bail, ensure};
use banyan::root::Tree;
use banyan::run::{Config, Mode};
use banyan::{build, image, setup, workspace};
use libtest_mimic::Trial;

use crate::kernel_tests::{emulate, end, machine};
use crate::trial;

/// What each line begins with: the task's name is as in the default system.
const PREFIX: &str = "[personality] ";
/// The list of tests is this file's.
const SOURCE: &str = include_str!("../../../userland/native/hostile-personality/src/tests.rs");
const DISK_BYTES: u64 = 16 << 20;

/// The tests.
#[must_use]
pub fn tests() -> Vec<Trial> {
    let single = names().map(|name| trial(format!("hostile: {name}"), move || passed(name)));
    single.chain([trial("hostile: all attempts are made", complete)]).collect()
}

fn names() -> impl Iterator<Item = &'static str> {
    SOURCE
        .lines()
        .filter_map(|line| Some(line.trim().strip_prefix("(\"")?.split_once("\", ")?.0))
        .filter(|name| name.contains('_'))
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
        if let Some(reason) = line.strip_prefix("FAILED ").and_then(|rest| rest.strip_prefix(name)) {
            bail!("{}", reason.trim_start_matches(": "));
        }
    }
    bail!("it did not run; the log's end:\n{}", end(log))
}

fn complete() -> Result<()> {
    let (log, done) = (log()?, format!("done: {} passed, 0 failed", names().count()));
    ensure!(said(log).any(|line| line == done), "there is no line \"{done}\"; the log's end:\n{}", end(log));
    Ok(())
}

fn log() -> Result<&'static str> {
    static LOG: OnceLock<Result<String, String>> = OnceLock::new();
    let log = LOG.get_or_init(|| boot().map_err(|error| format!("{error:#}")));
    log.as_ref().map(String::as_str).map_err(|message| anyhow!("{message}"))
}

/// The default manifest, with the program in the personality's entry exchanged.
fn manifest() -> Result<String> {
    let text = fs::read_to_string(image::default_manifest()).context("cannot read the default manifest")?;
    let (theirs, ours) = ("program = \"personality-server\"", "program = \"hostile-personality\"");
    ensure!(text.matches(theirs).count() == 1, "the default manifest has not one personality");
    Ok(text.replace(theirs, ours))
}

fn boot() -> Result<String> {
    let lock = workspace::lock()?;
    let tools = setup::ensure()?;
    let programs: Vec<build::Program> = build::PROGRAMS.iter().copied().chain([build::HOSTILE_PERSONALITY]).collect();
    let programs = build::programs(&tools, &programs)?;
    drop(lock);
    let folder = workspace::own("hostile-personality")?;
    let run = std::process::id();
    let [archive, log, disk, system] =
        ["archive", "log", "disk", "toml"].map(|kind| folder.join(format!("{run}.{kind}")));
    fs::write(&system, manifest()?)?;
    let config = Config { manifest: system.clone(), ..Config::new(Mode::Exec) };
    let image = image::build(&programs, &config, &Tree::default(), &archive)?;
    File::create(&disk)?.set_len(DISK_BYTES)?;
    let mut command = machine(&tools, &image, &log);
    command.args("-serial null -device virtio-serial-pci,disable-legacy=on,max_ports=2,vectors=8".split(' '));
    command.args("-chardev null,id=channel -device virtserialport,chardev=channel,name=banyan".split(' '));
    let path = disk.display().to_string().replace(',', ",,");
    command.arg("-drive").arg(format!("if=none,id=disk,format=raw,file={path}"));
    command.args(["-device", "virtio-blk-pci,disable-legacy=on,drive=disk"]);
    let ended = emulate(command);
    let text = fs::read(&log).with_context(|| format!("cannot read {}", log.display()))?;
    for path in [&log, &archive, &disk, &system] {
        // What is left behind costs only space.
        let _ = fs::remove_file(path);
    }
    let text = String::from_utf8_lossy(&text).into_owned();
    ended.with_context(|| format!("the log's end:\n{}", end(&text)))?;
    Ok(text)
}
