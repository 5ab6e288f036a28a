//! Prints what the house's rules find, and a report of lengths: `cargo run -p lint`. With `--renew` it writes the table of unsafe
//! code anew, as it is now.

use std::fs;
use std::process::ExitCode;

use anyhow::{Context, Result};
use lint::lengths::{functions, kernel};
use lint::unsafety::{Allowance, pieces};
use lint::{dependencies, root, source};

/// The kernel's lines are to stay below this.
const KERNEL_AIM: usize = 10_000;
/// Lengths that the style names: to aim below, and to split above.
const FILES: [usize; 2] = [300, 500];
const FUNCTIONS: [usize; 2] = [40, 60];
/// How many of the longest are named.
const NAMED: usize = 8;

fn main() -> Result<ExitCode> {
    let root = root();
    let sources = source::read_all(&root)?;
    let pieces = pieces(&sources);
    let path = root.join("ci/lint/unsafe.tsv");
    let allowance = Allowance::parse(&fs::read_to_string(&path).context("there is no table of unsafe code")?)?;
    if std::env::args().nth(1).as_deref() == Some("--renew") {
        fs::write(&path, allowance.renewed(&pieces))?;
        println!("{}", path.display());
        return Ok(ExitCode::SUCCESS);
    }
    println!("unsafe code (pieces, and how many there may be):");
    for (place, (count, most)) in allowance.compared(&pieces) {
        println!("  {count:4} of {most:4}  {place}");
    }
    report_lengths(&sources);
    let mut complaints = allowance.complaints(&pieces);
    complaints.extend(dependencies::complaints(&dependencies::read_all(&root)?));
    for complaint in &complaints {
        println!("{complaint}");
    }
    println!("lint: {} complaints", complaints.len());
    Ok(if complaints.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn report_lengths(sources: &[source::Source]) {
    let lines = kernel(sources);
    println!("kernel: {} lines, {} with code, tests aside (aim: under {KERNEL_AIM})", lines.lines, lines.code);
    let mut files: Vec<_> = sources.iter().map(|source| (source.lines.len(), source.path.as_str())).collect();
    files.sort_unstable_by(|a, b| b.cmp(a));
    let over = |limit: usize| files.iter().filter(|(lines, _)| *lines > limit).count();
    println!(
        "files: {}; {} over {} lines, {} over {}",
        files.len(),
        over(FILES[0]),
        FILES[0],
        over(FILES[1]),
        FILES[1]
    );
    for (lines, path) in files.iter().take(NAMED) {
        println!("  {lines:4}  {path}");
    }
    let all = functions(sources);
    let over = |limit: usize| all.iter().filter(|function| function.lines > limit).count();
    println!(
        "functions: {}, the middle one of {} lines; {} over {}, {} over {}",
        all.len(),
        all.get(all.len() / 2).map_or(0, |function| function.lines),
        over(FUNCTIONS[0]),
        FUNCTIONS[0],
        over(FUNCTIONS[1]),
        FUNCTIONS[1]
    );
    for function in all.iter().take(NAMED) {
        println!("  {:4}  {}:{} {}", function.lines, function.path, function.line, function.name);
    }
}
