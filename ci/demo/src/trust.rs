//! `trust`: for one write(2) to a file on the disk, which code has to be right in each design, and what it may touch.
//!
//! Crates and lines come from the build's own dependency graph, capabilities from the manifest of the system.

use crate::ground::Ground;
use crate::stage::{Stage, Table, count, text};
use crate::{Size, code};
use anyhow::{Context, Result, ensure};
use banyan::graph::{self, Linked, Origin};
use banyan::{build, image};
use bench::table::Value;
use manifest::{Manifest, Placement, Task};
use std::collections::{BTreeMap, BTreeSet};

/// The task in which every legacy process is served.
const PERSONALITY: &str = "personality";
/// Finds the devices and hands them out.
const BUS: &str = "pci";
/// The endpoints of the services on a write's way to the disk, in the order of the way.
const SERVICES: [&str; 2] = ["fs", "block"];

/// One address space on the way.
#[derive(Clone, Debug)]
pub struct Part {
    /// The task, or the kernel.
    pub name: String,
    /// What runs in it: crate and lines.
    pub crates: BTreeMap<String, Crate>,
    /// What its manifest grants it; nothing for those that are in no manifest and hold all.
    pub capabilities: Vec<String>,
}

/// A crate in an address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crate {
    /// Where it comes from.
    pub origin: Origin,
    /// Its lines of code.
    pub lines: u64,
}

impl Part {
    /// Lines of code in it.
    #[must_use]
    pub fn lines(&self, origin: Origin) -> u64 {
        self.crates.values().filter(|code| code.origin == origin).map(|code| code.lines).sum()
    }

    /// All lines in it.
    #[must_use]
    pub fn all_lines(&self) -> u64 {
        self.crates.values().map(|code| code.lines).sum()
    }
}

/// A design: the address spaces on the way of a write.
#[derive(Clone, Debug)]
pub struct Design {
    /// Where the services run.
    pub placement: Placement,
    /// The address spaces, from the process to the disk.
    pub parts: Vec<Part>,
    /// The tasks that hold the disk's registers, interrupt and memory.
    pub drives_disk: BTreeSet<String>,
    /// The tasks that may send the driver requests.
    pub reaches_disk: BTreeSet<String>,
}

/// Counts both designs.
///
/// # Errors
/// When the manifest is not as this demonstration knows it, or the build left no notes.
pub fn measure(ground: &Ground) -> Result<[Design; 2]> {
    let path = image::default_manifest();
    let source = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let manifest = manifest::parse(&source)?;
    let mut counted = BTreeMap::new();
    let mut design = |placement| design(ground, &manifest, placement, &mut counted);
    Ok([design(Placement::Personality)?, design(Placement::Native)?])
}

type Counted = BTreeMap<String, BTreeMap<String, Crate>>;

fn design(ground: &Ground, manifest: &Manifest, placement: Placement, counted: &mut Counted) -> Result<Design> {
    let mut names = vec![PERSONALITY];
    for service in SERVICES {
        let service = manifest.service(service).with_context(|| format!("the manifest has no service {service}"))?;
        let home = if placement == Placement::Native { &service.native } else { &service.inside };
        if !names.contains(&home.as_str()) {
            names.push(home);
        }
    }
    let driver = (*names.last().expect("there is one")).to_string();
    names.push(BUS);
    let mut parts = vec![kernel(ground, counted)?, root(ground, counted)?];
    for name in names {
        let (_, task) = manifest.task(name).with_context(|| format!("the manifest has no task {name}"))?;
        let crates = crates_of(ground, &task.program, counted)?;
        parts.push(Part { name: name.into(), crates, capabilities: capabilities(task) });
    }
    let on_the_way: BTreeSet<_> = parts.iter().map(|part| part.name.clone()).collect();
    let callers = manifest.tasks.iter().filter(|task| task.calls.iter().any(|call| call.endpoint == "block"));
    let callers = callers.map(|task| task.name.clone()).filter(|name| on_the_way.contains(name));
    let reaches_disk = callers.chain([driver.clone()]).collect();
    Ok(Design { placement, parts, drives_disk: [driver].into(), reaches_disk })
}

fn kernel(ground: &Ground, counted: &mut Counted) -> Result<Part> {
    let crates = crates_of(ground, build::KERNEL.binary, counted)?;
    Ok(Part { name: "kernel".into(), crates, capabilities: Vec::new() })
}

/// The root task has no entry in the manifest: it makes the others.
fn root(ground: &Ground, counted: &mut Counted) -> Result<Part> {
    let crates = crates_of(ground, "root-task", counted)?;
    Ok(Part { name: "root".into(), crates, capabilities: Vec::new() })
}

fn crates_of(ground: &Ground, binary: &str, counted: &mut Counted) -> Result<BTreeMap<String, Crate>> {
    if let Some(known) = counted.get(binary) {
        return Ok(known.clone());
    }
    let program = build::PROGRAMS.iter().copied().find(|program| program.binary == binary);
    let program = program.with_context(|| format!("the build has no program {binary}"))?;
    let mut crates = BTreeMap::new();
    for linked in graph::crates(&ground.tools, program)? {
        let Linked { name, version, origin, files } = linked;
        ensure!(!files.is_empty(), "the compiler left no notes about {name} {version}");
        let name = if origin == Origin::Ours { name } else { format!("{name} {version}") };
        crates.insert(name, Crate { origin, lines: code::lines(&files)? });
    }
    counted.insert(binary.into(), crates.clone());
    Ok(crates)
}

/// What the manifest grants, in words.
fn capabilities(task: &Task) -> Vec<String> {
    let mut words = Vec::new();
    words.extend(task.serves.iter().map(|name| format!("serves {name}")));
    words.extend(task.calls.iter().map(|call| format!("calls {}", call.endpoint)));
    words.extend(task.ports.iter().map(|ports| format!("ports {:#x}-{:#x}", ports.first, ports.last)));
    words.extend(task.irqs.iter().map(|irq| format!("interrupt line {}", irq.line)));
    words.extend(task.devices.iter().map(|device| format!("{} MiB of device addresses", device.bytes >> 20)));
    if task.irq_control {
        words.push("issues interrupts".into());
    }
    words.extend(task.data.iter().map(|name| format!("reads {name}")));
    match task.ram {
        manifest::Ram::None => {}
        manifest::Ram::Bytes(bytes) => words.push(format!("{} MiB of RAM", bytes >> 20)),
        manifest::Ram::Rest => words.push("the RAM that is left".into()),
    }
    words
}

/// The lines that `names` have in all, each crate counted once for each address space it is in.
fn lines_of(design: &Design, names: &BTreeSet<String>) -> u64 {
    design.parts.iter().filter(|part| names.contains(&part.name)).map(Part::all_lines).sum()
}

/// What the people see at the end, for one design.
#[must_use]
pub fn parts_table(design: &Design) -> Table {
    let mut table = Table::new(["address space", "crates", "our lines", "others' lines", "capabilities"]);
    for part in &design.parts {
        table.row([
            text(&part.name),
            count(part.crates.len() as u64),
            count(part.lines(Origin::Ours)),
            count(part.lines(Origin::Others)),
            match part.capabilities.len() as u64 {
                // The kernel and the root task are not in the manifest.
                0 => text("all"),
                number => count(number),
            },
        ]);
    }
    table
}

/// What the manifest grants each, a line each.
#[must_use]
pub fn granted(design: &Design) -> String {
    let parts = design.parts.iter().filter(|part| !part.capabilities.is_empty());
    parts.map(|part| format!("{}: {}\n", part.name, part.capabilities.join(", "))).collect()
}

/// What of it can do harm, in both designs.
#[must_use]
pub fn reach_table(designs: &[Design; 2]) -> Table {
    let mut table = Table::new(["lines of code that ...", "personality", "native"]);
    let mut row = |what: &str, lines: &dyn Fn(&Design) -> u64| {
        table.row([text(what), count(lines(&designs[0])), count(lines(&designs[1]))]);
    };
    row("are on the way of one write(2)", &|design| design.parts.iter().map(Part::all_lines).sum());
    row("hold the disk's registers, interrupt and memory", &|design| lines_of(design, &design.drives_disk));
    row("may ask the driver for any sector", &|design| lines_of(design, &design.reaches_disk));
    row("share an address space with the file system", &|design| home_lines(design, "fs"));
    row("share an address space with the driver", &|design| home_lines(design, "block"));
    table
}

/// Lines in the address space in which a service runs.
fn home_lines(design: &Design, service: &str) -> u64 {
    let home = if design.placement == Placement::Native { service } else { PERSONALITY };
    design.parts.iter().filter(|part| part.name == home).map(Part::all_lines).sum()
}

/// Tells the story.
///
/// # Errors
/// When it cannot be counted, or does not come out as told.
pub fn run(stage: &mut Stage, ground: &Ground, _size: Size) -> Result<()> {
    stage.say(
        "A program calls write(2), and later the bytes are on the disk. Every line of code that runs with enough rights to \
         spoil that has to be right: the trusted computing base of this one call. What is counted here are the crates that \
         cargo links into each program and the source files that the compiler read for them, without blank lines, comments \
         and tests. Rust's core library, on every way, is not counted.",
    )?;
    let designs = measure(ground)?;
    stage.heading("Design personality: file system and driver are libraries inside the Linux kernel's stand-in")?;
    stage.say(
        "Look at the row `personality`: one address space holds everything that the manifest grants it, and each of its \
         lines can use all of it. A mistake in the terminal code can write to the disk's registers.",
    )?;
    stage.table(&parts_table(&designs[0]))?;
    stage.show(&granted(&designs[0]))?;
    stage.pause()?;
    stage.heading("Design native: file system and driver are tasks of their own")?;
    stage.say(
        "There are more address spaces, and in total more lines (each has its own copy of the runtime). But look at what \
         each is granted: the driver calls the bus, the file system calls the driver, and neither can reach a process.",
    )?;
    stage.table(&parts_table(&designs[1]))?;
    stage.show(&granted(&designs[1]))?;
    stage.pause()?;
    stage.heading("What can do harm")?;
    stage.say(
        "Both designs run the same source code of file system and driver. What differs is how much other code shares their \
         rights. The personality may still call the driver in the native design, since it must when only the driver has \
         moved out.",
    )?;
    stage.table(&reach_table(&designs))?;
    let drives = |design: &Design| lines_of(design, &design.drives_disk);
    ensure!(drives(&designs[0]) > drives(&designs[1]), "the native design should leave the disk to less code");
    stage.say(&format!(
        "With the services outside, {} lines hold the disk instead of {}: {:.1} % of them.",
        drives(&designs[1]),
        drives(&designs[0]),
        percent(drives(&designs[1]), drives(&designs[0]))
    ))
}

fn percent(part: u64, whole: u64) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}

/// Every crate of every address space, for those who want to see them all.
#[must_use]
pub fn crates_table(design: &Design) -> Table {
    let mut table = Table::new(["address space", "crate", "lines"]);
    for part in &design.parts {
        for (name, code) in &part.crates {
            table.row([text(&part.name), text(name), Value::Number(code.lines as f64, 0)]);
        }
    }
    table
}
