//! A tree of Debian's own programs: packages with all that they depend on, downloaded and unpacked. Nothing is installed, and none of
//! their scripts run.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::{Workshop, command, lock, write_whole};

/// As if no package were installed: so that apt tells all that is needed.
const NOTHING_INSTALLED: [&str; 2] = ["-o", "Dir::State::status=/dev/null"];
/// Folders that are links into `/usr`.
const MERGED: [&str; 4] = ["bin", "sbin", "lib", "lib64"];
/// What programs do not need, and half of the bytes.
const LEFT_OUT: [&str; 4] = ["doc", "man", "info", "locale"];

/// The tree with these packages; the first call downloads them. It is to be copied, not changed.
///
/// # Errors
/// When apt knows no such packages or they cannot be downloaded.
pub fn tree(workshop: &Workshop, packages: &[&str]) -> Result<PathBuf> {
    let folder = workshop.subfolder("debian")?;
    let (root, stamp) = (folder.join("root"), folder.join("packages"));
    let _lock = lock(&folder)?;
    let wanted = packages.join("\n");
    if fs::read_to_string(&stamp).is_ok_and(|kept| kept == wanted) {
        return Ok(root);
    }
    for stale in [&root, &folder.join("archives")] {
        if stale.exists() {
            fs::remove_dir_all(stale).with_context(|| format!("cannot remove {}", stale.display()))?;
        }
    }
    let archives = workshop.subfolder("debian/archives")?;
    download(packages, &archives).context("Debian's programs are needed to measure them")?;
    unpack(&archives, &root)?;
    fs::remove_dir_all(archives)?;
    write_whole(&stamp, wanted.as_bytes())?;
    Ok(root)
}

fn download(packages: &[&str], archives: &Path) -> Result<()> {
    let names = match closure(packages) {
        Ok(names) => names,
        // Fresh machines know of no package before an update.
        Err(_) => {
            command::run(Command::new("apt-get").arg("update"))?;
            closure(packages)?
        }
    };
    eprintln!("downloading {} of Debian's packages", names.len());
    let mut apt = Command::new("apt-get");
    apt.args(NOTHING_INSTALLED).args(["-q", "download"]).args(names).current_dir(archives);
    command::run(&mut apt).map(drop)
}

/// The packages and all that they depend on.
fn closure(packages: &[&str]) -> Result<Vec<String>> {
    let mut apt = Command::new("apt-get");
    apt.args(NOTHING_INSTALLED).args(["--simulate", "--no-install-recommends", "install"]).args(packages);
    let listing = command::run(&mut apt)?;
    Ok(installed(&String::from_utf8_lossy(&listing.stdout)))
}

/// The names in lines like `Inst dash (0.5.12 Debian:12/stable [amd64])`.
fn installed(listing: &str) -> Vec<String> {
    let name = |line: &str| line.strip_prefix("Inst ")?.split(' ').next().map(str::to_owned);
    listing.lines().filter_map(name).collect()
}

fn unpack(archives: &Path, root: &Path) -> Result<()> {
    for name in MERGED {
        fs::create_dir_all(root.join("usr").join(name))?;
        symlink(Path::new("usr").join(name), root.join(name))?;
    }
    let mut files = fs::read_dir(archives)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.sort();
    for file in files {
        unpack_one(&file, root).with_context(|| format!("cannot unpack {}", file.display()))?;
    }
    if !root.join("bin/sh").exists() {
        symlink("dash", root.join("bin/sh"))?;
    }
    Ok(())
}

fn unpack_one(archive: &Path, root: &Path) -> Result<()> {
    let mut contents = Command::new("dpkg-deb").arg("--fsys-tarfile").arg(archive).stdout(Stdio::piped()).spawn()?;
    let pipe = contents.stdout.take().context("dpkg-deb has no output")?;
    let mut tar = Command::new("tar");
    tar.args(["-x", "--keep-directory-symlink", "--no-same-owner", "-C"]).arg(root).stdin(pipe);
    tar.args(LEFT_OUT.map(|name| format!("--exclude=./usr/share/{name}")));
    let unpacked = tar.status()?;
    let read = contents.wait()?;
    ensure!(unpacked.success() && read.success(), "dpkg-deb ended with {read}, tar with {unpacked}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_from_the_simulation() {
        let listing = "Reading package lists...\nInst gcc-12-base (12.2.0-14 Debian:12.10/oldstable [amd64])\n\
            Conf gcc-12-base (12.2.0-14 Debian:12.10/oldstable [amd64])\nInst dash (0.5.12-2 Debian:12.10/oldstable [amd64])\n";
        assert_eq!(installed(listing), ["gcc-12-base", "dash"]);
    }
}
