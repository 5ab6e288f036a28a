//! The microkernel's own tests, each under its name: a root task that is nothing but tests, booted once.
//!
//! The task is `userland/native/kernel-test`; a log of such a kind is read by [`suite`](crate::suite).

use std::time::Duration;

use anyhow::{Context, Result};
use banyan::{build, image};
use libtest_mimic::Trial;

use crate::machine::{Bench, LIMIT};
use crate::suite::{self, Suite};

const PREFIX: &str = "[kernel-test] ";
const SOURCE: &str = include_str!("../../../userland/native/kernel-test/src/tests.rs");
static SUITE: Suite = Suite::new("kernel", PREFIX, SOURCE, || run("kernel-test", "", LIMIT));

/// The tests.
#[must_use]
pub fn tests() -> Vec<Trial> {
    SUITE.trials()
}

/// The lines with measurements: a name and a number of instructions each.
///
/// # Errors
/// When the tests do not build or run.
pub fn figures() -> Result<Vec<&'static str>> {
    SUITE.figures()
}

/// Boots the tests with a random attack of so many calls, and gives the line that says what it did.
///
/// # Errors
/// When something does not build or run, or the attack has found something.
pub fn attack(seed: u64, calls: u64) -> Result<String> {
    // Some 1,500 instructions a call, as a slow machine emulates them.
    let limit = LIMIT + Duration::from_micros(calls.saturating_mul(400));
    let log = run("kernel-attack", &format!("seed={seed}\ncalls={calls}\n"), limit)?;
    suite::passed(&log, PREFIX, "random_calls_harm_nobody")?;
    let line = suite::said(&log, PREFIX).find_map(|line| line.strip_prefix("attack: "));
    line.map(String::from).context("the attack does not say what it did")
}

/// Builds and boots the tests; what the kernel and they logged.
fn run(name: &str, options: &str, limit: Duration) -> Result<String> {
    let mut bench = Bench::new(name, &[build::LOADER, build::KERNEL, build::KERNEL_TEST])?;
    let archive = bench.file("archive");
    let image = image::build_single(&bench.programs, build::KERNEL_TEST, options, &archive)?;
    bench.log_of(&image, &[], limit)
}
