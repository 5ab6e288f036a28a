//! Builds the legacy programs (`userland/legacy`): ordinary static Linux executables.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::Workshop;

const TARGET: &str = "x86_64-unknown-linux-gnu";
const PROGRAMS: &[&str] =
    &["abi-bench", "abi-tests", "abuse", "disk-load", "io-bench", "linux-init", "program-bench", "stress"];

/// The programs' files.
#[derive(Clone, Debug)]
pub struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// Builds them, or finds that they are up to date.
    ///
    /// # Errors
    /// When they do not compile.
    pub fn build(workshop: &Workshop) -> Result<Self> {
        let target = workshop.folder.join("legacy");
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args([
            "build",
            "--quiet",
            "--locked",
            "--release",
            "--package",
            "legacy-programs",
            "--features",
            "programs",
        ]);
        command.args(["--target", TARGET]).arg("--target-dir").arg(&target).current_dir(&workshop.source);
        // A target named by --target is what keeps these flags away from build scripts and macros.
        command.env_remove("CARGO_ENCODED_RUSTFLAGS").env_remove("CARGO_TARGET_DIR");
        command.env("RUSTFLAGS", "-C target-feature=+crt-static").env("CARGO_PROFILE_RELEASE_STRIP", "symbols");
        let status = command.status().context("cannot run cargo")?;
        if !status.success() {
            bail!("the legacy programs do not build ({status})");
        }
        Ok(Self { folder: target.join(TARGET).join("release") })
    }

    /// The file of one program.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// All that go to the root's `/tests`.
    #[must_use]
    pub fn for_root(&self) -> Vec<PathBuf> {
        PROGRAMS.iter().filter(|name| **name != "linux-init").map(|name| self.path(name)).collect()
    }
}
