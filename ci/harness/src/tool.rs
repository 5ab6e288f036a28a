//! Runs the host tool as a program, as a person does.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Error, Result, ensure};

/// The host tool's file, built from the present sources: `cargo test` does not build it, and one that lies there may be old.
///
/// # Errors
/// When it does not build.
pub fn path() -> Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    BUILT.get_or_init(|| build().map_err(|error| format!("{error:#}"))).clone().map_err(Error::msg)
}

/// The tests' binary is in `deps/`, the tool one folder up.
fn build() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let tool = own.ancestors().nth(2).context("test binaries lie two folders deep")?.join("banyan");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo).args(["build", "--quiet", "-p", "banyan-cli"]).status()?;
    ensure!(status.success() && tool.exists(), "the host tool does not build");
    Ok(tool)
}

/// Runs the tool with arguments and standard input, to its end.
///
/// # Errors
/// When it cannot be run.
pub fn run(arguments: &[&str], input: &[u8]) -> Result<Output> {
    let mut command = Command::new(path()?);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context("cannot start the host tool")?;
    let mut stdin = child.stdin.take().context("it was asked for")?;
    let input = input.to_vec();
    let feeder = std::thread::spawn(move || {
        // A command that does not read its input is fine.
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output()?;
    // It ends with the child's end of the pipe.
    let _ = feeder.join();
    Ok(output)
}
