//! The supervisor's tests, each under its name: a system made for them (`images/systems/supervisor-test.toml`), booted once.
//!
//! Its tester is `userland/native/supervisor-test`.

use anyhow::{Result, ensure};
use banyan::root::Tree;
use banyan::run::{Config, Mode};
use banyan::{build, image, workspace};
use libtest_mimic::Trial;

use crate::machine::{Bench, LIMIT};
use crate::suite::Suite;
use crate::trial;

const SOURCE: &str = include_str!("../../../userland/native/supervisor-test/src/tests.rs");
static SUITE: Suite = Suite::new("supervisor", "[tester] ", SOURCE, boot);

/// The tests.
#[must_use]
pub fn tests() -> Vec<Trial> {
    let mut tests = SUITE.trials();
    tests.push(trial("supervisor: a bystander notices nothing", undisturbed));
    tests
}

/// A native task beats on through a thousand deaths of another.
fn undisturbed() -> Result<()> {
    let beats: Vec<(u64, u64)> = SUITE.log()?.lines().filter_map(beat).collect();
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

fn boot() -> Result<String> {
    let programs: Vec<build::Program> = build::PROGRAMS.iter().copied().chain([build::SUPERVISOR_TEST]).collect();
    let mut bench = Bench::new("supervisor-test", &programs)?;
    let archive = bench.file("archive");
    let mut config = Config::new(Mode::Exec);
    config.manifest = workspace::source().join("images/systems/supervisor-test.toml");
    let image = image::build(&bench.programs, &config, &Tree::default(), &archive)?;
    bench.log_of(&image, &[], LIMIT)
}
