//! `check`: what looks for mistakes and takes longer than a test may. Each part says what it did and found.

mod services;

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use banyan::progress::say;
use banyan::workspace;
use kernel_model::{Limits, explore, scenarios};

use crate::cli;
use crate::output::tell;

/// A part: what it did in a line, or (`Err`) what it found.
type Part = fn(cli::Length) -> Result<Result<String, String>>;

/// All parts, by name.
const PARTS: [(&str, Part); 10] = [
    ("kernel model", kernel_model),
    ("kernel attack", kernel_attack),
    ("parsers", parsers),
    ("trace", trace),
    ("file system", services::file_system),
    ("moves", services::moves),
    ("pauses", services::pauses),
    ("deaths", services::deaths),
    ("power cuts", services::power_cuts),
    ("stress", services::stress),
];

/// Runs all parts; status 1 when one has found something.
///
/// # Errors
/// When a part cannot run.
pub fn run(check: &cli::Check) -> Result<i32> {
    let (mut done, mut found) = (Vec::new(), 0);
    let parts = PARTS.iter().filter(|(name, _)| check.part.as_ref().is_none_or(|part| name.contains(part.as_str())));
    let parts: Vec<_> = parts.collect();
    ensure!(!parts.is_empty(), "there is no such part: {}", PARTS.map(|(name, _)| name).join(", "));
    for (name, part) in &parts {
        match part(check.length())? {
            Ok(line) => {
                tell(&format!("{name}: {line}"));
                done.push(format!("{name}: {line}"));
            }
            Err(finding) => {
                found += 1;
                say(&format!("{name}: {finding}"));
                done.push(format!("{name}: FOUND SOMETHING"));
            }
        }
    }
    tell(&format!("check: {}; {found} of {} found something", done.join("; "), parts.len()));
    Ok(i32::from(found > 0))
}

/// Distinct states of each scenario: in the long form more than ten million in all.
fn states(length: cli::Length, scenario: &str) -> usize {
    match (length, scenario) {
        (cli::Length::Short, _) => 100_000,
        (cli::Length::Long, "everything") => 6_000_000,
        (cli::Length::Long, _) => 2_500_000,
    }
}

/// Explores all scenarios, as many at a time as there are processors.
fn kernel_model(length: cli::Length) -> Result<Result<String, String>> {
    let all = scenarios();
    let (next, sums) = (AtomicUsize::new(0), Mutex::new((0, 0)));
    let work = || {
        while let Some(scenario) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
            let limits = Limits { states: states(length, scenario.name), depth: usize::MAX };
            let explored = explore(scenario, limits).map_err(|found| format!("{}: {found}", scenario.name))?;
            tell(&format!("kernel model, {}: {explored}", scenario.name));
            let mut sums = sums.lock().map_err(|error| error.to_string())?;
            *sums = (sums.0 + explored.states, sums.1 + explored.transitions);
        }
        Ok(())
    };
    let found: Result<Vec<()>, String> = thread::scope(|scope| {
        let count = thread::available_parallelism().map_or(1, usize::from).min(all.len());
        let workers: Vec<_> = (0..count).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|_| Err("the explorer has panicked".into())))
            .collect()
    });
    let (states, calls) = *sums.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(found.map(|_| format!("{states} states, {calls} calls")))
}

/// A task makes random system calls in the machine, on one processor and on several.
fn kernel_attack(length: cli::Length) -> Result<Result<String, String>> {
    let attacks = match length {
        cli::Length::Short => [(1, 300_000), (2, 100_000)],
        cli::Length::Long => [(1, 10_000_000), (2, 2_000_000)],
    };
    let seed = seed();
    let mut done = Vec::new();
    for (processors, calls) in attacks {
        match harness::kernel_tests::attack(seed, calls, processors) {
            Ok(line) => done.push(line),
            Err(error) => return Ok(Err(format!("seed {seed}, {processors} processors: {error:#}"))),
        }
    }
    Ok(Ok(done.join("; ")))
}

/// Perfetto loads a trace.
fn trace(_: cli::Length) -> Result<Result<String, String>> {
    let tool = std::env::current_exe().context("where is this program?")?;
    Ok(harness::perfetto::check(&tool).map_err(|error| format!("{error:#}")))
}

/// Damaged input for every parser. A program of its own, so that this one need not be linked with all that has one.
fn parsers(length: cli::Length) -> Result<Result<String, String>> {
    let (seed, times) = match length {
        cli::Length::Short => (seed(), "x1"),
        cli::Length::Long => (seed(), "x50"),
    };
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["run", "-q", "-p", "fuzz", "--", "all", &seed.to_string(), times]).current_dir(workspace::source());
    let output = command.stderr(Stdio::inherit()).output().context("cannot run cargo")?;
    let text = String::from_utf8_lossy(&output.stdout);
    tell(text.trim_end());
    Ok(match text.lines().last() {
        Some(last) if output.status.success() => Ok(last.into()),
        _ => Err(format!("seed {seed}: {}", output.status)),
    })
}

/// Another one each time; the report names it.
fn seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::from(now.subsec_nanos())
}
