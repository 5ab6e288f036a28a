//! Instructions of operations of the Linux ABI, beside Linux's and beside the design's goals and ceilings.
//!
//! Both systems run the same program (`abi-bench`) with `-cpu max,-erms,-fsrm` and a clock that counts instructions;
//! Linux with `mitigations=off init_on_alloc=0`. CR3 writes are Banyan's own count; Linux has none to offer.

use std::collections::HashMap;

use anyhow::{Context, Result};
use reference::Workshop;
use reference::batch::{Batch, Request};
use reference::machine::{Clock, Tuning};
use reference::programs::Programs;
use reference::root;

use crate::limits::Limits;
use crate::table::{self, Value};
use crate::{Format, Report, Subject};

const COMMAND: &str = "/tests/abi-bench";
/// Most that a row may take of Linux's instructions where the design names no number.
const ROW_CEILING: f64 = 1.2;
/// What the geometric mean of the ratios to Linux should be, and may be.
const MEAN: (f64, f64) = (0.5, 1.0);

/// What the design names.
const LIMITS: &[(&str, Limits)] = &[
    ("getpid", Limits::new(311.0, 450.0, 2.0)),
    ("pipe_rt_proc", Limits::new(4000.0, 8000.0, 12.0)),
    ("fork_exit_wait", Limits { goal: Some(107_000.0), ceiling: Some(215_000.0), switches: None }),
    ("fork_exec_wait", Limits { goal: Some(293_000.0), ceiling: Some(586_000.0), switches: None }),
    ("fault_anon_page", Limits::new(2000.0, 3200.0, 2.0)),
];

/// One operation of one system.
#[derive(Clone, Debug, PartialEq)]
struct Cost {
    operation: String,
    instructions: f64,
    switches: Option<f64>,
}

/// Measures both and compares.
///
/// # Errors
/// When one of them does not start or prints nonsense.
pub fn run(subject: &dyn Subject, workshop: &Workshop, format: Format) -> Result<Report> {
    let programs = Programs::build(workshop)?;
    let root = root::build(workshop, "abi-root", &programs.for_root())?;
    let own = parse(&subject.run_counted(&root, COMMAND)?)?;
    let batch =
        Batch { workshop, programs: &programs, root: &root, cpus: 1, clock: Clock::Instructions, tuning: Tuning::Lean };
    let answers = batch.run(&[Request { command: COMMAND.into(), input: Vec::new() }])?;
    let answer = answers.first().context("one command, one answer")?;
    let linux = parse(std::str::from_utf8(&answer.output)?)?;
    Ok(report(&own, &linux, format))
}

fn parse(text: &str) -> Result<Vec<Cost>> {
    let line = |line: &str| {
        let mut words = line.split('\t');
        let operation = words.next()?.to_owned();
        let instructions = words.next()?.parse().ok()?;
        Some(Cost { operation, instructions, switches: words.next().and_then(|word| word.parse().ok()) })
    };
    text.lines().map(|text| line(text).with_context(|| format!("abi-bench printed {text:?}"))).collect()
}

fn report(own: &[Cost], linux: &[Cost], format: Format) -> Report {
    let linux: HashMap<_, _> = linux.iter().map(|cost| (cost.operation.as_str(), cost.instructions)).collect();
    let mut violations = Vec::new();
    let rows: Vec<_> =
        own.iter().map(|cost| row(cost, linux.get(cost.operation.as_str()).copied(), &mut violations)).collect();
    let heads = ["operation", "banyan", "cr3", "goal", "ceiling", "cr3_bound", "linux", "ratio", "verdict"];
    let mut text = table::format(&heads, &rows, format);
    let ratios: Vec<_> =
        own.iter().filter_map(|cost| Some(cost.instructions / linux.get(cost.operation.as_str())?)).collect();
    if !ratios.is_empty() {
        let mean = (ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / ratios.len() as f64).exp();
        if mean > MEAN.1 {
            violations.push(format!("the geometric mean is {mean:.2} x Linux, above {}", MEAN.1));
        }
        if format == Format::Table {
            text.push_str(&format!("geometric mean {mean:.2} x Linux (goal {}, ceiling {})\n", MEAN.0, MEAN.1));
        }
    }
    Report { text, violations }
}

fn row(cost: &Cost, linux: Option<f64>, violations: &mut Vec<String>) -> Vec<Value> {
    let named = LIMITS.iter().find(|(name, _)| *name == cost.operation).map(|(_, limits)| *limits);
    let limits = named.unwrap_or(Limits {
        goal: linux.map(|linux| linux * MEAN.0),
        ceiling: linux.map(|linux| linux * ROW_CEILING),
        switches: None,
    });
    let verdict = limits.judge(&cost.operation, cost.instructions, cost.switches, violations);
    vec![
        Value::Text(cost.operation.clone()),
        Value::number(Some(cost.instructions), 0),
        Value::number(cost.switches, 1),
        Value::number(limits.goal, 0),
        Value::number(limits.ceiling, 0),
        Value::number(limits.switches, 0),
        Value::number(linux, 0),
        Value::number(linux.map(|linux| cost.instructions / linux), 2),
        Value::Text(verdict.into()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ceilings_and_goals_are_judged() {
        let own = parse("getpid\t500.0\t2.0\npread_4k\t900.0\t-\nfault_anon_page\t2500\t4.0\n").expect("well formed");
        let linux = parse("getpid\t311.0\t-\npread_4k\t1869.3\t-\nfault_anon_page\t3224\t-\n").expect("well formed");
        let report = report(&own, &linux, Format::Table);
        assert_eq!(report.violations.len(), 2, "{:?}", report.violations);
        let verdict = |name: &str| report.text.lines().find(|line| line.starts_with(name)).map(str::to_owned);
        assert!(verdict("getpid").is_some_and(|line| line.ends_with("above the ceiling")));
        assert!(verdict("pread_4k").is_some_and(|line| line.ends_with("goal reached")));
        assert!(verdict("fault_anon_page").is_some_and(|line| line.ends_with("too many CR3 writes")));
    }

    #[test]
    fn nonsense_is_an_error() {
        assert!(parse("getpid fast\n").is_err());
    }
}
