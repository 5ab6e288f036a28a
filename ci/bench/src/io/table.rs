//! What was measured, as a table, and how it is judged.

use crate::beside::{self, JUDGE, Operation, SYSTEMS};
use crate::table::Value;
use crate::{Format, Report};

/// What Banyan's throughput should be of Linux's with `pti=on`, and the least that it may be.
const GOAL: f64 = 0.8;
const FLOOR: f64 = 0.4;
/// The columns of Banyan's two placements.
const PLACEMENTS: [(usize, &str); 2] = [(0, "personality"), (1, "native")];

const HEADS: [&str; 14] = [
    "operation",
    "times",
    "ki_personality",
    "ki_native",
    "ki_linux_pti",
    "ki_linux",
    "ki_ratio_native",
    "us_personality",
    "us_native",
    "us_linux_pti",
    "us_linux",
    "x_personality",
    "x_native",
    "verdict",
];

pub(super) fn report(operations: &[Operation], format: Format) -> Report {
    let legend = format!(
        "ki: thousand instructions of one operation; us: its microseconds in the shortest run; linux_pti: Linux 6.1 \
             with pti=on.\nx: throughput, as a part of that Linux's (goal {GOAL}, at least {FLOOR}).\n"
    );
    beside::report(&HEADS, operations, row, &legend, format)
}

fn row(operation: &Operation, violations: &mut Vec<String>) -> Vec<Value> {
    let times = operation.times as f64;
    let mut values = vec![Value::Text(operation.name.clone()), Value::Number(times, 0)];
    values.extend(operation.instructions.iter().map(|count| Value::Number(*count as f64 / times / 1e3, 1)));
    let ratio = operation.instructions[1] as f64 / operation.instructions[JUDGE].max(1) as f64;
    values.push(Value::Number(ratio, 2));
    values.extend(operation.time.iter().map(|time| Value::Number(time.as_secs_f64() * 1e6 / times, 1)));
    debug_assert_eq!(operation.time.len(), SYSTEMS.len());
    values.extend(PLACEMENTS.iter().map(|(index, _)| Value::Number(throughput(operation, *index), 2)));
    values.push(Value::Text(verdict(operation, violations).into()));
    values
}

/// A placement's throughput as a part of Linux's.
fn throughput(operation: &Operation, index: usize) -> f64 {
    operation.time[JUDGE].as_secs_f64() / operation.time[index].as_secs_f64().max(1e-9)
}

fn verdict(operation: &Operation, violations: &mut Vec<String>) -> &'static str {
    let mut least = f64::INFINITY;
    for (index, placement) in PLACEMENTS {
        let part = throughput(operation, index);
        if part < FLOOR {
            violations.push(format!("{}: {placement} has {part:.2} of Linux's throughput", operation.name));
        }
        least = least.min(part);
    }
    match least {
        least if least < FLOOR => "below the floor",
        least if least < GOAL => "goal not reached",
        _ => "goal reached",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn each_placement_is_judged() {
        let operation = |milliseconds: [u64; 4]| Operation {
            name: "read".into(),
            times: 10,
            instructions: [1000, 2000, 4000, 3000],
            time: milliseconds.map(Duration::from_millis),
        };
        let good = report(&[operation([10, 12, 10, 8])], Format::Table);
        assert!(good.violations.is_empty() && good.text.contains("goal reached"), "{}", good.text);
        let slow = report(&[operation([10, 20, 10, 8])], Format::Table);
        assert!(slow.violations.is_empty() && slow.text.contains("goal not reached"), "{}", slow.text);
        let bad = report(&[operation([26, 26, 10, 8])], Format::Json);
        assert_eq!(bad.violations.len(), 2, "{:?}", bad.violations);
        assert!(bad.text.contains("\"ki_native\": 0.2, \"ki_linux_pti\": 0.4"), "{}", bad.text);
    }
}
