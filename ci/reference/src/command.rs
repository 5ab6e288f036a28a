//! Programs of the host that have to end well.

use std::process::{Command, Output};

use anyhow::{Context, Result, bail};

/// Runs it to its end; what it printed.
///
/// # Errors
/// When it does not start, or fails; the message has what it complained about.
pub(crate) fn run(command: &mut Command) -> Result<Output> {
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?} failed:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(output)
}
