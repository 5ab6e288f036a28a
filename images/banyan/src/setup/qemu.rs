//! The emulator.

use super::{find_program, version_in};
use crate::progress;
use std::path::PathBuf;
use std::process::Command;

/// Debian's packages: the emulator and the firmware it starts with.
pub(super) const PACKAGES: [&str; 2] = ["qemu-system-x86", "seabios"];
/// The oldest version that has all that is used.
const OLDEST: (u32, u32) = (7, 2);

/// Looks for one that is new enough.
pub(super) fn find() -> Option<PathBuf> {
    let qemu = find_program("qemu-system-x86_64")?;
    let version = progress::output_of(Command::new(&qemu).arg("--version"))?;
    (version_in(&version)? >= OLDEST).then_some(qemu)
}
