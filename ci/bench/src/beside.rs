//! Work on a disk, in both placements of the services, beside Debian's Linux with `pti=on` and `pti=off`.
//!
//! All run the same program on copies of one image, with the same arguments for the emulator. Each system runs
//! once with a plugin that counts the instructions which its processor executes, and several times without it, in turn with
//! the others, for the time that the program sees. `README.md` says why both.

mod linux;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reference::Workshop;
use reference::counter::{self, Counter};
use reference::machine::Tuning;

use crate::table::{self, Value};
use crate::{Design, Devices, Disked, Effort, Format, Report, Subject};

/// Timed runs of each system, as the person wishes.
const RUNS: usize = 5;
const QUICK_RUNS: usize = 1;
/// Without these the processor's `rep movsb` is not what kernels choose for copying: under emulation it moves a byte at a
/// time, which no processor that has them does.
const PROCESSOR: [&str; 2] = ["-cpu", "max,-erms,-fsrm"];

/// A system that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum System {
    Banyan(Design),
    Linux(Tuning),
}

impl System {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Banyan(Design::Personality) => "Banyan, services in the personality",
            Self::Banyan(Design::Native) => "Banyan, services native",
            Self::Linux(Tuning::Isolated) => "Linux, pti=on",
            Self::Linux(_) => "Linux, pti=off",
        }
    }
}

/// In the order of the table's columns.
pub(crate) const SYSTEMS: [System; 4] = [
    System::Banyan(Design::Personality),
    System::Banyan(Design::Native),
    System::Linux(Tuning::Isolated),
    System::Linux(Tuning::Shared),
];
/// The one that Banyan is judged by.
pub(crate) const JUDGE: usize = 2;

/// What one operation took in one run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) times: u64,
    pub(crate) time: Duration,
    /// What it came to, where the program says so: the same everywhere.
    outcome: Option<String>,
}

/// What one operation took on all systems, in the order of [`SYSTEMS`].
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(crate) name: String,
    /// How often it was done.
    pub(crate) times: u64,
    pub(crate) instructions: [u64; SYSTEMS.len()],
    /// The shortest of the runs: the one that the host disturbed least.
    pub(crate) time: [Duration; SYSTEMS.len()],
}

/// All operations as a table under `heads`, with what `row` finds wrong, and for people the legend.
pub(crate) fn report(
    heads: &[&str],
    operations: &[Operation],
    row: fn(&Operation, &mut Vec<String>) -> Vec<Value>,
    legend: &str,
    format: Format,
) -> Report {
    let mut violations = Vec::new();
    let rows: Vec<_> = operations.iter().map(|operation| row(operation, &mut violations)).collect();
    let mut text = table::format(heads, &rows, format);
    if format == Format::Table {
        text.push_str(legend);
    }
    Report { text, violations }
}

/// What is to be measured.
pub(crate) struct Work<'a> {
    /// The tree on the disk.
    pub(crate) disk: PathBuf,
    /// The tree that Linux has in memory, where it mounts the disk at `/mnt`.
    pub(crate) initial: &'a Path,
    /// The program, with its arguments; it prints a line for each operation, between marks.
    pub(crate) command: String,
    /// The same for Linux's shell.
    pub(crate) linux_command: String,
    /// Bytes of each machine's memory.
    pub(crate) memory_bytes: u64,
}

/// What all runs share.
pub(crate) struct Bench<'a> {
    subject: &'a dyn Subject,
    folder: PathBuf,
    work: Work<'a>,
    linux: linux::Linux,
    counter: Counter,
}

impl<'a> Bench<'a> {
    /// Gets everything ready; `folder` is for what the runs leave, and is removed by [`clean`](Self::clean).
    pub(crate) fn prepare(
        subject: &'a dyn Subject,
        workshop: &Workshop,
        folder: PathBuf,
        work: Work<'a>,
    ) -> Result<Self> {
        let linux = linux::Linux::prepare(workshop, &work, &folder)?;
        Ok(Self { subject, folder, work, linux, counter: Counter::build(workshop)? })
    }

    /// All operations.
    pub(crate) fn measure(self, effort: Effort) -> Result<Vec<Operation>> {
        let runs = match effort {
            Effort::Full => RUNS,
            Effort::Quick => QUICK_RUNS,
        };
        let mut counted = Vec::new();
        for system in SYSTEMS {
            eprintln!("counting the instructions of {}", system.name());
            counted.push(self.count(system, Devices::Free)?);
        }
        let mut timed = vec![Vec::new(); SYSTEMS.len()];
        for run in 1..=runs {
            eprintln!("timing all systems, {run} of {runs}");
            for (system, runs) in SYSTEMS.iter().zip(&mut timed) {
                runs.push(self.once(*system, Devices::Free, Vec::new())?);
            }
        }
        self.clean()?;
        combine(&counted, &timed)
    }

    /// Runs the program once on a fresh disk, with devices that reach so much; Linux's always reach all.
    fn once(&self, system: System, devices: Devices, mut emulator: Vec<OsString>) -> Result<Vec<Row>> {
        let image = self.folder.join("disk");
        if image.exists() {
            fs::remove_file(&image)?;
        }
        self.subject.make_disk(&self.work.disk, &image)?;
        emulator.extend(PROCESSOR.map(OsString::from));
        let printed = match system {
            System::Banyan(design) => {
                let memory_bytes = self.work.memory_bytes;
                let disk = Disked { image: &image, design, devices, memory_bytes, emulator };
                self.subject.run_on_disk(&disk, &self.work.command)
            }
            System::Linux(tuning) => {
                emulator.extend(self.subject.disk_arguments(&image));
                self.linux.run(tuning, emulator)
            }
        };
        parse(&printed.with_context(|| format!("measuring {}", system.name()))?)
    }

    /// Runs it once and counts instructions.
    pub(crate) fn count(&self, system: System, devices: Devices) -> Result<Vec<(Row, u64)>> {
        let counts = self.folder.join("counts");
        let rows = self.once(system, devices, self.counter.arguments(&counts))?;
        let counts = counter::between(&fs::read_to_string(&counts).context("the plugin left no counts")?)?;
        ensure!(counts.len() == rows.len(), "{} operations and {} counts", rows.len(), counts.len());
        Ok(rows.into_iter().zip(counts).collect())
    }

    /// Removes what the runs left.
    pub(crate) fn clean(&self) -> Result<()> {
        fs::remove_dir_all(&self.folder).with_context(|| format!("cannot remove {}", self.folder.display()))
    }
}

/// Reads what the program printed: `name<TAB>times<TAB>nanoseconds`, and maybe `<TAB>outcome`.
pub(crate) fn parse(text: &str) -> Result<Vec<Row>> {
    let line = |line: &str| {
        let mut words = line.trim_end().split('\t');
        let name = words.next()?.to_owned();
        let times = words.next()?.parse().ok().filter(|times| *times > 0)?;
        let time = Duration::from_nanos(words.next()?.parse().ok()?);
        Some(Row { name, times, time, outcome: words.next().map(str::to_owned) })
    };
    text.lines().map(|text| line(text).with_context(|| format!("the program printed {text:?}"))).collect()
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
        for (system, which) in SYSTEMS.iter().enumerate() {
            let (counted, count) = counted.get(system).and_then(|rows| rows.get(index)).context("a row is missing")?;
            ensure!(counted.name == row.name, "{} and {} are different operations", counted.name, row.name);
            let same = counted.outcome == row.outcome;
            ensure!(same, "{}: {} came to something else", row.name, which.name());
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
    fn a_result_of_its_own_is_found_out() {
        let run = |outcome: &str| parse(&format!("sort\t1\t5\t{outcome}\n")).expect("well formed");
        let counted = |last: &str| {
            let outcomes = ["a", "a", "a", last];
            outcomes.map(|outcome| run(outcome).into_iter().zip([10]).collect::<Vec<_>>())
        };
        let timed = vec![vec![run("a")]; SYSTEMS.len()];
        assert!(combine(&counted("a"), &timed).is_ok());
        let error = combine(&counted("b"), &timed).expect_err("one differs");
        assert!(error.to_string().contains("pti=off came to something else"), "{error}");
    }

    #[test]
    fn nonsense_is_an_error() {
        assert!(parse("read fast\n").is_err() && parse("read\t0\t5\n").is_err());
    }
}
