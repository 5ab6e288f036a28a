//! Where things are: the source tree, the build directory, and what the tool keeps in it.
//!
//! Everything the tool writes is under the build directory (`target/`, or `CARGO_TARGET_DIR`), in `banyan/` and `guest/`.

use anyhow::{Context, Result};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// The root of the source tree.
pub fn source() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("the host tool lives two folders below the root").to_path_buf()
}

/// The build directory.
pub fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => std::path::absolute(&dir).unwrap_or_else(|_| dir.into()),
        None => source().join("target"),
    }
}

/// Where the freestanding programs are built.
pub fn guest() -> PathBuf {
    target().join("guest")
}

/// A folder of the tool's own under the build directory, created when it is missing.
///
/// # Errors
/// When it cannot be created.
pub fn own(name: &str) -> Result<PathBuf> {
    let path = target().join("banyan").join(name);
    fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
    Ok(path)
}

/// Held while the tool changes what several runs share: installed tools and built programs.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "closing the file ends the lock")] File);

/// Waits until no other run of the tool sets up or builds.
///
/// # Errors
/// When the lock file cannot be made.
pub fn lock() -> Result<Lock> {
    let path = own("")?.join("lock");
    let file = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
    if rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_err() {
        crate::progress::say("waiting for another run of banyan that sets up or builds");
        rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive)
            .with_context(|| format!("cannot lock {}", path.display()))?;
    }
    Ok(Lock(file))
}
