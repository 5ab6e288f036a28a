//! Builds our own program for the legacy root: `banyan`, an ordinary static Linux executable.
//!
//! Cargo is only asked when a source is newer than the program: asking takes longer than the rest of a start.

use crate::{progress, workspace};
use anyhow::{Context, Result};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

const TARGET: &str = "x86_64-unknown-linux-gnu";
const PACKAGE: &str = "legacy-programs";
/// Its name as cargo knows it.
const BINARY: &str = "banyan-command";
const LIMIT: Duration = Duration::from_secs(1800);

/// The program `banyan`.
///
/// # Errors
/// When it does not build; the message has the compiler's words.
pub fn program() -> Result<PathBuf> {
    let folder = workspace::own("legacy")?;
    let program = folder.join(TARGET).join("release").join(BINARY);
    if !is_current(&program) {
        let start = SystemTime::now();
        build(&folder).context("the program banyan does not build")?;
        // Cargo leaves the file alone when the change did not matter. Failing that, it is asked again.
        let _ = File::open(&program).and_then(|file| file.set_modified(start));
    }
    Ok(program)
}

/// Whether nothing that goes into the program changed after it was built.
fn is_current(program: &Path) -> bool {
    let source = workspace::source();
    let Ok(built) = program.metadata().and_then(|data| data.modified()) else { return false };
    let sources = [source.join("userland/legacy"), source.join("Cargo.lock")];
    sources.iter().filter_map(|path| newest(path)).all(|changed| changed < built)
}

/// The newest time of change of a file, or of what is below a folder.
fn newest(path: &Path) -> Option<SystemTime> {
    let data = path.symlink_metadata().ok()?;
    if !data.is_dir() {
        return data.modified().ok();
    }
    let entries = fs::read_dir(path).ok()?.flatten();
    entries.filter_map(|entry| newest(&entry.path())).chain(data.modified().ok()).max()
}

fn build(folder: &Path) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    crate::setup::environment::clean(&mut command);
    command.args(["build", "--release", "--locked", "-p", PACKAGE, "--bin", BINARY, "--features", "programs"]);
    command.args(["--target", TARGET, "--target-dir"]).arg(folder).current_dir(workspace::source());
    // A target named by --target is what keeps the flags away from build scripts and macros.
    command.env("RUSTFLAGS", "-C target-feature=+crt-static").env("CARGO_PROFILE_RELEASE_STRIP", "symbols");
    command.env("CARGO_TERM_COLOR", "never");
    progress::run(&mut command, "building the program banyan", LIMIT)
}
