//! Builds the freestanding programs: loader, kernel, servers, personality.
//!
//! One run of cargo for the target, in a build directory of its own so that it never waits for the outer cargo's lock.
//! The list is data: [`PROGRAMS`].

use crate::setup::{Tools, environment};
use crate::{progress, workspace};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The target of the freestanding programs.
pub(crate) const TARGET: &str = "x86_64-unknown-none";
const LIMIT: Duration = Duration::from_secs(3600);

/// A package with a freestanding program.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// The package.
    pub package: &'static str,
    /// The binary in it.
    pub binary: &'static str,
}

/// The loader.
pub const LOADER: Program = Program { package: "loader", binary: "loader" };
/// The kernel.
pub const KERNEL: Program = Program { package: "ukernel", binary: "ukernel" };
/// A root task that is nothing but the kernel's tests; no part of the system.
pub const KERNEL_TEST: Program = same("kernel-test");
/// Tests of the supervisor: all the roles of a system made for them.
pub const SUPERVISOR_TEST: Program = same("supervisor-test");
/// Tests of what manifests grant: all the roles of a system made for them.
pub const GRANTS_TEST: Program = same("grants-test");
/// A personality that tries to reach a disk which is no longer its own.
pub const HOSTILE_PERSONALITY: Program = same("hostile-personality");
/// A system that is nothing but the block driver's tests.
pub const BLOCK_TEST: &[Program] = &[LOADER, KERNEL, same("root-task"), same("pci-server"), same("block-test")];
/// Everything that the system is built of.
pub const PROGRAMS: &[Program] = &[
    LOADER,
    KERNEL,
    same("root-task"),
    same("pci-server"),
    same("console-server"),
    same("host-channel-server"),
    same("serial-driver"),
    same("virtio-serial-driver"),
    same("rtc-driver"),
    same("virtio-blk-driver"),
    same("fs-server"),
    same("personality-server"),
    same("heartbeat"),
];

const fn same(name: &'static str) -> Program {
    Program { package: name, binary: name }
}

/// The built programs.
#[derive(Clone, Debug)]
pub struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// Programs that were built into `folder`, one file each.
    pub fn in_folder(folder: &Path) -> Self {
        Self { folder: folder.into() }
    }

    /// The ELF file of a binary.
    ///
    /// # Errors
    /// When no such binary was built.
    pub fn path(&self, binary: &str) -> Result<PathBuf> {
        let path = self.folder.join(binary);
        if binary.contains('/') || !path.is_file() {
            bail!("there is no program {binary:?} in {}", self.folder.display());
        }
        Ok(path)
    }
}

/// Builds the system; takes a moment when nothing has changed.
///
/// The caller holds [`workspace::lock`](crate::workspace::lock).
///
/// # Errors
/// When something does not build; the message has the compiler's words.
pub fn guest(tools: &Tools) -> Result<Programs> {
    programs(tools, PROGRAMS)
}

/// As [`guest`], for these programs alone.
///
/// # Errors
/// As [`guest`].
pub fn programs(tools: &Tools, programs: &[Program]) -> Result<Programs> {
    build(tools, programs, &[], &workspace::guest())
}

/// As [`programs`], with features that no system has, in a build directory of that name.
///
/// # Errors
/// As [`guest`].
pub fn variant(tools: &Tools, programs: &[Program], name: &str, features: &[&str]) -> Result<Programs> {
    build(tools, programs, features, &workspace::guest().with_file_name(format!("guest-{name}")))
}

/// Whether the compiler of the freestanding programs has its clippy here.
pub fn has_clippy(tools: &Tools) -> bool {
    let commit = |command: &mut Command| {
        let output = command.output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        // As in "rustc 1.95.0 (59807616e 2026-04-14)"; clippy has a digit more of the commit's name.
        text.split_once('(').map(|(_, commit)| commit.chars().take(8).collect::<String>())
    };
    let own = commit(Command::new(&tools.rust.rustc).arg("--version"));
    own.is_some() && own == commit(cargo(tools, "clippy").arg("--version"))
}

/// Has clippy look at these programs as they are for the target, with what they are built of; what it warns of is an error.
///
/// # Errors
/// What clippy has to say.
pub fn clippy(tools: &Tools, programs: &[Program]) -> Result<()> {
    let mut command = command(tools, "clippy", programs, &[], &workspace::guest().with_file_name("guest-clippy"));
    command.args(["--", "-D", "warnings"]);
    progress::run(&mut command, "looking at the system's code", LIMIT)
}

fn build(tools: &Tools, programs: &[Program], more_features: &[&str], folder: &Path) -> Result<Programs> {
    let mut command = command(tools, "build", programs, more_features, folder);
    progress::run(&mut command, "building the system", LIMIT).context("the system does not build")?;
    Ok(Programs::in_folder(&folder.join(TARGET).join("release")))
}

/// What cargo is to do with some programs.
fn command(tools: &Tools, word: &str, programs: &[Program], more_features: &[&str], folder: &Path) -> Command {
    let mut command = cargo(tools, word);
    command.args(["--release", "--locked", "--target", TARGET, "--target-dir"]).arg(folder);
    if tools.rust.build_std {
        command.args(["-Zbuild-std=core,alloc,compiler_builtins", "-Zbuild-std-features=compiler-builtins-mem"]);
    }
    for program in programs {
        command.args(["-p", program.package, "--bin", program.binary]);
    }
    let native = programs.iter().map(|program| format!("{}/native", program.package));
    let features: Vec<String> = native.chain(more_features.iter().map(|feature| (*feature).into())).collect();
    command.args(["--features", &features.join(",")]);
    command
}

/// The cargo of the freestanding build, with what every use of it has in common.
pub(crate) fn cargo(tools: &Tools, word: &str) -> Command {
    let mut command = Command::new(&tools.rust.cargo);
    environment::clean(&mut command);
    command.arg(word).current_dir(workspace::source()).env("RUSTC", &tools.rust.rustc);
    if tools.rust.build_std {
        command.env("RUSTC_BOOTSTRAP", "1");
    }
    command.env("CARGO_TARGET_X86_64_UNKNOWN_NONE_LINKER", &tools.linker);
    // Stack traces follow frame pointers.
    command.env("CARGO_TARGET_X86_64_UNKNOWN_NONE_RUSTFLAGS", "-Cforce-frame-pointers=yes");
    command.env("CARGO_TERM_COLOR", "never");
    command
}
