//! Work with files on a disk: `io-bench`, [beside](crate::beside) Linux.

pub mod isolation;
mod table;

use std::fs;
use std::path::Path;

use anyhow::Result;
use reference::Workshop;
use reference::programs::Programs;
use reference::root;

use crate::beside::{Bench, Work};
use crate::{Effort, Format, Report, Subject};

/// The folder on the disk that the program works in.
const FOLDER: &str = "io";
/// Bytes of the large files, as `io-bench` has them.
const FILE_BYTES: usize = 16 << 20;
/// Folders of small files and the files in each, as `io-bench` has them.
const FOLDERS: u32 = 10;
const FILES: u32 = 100;
const SMALL_BYTES: usize = 3000;
const MEMORY_BYTES: u64 = 512 << 20;

/// Measures all and compares.
///
/// # Errors
/// When a system does not start or the program fails.
pub fn run(subject: &dyn Subject, workshop: &Workshop, format: Format, effort: Effort) -> Result<Report> {
    with_bench(subject, workshop, |bench| Ok(table::report(&bench.measure(effort)?, format)))
}

/// Prepares the measurement and hands it to `measure`.
fn with_bench<T>(
    subject: &dyn Subject,
    workshop: &Workshop,
    measure: impl FnOnce(Bench<'_>) -> Result<T>,
) -> Result<T> {
    let programs = Programs::build(workshop)?;
    let name = format!("io-{}", std::process::id());
    let folder = workshop.subfolder(&name)?;
    let root = root::build(workshop, &format!("{name}/root"), &[programs.path("io-bench")])?;
    let work = Work {
        disk: root.clone(),
        initial: &root,
        command: format!("/tests/io-bench /{FOLDER}"),
        linux_command: format!("/tests/io-bench /mnt/{FOLDER}"),
        memory_bytes: MEMORY_BYTES,
    };
    let bench = Bench::prepare(subject, workshop, folder, work)?;
    // Linux has the tree in memory already, and does not need these.
    fill(&root.join(FOLDER))?;
    measure(bench)
}

/// Makes what the program finds.
fn fill(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    for name in ["stream", "scattered"] {
        let bytes: Vec<u8> = (0..FILE_BYTES).map(|at| (at / 4096 + at % 251) as u8).collect();
        fs::write(folder.join(name), bytes)?;
    }
    for number in 0..FOLDERS {
        let folder = folder.join(format!("tree/folder-{number}"));
        fs::create_dir_all(&folder)?;
        for number in 0..FILES {
            fs::write(folder.join(format!("file-{number}")), [b't'; SMALL_BYTES])?;
        }
    }
    Ok(())
}
