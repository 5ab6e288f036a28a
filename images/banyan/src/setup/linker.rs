//! A linker for freestanding programs: the one in a rustup toolchain, or Debian's.

use super::{find_program, rust};
use crate::progress;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Debian's package.
pub(super) const PACKAGES: [&str; 1] = ["lld"];

/// Looks for one that runs.
pub(super) fn find() -> Option<PathBuf> {
    let bundled = rust::sysroots().into_iter().map(|folder| folder.join("lib/rustlib"));
    let bundled = bundled.map(|folder| folder.join("x86_64-unknown-linux-gnu/bin/rust-lld"));
    bundled.chain(find_program("ld.lld")).find(|linker| runs(linker))
}

/// Whether it is there with the libraries that it needs.
fn runs(linker: &Path) -> bool {
    let mut command = Command::new(linker);
    if linker.ends_with("rust-lld") {
        command.args(["-flavor", "gnu"]);
    }
    progress::output_of(command.arg("--version")).is_some()
}
