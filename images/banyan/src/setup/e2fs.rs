//! e2fsprogs: makes, edits and checks ext4 images.

use super::{find_program, is_executable};
use std::path::{Path, PathBuf};

/// Debian's package.
pub(super) const PACKAGES: [&str; 1] = ["e2fsprogs"];

/// The programs of e2fsprogs that are used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct E2fs {
    /// Makes a file system, with what is in a folder.
    pub mke2fs: PathBuf,
    /// Edits one that is not mounted.
    pub debugfs: PathBuf,
    /// Checks one.
    pub e2fsck: PathBuf,
}

impl E2fs {
    /// Looks for them.
    pub(crate) fn find() -> Option<Self> {
        Some(Self { mke2fs: program("mke2fs")?, debugfs: program("debugfs")?, e2fsck: program("e2fsck")? })
    }
}

/// Looks a program up in `PATH` and where Debian keeps the administrator's, which are not in everybody's `PATH`.
fn program(name: &str) -> Option<PathBuf> {
    let others = ["/usr/sbin", "/sbin"].map(|folder| Path::new(folder).join(name));
    find_program(name).or_else(|| others.into_iter().find(|file| is_executable(file)))
}
