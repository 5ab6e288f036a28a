//! A disk that stays between runs.
//!
//! The lock (flock(2)) lies on the file itself and ends with the process. A missing file is made beside its place and
//! renamed when it is whole, so that nobody ever finds half of one.

use super::check_image;
use anyhow::{Context, Result, bail};
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often the lock is tried, and how long between two tries.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(25);

/// Opens and locks the disk at `path`; `fill` makes its contents when there is none.
///
/// # Errors
/// When another run uses it, it is no ext4 image, or cannot be opened or made.
pub(super) fn open(path: &Path, fill: impl FnOnce(&mut File) -> Result<()>) -> Result<File> {
    open_or_make(path, fill).with_context(|| format!("the disk {}", path.display()))
}

fn open_or_make(path: &Path, fill: impl FnOnce(&mut File) -> Result<()>) -> Result<File> {
    if fs::symlink_metadata(path).is_ok() && !path.metadata().context("is a link to nothing")?.is_file() {
        bail!("is not a file");
    }
    loop {
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let file = options.context("cannot be opened for writing")?;
        lock(&file)?;
        let data = file.metadata()?;
        // Another run may have put its own in place between the two steps.
        if path.metadata().is_ok_and(|now| (now.dev(), now.ino()) != (data.dev(), data.ino())) {
            continue;
        }
        if data.len() > 0 {
            check_image(&file)?;
            return Ok(file);
        }
        let made = make(path, fill);
        if made.is_err() {
            // Nothing was there before, and nothing shall be now.
            let _ = fs::remove_file(path);
        }
        return made;
    }
}

/// Takes the lock. A run that has just ended may hold it for a moment more: each program that it was starting had the
/// descriptor until its execve(2).
fn lock(file: &File) -> Result<()> {
    for _ in 0..TRIES {
        if flock(file, FlockOperation::NonBlockingLockExclusive).is_ok() {
            return Ok(());
        }
        std::thread::sleep(PAUSE);
    }
    bail!("is in use by another run");
}

/// Makes the disk beside its place and moves it there, locked.
fn make(path: &Path, fill: impl FnOnce(&mut File) -> Result<()>) -> Result<File> {
    let unfinished = PathBuf::from(format!("{}.new-{}", path.display(), std::process::id()));
    let result = (|| {
        let mut file = File::options().read(true).write(true).create(true).truncate(true).open(&unfinished)?;
        lock(&file)?;
        fill(&mut file)?;
        check_image(&file)?;
        fs::rename(&unfinished, path).context("cannot be put in its place")?;
        Ok(file)
    })();
    if result.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    result
}
