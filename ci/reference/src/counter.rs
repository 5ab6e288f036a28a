//! Builds the plugin (`ci/counter`) by which the emulator counts instructions between a program's marks.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::Workshop;

/// The plugin's file.
#[derive(Clone, Debug)]
pub struct Counter(PathBuf);

impl Counter {
    /// Builds it, or finds that it is up to date.
    ///
    /// # Errors
    /// When it does not compile.
    pub fn build(workshop: &Workshop) -> Result<Self> {
        let target = workshop.folder.join("counter");
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args(["build", "--quiet", "--locked", "--release", "--package", "counter", "--target-dir"]);
        command.arg(&target).current_dir(&workshop.source);
        command.env_remove("CARGO_ENCODED_RUSTFLAGS").env_remove("CARGO_TARGET_DIR").env_remove("RUSTFLAGS");
        let status = command.status().context("cannot run cargo")?;
        if !status.success() {
            bail!("the plugin that counts instructions does not build ({status})");
        }
        Ok(Self(target.join("release/libcounter.so")))
    }

    /// What makes the emulator write the counts at each mark to `counts`.
    ///
    /// The clock advances with the instructions, and in real time while the processor waits: so that timers do not come
    /// early where a disk is waited for.
    #[must_use]
    pub fn arguments(&self, counts: &Path) -> Vec<OsString> {
        let mut plugin = doubled("file=", &self.0);
        plugin.push(doubled(",counts=", counts));
        ["-icount".into(), "shift=0,sleep=on".into(), "-plugin".into(), plugin].into()
    }
}

/// An option with a path; commas in it are doubled, as QEMU wants it.
fn doubled(option: &str, path: &Path) -> OsString {
    format!("{option}{}", path.display().to_string().replace(',', ",,")).into()
}

/// Instructions between the first and the second mark, the third and the fourth, and so on.
///
/// # Errors
/// When the counts are none, or one is missing.
pub fn between(counts: &str) -> Result<Vec<u64>> {
    let counts =
        counts.lines().map(|line| line.parse::<u64>().context("a damaged count")).collect::<Result<Vec<_>>>()?;
    let between = |pair: &[u64]| match pair {
        [from, to] => to.checked_sub(*from).context("the count went back"),
        _ => bail!("a mark is missing"),
    };
    counts.chunks(2).map(between).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_come_in_pairs() {
        assert_eq!(between("5\n9\n20\n120\n").ok(), Some(vec![4, 100]));
        assert!(between("5\n9\n20\n").is_err() && between("9\n5\n").is_err() && between("x\n").is_err());
    }

    #[test]
    fn commas_in_paths_are_doubled() {
        let words = Counter("/a,b".into()).arguments(Path::new("/c,d"));
        assert_eq!(words[3], "file=/a,,b,counts=/c,,d");
    }
}
