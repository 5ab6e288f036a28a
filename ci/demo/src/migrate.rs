//! `migrate`: the file system and then the driver move out of the personality while programs use the disk, and back.

use crate::ground::Ground;
use crate::load::{self, Clock, Loaded, Service, Setup};
use crate::stage::{Stage, Table, text};
use crate::{Size, trust};
use anyhow::{Context, Result, ensure};
use banyan::run::{Placement, Places};
use bench::table::Value;
use std::time::Duration;

/// The moves, in order: the file system leaves first, and the driver comes back first.
const MOVES: [(&str, &str); 4] =
    [("fs", "native"), ("block", "native"), ("block", "personality"), ("fs", "personality")];
/// Files and rounds of the run that counts instructions.
const COUNTED: (u32, usize) = (60, 3);
/// How long the load runs between two moves.
const BETWEEN: Duration = Duration::from_millis(700);

/// One move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// What moved.
    pub service: String,
    /// Where to.
    pub placement: String,
    /// How long calls of the service waited, at most, by the machine's clock.
    pub pause: Duration,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figures {
    /// The moves.
    pub moves: Vec<Move>,
    /// Both services after such moves on a machine whose clock counts instructions; none in a quick run.
    pub counted: Vec<Service>,
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
    let (moves, unpacked, _) = move_under_load(ground, (files, rounds), Clock::Wall)?;
    let counted = match size {
        Size::Full => move_under_load(ground, COUNTED, Clock::Instructions)?.2,
        Size::Quick => Vec::new(),
    };
    Ok(Figures { moves, counted, unpacked, files })
}

/// Makes all moves so many times with so many files in the archive: the moves, how often the archive was unpacked, and what
/// became of the services.
fn move_under_load(
    ground: &Ground,
    (files, rounds): (u32, usize),
    clock: Clock,
) -> Result<(Vec<Move>, usize, Vec<Service>)> {
    let setup = Setup { files, places: Places::all(Placement::Personality), clock, options: &[] };
    let system = Loaded::start(ground, setup)?;
    let (moves, unpacked) = std::thread::scope(|scope| {
        let running = system.begin(scope);
        let moves = all_moves(&system, rounds);
        let ended = system.end(running);
        Ok::<_, anyhow::Error>((moves.with_context(|| system.log_end())?, ended?))
    })?;
    let services = load::services(&system.vm)?;
    system.check_disk(ground)?;
    Ok((moves, unpacked, services))
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

/// The pauses in instructions; nothing where none were counted.
#[must_use]
pub fn counted_table(figures: &Figures) -> Option<Table> {
    let mut table = Table::new(["service", "moves", "pause, instructions: p50", "p99", "longest"]);
    for service in &figures.counted {
        let pauses = [service.busy_ns.middle, service.busy_ns.most, service.busy_ns.longest];
        let [middle, most, longest] = pauses.map(|pause| Value::Number(pause as f64, 0));
        table.row([text(&service.name), text(service.migrations.to_string()), middle, most, longest]);
    }
    (!figures.counted.is_empty()).then_some(table)
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
        "Meanwhile the file system moves into a task of its own, then the driver; then both move back. For each move the old \
         home commits, a gate closes when no call is in flight, the old home lets go (a driver resets its device first and \
         gives its capabilities back), the new one goes on where it was, and the gate opens. Calls that come in between wait: \
         that is the pause, and all that a program can notice.",
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
    if let Some(table) = counted_table(&figures) {
        stage.say(
            "The same in instructions, on a machine whose clock counts them: all that was executed from the gate's closing to \
             the moment at which the file system's client was up to date again, by the move and by whatever else ran while \
             it waited for the disk.",
        )?;
        stage.table(&table)?;
    }
    stage.pause()?;
    stage.heading("What the personality may still touch")?;
    stage.say(
        "While both were outside, the personality held neither the disk's registers nor its interrupt nor its memory: the \
         bus revoked them before the driver's task got its own. In lines of code, counted from the build:",
    )?;
    stage.table(&trust::reach_table(&trust::measure(ground)?))?;
    stage.say("Try it: `cargo run`, then in the shell `banyan services` and `banyan migrate fs native`.")
}
