//! Debian's static busybox, byte for byte as the package ships it.
//!
//! Nothing is installed: the package is unpacked under the build directory. Where it is installed already, and unchanged,
//! the installed file is used.

use super::{apt, find_program};
use crate::{progress, workspace};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const PACKAGE: &str = "busybox-static";
const LIMIT: Duration = Duration::from_secs(600);

/// The program, downloaded when it must be.
///
/// # Errors
/// When it is not there and cannot be downloaded.
pub(super) fn ensure() -> Result<PathBuf> {
    if let Some(installed) = installed() {
        return Ok(installed);
    }
    let folder = workspace::own("busybox-static")?;
    let program = folder.join("bin/busybox");
    if !super::is_executable(&program) {
        download(&folder)?;
    }
    if !super::is_executable(&program) {
        bail!("the package {PACKAGE} has no /bin/busybox");
    }
    Ok(program)
}

/// The installed one, when dpkg finds it unchanged.
fn installed() -> Option<PathBuf> {
    let state = progress::output_of(Command::new("dpkg-query").args(["-W", "-f=${db:Status-Status}", PACKAGE]))?;
    let changes = progress::output_of(Command::new("dpkg").args(["--verify", PACKAGE]))?;
    let program = PathBuf::from("/bin/busybox");
    let unchanged = !changes.lines().any(|line| line.ends_with("/busybox"));
    (state == "installed" && unchanged && super::is_executable(&program)).then_some(program)
}

fn download(folder: &Path) -> Result<()> {
    if find_program("apt-get").is_none() || find_program("dpkg-deb").is_none() {
        bail!(
            "busybox: this is no Debian, so its package {PACKAGE} cannot be fetched; put a static busybox at {}",
            folder.join("bin/busybox").display()
        );
    }
    progress::say(&format!("fetching the package {PACKAGE}"));
    if fetch(folder).is_err() {
        apt::update()?;
        fetch(folder)?;
    }
    let package = package_in(folder).context("apt-get download left no package")?;
    let mut unpack = Command::new("dpkg-deb");
    unpack.arg("-x").arg(&package).arg(folder);
    progress::run(&mut unpack, "unpacking busybox", LIMIT)?;
    fs::remove_file(&package).with_context(|| format!("cannot remove {}", package.display()))
}

fn fetch(folder: &Path) -> Result<()> {
    let mut command = Command::new("apt-get");
    command.args(["download", PACKAGE]).current_dir(folder);
    progress::run(&mut command, "fetching busybox", LIMIT)
}

fn package_in(folder: &Path) -> Option<PathBuf> {
    let mut files = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    files.find(|path| path.extension().is_some_and(|extension| extension == "deb"))
}
