//! Work with files on a disk, in both placements of the services, beside Debian's Linux with `pti=on` and `pti=off`.
//!
//! All run the same program (`io-bench`) on copies of one image, with the same arguments for the emulator. Each system runs
//! once with a plugin that counts the instructions which its processor executes, and [`RUNS`] times without it, in turn with
//! the others, for the time that the program sees. `README.md` says why both.

pub mod isolation;
mod linux;
mod table;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reference::Workshop;
use reference::counter::{self, Counter};
use reference::machine::Tuning;
use reference::programs::Programs;
use reference::root;

use crate::{Design, Devices, Disked, Effort, Format, Report, Subject};

/// Timed runs of each system, as the person wishes.
const RUNS: usize = 5;
const QUICK_RUNS: usize = 1;
/// The folder on the disk that the program works in.
const FOLDER: &str = "io";
/// Bytes of the large files, as `io-bench` has them.
const FILE_BYTES: usize = 16 << 20;
/// Folders of small files and the files in each, as `io-bench` has them.
const FOLDERS: u32 = 10;
const FILES: u32 = 100;
const SMALL_BYTES: usize = 3000;
/// Without these the processor's `rep movsb` is not what kernels choose for copying: under emulation it moves a byte at a
/// time, which no processor that has them does.
const PROCESSOR: [&str; 2] = ["-cpu", "max,-erms,-fsrm"];

/// A system that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum System {
    Banyan(Design),
    Linux(Tuning),
}

impl System {
    const fn name(self) -> &'static str {
        match self {
            Self::Banyan(Design::Personality) => "Banyan, services in the personality",
            Self::Banyan(Design::Native) => "Banyan, services native",
            Self::Linux(Tuning::Isolated) => "Linux, pti=on",
            Self::Linux(_) => "Linux, pti=off",
        }
    }
}

/// In the order of the table's columns.
const SYSTEMS: [System; 4] = [
    System::Banyan(Design::Personality),
    System::Banyan(Design::Native),
    System::Linux(Tuning::Isolated),
    System::Linux(Tuning::Shared),
];
/// The one that Banyan is judged by.
const JUDGE: usize = 2;

/// What one operation took in one run.
#[derive(Clone, Debug, PartialEq)]
struct Row {
    name: String,
    times: u64,
    time: Duration,
}

/// What one operation took on all systems, in the order of [`SYSTEMS`].
#[derive(Clone, Debug)]
struct Operation {
    name: String,
    /// How often it was done.
    times: u64,
    instructions: [u64; SYSTEMS.len()],
    /// The shortest of the runs: the one that the host disturbed least.
    time: [Duration; SYSTEMS.len()],
}

/// Measures all and compares.
///
/// # Errors
/// When a system does not start or the program fails.
pub fn run(subject: &dyn Subject, workshop: &Workshop, format: Format, effort: Effort) -> Result<Report> {
    let runs = match effort {
        Effort::Full => RUNS,
        Effort::Quick => QUICK_RUNS,
    };
    Ok(table::report(&measure(subject, workshop, runs)?, format))
}

/// All operations.
fn measure(subject: &dyn Subject, workshop: &Workshop, runs: usize) -> Result<Vec<Operation>> {
    let bench = Bench::prepare(subject, workshop)?;
    let mut counted = Vec::new();
    for system in SYSTEMS {
        eprintln!("counting the instructions of {}", system.name());
        counted.push(bench.count(system, Devices::Free)?);
    }
    let mut timed = vec![Vec::new(); SYSTEMS.len()];
    for run in 1..=runs {
        eprintln!("timing all systems, {run} of {runs}");
        for (system, runs) in SYSTEMS.iter().zip(&mut timed) {
            runs.push(bench.once(*system, Vec::new())?);
        }
    }
    bench.clean()?;
    combine(&counted, &timed)
}

/// What all runs share.
struct Bench<'a> {
    subject: &'a dyn Subject,
    folder: PathBuf,
    root: PathBuf,
    linux: linux::Linux,
    counter: Counter,
}

impl<'a> Bench<'a> {
    fn prepare(subject: &'a dyn Subject, workshop: &Workshop) -> Result<Self> {
        let programs = Programs::build(workshop)?;
        let name = format!("io-{}", std::process::id());
        let folder = workshop.subfolder(&name)?;
        let root = root::build(workshop, &format!("{name}/root"), &[programs.path("io-bench")])?;
        let linux = linux::Linux::prepare(workshop, &root, &folder)?;
        fill(&root.join(FOLDER))?;
        Ok(Self { subject, folder, root, linux, counter: Counter::build(workshop)? })
    }

    /// Runs the program once on a fresh disk.
    fn once(&self, system: System, emulator: Vec<OsString>) -> Result<Vec<Row>> {
        self.once_with(system, Devices::Free, emulator)
    }

    /// The same, with devices that reach so much; Linux's always reach all.
    fn once_with(&self, system: System, devices: Devices, mut emulator: Vec<OsString>) -> Result<Vec<Row>> {
        let image = self.folder.join("disk");
        if image.exists() {
            fs::remove_file(&image)?;
        }
        self.subject.make_disk(&self.root, &image)?;
        emulator.extend(PROCESSOR.map(OsString::from));
        let printed = match system {
            System::Banyan(design) => {
                let command = format!("/tests/io-bench /{FOLDER}");
                self.subject.run_on_disk(&Disked { image: &image, design, devices, emulator }, &command)
            }
            System::Linux(tuning) => {
                emulator.extend(self.subject.disk_arguments(&image));
                self.linux.run(tuning, emulator)
            }
        };
        parse(&printed.with_context(|| format!("measuring {}", system.name()))?)
    }

    /// Runs it once and counts instructions.
    fn count(&self, system: System, devices: Devices) -> Result<Vec<(Row, u64)>> {
        let counts = self.folder.join("counts");
        let rows = self.once_with(system, devices, self.counter.arguments(&counts))?;
        let counts = counter::between(&fs::read_to_string(&counts).context("the plugin left no counts")?)?;
        ensure!(counts.len() == rows.len(), "{} operations and {} counts", rows.len(), counts.len());
        Ok(rows.into_iter().zip(counts).collect())
    }

    fn clean(&self) -> Result<()> {
        fs::remove_dir_all(&self.folder).with_context(|| format!("cannot remove {}", self.folder.display()))
    }
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

/// Reads what `io-bench` printed.
fn parse(text: &str) -> Result<Vec<Row>> {
    let line = |line: &str| {
        let mut words = line.trim_end().split('\t');
        let name = words.next()?.to_owned();
        let times = words.next()?.parse().ok().filter(|times| *times > 0)?;
        Some(Row { name, times, time: Duration::from_nanos(words.next()?.parse().ok()?) })
    };
    text.lines().map(|text| line(text).with_context(|| format!("io-bench printed {text:?}"))).collect()
}

/// Puts together what belongs to each operation.
fn combine(counted: &[Vec<(Row, u64)>], timed: &[Vec<Vec<Row>>]) -> Result<Vec<Operation>> {
    let names = counted.first().context("a system was measured")?;
    let mut all = Vec::new();
    for (index, (row, _)) in names.iter().enumerate() {
        let mut operation = Operation {
            name: row.name.clone(),
            times: row.times,
            instructions: [0; SYSTEMS.len()],
            time: [Duration::ZERO; SYSTEMS.len()],
        };
        for system in 0..SYSTEMS.len() {
            let (counted, count) = counted.get(system).and_then(|rows| rows.get(index)).context("a row is missing")?;
            ensure!(counted.name == row.name, "{} and {} are different operations", counted.name, row.name);
            let runs = timed.get(system).context("a system is missing")?;
            let times = runs.iter().filter_map(|rows| Some(rows.get(index)?.time));
            operation.instructions[system] = *count;
            operation.time[system] = times.min().context("a run is missing")?;
        }
        all.push(operation);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_put_together_by_operation() {
        let run = |time: u64| parse(&format!("read\t2\t{time}\r\nwrite\t3\t7\r\n")).expect("well formed");
        let counted = vec![run(1).into_iter().zip([10, 20]).collect::<Vec<_>>(); SYSTEMS.len()];
        let timed = vec![vec![run(30), run(10), run(20)]; SYSTEMS.len()];
        let all = combine(&counted, &timed).expect("they belong together");
        assert_eq!((all[0].name.as_str(), all[0].times, all[0].instructions[1]), ("read", 2, 10));
        assert_eq!((all[0].time[3], all[1].time[0]), (Duration::from_nanos(10), Duration::from_nanos(7)));
    }

    #[test]
    fn nonsense_is_an_error() {
        assert!(parse("read fast\n").is_err() && parse("read\t0\t5\n").is_err());
    }
}
