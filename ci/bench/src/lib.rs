//! Measurements of Banyan beside Debian's Linux 6.1, under the same emulator, in the same run.
//!
//! [`boot`] compares wall-clock times and prints only their ratio as a result; [`abi`] compares instructions, which
//! repeat. The host tool implements [`Subject`] and calls both; nothing here knows how Banyan is built or started.

pub mod abi;
pub mod boot;
pub mod table;

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
}

/// How results are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Table,
    /// For programs.
    Json,
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
