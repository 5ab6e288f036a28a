//! The supervisor's tests, each under its name: a system made for them (`images/systems/supervisor-test.toml`), booted once.
//!
//! Its tester (`userland/native/supervisor-test`) writes `[tester] ok NAME` or `[tester] FAILED NAME: reason` to the log.

use std::sync::OnceLock;

use anyhow::{Result, anyhow, bail, ensure};
use banyan::root::Tree;
use banyan::run::{Config, Mode};
use banyan::{build, image, workspace};
use libtest_mimic::Trial;

use crate::kernel_tests::{end, logged};
use crate::trial;

const PREFIX: &str = "[tester] ";
/// The list of tests is this file's.
const SOURCE: &str = include_str!("../../../userland/native/supervisor-test/src/tests.rs");

/// The tests.
#[must_use]
pub fn tests() -> Vec<Trial> {
    let single = names().map(|name| trial(format!("supervisor: {name}"), move || passed(name)));
    single.chain([trial("supervisor: a bystander notices nothing", undisturbed)]).collect()
}

fn names() -> impl Iterator<Item = &'static str> {
    SOURCE.lines().filter_map(|line| Some(line.trim().strip_prefix("(\"")?.split_once('"')?.0))
}

fn passed(name: &str) -> Result<()> {
    for line in log()?.lines().filter_map(|line| line.trim_end().strip_prefix(PREFIX)) {
        if line.strip_prefix("ok ") == Some(name) {
            return Ok(());
        }
        if let Some(reason) = line.strip_prefix("FAILED ").and_then(|rest| rest.strip_prefix(name)) {
            bail!("{}", reason.trim_start_matches(": "));
        }
    }
    bail!("it did not run; the log's end:\n{}", end(log()?))
}

/// A native task beats on through a thousand deaths of another.
fn undisturbed() -> Result<()> {
    let beats: Vec<(u64, u64)> = log()?.lines().filter_map(beat).collect();
    ensure!(beats.len() >= 5, "there are {} beats", beats.len());
    for (index, (number, late_us)) in beats.iter().enumerate() {
        ensure!(*number == index as u64, "beat {index} is missing");
        ensure!(*late_us < MAX_LATE_US, "beat {number} was {late_us} us late");
    }
    Ok(())
}

/// Most microseconds (thousands of instructions) that a beat may be late: the kernel clears a large page in one go.
const MAX_LATE_US: u64 = 2_000;

/// A beat's number, and how late it was.
fn beat(line: &str) -> Option<(u64, u64)> {
    let (number, rest) = line.trim_end().strip_prefix("[bystander] beat ")?.split_once(" at ")?;
    let late_us = rest.split_once(" ms, ")?.1.strip_suffix(" us late")?;
    Some((number.parse().ok()?, late_us.parse().ok()?))
}

fn log() -> Result<&'static str> {
    static LOG: OnceLock<Result<String, String>> = OnceLock::new();
    let log = LOG.get_or_init(|| boot().map_err(|error| format!("{error:#}")));
    log.as_ref().map(String::as_str).map_err(|message| anyhow!("{message}"))
}

fn boot() -> Result<String> {
    let programs: Vec<build::Program> = build::PROGRAMS.iter().copied().chain([build::SUPERVISOR_TEST]).collect();
    let mut config = Config::new(Mode::Exec);
    config.manifest = workspace::source().join("images/systems/supervisor-test.toml");
    logged("supervisor-test", &programs, |programs, path| image::build(programs, &config, &Tree::default(), path))
}
