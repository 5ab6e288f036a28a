//! Measures what work with files on a disk takes: `io-bench FOLDER`.
//!
//! In the folder are `stream` and `scattered`, files of [`FILE_BYTES`], and `tree`, folders of small files, none of them
//! read since the system started. For each operation it prints `operation<TAB>times<TAB>nanoseconds`, and has a mark
//! (`sys::mark`) on both sides. What an operation has changed is on the disk at its end.

mod names;
mod pages;

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Instant;

use legacy_programs::sys;

/// Bytes of the large files.
const FILE_BYTES: u64 = 16 << 20;

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn main() -> Outcome {
    let folder = PathBuf::from(std::env::args_os().nth(1).ok_or("io-bench FOLDER")?);
    pages::measure(&folder)?;
    names::measure(&folder)
}

/// Does `work`, which is so many operations, and prints what it took.
fn row(name: &str, times: u64, work: impl FnOnce() -> io::Result<()>) -> Outcome {
    // What went before is no part of it.
    rustix::fs::sync();
    sys::mark();
    let start = Instant::now();
    let result = work();
    let time = start.elapsed();
    sys::mark();
    result.map_err(|error| format!("{name}: {error}"))?;
    println!("{name}\t{times}\t{}", time.as_nanos());
    io::stdout().flush()?;
    Ok(())
}
