//! Measurements of Banyan, beside others'.
//!
//! [`boot`] compares wall-clock times with Debian's Linux 6.1 under the same emulator, in the same run, and prints only their
//! ratio as a result; [`abi`] compares instructions with Linux's, which repeat; [`io`] compares both for work with a disk, [`programs`] for
//! whole programs; [`kernel`] the microkernel's with its
//! own before and with seL4's. The host tool implements [`Subject`] and calls all; nothing here knows how Banyan is built or
//! started.

pub mod abi;
pub mod baseline;
mod beside;
pub mod boot;
pub mod io;
pub mod kernel;
mod limits;
#[cfg(test)]
mod manual;
pub mod programs;
pub mod table;

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;

/// The system that is measured.
pub trait Subject {
    /// Starts the system to run `echo` and returns the time from the emulator's start to the first byte of its output.
    ///
    /// # Errors
    /// When it does not start.
    fn time_to_first_byte(&self) -> Result<Duration>;

    /// Runs `command` with `root` under the clock that counts instructions, and returns its standard output.
    ///
    /// # Errors
    /// When it does not start, or the command fails.
    fn run_counted(&self, root: &Path, command: &str) -> Result<String>;

    /// Makes a disk with `root` on it, at `image`; always the same for the same tree.
    ///
    /// # Errors
    /// When it cannot be made.
    fn make_disk(&self, root: &Path, image: &Path) -> Result<()>;

    /// The emulator's arguments for a disk.
    fn disk_arguments(&self, image: &Path) -> Vec<OsString>;

    /// Runs `command` with a disk, and returns its standard output. The disk is whole afterwards.
    ///
    /// # Errors
    /// When the system does not start, or the command fails.
    fn run_on_disk(&self, disk: &Disked, command: &str) -> Result<String>;

    /// Boots the kernel's measurements under that clock: their lines, as [`kernel::parse`] takes them.
    ///
    /// # Errors
    /// When it does not build or start, or does not end.
    fn kernel_figures(&self, tracing: Tracing) -> Result<Vec<String>>;

    /// The version of the compiler that the kernel was built with.
    ///
    /// # Errors
    /// When it does not say.
    fn compiler(&self) -> Result<String>;
}

/// A system with its root on a disk.
#[derive(Clone, Debug)]
pub struct Disked<'a> {
    /// The disk's file.
    pub image: &'a Path,
    /// Where the disk's services run.
    pub design: Design,
    /// What its devices reach.
    pub devices: Devices,
    /// Bytes of its memory.
    pub memory_bytes: u64,
    /// More arguments for the emulator.
    pub emulator: Vec<OsString>,
}

/// What devices reach of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Devices {
    /// All of it.
    Free,
    /// What their drivers map for them in an IOMMU.
    Isolated,
}

/// Where services run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Design {
    /// In the personality.
    Personality,
    /// Each in a task of its own.
    Native,
}

/// Whether the kernel that is measured could trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tracing {
    /// As always: it could, and does not.
    Off,
    /// It was built without.
    Absent,
}

/// How results are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// How much is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// As often as times need to mean something.
    Full,
    /// Once.
    Quick,
}

/// What a measurement came to.
#[derive(Clone, Debug)]
pub struct Report {
    /// What to print.
    pub text: String,
    /// What lies above its ceiling, a sentence each.
    pub violations: Vec<String>,
}

/// The middle of the values.
fn median<T: Ord + Copy>(values: &mut [T]) -> Option<T> {
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}
