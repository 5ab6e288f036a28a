//! Gets Debian's Linux 6.1: downloads the package and takes the kernel and a few modules out; nothing is installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::run;
use crate::{Workshop, lock, modules, write_whole};

/// Names the kernel to use instead of Debian's.
pub const OVERRIDE: &str = "BANYAN_LINUX_KERNEL";

/// What is kept of the package.
const KERNEL: &str = "vmlinuz";
const MODULES: &str = "modules";

/// The kernel's file; the first call downloads it.
///
/// # Errors
/// When it cannot be downloaded; the message says what would help.
pub fn find(workshop: &Workshop) -> Result<PathBuf> {
    match std::env::var_os(OVERRIDE) {
        Some(path) => Ok(path.into()),
        None => ensure(workshop, KERNEL),
    }
}

/// The modules that the kernel needs for a disk, in the order in which they load. A kernel that was named has to do
/// without.
///
/// # Errors
/// As [`find`].
pub fn modules(workshop: &Workshop) -> Result<Vec<PathBuf>> {
    match std::env::var_os(OVERRIDE) {
        Some(_) => Ok(Vec::new()),
        None => modules::kept(&ensure(workshop, MODULES)?),
    }
}

/// One of the two that are kept of the package, which is downloaded where it is missing.
fn ensure(workshop: &Workshop, name: &str) -> Result<PathBuf> {
    let folder = workshop.subfolder("linux")?;
    let path = folder.join(name);
    let _lock = lock(&folder)?;
    if !path.exists() {
        download(&folder).with_context(|| {
            format!("Debian's Linux 6.1 is needed to compare with; {OVERRIDE}=FILE names another kernel")
        })?;
    }
    Ok(path)
}

fn download(folder: &Path) -> Result<()> {
    eprintln!("downloading Debian's Linux 6.1 kernel (70 MB) to compare with");
    let package = package_name()?;
    run(Command::new("apt-get").arg("download").arg(&package).current_dir(folder))?;
    let archive = entry(folder, &package)?;
    let contents = folder.join("package");
    run(Command::new("dpkg-deb").arg("-x").arg(&archive).arg(&contents))?;
    let found = entry(&contents.join("boot"), "vmlinuz-")?;
    // Kernel and modules have to be of one package.
    if folder.join(MODULES).exists() {
        fs::remove_dir_all(folder.join(MODULES))?;
    }
    modules::keep(&contents, &folder.join(MODULES))?;
    write_whole(&folder.join(KERNEL), &fs::read(found)?)?;
    fs::remove_file(archive)?;
    fs::remove_dir_all(contents)?;
    Ok(())
}

/// The newest 6.1 kernel that apt knows of. Fresh machines know of none before an update.
fn package_name() -> Result<String> {
    if let Some(name) = newest_package()? {
        return Ok(name);
    }
    run(Command::new("apt-get").arg("update"))?;
    newest_package()?.context("apt knows no package linux-image-6.1.*-amd64")
}

fn newest_package() -> Result<Option<String>> {
    let listing =
        run(Command::new("apt-cache").args(["search", "--names-only", r"^linux-image-6\.1\.0-[0-9]+-amd64$"]))?;
    let listing = String::from_utf8_lossy(&listing.stdout).into_owned();
    let names = listing.lines().filter_map(|line| line.split(' ').next());
    let build = |name: &str| name.split('-').nth(3).and_then(|number| number.parse::<u32>().ok());
    Ok(names.max_by_key(|name| build(name)).map(str::to_owned))
}

fn entry(folder: &Path, prefix: &str) -> Result<PathBuf> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            return Ok(entry.path());
        }
    }
    bail!("no {prefix}* in {}", folder.display())
}
