//! Tests that a command gives on Banyan what it gives on Linux.

use anyhow::{Result, bail};
use libtest_mimic::Trial;

use crate::cases::{self, Case};
use crate::{shared, trial};

/// How the shell chooses that its traps, and those of what it starts, are messages.
const BY_EXCEPTION_IPC: &str = "echo exception-ipc >/proc/banyan/trap || exit 98\n";

/// A test for each case, and another one under exception IPC for those cases that are about traps, memory and threads.
pub fn tests() -> Vec<Trial> {
    let all = || cases::all().enumerate();
    let usual = all().map(|(number, case)| trial(case.name, move || same_as_linux(number, &case, "")));
    let others = all().filter(|(_, case)| cases::is_about_traps(case)).map(|(number, case)| {
        trial(format!("exception IPC: {}", case.name), move || same_as_linux(number, &case, BY_EXCEPTION_IPC))
    });
    usual.chain(others).collect()
}

fn same_as_linux(number: usize, case: &Case, before: &str) -> Result<()> {
    let expected = shared::linux_answer(number)?;
    let command = format!("{before}{}", case.command_line());
    let actual = shared::exec(&command, case.input.as_bytes(), shared::LIMIT)?;
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
