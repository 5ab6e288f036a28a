//! Tests that a command gives on Banyan what it gives on Linux.

use anyhow::{Result, bail};
use libtest_mimic::Trial;

use crate::cases::{self, Case};
use crate::{shared, trial};

/// A test for each case.
pub fn tests() -> Vec<Trial> {
    cases::all().enumerate().map(|(number, case)| trial(case.name, move || same_as_linux(number, &case))).collect()
}

fn same_as_linux(number: usize, case: &Case) -> Result<()> {
    let expected = shared::linux_answer(number)?;
    let actual = shared::exec(&case.command_line(), case.input.as_bytes(), shared::LIMIT)?;
    let differences: Vec<_> = [
        difference("status", format!("{:#06x}", expected.status), format!("{:#06x}", actual.status.0)),
        difference("standard output", text(&expected.output), text(&actual.stdout)),
        difference("standard error", without_endings(&expected.errors), without_endings(&actual.stderr)),
    ]
    .into_iter()
    .flatten()
    .collect();
    if !differences.is_empty() {
        bail!("{}\ncommand: {}", differences.join("\n"), case.command);
    }
    Ok(())
}

fn difference(what: &str, expected: String, actual: String) -> Option<String> {
    (expected != actual).then(|| format!("{what} on Linux:\n{expected}\n{what} on Banyan:\n{actual}"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Standard error without the shell's notes on ended background jobs, which depend on who comes first.
fn without_endings(bytes: &[u8]) -> String {
    let text = text(bytes);
    let lines = text.lines().filter(|line| !["Terminated", "Killed", "Hangup"].contains(line));
    lines.collect::<Vec<_>>().join("\n")
}
