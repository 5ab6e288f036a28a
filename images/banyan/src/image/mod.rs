//! The boot archive: programs placed and relocated, manifest, options, kernel, root.
//!
//! * [`program`]: an ELF file becomes segments at fixed addresses
//! * [`archive`]: the archive's layout
//! * [`system`]: the manifest says which programs there are and where they live

pub mod archive;
pub mod program;
mod system;

use crate::build::{self, Programs};
use crate::root::{Tree, cpio};
use crate::run::Config;
use crate::symbols::Binary;
use crate::{progress, workspace};
use anyhow::{Context, Result};
use archive::Archive;
use program::Placement;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use system::System;
use ukernel_abi::MASTER_START;

/// Where ordinary tasks live.
pub const TASK_BASE: u64 = 0x40_0000;
/// Where tasks live that serve foreign execution.
pub const MASTER_BASE: u64 = MASTER_START + 0x4000_0000;
/// The kernel's name in the archive and in the log.
const KERNEL: &str = "ukernel";
/// The legacy root's name in the archive.
const ROOT_ARCHIVE: &str = "root.cpio";

/// A boot archive and what goes with it.
#[derive(Clone, Debug)]
pub struct Image {
    /// The archive.
    pub archive: PathBuf,
    /// The loader that QEMU starts.
    pub loader: PathBuf,
    /// The programs in it, for looking addresses up.
    pub binaries: Vec<Binary>,
}

/// The manifest of the default system.
pub fn default_manifest() -> PathBuf {
    workspace::source().join("images/systems/default.toml")
}

/// Writes the boot archive of `config` to `path`.
///
/// # Errors
/// When the manifest or a program in it is bad, the root cannot be read, or the file cannot be written.
pub fn build(programs: &Programs, config: &Config, root: &Tree, path: &Path) -> Result<Image> {
    let system = System::load(&config.manifest)?;
    let file = progress::create(path)?;
    let mut archive = Archive::new(file, system.programs().len() + 4);
    let writing = || format!("cannot write the boot archive {}", path.display());
    for (name, base) in system.programs().iter().filter(|(name, _)| is_needed(&system, programs, name)) {
        add_program(&mut archive, programs, name, *base).with_context(writing)?;
    }
    archive.set_root(system.root())?;
    archive.add_data("manifest", &system.encoded()?).with_context(writing)?;
    archive.add_data("options", config.option_lines().as_bytes()).with_context(writing)?;
    add_kernel(&mut archive, programs).with_context(writing)?;
    archive.add_stream(ROOT_ARCHIVE, |to| cpio::write(root, to).map(drop)).with_context(writing)?;
    archive.finish().with_context(writing)?;
    let loader = programs.path(build::LOADER.binary)?;
    Ok(Image { archive: path.into(), loader, binaries: binaries(&system, programs)? })
}

/// Writes a boot archive of the kernel, one root task and its options (lines `name=value`) to `path`.
///
/// # Errors
/// When a program cannot be read or placed, or the file cannot be written.
pub fn build_single(programs: &Programs, root: build::Program, options: &str, path: &Path) -> Result<Image> {
    let mut archive = Archive::new(progress::create(path)?, 3);
    let writing = || format!("cannot write the boot archive {}", path.display());
    add_program(&mut archive, programs, root.binary, TASK_BASE).with_context(writing)?;
    archive.set_root(root.binary)?;
    archive.add_data("options", options.as_bytes()).with_context(writing)?;
    add_kernel(&mut archive, programs).with_context(writing)?;
    archive.finish().with_context(writing)?;
    let mut binaries = kernel_binaries(programs)?;
    binaries.push(Binary { name: root.binary.into(), elf: programs.path(root.binary)?, base: TASK_BASE });
    Ok(Image { archive: path.into(), loader: programs.path(build::LOADER.binary)?, binaries })
}

/// Whether a program goes into the archive. A program that is not there is left out where nothing needs it at boot.
fn is_needed(system: &System, programs: &Programs, name: &str) -> bool {
    !system.starts_on_demand(name) || programs.path(name).is_ok()
}

fn add_program(archive: &mut Archive<File>, programs: &Programs, name: &str, base: u64) -> Result<()> {
    let elf = programs.path(name)?;
    let bytes = fs::read(&elf).with_context(|| format!("cannot read {}", elf.display()))?;
    let placed = program::place(&bytes, Placement { base }).with_context(|| elf.display().to_string())?;
    archive.add_program(name, &placed)
}

fn add_kernel(archive: &mut Archive<File>, programs: &Programs) -> Result<()> {
    let kernel = programs.path(build::KERNEL.binary)?;
    let bytes = fs::read(&kernel).with_context(|| format!("cannot read {}", kernel.display()))?;
    archive.add_data(KERNEL, &bytes)
}

/// The kernel under both names that it has in the log.
fn kernel_binaries(programs: &Programs) -> Result<Vec<Binary>> {
    let elf = programs.path(build::KERNEL.binary)?;
    Ok(["kernel", KERNEL].map(|name| Binary { name: name.into(), elf: elf.clone(), base: 0 }).into())
}

/// Every program under every name that it has in the log.
fn binaries(system: &System, programs: &Programs) -> Result<Vec<Binary>> {
    let mut binaries = kernel_binaries(programs)?;
    for (task, program, base) in system.tasks().filter(|(_, program, _)| is_needed(system, programs, program)) {
        binaries.push(Binary { name: task.into(), elf: programs.path(program)?, base });
    }
    Ok(binaries)
}
