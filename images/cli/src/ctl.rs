//! `ctl`: commands for a system that another process of the tool runs.
//!
//! Each becomes one more session of the host channel. All but `exec` are lines for the shell alone, so that they work with
//! any root that has one.

use crate::cli::{Ctl, Design, Request};
use anyhow::{Result, bail};
use banyan::run::control::Remote;
use banyan::run::exec::{self, Done};
use std::io::{Write, stderr, stdout};

/// Where the system shows its services and takes requests about them.
const SERVICES: &str = "/proc/banyan/services";

/// Carries the request out; the exit status.
///
/// # Errors
/// When there is no such system, or it stops.
pub fn run(ctl: &Ctl) -> Result<i32> {
    let remote = Remote::connect(ctl.instance)?;
    let line = match &ctl.request {
        Request::Exec { command } => return pass_through(&remote, command),
        Request::Services => format!("while IFS= read -r line; do echo \"$line\"; done <{SERVICES}"),
        Request::Migrate { service, placement } => request(&format!("migrate {service} {}", name(*placement))),
        Request::Kill { task } => request(&format!("kill {task}")),
    };
    let output = remote.open(&line)?.complete(b"", None)?;
    stdout().write_all(&output.stdout)?;
    stderr().write_all(&output.stderr)?;
    Ok(output.status.code())
}

fn request(words: &str) -> String {
    format!("echo {words} >{SERVICES}")
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
        Done::Ended(end) => bail!("the system stopped: {end:?}"),
        Done::TimedOut => bail!("it took too long"),
    }
}
