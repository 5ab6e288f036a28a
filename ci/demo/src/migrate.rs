//! `migrate`: the file system and then the driver move out of the personality while programs use the disk, and back.

use crate::ground::Ground;
use crate::load::{self, Clock, Loaded, Setup};
use crate::stage::{Stage, Table, text};
use crate::{Size, trust};
use anyhow::{Context, Result, ensure};
use banyan::run::{Placement, Places};
use bench::table::Value;
use std::time::Duration;

/// The moves, in order: the file system leaves first, and the driver comes back first.
const MOVES: [(&str, &str); 4] =
    [("fs", "native"), ("block", "native"), ("block", "personality"), ("fs", "personality")];
/// How long the load runs between two moves.
const BETWEEN: Duration = Duration::from_millis(700);

/// One move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// What moved.
    pub service: String,
    /// Where to.
    pub placement: String,
    /// How long calls of the service waited, at most, by the machine's clock. Time, not instructions: the service waits
    /// for the disk, and a clock that counts instructions runs ahead meanwhile.
    pub pause: Duration,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figures {
    /// The moves.
    pub moves: Vec<Move>,
    /// How often the archive was unpacked and summed up meanwhile, each time rightly.
    pub unpacked: usize,
    /// Files in the archive.
    pub files: u32,
}

/// Moves both services under load and checks everything.
///
/// # Errors
/// When a program noticed a move, or the disk is not sound afterwards.
pub fn measure(ground: &Ground, size: Size) -> Result<Figures> {
    let (files, rounds) = match size {
        Size::Full => (1000, 3),
        Size::Quick => (60, 1),
    };
    let setup = Setup { files, places: Places::all(Placement::Personality), clock: Clock::Wall, options: &[] };
    let system = Loaded::start(ground, setup)?;
    let (moves, unpacked) = std::thread::scope(|scope| {
        let running = system.begin(scope);
        let moves = all_moves(&system, rounds);
        let ended = system.end(running);
        Ok::<_, anyhow::Error>((moves.with_context(|| system.log_end())?, ended?))
    })?;
    system.check_disk(ground)?;
    Ok(Figures { moves, unpacked, files })
}

fn all_moves(system: &Loaded, rounds: usize) -> Result<Vec<Move>> {
    let mut moves = Vec::new();
    for (service, placement) in (0..rounds).flat_map(|_| MOVES) {
        std::thread::sleep(BETWEEN);
        load::request(&system.vm, &format!("migrate {service} {placement}"))?;
        let services = load::services(&system.vm)?;
        let now = services.iter().find(|found| found.name == service).context("the service is in the table")?;
        ensure!(now.placement == placement, "{service} is in {}", now.placement);
        moves.push(Move {
            service: service.into(),
            placement: placement.into(),
            pause: Duration::from_nanos(now.pauses_ns.last),
        });
    }
    Ok(moves)
}

/// The moves.
#[must_use]
pub fn table(figures: &Figures) -> Table {
    let mut table = Table::new(["service", "moved to", "pause, ms"]);
    for done in &figures.moves {
        table.row([text(&done.service), text(&done.placement), Value::Number(done.pause.as_secs_f64() * 1000.0, 1)]);
    }
    table
}

/// Tells the story.
///
/// # Errors
/// When something cannot be measured, or does not come out as told.
pub fn run(stage: &mut Stage, ground: &Ground, size: Size) -> Result<()> {
    stage.say(
        "The root is a disk. At the start its file system and its driver are libraries inside the personality, as in a \
         monolithic kernel. Four programs now use the disk without a pause: tar unpacks an archive and everything is summed \
         up, a file grows by records with an fsync(2) after each, a file is written and read through two processes' \
         mappings, and find walks the tree.",
    )?;
    stage.say(
        "Meanwhile the file system moves into a task of its own, then the driver; then both move back. For each move a gate \
         closes, calls in flight end, the old home commits and lets go (a driver resets its device first and gives its \
         capabilities back), the new one starts from the disk, and the gate opens. Calls that come in between wait: that is \
         the pause, and all that a program can notice.",
    )?;
    stage.pause()?;
    let figures = measure(ground, size)?;
    stage.heading("The moves")?;
    stage.say(&format!(
        "The archive of {} files was unpacked {} times, and every sum was the one that Linux gives. No program saw an error. \
         Afterwards the host's e2fsck found the file system clean.",
        figures.files, figures.unpacked
    ))?;
    stage.table(&table(&figures))?;
    stage.pause()?;
    stage.heading("What the personality may still touch")?;
    stage.say(
        "While both were outside, the personality held neither the disk's registers nor its interrupt nor its memory: the \
         bus revoked them before the driver's task got its own. In lines of code, counted from the build:",
    )?;
    stage.table(&trust::reach_table(&trust::measure(ground)?))?;
    stage.say("Try it: `cargo run`, then in the shell `banyan services` and `banyan migrate fs native`.")
}
