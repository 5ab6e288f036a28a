//! Finds what building and running takes, and installs what is missing where it may.
//!
//! In order: a rustup toolchain with the freestanding target, Debian's newer compiler with its library source, `rustup
//! target add`, and installing those Debian packages; QEMU, a linker, e2fsprogs and busybox likewise. Where it may not install, the
//! error has the one command to run. What was found is kept in a stamp, so that the next run starts at once.

mod apt;
mod busybox;
mod e2fs;
pub mod environment;
mod linker;
mod perfetto;
mod qemu;
mod rust;
mod stamp;

pub use e2fs::E2fs;
pub use perfetto::Perfetto;
pub use rust::Rust;

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// What building and running uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tools {
    /// The compiler for the freestanding target.
    pub rust: Rust,
    /// A linker for freestanding programs.
    pub linker: PathBuf,
    /// `qemu-system-x86_64`.
    pub qemu: PathBuf,
    /// What makes disks.
    pub e2fs: E2fs,
    /// Debian's static busybox.
    pub busybox: PathBuf,
    /// Starts a process that dies with its parent.
    pub setpriv: Option<PathBuf>,
}

/// Makes sure of everything; holds on to nothing.
///
/// The caller holds [`workspace::lock`](crate::workspace::lock).
///
/// # Errors
/// When something is missing and cannot be installed; the message says what to do.
pub fn ensure() -> Result<Tools> {
    if let Some(tools) = stamp::load() {
        return Ok(tools);
    }
    let found = match Found::look() {
        Some(found) => found,
        None => install_missing()?,
    };
    let busybox = busybox::ensure()?;
    let Found { rust, linker, qemu, e2fs } = found;
    let tools = Tools { rust, linker, qemu, e2fs, busybox, setpriv: find_program("setpriv") };
    stamp::save(&tools);
    Ok(tools)
}

/// Finds gdb, which only `run --gdb` and its test need, or installs it.
///
/// # Errors
/// As [`ensure`].
pub fn debugger() -> Result<PathBuf> {
    apt::install(if find_program("gdb").is_some() { &[] } else { &["gdb"] }, || find_program("gdb").is_some())?;
    find_program("gdb").context("what was just installed is gone again")
}

/// The tools that packages bring.
struct Found {
    rust: Rust,
    linker: PathBuf,
    qemu: PathBuf,
    e2fs: E2fs,
}

impl Found {
    fn look() -> Option<Self> {
        Some(Self { rust: rust::find()?, linker: linker::find()?, qemu: qemu::find()?, e2fs: E2fs::find()? })
    }
}

fn install_missing() -> Result<Found> {
    let mut packages = Vec::new();
    if rust::find().is_none() && !rust::add_target() {
        packages.extend(rust::PACKAGES);
    }
    if linker::find().is_none() {
        packages.extend(linker::PACKAGES);
    }
    if qemu::find().is_none() {
        packages.extend(qemu::PACKAGES);
    }
    if E2fs::find().is_none() {
        packages.extend(e2fs::PACKAGES);
    }
    apt::install(&packages, || Found::look().is_some())?;
    Found::look().context("what was just installed is gone again")
}

/// Looks a program up in `PATH`.
fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

/// The first `major.minor` in a program's words about its version.
fn version_in(text: &str) -> Option<(u32, u32)> {
    text.split(|c: char| !(c.is_ascii_digit() || c == '.')).find_map(|word| {
        let mut parts = word.split('.');
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_prose() {
        assert_eq!(version_in("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg)"), Some((7, 2)));
        assert_eq!(version_in("rustc 1.96.0 (ac68faa20 2026-05-25)"), Some((1, 96)));
        assert_eq!(version_in("no numbers"), None);
    }
}
