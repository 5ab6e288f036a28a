//! The root tree of the tests: Debian's busybox with its applets linked, a few files, and the legacy programs.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::Workshop;

const FOLDERS: &[&str] = &["bin", "sbin", "usr/bin", "usr/sbin", "etc", "dev", "proc", "sys", "root", "tests", "mnt"];
const FILES: &[(&str, &str)] = &[
    ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n"),
    ("etc/group", "root:x:0:\nnogroup:x:65534:\n"),
    ("etc/hostname", "banyan\n"),
];

/// Builds the tree anew and returns its folder. `programs` go to `/tests`.
///
/// # Errors
/// When busybox does not run or the folder cannot be written.
pub fn build(workshop: &Workshop, name: &str, programs: &[PathBuf]) -> Result<PathBuf> {
    let root = workshop.folder.join(name);
    if root.exists() {
        fs::remove_dir_all(&root).with_context(|| format!("cannot remove {}", root.display()))?;
    }
    for folder in FOLDERS {
        fs::create_dir_all(root.join(folder))?;
    }
    for folder in ["tmp", "var/tmp"] {
        fs::create_dir_all(root.join(folder))?;
        fs::set_permissions(root.join(folder), fs::Permissions::from_mode(0o1777))?;
    }
    for (path, contents) in FILES {
        fs::write(root.join(path), contents)?;
    }
    install_busybox(&workshop.busybox, &root)?;
    for program in programs {
        let file_name = program.file_name().context("a program has a name")?;
        fs::copy(program, root.join("tests").join(file_name))?;
    }
    Ok(root)
}

fn install_busybox(busybox: &Path, root: &Path) -> Result<()> {
    fs::copy(busybox, root.join("bin/busybox")).with_context(|| format!("cannot copy {}", busybox.display()))?;
    let listing = Command::new(busybox).arg("--list-full").output()?;
    if !listing.status.success() {
        bail!("{} --list-full failed", busybox.display());
    }
    for applet in String::from_utf8(listing.stdout)?.lines() {
        let link = root.join(applet);
        fs::create_dir_all(link.parent().context("applets lie in folders")?)?;
        if !link.exists() {
            symlink("/bin/busybox", link)?;
        }
    }
    Ok(())
}
