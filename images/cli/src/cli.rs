//! The command line.

use anyhow::{Context, Result, bail};
use banyan::disk::{Disk, Storage};
use banyan::root::Root;
use banyan::run::{Config, Iommu, Mode, OnCrash, Placement, Places, interactive};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// Bytes of the ring for `--trace`: a million events.
const TRACE_BYTES: u64 = 64 << 20;

/// With less memory the default system's tasks do not fit; of this Linux programs have 16 MiB.
const LEAST_BYTES: u64 = 160 << 20;

/// Banyan: a multi-server operating system that hosts Linux programs.
#[derive(Debug, Parser)]
#[command(name = "banyan", args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// What to do; without it, `run`.
    #[command(subcommand)]
    pub command: Option<Word>,
    /// What `run` takes.
    #[command(flatten)]
    pub run: Run,
}

/// What the tool can do.
#[derive(Debug, Subcommand)]
pub enum Word {
    /// Build everything and run it: a shell on this terminal, or one command
    Run(Run),
    /// Measure beside Debian's Linux or seL4, under the same emulator
    Bench(Bench),
    /// Command a system that is running
    Ctl(Ctl),
    /// Show the threads of a system that is running
    Top(Top),
    /// Look for mistakes, longer than a test may take
    Check(Check),
    /// Show and explain something, ending in a table of what was measured
    Demo(Demo),
    /// Run both designs and write a page with tables and plots
    Report(Report),
}

/// Where to write, and how much to do.
#[derive(Args, Debug)]
pub struct Report {
    /// The folder for the page
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// One section alone: trust, ipc, syscall, work, crash or migrate
    #[arg(long, value_name = "SECTION")]
    pub only: Option<String>,
    /// Do less
    #[arg(long)]
    pub quick: bool,
}

/// How long to look.
#[derive(Args, Debug)]
pub struct Check {
    /// Many minutes instead of seconds
    #[arg(long)]
    pub long: bool,
    /// Only the parts with this in their name
    #[arg(long, value_name = "NAME")]
    pub part: Option<String>,
}

impl Check {
    /// The form that is asked for.
    pub fn length(&self) -> Length {
        if self.long { Length::Long } else { Length::Short }
    }
}

/// The forms of `check`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// As in a test
    Short,
    /// As far as it makes sense
    Long,
}

/// What to show, and how.
#[derive(Args, Debug)]
pub struct Demo {
    /// Which demonstration: one of those that --list names
    #[arg(required_unless_present = "list")]
    pub name: Option<String>,
    /// Go on without waiting for keys
    #[arg(long)]
    pub auto: bool,
    /// Do less, in half a minute
    #[arg(long)]
    pub quick: bool,
    /// Name all demonstrations
    #[arg(long)]
    pub list: bool,
}

/// Which running system to watch, and how long.
#[derive(Args, Debug)]
pub struct Top {
    /// The process of the tool that runs it (without: the one that was started last)
    #[arg(long, value_name = "ID")]
    pub instance: Option<u32>,
    /// Show one table and end
    #[arg(long)]
    pub once: bool,
}

/// Which running system, and what it shall do.
#[derive(Args, Debug)]
pub struct Ctl {
    /// The process of the tool that runs it (without: the one that was started last)
    #[arg(long, value_name = "ID")]
    pub instance: Option<u32>,
    /// What to do
    #[command(subcommand)]
    pub request: Request,
}

/// What a running system can be asked for.
#[derive(Clone, Debug, Subcommand)]
pub enum Request {
    /// Show where each service runs
    Services,
    /// Move a service while it is used
    Migrate {
        /// Which: block or fs
        #[arg(value_parser = parse_name)]
        service: String,
        /// Where to
        #[arg(value_enum)]
        placement: Design,
    },
    /// Make a task die as if by a fault of its own
    Kill {
        /// Which
        #[arg(value_parser = parse_name)]
        task: String,
    },
    /// Run `sh -c CMD` in it, with these streams, and end with its exit status
    Exec {
        /// The command line
        command: String,
    },
}

/// What to measure, and how to give the results.
#[derive(Args, Debug)]
pub struct Bench {
    /// Which benchmark
    #[arg(value_enum)]
    pub name: Benchmark,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Fail where a figure is above its ceiling or below its floor
    #[arg(long)]
    pub check: bool,
    /// Time `io` or `programs` once instead of several times
    #[arg(long)]
    pub quick: bool,
    /// Keep the figures of `kernel` in the source, for later runs to be compared with
    #[arg(long, conflicts_with_all = ["json", "check"])]
    pub save: bool,
}

impl Bench {
    /// How much to do.
    pub fn effort(&self) -> bench::Effort {
        if self.quick { bench::Effort::Quick } else { bench::Effort::Full }
    }
}

/// A benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Benchmark {
    /// From the emulator's start to the first byte of a command's output
    Boot,
    /// Instructions of Linux calls
    Abi,
    /// Work with files on a disk, instructions and time
    Io,
    /// Instructions of the same work with the devices behind an IOMMU, and without
    Iommu,
    /// Instructions of the microkernel's operations
    Kernel,
    /// Whole programs of Debian's, instructions and time
    Programs,
}

/// How to run.
#[derive(Args, Debug)]
pub struct Run {
    /// Run `sh -c CMD` with these streams and end with its exit status
    #[arg(long, value_name = "CMD")]
    pub exec: Option<String>,
    /// The tree that programs see: a folder, a tar file or an ext4 image (without: Debian's busybox)
    #[arg(long, value_name = "DIR|TAR|IMG")]
    pub root: Option<PathBuf>,
    /// Whether that tree is on a disk (without: it is) or in memory
    #[arg(long, value_name = "PLACE", value_enum)]
    pub root_on: Option<RootOn>,
    /// The disk: a file that stays between runs, made from the root when it is missing
    #[arg(long, value_name = "FILE")]
    pub disk: Option<PathBuf>,
    /// Where the services run at the start
    #[arg(long, value_enum)]
    pub design: Option<Design>,
    /// Where single services run at the start, as in fs=native,block=personality
    #[arg(long, value_name = "SERVICE=PLACEMENT,...", value_parser = parse_places)]
    pub place: Option<String>,
    /// What follows when the personality dies
    #[arg(long, value_name = "WHAT", value_enum, default_value = "halt")]
    pub on_personality_crash: OnPersonalityCrash,
    /// Memory of the machine, as in 512M or 2G
    #[arg(long, value_name = "SIZE", default_value = "512M", value_parser = parse_size)]
    pub mem: u64,
    /// Processors of the machine (otherwise as many as BANYAN_SMP says)
    #[arg(long, value_name = "N", default_value_t = banyan::run::usual_cpus(), value_parser = clap::value_parser!(u8).range(1..=32))]
    pub smp: u8,
    /// Put devices behind an IOMMU (Intel VT-d): they reach what their drivers map for them
    #[arg(long)]
    pub iommu: bool,
    /// End with status 124 after this time
    #[arg(long, value_name = "SECS", value_parser = parse_seconds)]
    pub timeout: Option<Duration>,
    /// Wait for a debugger before the first instruction, at a port or (without one) a socket of this run's own
    #[arg(long, value_name = "PORT", num_args = 0..=1, value_parser = clap::value_parser!(u16).range(1..))]
    pub gdb: Option<Option<u16>>,
    /// Count instructions: the machine's clock advances by one for each
    #[arg(long)]
    pub icount: bool,
    /// Print each process's system calls
    #[arg(long)]
    pub strace: bool,
    /// Write what the kernel did to a file that Perfetto's viewer opens
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
}

/// Where the root is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RootOn {
    /// On a disk
    Disk,
    /// In memory
    Memory,
}

/// Where the services run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Design {
    /// In the personality
    Personality,
    /// In a task of its own, each
    Native,
}

/// What follows when the personality dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OnPersonalityCrash {
    /// It is started anew
    Restart,
    /// The machine stops
    Halt,
}

impl Run {
    /// The run that these arguments ask for.
    ///
    /// # Errors
    /// When they contradict each other.
    pub fn config(&self) -> Result<Config> {
        let mut config = Config::new(if self.exec.is_some() { Mode::Exec } else { Mode::Interactive });
        config.root = self.root.clone().map_or(Root::Default, Root::Path);
        config.storage = self.storage()?;
        if self.design == Some(Design::Native) {
            config.places = Places::all(Placement::Native);
        }
        self.place.iter().try_for_each(|text| config.places.change(text))?;
        config.on_crash = match self.on_personality_crash {
            OnPersonalityCrash::Restart => OnCrash::Restart,
            OnPersonalityCrash::Halt => OnCrash::Halt,
        };
        config.memory_bytes = self.mem;
        config.cpus = self.smp;
        config.iommu = if self.iommu { Iommu::Present } else { Iommu::Absent };
        config.count_instructions = self.icount;
        config.strace = self.strace;
        config.trace_bytes = self.trace.as_ref().map(|_| TRACE_BYTES);
        config.window = interactive::window().unwrap_or(config.window);
        Ok(config)
    }

    /// Where the root is; what only makes sense with a disk contradicts a root in memory.
    fn storage(&self) -> Result<Storage> {
        let for_a_disk =
            [("--disk", self.disk.is_some()), ("--design", self.design.is_some()), ("--place", self.place.is_some())];
        let asks = for_a_disk.into_iter().find(|(_, given)| *given).map(|(word, _)| word);
        let disk = || Storage::Disk(self.disk.clone().map_or(Disk::Fresh, Disk::Kept));
        match (self.root_on, asks) {
            (Some(RootOn::Memory), Some(word)) => bail!("{word} is about a disk, and the root is to be in memory"),
            (Some(RootOn::Memory), None) => Ok(Storage::Memory),
            (Some(RootOn::Disk) | None, _) => Ok(disk()),
        }
    }
}

/// A task's or service's name, which needs no quotes anywhere.
fn parse_name(text: &str) -> Result<String> {
    let is_fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if text.is_empty() || !text.chars().all(is_fine) {
        bail!("a name has lower-case letters, digits and hyphens");
    }
    Ok(text.into())
}

/// Placements, checked but kept as text: what they change is known later.
fn parse_places(text: &str) -> Result<String> {
    Places::all(Placement::Personality).change(text)?;
    Ok(text.into())
}

/// Bytes, with an optional K, M or G; without one, MiB as QEMU has it.
fn parse_size(text: &str) -> Result<u64> {
    let (digits, shift) = match text.trim_end_matches(['i', 'B', 'b']).split_at_checked(text.len().saturating_sub(1)) {
        _ if text.ends_with(|c: char| c.is_ascii_digit()) => (text, 20),
        Some((digits, "K" | "k")) => (digits, 10),
        Some((digits, "M" | "m")) => (digits, 20),
        Some((digits, "G" | "g")) => (digits, 30),
        _ => bail!("a size is a number and K, M or G"),
    };
    let count: u64 = digits.parse().context("a size is a number and K, M or G")?;
    let bytes = count.checked_mul(1 << shift).context("that is more than a machine can have")?;
    if !(LEAST_BYTES..=64 << 30).contains(&bytes) {
        bail!("the machine takes {}M to 64G", LEAST_BYTES >> 20);
    }
    Ok(bytes)
}

fn parse_seconds(text: &str) -> Result<Duration> {
    let seconds: f64 = text.parse().context("a time is a number of seconds")?;
    if !(seconds > 0.0 && seconds < 1e9) {
        bail!("a time is a positive number of seconds");
    }
    Ok(Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(parse_size("512M").ok(), Some(512 << 20));
        assert_eq!(parse_size("2G").ok(), Some(2 << 30));
        assert_eq!(parse_size("256").ok(), Some(256 << 20));
        assert_eq!(parse_size("163840K").ok(), Some(160 << 20));
        for bad in ["", "M", "1T", "-1M", "99999999999G", "1M", "128M", "5\u{e9}"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn run_is_the_default_word() {
        let cli = Cli::try_parse_from(["banyan", "--exec", "true"]).expect("it is a valid line");
        assert!(cli.command.is_none() && cli.run.exec.as_deref() == Some("true"));
        let cli = Cli::try_parse_from(["banyan", "run", "--timeout", "2.5"]).expect("it is a valid line");
        assert!(matches!(cli.command, Some(Word::Run(run)) if run.timeout == Some(Duration::from_millis(2500))));
        assert!(Cli::try_parse_from(["banyan", "run", "--timeout", "-1"]).is_err());
    }

    fn config(words: &[&str]) -> Result<Config> {
        Cli::try_parse_from(["banyan"].iter().chain(words))?.run.config()
    }

    #[test]
    fn disks_and_placements_are_understood() {
        let line = ["--disk", "d", "--design", "native", "--place", "fs=personality"];
        let found = config(&line).expect("it is a valid line");
        assert_eq!(found.storage, Storage::Disk(Disk::Kept("d".into())));
        assert_eq!(found.places.to_string(), "block:native,fs:personality");
        assert_eq!(found.on_crash, OnCrash::Halt);
        let found = config(&["--design", "personality", "--on-personality-crash", "restart"]).expect("it is valid");
        assert_eq!((found.storage, found.on_crash), (Storage::Disk(Disk::Fresh), OnCrash::Restart));
    }

    #[test]
    fn running_systems_are_commanded() {
        let parse = |words: &[&str]| Cli::try_parse_from(["banyan", "ctl"].iter().chain(words));
        let cli = parse(&["--instance", "7", "migrate", "fs", "native"]).expect("it is a valid line");
        let Some(Word::Ctl(Ctl { instance: Some(7), request: Request::Migrate { service, placement } })) = cli.command
        else {
            panic!("it was read as something else")
        };
        assert_eq!((service.as_str(), placement), ("fs", Design::Native));
        for bad in [&["migrate", "f s", "native"][..], &["kill", "$(reboot)"], &["migrate", "fs"], &["kill"], &[]] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn contradictions_are_refused() {
        let message = |words: &[&str]| config(words).map_or_else(|error| format!("{error:#}"), |_| "none".into());
        assert!(message(&["--root-on", "memory", "--disk", "d"]).contains("--disk is about a disk"));
        assert!(message(&["--place", "net=native"]).contains("no service"));
        assert!(message(&["--design", "other"]).contains("other"));
    }
}
