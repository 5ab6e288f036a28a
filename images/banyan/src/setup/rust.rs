//! A Rust compiler that builds for `x86_64-unknown-none`.

use super::environment;
use super::{find_program, version_in};
use crate::progress;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The freestanding target.
pub const TARGET: &str = "x86_64-unknown-none";
/// Debian's newer compiler, its cargo, and the library's source, from which core and alloc are built.
pub(super) const PACKAGES: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];
/// The oldest compiler that builds the system.
const OLDEST: (u32, u32) = (1, 88);
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(180);

/// A compiler and its cargo, by absolute paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rust {
    /// The compiler.
    pub rustc: PathBuf,
    /// The cargo that goes with it.
    pub cargo: PathBuf,
    /// Whether core and alloc must be built from source, since none are installed for the target.
    pub build_std: bool,
}

/// Looks for one that is installed.
pub(super) fn find() -> Option<Rust> {
    rustup_toolchains().into_iter().find_map(|folder| with_target(&folder)).or_else(with_source)
}

/// Asks rustup for the target; false when there is no rustup or it cannot.
pub(super) fn add_target() -> bool {
    let Some(rustup) = find_program("rustup") else { return false };
    progress::say(&format!("adding the target {TARGET} to the Rust toolchain"));
    let mut command = Command::new(rustup);
    command.args(["target", "add", TARGET]);
    match progress::run(&mut command, "rustup target add", DOWNLOAD_LIMIT) {
        Ok(()) => find().is_some(),
        Err(_) => {
            progress::say("rustup could not add it; Debian's compiler will do");
            false
        }
    }
}

/// The toolchains that rustup has installed, the active one first.
fn rustup_toolchains() -> Vec<PathBuf> {
    let active = progress::output_of(Command::new("rustc").args(["--print", "sysroot"]));
    let mut folders: Vec<PathBuf> = active.map(|line| line.trim().into()).into_iter().collect();
    let home = std::env::var_os("RUSTUP_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(".rustup")));
    let installed = home.and_then(|home| std::fs::read_dir(home.join("toolchains")).ok());
    let mut others: Vec<PathBuf> = installed.into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    others.sort();
    folders.extend(others);
    folders
}

/// The toolchain folders in which a linker may be found.
pub(super) fn sysroots() -> Vec<PathBuf> {
    rustup_toolchains()
}

/// The toolchain, when it has core and alloc for the target.
fn with_target(sysroot: &Path) -> Option<Rust> {
    let library = sysroot.join("lib/rustlib").join(TARGET).join("lib");
    let (rustc, cargo) = (sysroot.join("bin/rustc"), sysroot.join("bin/cargo"));
    (library.is_dir() && cargo.exists() && is_new_enough(&rustc)).then_some(Rust { rustc, cargo, build_std: false })
}

/// Debian's compiler, when the library's source is there.
fn with_source() -> Option<Rust> {
    let (rustc, cargo) = (PathBuf::from("/usr/bin/rustc"), PathBuf::from("/usr/bin/cargo"));
    let sysroot = progress::output_of(clean(&rustc).args(["--print", "sysroot"]))?;
    let source = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/core/src/lib.rs");
    (source.exists() && cargo.exists() && is_new_enough(&rustc)).then_some(Rust { rustc, cargo, build_std: true })
}

fn is_new_enough(rustc: &Path) -> bool {
    let version = progress::output_of(clean(rustc).arg("--version"));
    version.and_then(|text| version_in(&text)).is_some_and(|version| version >= OLDEST)
}

fn clean(program: &Path) -> Command {
    let mut command = Command::new(program);
    environment::clean(&mut command);
    command
}
