//! What Banyan is compared with: Debian's Linux 6.1, booted in the same emulator with the same root tree.
//!
//! It knows nothing of Banyan: the host tool's benchmarks and the system tests both build on it. Everything it
//! downloads or makes is kept in the folder that [`Workshop`] names.

pub mod batch;
mod command;
pub mod counter;
pub mod cpio;
pub mod debian;
pub mod kernel;
pub mod machine;
mod modules;
pub mod programs;
pub mod root;

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Where things are that the comparison needs.
#[derive(Clone, Debug)]
pub struct Workshop {
    /// The source tree.
    pub source: PathBuf,
    /// A folder for what is downloaded, built and remembered.
    pub folder: PathBuf,
    /// `qemu-system-x86_64`.
    pub qemu: PathBuf,
    /// Debian's static busybox.
    pub busybox: PathBuf,
}

impl Workshop {
    /// A subfolder, created when it is missing.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn subfolder(&self, name: &str) -> Result<PathBuf> {
        let path = self.folder.join(name);
        std::fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(path)
    }
}

/// Waits for whoever downloads to this folder now; others wait until the result is dropped.
fn lock(folder: &Path) -> Result<File> {
    let lock = File::create(folder.join("lock")).context("cannot make a lock")?;
    lock.lock().context("cannot wait for another download")?;
    Ok(lock)
}

/// Writes a file so that nobody ever sees half of it.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let unfinished = path.with_extension(format!("new-{}", std::process::id()));
    std::fs::write(&unfinished, bytes).with_context(|| format!("cannot write {}", unfinished.display()))?;
    std::fs::rename(&unfinished, path).with_context(|| format!("cannot write {}", path.display()))
}
