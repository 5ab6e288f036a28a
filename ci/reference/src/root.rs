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

/// Programs that Debian's busybox lacks: the host's own, of packages that every Debian has. They are dynamic.
const HOST_PROGRAMS: &[&str] = &["nice", "nohup", "script", "split", "comm", "cksum", "flock"];

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
    for program in HOST_PROGRAMS {
        install_host_program(program, &root)?;
    }
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

/// Copies a program of the host's `/usr/bin` with its dynamic linker and libraries.
///
/// # Errors
/// When there is no such program, or the tree cannot be written.
pub fn install_host_program(name: &str, root: &Path) -> Result<()> {
    let program = Path::new("/usr/bin").join(name);
    let libraries = Command::new("ldd").arg(&program).output()?;
    if !libraries.status.success() {
        bail!("ldd {} failed: {}", program.display(), String::from_utf8_lossy(&libraries.stderr));
    }
    let libraries = String::from_utf8(libraries.stdout)?;
    let libraries = libraries.split_whitespace().filter(|word| word.starts_with('/'));
    for file in libraries.chain(program.to_str()) {
        let copy = root.join(file.trim_start_matches('/'));
        fs::create_dir_all(copy.parent().context("files lie in folders")?)?;
        fs::copy(file, copy).with_context(|| format!("cannot copy {file}"))?;
    }
    Ok(())
}
