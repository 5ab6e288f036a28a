//! Tests that a command gives on Banyan what it gives on Linux.

use anyhow::{Result, bail};
use libtest_mimic::Trial;

use crate::cases::{self, Case};
use crate::shared::{self, Processors};
use crate::trial;

/// How the shell chooses that its traps, and those of what it starts, are messages.
const BY_EXCEPTION_IPC: &str = "echo exception-ipc >/proc/banyan/trap || exit 98\n";

/// A test for each case; another one under exception IPC for those cases that are about traps, memory and threads; and another one
/// on four processors for those in which programs do something at the same time.
pub fn tests() -> Vec<Trial> {
    let usual = named("", |_| true, Processors::Usual, "");
    let others = named("exception IPC: ", cases::is_about_traps, Processors::Usual, BY_EXCEPTION_IPC);
    let on_four = named("four processors: ", cases::is_about_concurrency, Processors::Four, "");
    usual.chain(others).chain(on_four).collect()
}

fn named(
    prefix: &'static str,
    which: fn(&Case) -> bool,
    processors: Processors,
    before: &'static str,
) -> impl Iterator<Item = Trial> {
    cases::all().enumerate().filter(move |(_, case)| which(case)).map(move |(number, case)| {
        trial(format!("{prefix}{}", case.name), move || same_as_linux(number, &case, processors, before))
    })
}

fn same_as_linux(number: usize, case: &Case, processors: Processors, before: &str) -> Result<()> {
    let expected = shared::linux_answer(number)?;
    let command = format!("{before}{}", case.command_line());
    let actual = shared::exec(processors, &command, case.input.as_bytes(), shared::LIMIT)?;
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
