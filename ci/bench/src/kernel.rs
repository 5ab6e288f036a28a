//! Instructions of the microkernel's operations: beside the design's goals and ceilings, those of the last stored run, and
//! seL4's.
//!
//! The kernel's test task measures (`userland/native/kernel-test/src/bench`), with `-cpu max,-erms,-fsrm` and a clock that counts
//! instructions. What tracing costs while it is off is the difference to a kernel that was built without it, for each event that
//! an operation would have recorded.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::baseline::{Baseline, Row};
use crate::limits::Limits;
use crate::table::{self, Value};
use crate::{Format, Report, Subject, Tracing};

/// More than this of what it was is worse.
const WORSE: f64 = 1.02;
/// Most instructions that an event of the trace may cost while tracing is off.
const TRACE_COST: f64 = 2.0;
/// Less than this is what surrounds the operation.
const NEARLY: f64 = 0.1;

/// What the design names.
pub(crate) const LIMITS: &[(&str, Limits)] = &[
    ("ipc_call_reply_0", Limits::new(400.0, 600.0, 2.0)),
    ("ipc_call_reply_4", Limits::new(400.0, 600.0, 2.0)),
    ("ipc_call_reply_6", Limits::new(400.0, 600.0, 2.0)),
    ("ipc_call_reply_60", Limits::new(1000.0, 1500.0, 2.0)),
    ("signal_waiter", Limits::new(400.0, 600.0, 1.0)),
    ("vcpu_exit_enter", Limits::new(220.0, 350.0, 2.0)),
    ("irqs_off_max_clear", INTERRUPTS_OFF),
    ("irqs_off_max_retype", INTERRUPTS_OFF),
    ("irqs_off_max_delete_table", INTERRUPTS_OFF),
    ("irqs_off_max_delete_parent", INTERRUPTS_OFF),
    ("irqs_off_max_revoke", INTERRUPTS_OFF),
    ("irqs_off_max_revoke_chain", INTERRUPTS_OFF),
    ("irqs_off_max_donate", INTERRUPTS_OFF),
    ("irqs_off_max_map", INTERRUPTS_OFF),
    ("irqs_off_max_protect", INTERRUPTS_OFF),
    ("irqs_off_max_unmap", INTERRUPTS_OFF),
    ("irqs_off_max_detach", INTERRUPTS_OFF),
    ("irqs_off_max_delete_vspace", INTERRUPTS_OFF),
    ("irqs_off_max_io_map", INTERRUPTS_OFF),
    ("irqs_off_max_io_unmap", INTERRUPTS_OFF),
    ("irqs_off_max_message", INTERRUPTS_OFF),
    ("irqs_off_max_move", INTERRUPTS_OFF),
    ("irqs_off_max_timer_arm", INTERRUPTS_OFF),
];
/// Most instructions that interrupts are off in any of them: the bound that the kernel's manual states.
const INTERRUPTS_OFF: Limits = Limits::at_most(6000.0);

/// Instructions of seL4 without MCS (x86-64, July 2026, fast path, release build), as its callers see the same operations
/// between address spaces under the same emulator. Six words: its figure for five. What it has no Vcpu for is a fault's round trip.
pub(crate) const SEL4: &[(&str, f64)] = &[
    ("ipc_call_reply_0", 436.0),
    ("ipc_call_reply_4", 478.0),
    ("ipc_call_reply_6", 1595.0),
    ("ipc_call_reply_8", 1625.0),
    ("ipc_call_reply_60", 2145.0),
    ("ipc_call_reply_120", 2745.0),
    ("ipc_call_0", 205.0),
    ("ipc_call_4", 226.0),
    ("ipc_call_6", 816.0),
    ("ipc_call_8", 831.0),
    ("ipc_call_60", 1091.0),
    ("ipc_call_120", 1391.0),
    ("ipc_reply_receive_0", 232.0),
    ("ipc_reply_receive_4", 253.0),
    ("ipc_reply_receive_6", 780.0),
    ("ipc_reply_receive_8", 795.0),
    ("ipc_reply_receive_60", 1055.0),
    ("ipc_reply_receive_120", 1355.0),
    ("send_nobody_waits", 410.0),
    ("send_to_receiver_and_yield", 1070.0),
    ("signal_nobody_waits", 381.0),
    ("signal_poll", 655.0),
    ("poll_nothing", 264.0),
    ("null_call", 322.0),
    ("yield_alone", 288.0),
    ("yield_switch", 268.0),
    ("signal_waiter", 551.0),
    ("wait_switch_back", 446.0),
    ("signal_wait_round_trip", 2122.0),
    ("page_map_unmap", 1347.0),
    ("capability_copy_delete", 1571.0),
    ("thread_set_priority_self", 677.0),
    ("fault_to_handler", 642.0),
    ("fault_resume", 735.0),
    ("fault_round_trip", 1387.0),
    ("fault_page_to_handler", 600.0),
    ("fault_page_map_resume", 2040.0),
    ("vcpu_exit_enter", 1387.0),
    ("exception_ipc_round_trip", 1387.0),
];

/// What an operation takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Cost {
    /// Its name.
    pub operation: String,
    /// Instructions.
    pub instructions: f64,
    /// CR3 writes, where they were counted.
    pub switches: Option<f64>,
    /// Changes from user space to the kernel, likewise.
    pub entries: Option<f64>,
    /// Events that tracing would have recorded, likewise.
    pub events: Option<f64>,
}

impl Cost {
    fn changes(&self) -> Option<f64> {
        self.entries.map(|entries| entries * 2.0)
    }
}

/// Where the stored figures are, in a tree of the source.
#[must_use]
pub fn baseline_path(source: &Path) -> PathBuf {
    source.join("ci/bench/baseline/kernel.tsv")
}

/// Measures and compares.
///
/// # Errors
/// When something does not build, start or end, or prints nonsense.
pub fn run(subject: &dyn Subject, source: &Path, format: Format) -> Result<Report> {
    let costs = measure(subject, Tracing::Off)?;
    let untraced = measure(subject, Tracing::Absent)?;
    // Without stored figures there is nothing to compare with.
    let baseline = Baseline::read(&baseline_path(source)).unwrap_or_default();
    Ok(Comparison { costs: &costs, untraced: &untraced, baseline: &baseline, compiler: &subject.compiler()? }
        .report(format))
}

/// Measures and stores.
///
/// # Errors
/// As [`run`]; when the figures cannot be written.
pub fn save(subject: &dyn Subject, source: &Path) -> Result<PathBuf> {
    let row = |cost: Cost| {
        let changes = cost.changes();
        Row { operation: cost.operation, instructions: cost.instructions, switches: cost.switches, changes }
    };
    let rows = measure(subject, Tracing::Off)?.into_iter().map(row).collect();
    let path = baseline_path(source);
    Baseline { compiler: subject.compiler()?, rows }.write(&path)?;
    Ok(path)
}

fn measure(subject: &dyn Subject, tracing: Tracing) -> Result<Vec<Cost>> {
    parse(&subject.kernel_figures(tracing)?)
}

/// Reads lines `NAME INSTRUCTIONS CR3-WRITES ENTRIES EVENTS`; a number that is not known is `-`.
///
/// # Errors
/// When a line is none of these.
pub fn parse<Line: AsRef<str>>(lines: &[Line]) -> Result<Vec<Cost>> {
    let cost = |line: &str| {
        let mut words = line.split(' ');
        let operation = words.next()?.to_owned();
        let instructions = words.next()?.parse().ok()?;
        let mut number = || match words.next()? {
            "-" => Some(None),
            word => word.parse().ok().map(Some),
        };
        let (switches, entries, events) = (number()?, number()?, number()?);
        words.next().is_none().then_some(Cost { operation, instructions, switches, entries, events })
    };
    let read = |line: &str| cost(line).with_context(|| format!("the kernel's tests printed {line:?}"));
    lines.iter().map(|line| read(line.as_ref())).collect()
}

/// What is above its ceiling, a sentence each; and each operation that has one but was not measured.
#[must_use]
pub fn violations(costs: &[Cost]) -> Vec<String> {
    let mut violations = Vec::new();
    for (operation, limits) in LIMITS {
        match costs.iter().find(|cost| cost.operation == *operation) {
            Some(cost) => {
                limits.judge(operation, cost.instructions, cost.switches, &mut violations);
            }
            None => violations.push(format!("{operation} was not measured")),
        }
    }
    violations
}

/// What is compared.
struct Comparison<'a> {
    costs: &'a [Cost],
    untraced: &'a [Cost],
    baseline: &'a Baseline,
    compiler: &'a str,
}

impl Comparison<'_> {
    fn report(&self, format: Format) -> Report {
        let rows: Vec<_> = self.costs.iter().map(|cost| self.row(cost)).collect();
        let heads = [
            "operation",
            "instructions",
            "cr3_writes",
            "privilege_changes",
            "goal",
            "ceiling",
            "baseline",
            "change_percent",
            "sel4",
            "trace_off_per_event",
            "verdict",
        ];
        let mut text = table::format(&heads, &rows, format);
        if format == Format::Table {
            text.push_str(&self.remarks());
        }
        let mut violations = violations(self.costs);
        let dear =
            self.costs.iter().filter(|cost| self.trace_cost(cost).is_some_and(|cost| cost > TRACE_COST + NEARLY));
        violations.extend(dear.map(|cost| format!("{} pays too much for a trace that is off", cost.operation)));
        Report { text, violations }
    }

    fn row(&self, cost: &Cost) -> Vec<Value> {
        let named = |(name, _): &&(&str, Limits)| *name == cost.operation;
        let limits = LIMITS.iter().find(named).map_or(Limits::default(), |(_, limits)| *limits);
        let mut verdict = vec![limits.judge(&cost.operation, cost.instructions, cost.switches, &mut Vec::new())];
        let sel4 = SEL4.iter().find(|(name, _)| *name == cost.operation).map(|(_, instructions)| *instructions);
        if sel4.is_some_and(|sel4| cost.instructions > sel4) {
            verdict.push("above seL4");
        }
        let before = self.baseline.instructions(self.compiler, &cost.operation);
        if before.is_some_and(|before| cost.instructions > before * WORSE) {
            verdict.push("WORSE");
        }
        verdict.retain(|word| !word.is_empty());
        let change = before.map(|before| (cost.instructions / before - 1.0) * 100.0);
        vec![
            Value::Text(cost.operation.clone()),
            Value::Number(cost.instructions, 1),
            Value::number(cost.switches, 1),
            Value::number(cost.changes(), 1),
            Value::number(limits.goal, 0),
            Value::number(limits.ceiling, 0),
            Value::number(before, 1),
            // A rounding error is no change.
            Value::number(change.map(|change| if change.abs() < 0.05 { 0.0 } else { change }), 1),
            Value::number(sel4, 0),
            Value::number(self.trace_cost(cost), 2),
            Value::Text(verdict.join(", ")),
        ]
    }

    /// Instructions that each event of an operation costs while it is not recorded; each entry, where those are more: they ask.
    fn trace_cost(&self, cost: &Cost) -> Option<f64> {
        let events = cost.events.filter(|events| *events > 0.0)?.max(cost.entries.unwrap_or(0.0));
        let without = self.untraced.iter().find(|other| other.operation == cost.operation)?.instructions;
        Some((cost.instructions - without) / events)
    }

    fn remarks(&self) -> String {
        let stored = &self.baseline.compiler;
        let compared = match stored.as_str() {
            "" => "There is no stored run to compare with.".into(),
            same if same == self.compiler => format!("Compared with the stored run ({stored}); worse: by over 2 %."),
            _ => format!("Not compared with the stored run: that was {stored}, this is {}.", self.compiler),
        };
        format!("{compared}\nseL4: without MCS, the same operations under the same emulator (six words: its five).\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn costs(lines: &[&str]) -> Vec<Cost> {
        parse(lines).expect("they are well formed")
    }

    fn line<'a>(text: &'a str, name: &str) -> &'a str {
        text.lines().find(|line| line.split(' ').next() == Some(name)).expect("it is in the table")
    }

    #[test]
    fn figures_are_compared_with_all_that_is_known() {
        let measured =
            costs(&["ipc_call_reply_0 411.00 2.00 2.00 6.00", "yield_alone 300.00 0.00 1.00 0.00", "x 7 - - -"]);
        let untraced = costs(&["ipc_call_reply_0 405.00 2.00 2.00 -"]);
        let before = [("ipc_call_reply_0", 400.0), ("yield_alone", 299.0)];
        let rows = before.map(|(name, instructions)| Row {
            operation: name.into(),
            instructions,
            switches: None,
            changes: None,
        });
        let baseline = Baseline { compiler: "one".into(), rows: rows.into() };
        let comparison = Comparison { costs: &measured, untraced: &untraced, baseline: &baseline, compiler: "one" };
        let report = comparison.report(Format::Table);
        assert!(line(&report.text, "ipc_call_reply_0").ends_with("1.00  goal not reached, WORSE"), "{}", report.text);
        assert!(line(&report.text, "yield_alone").ends_with("above seL4"), "{}", report.text);
        // All that has a ceiling has to be measured.
        assert!(report.violations.len() == LIMITS.len() - 1, "{:?}", report.violations);
        let other = Comparison { compiler: "two", ..comparison }.report(Format::Table);
        assert!(!other.text.contains("WORSE") && other.text.contains("Not compared"));
    }

    #[test]
    fn ceilings_hold_for_instructions_and_switches() {
        let all = |name: &str| match name {
            "ipc_call_reply_0" => format!("{name} 601 2.00 2.00 6.00"),
            "signal_waiter" => format!("{name} 100 2.00 1.00 3.00"),
            _ => format!("{name} 100 1.00 1.00 6.00"),
        };
        let lines: Vec<_> = LIMITS.iter().map(|(name, _)| all(name)).collect();
        let found = violations(&parse(&lines).expect("they are well formed"));
        assert!(found.len() == 2 && found[0].contains("above its ceiling") && found[1].contains("CR3"), "{found:?}");
    }

    #[test]
    fn a_dear_trace_is_a_violation() {
        let (with, without) = (costs(&["signal_waiter 113 0 1 4"]), costs(&["signal_waiter 100 0 1 -"]));
        let baseline = Baseline::default();
        let comparison = Comparison { costs: &with, untraced: &without, baseline: &baseline, compiler: "one" };
        let found = comparison.report(Format::Json).violations;
        assert!(found.iter().any(|violation| violation.starts_with("signal_waiter pays too much")), "{found:?}");
    }

    #[test]
    fn nonsense_is_an_error() {
        for bad in ["a", "a fast - - -", "a 1 2 3", "a 1 2 3 4 5"] {
            assert!(parse(&[bad]).is_err(), "{bad:?}");
        }
    }
}
