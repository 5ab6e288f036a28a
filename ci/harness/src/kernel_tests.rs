//! The microkernel's own tests, each under its name: a root task that is nothing but tests, booted once.
//!
//! The task is `userland/native/kernel-test`; a log of such a kind is read by [`suite`](crate::suite). Its measurements are the
//! crate `bench`'s to judge.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use banyan::{build, image, workspace};
use bench::Tracing;
use bench::baseline::Baseline;
use libtest_mimic::Trial;

use crate::machine::{Bench, LIMIT, Pace};
use crate::suite::{self, Suite};
use crate::trial;

const PREFIX: &str = "[kernel-test] ";
const SOURCE: &str = include_str!("../../../userland/native/kernel-test/src/tests.rs");
const PROGRAMS: [build::Program; 3] = [build::LOADER, build::KERNEL, build::KERNEL_TEST];
static SUITE: Suite = Suite::new("kernel", PREFIX, SOURCE, || run(tests_bench("kernel-test")?, "", LIMIT));
/// An IOMMU, and a device that does what it is told, behind it.
const DEVICES: [&str; 4] = ["-device", "intel-iommu,intremap=on", "-device", "edu,dma_mask=0xffffffff"];

/// The tests with several processors, which run at once.
const PROCESSORS_SOURCE: &str = include_str!("../../../userland/native/kernel-test/src/tests/processors.rs");
static PROCESSORS: Suite = Suite::new("kernel, several processors", PREFIX, PROCESSORS_SOURCE, || {
    run(tests_bench("kernel-processors")?.paced(Pace::Free(4)), "processors=1\n", LIMIT)
});
/// The tests of who gets which processor, which run in turn.
const BALANCE_SOURCE: &str = include_str!("../../../userland/native/kernel-test/src/tests/balance.rs");
static BALANCE: Suite = Suite::new("kernel, processors in turn", PREFIX, BALANCE_SOURCE, || {
    run(tests_bench("kernel-balance")?.paced(Pace::Counted(4)), "processors=2\n", LIMIT)
});

/// The tests.
#[must_use]
pub fn tests() -> Vec<Trial> {
    let ceilings = trial("kernel: what has a ceiling is below it", ceilings);
    [&SUITE, &PROCESSORS, &BALANCE].into_iter().flat_map(Suite::trials).chain([ceilings]).collect()
}

/// Everything was measured, in a few rounds, and what has a ceiling is below it.
fn ceilings() -> Result<()> {
    let costs = bench::kernel::parse(&SUITE.figures()?)?;
    let found = bench::kernel::violations(&costs);
    ensure!(found.is_empty(), "{}", found.join("; "));
    let stored = Baseline::read(&bench::kernel::baseline_path(&workspace::source()))?;
    let missing = stored.rows.iter().find(|row| costs.iter().all(|cost| cost.operation != row.operation));
    ensure!(missing.is_none(), "nothing was measured for {missing:?}; the log's end:\n{}", suite::end(SUITE.log()?));
    Ok(())
}

/// Boots the measurements alone, with many rounds; their lines.
///
/// # Errors
/// When they do not build or run.
pub fn figures(tracing: Tracing) -> Result<Vec<String>> {
    let bench = match tracing {
        Tracing::Off => tests_bench("kernel-bench")?,
        Tracing::Absent => Bench::with("kernel-bench-untraced", |tools| {
            build::variant(tools, &PROGRAMS, "untraced", &["ukernel/untraced"])
        })?,
    };
    let log = run(bench, "only-figures=1\nbench-rounds=1000\n", LIMIT)?;
    let lines: Vec<_> = suite::figures(&log, PREFIX).map(String::from).collect();
    ensure!(!lines.is_empty(), "nothing was measured; the log's end:\n{}", suite::end(&log));
    ensure!(!lines.iter().any(|line| line.starts_with("failed")), "{}", lines.join("\n"));
    Ok(lines)
}

/// Boots the tests, on so many processors, with a random attack of so many calls; gives the line that says what it did.
///
/// # Errors
/// When something does not build or run, or the attack has found something.
pub fn attack(seed: u64, calls: u64, processors: u8) -> Result<String> {
    // Some 1,500 instructions a call, as a slow machine emulates them.
    let limit = LIMIT + Duration::from_micros(calls.saturating_mul(400));
    let bench = tests_bench(&format!("kernel-attack-{processors}"))?;
    let (bench, test, place) = match processors {
        1 => (bench, "random_calls_harm_nobody", 0),
        _ => (bench.paced(Pace::Free(processors)), "random_calls_harm_nobody_elsewhere", 1),
    };
    let log = run(bench, &format!("seed={seed}\ncalls={calls}\nprocessors={place}\n"), limit)?;
    suite::passed(&log, PREFIX, test)?;
    let line = suite::said(&log, PREFIX).find_map(|line| line.strip_prefix("attack: "));
    line.map(String::from).context("the attack does not say what it did")
}

fn tests_bench(name: &str) -> Result<Bench> {
    Bench::new(name, &PROGRAMS)
}

/// Boots the tests; what the kernel and they logged.
fn run(mut bench: Bench, options: &str, limit: Duration) -> Result<String> {
    let archive = bench.file("archive");
    let image = image::build_single(&bench.programs, build::KERNEL_TEST, options, &archive)?;
    bench.log_of(&image, &DEVICES.map(String::from), limit)
}
