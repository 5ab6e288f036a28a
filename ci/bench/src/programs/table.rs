//! What was measured, as a table, and how it is judged.

use crate::beside::{self, JUDGE, Operation};
use crate::table::Value;
use crate::{Format, Report};

/// Most that services in the personality may take of the time of Linux with `pti=on`.
const LINUX: f64 = 1.0;
/// Most that native services may take of the time with services in the personality.
const NATIVE: f64 = 1.3;

const HEADS: [&str; 13] = [
    "program",
    "times",
    "mi_personality",
    "mi_native",
    "mi_linux_pti",
    "mi_linux",
    "ms_personality",
    "ms_native",
    "ms_linux_pti",
    "ms_linux",
    "x_linux",
    "x_native",
    "verdict",
];

pub(super) fn report(operations: &[Operation], format: Format) -> Report {
    let legend = format!(
        "mi: million instructions of one run, kernels included; ms: its milliseconds in the shortest of the series; \
             linux_pti: Linux 6.1 with pti=on.\nx_linux: time with services in the personality, as a part of that \
             Linux's (at most {LINUX}); x_native: with native services, as a part of that (at most {NATIVE}).\n"
    );
    beside::report(&HEADS, operations, row, &legend, format)
}

fn row(operation: &Operation, violations: &mut Vec<String>) -> Vec<Value> {
    let times = operation.times as f64;
    let mut values = vec![Value::Text(operation.name.clone()), Value::Number(times, 0)];
    values.extend(operation.instructions.iter().map(|count| Value::Number(*count as f64 / times / 1e6, 1)));
    values.extend(operation.time.iter().map(|time| Value::Number(time.as_secs_f64() * 1e3 / times, 1)));
    let ratio =
        |part: usize, whole: usize| operation.time[part].as_secs_f64() / operation.time[whole].as_secs_f64().max(1e-9);
    let (linux, native) = (ratio(0, JUDGE), ratio(1, 0));
    values.extend([Value::Number(linux, 2), Value::Number(native, 2)]);
    let before = violations.len();
    if linux > LINUX {
        violations.push(format!("{}: {linux:.2} of Linux's time", operation.name));
    }
    if native > NATIVE {
        violations.push(format!("{}: native services take {native:.2} of the time", operation.name));
    }
    let verdict = if violations.len() == before { "reached" } else { "missed" };
    values.push(Value::Text(verdict.into()));
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn both_limits_are_held() {
        let operation = |milliseconds: [u64; 4]| Operation {
            name: "tar".into(),
            times: 2,
            instructions: [2_000_000, 2_400_000, 4_000_000, 3_000_000],
            time: milliseconds.map(Duration::from_millis),
        };
        let good = report(&[operation([10, 12, 10, 8])], Format::Json);
        assert!(good.violations.is_empty() && good.text.contains("\"mi_native\": 1.2"), "{}", good.text);
        let slow = report(&[operation([12, 12, 10, 8])], Format::Table);
        assert!(slow.violations.len() == 1 && slow.text.contains("missed"), "{}", slow.text);
        let both = report(&[operation([12, 16, 10, 8])], Format::Table);
        assert_eq!(both.violations.len(), 2, "{:?}", both.violations);
    }
}
