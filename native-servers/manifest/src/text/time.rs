//! Limits of processor time in the text form.

use alloc::format;
use alloc::string::String;

use serde::Deserialize;

use crate::{Problem, Time};

/// `"500us"`, `"2ms"`, `"1s"`.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Duration(String);

impl Duration {
    /// So many nanoseconds.
    fn ns(&self) -> Result<u64, Problem> {
        let unit = [("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000)];
        let ns = unit.iter().find_map(|(unit, ns)| self.0.strip_suffix(unit)?.parse::<u64>().ok()?.checked_mul(*ns));
        ns.ok_or_else(|| Problem(format!("\"{}\" is not a time such as \"500us\", \"2ms\" or \"1s\"", self.0)))
    }
}

/// The limit that a task's keys make.
pub(super) fn limit(
    budget: Option<&Duration>,
    period: Option<&Duration>,
    contexts: Option<u8>,
) -> Result<Option<Time>, Problem> {
    match (budget, period) {
        (Some(budget), Some(period)) => {
            Ok(Some(Time { budget_ns: budget.ns()?, period_ns: period.ns()?, contexts: contexts.unwrap_or(1) }))
        }
        (None, None) if contexts.is_none() => Ok(None),
        _ => Err(Problem("a limit of time is a budget and a period".into())),
    }
}
