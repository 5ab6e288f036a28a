//! `ctl`: commands for a system that another process of the tool runs.
//!
//! Each becomes one more session of the host channel. All but `exec` are lines for the shell alone, so that they work with
//! any root that has one.

use crate::cli::{Ctl, Design, Request};
use crate::output::Output;
use anyhow::{Result, bail};
use banyan::progress::say;
use banyan::run::Output as Answer;
use banyan::run::control::Remote;
use banyan::run::exec::{self, Done};
use std::io::{Write, stderr};

/// Where the system shows its services and takes requests about them.
const SERVICES: &str = "/proc/banyan/services";

/// Carries the request out; the exit status.
///
/// # Errors
/// When there is no such system, or it stops.
pub fn run(ctl: &Ctl) -> Result<i32> {
    let remote = Remote::connect(ctl.instance)?;
    match &ctl.request {
        Request::Exec { command } => pass_through(&remote, command),
        Request::Services => {
            let output = table(&remote)?;
            Output.write_all(&output.stdout)?;
            stderr().write_all(&output.stderr)?;
            Ok(output.status.code())
        }
        Request::Migrate { service, placement } => request(&remote, &format!("migrate {service} {}", name(*placement))),
        Request::Kill { task } => request(&remote, &format!("kill {task}")),
    }
}

fn table(remote: &Remote) -> Result<Answer> {
    remote.open(&format!("while IFS= read -r line; do echo \"$line\"; done <{SERVICES}"))?.complete(b"", None)
}

/// Asks for something, and says why it was not done.
fn request(remote: &Remote, words: &str) -> Result<i32> {
    let answer = remote.open(&format!("echo {words} >{SERVICES}"))?.complete(b"", None)?;
    if answer.status.code() != 0 {
        let (table, complaint) = (table(remote)?.stdout, answer.stderr);
        say(&refusal(words, &String::from_utf8_lossy(&table), &String::from_utf8_lossy(&complaint)));
    }
    Ok(answer.status.code())
}

/// Why a request was refused: by the table, whose last line tells of the last one; if that was another, by the shell's complaint.
fn refusal(words: &str, table: &str, complaint: &str) -> String {
    let told =
        table.lines().find_map(|line| line.strip_prefix("last error: ")?.strip_prefix(words)?.strip_prefix(": "));
    let nothing = || table.lines().find(|line| line.starts_with("no service"));
    format!("{words}: {}", told.or_else(nothing).unwrap_or_else(|| complaint.trim()))
}

fn name(placement: Design) -> &'static str {
    match placement {
        Design::Personality => "personality",
        Design::Native => "native",
    }
}

fn pass_through(remote: &Remote, command: &str) -> Result<i32> {
    match exec::pass_through(remote.open(command)?, None)? {
        Done::Exit(status) => Ok(status.code()),
        Done::Ended(end) => bail!("the system stopped: {end}"),
        Done::TimedOut => bail!("it took too long"),
        Done::Signal(number) => Ok(128 + number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_the_systems_own_words() {
        let table = "service placement\nfs native\nlast error: migrate fs native: it is in that state already\n";
        let told = |words, table| refusal(words, table, "sh: write error: Operation already in progress\n");
        assert_eq!(told("migrate fs native", table), "migrate fs native: it is in that state already");
        // Another's error came in between.
        assert_eq!(told("kill fs", table), "kill fs: sh: write error: Operation already in progress");
        let none = "no service: the root is in memory\n";
        assert_eq!(told("kill fs", none), "kill fs: no service: the root is in memory");
    }
}
