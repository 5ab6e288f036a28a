//! The power fails while programs have work made durable: all of it is there afterwards, and the file system is clean.

use anyhow::{Result, ensure};
use banyan::run::{Placement, Places};
use demo::ground::{Ground, LIMIT};
use demo::load::{Clock, Loaded, Setup};
use libtest_mimic::Trial;
use power_cuts::cuts::{Recording, Summary};
use power_cuts::folder::Folder;
use power_cuts::replay::Honesty;
use power_cuts::workers::{Running, workers};

use crate::{shared, trial};

/// How much of a test is done with one recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount {
    /// Power cuts.
    pub cuts: u64,
    /// Steps of each worker.
    pub steps: u64,
    /// What everything is drawn from.
    pub seed: u64,
}

/// In a test.
pub const SHORT: Amount = Amount { cuts: 20, steps: 200, seed: 1 };
/// Programs that have work made durable, at the same time.
const WORKERS: u64 = 3;
/// Files that are unpacked and removed beside them, which nobody has made durable.
const FILES: u32 = 200;
/// Cuts of each kind of disk that lies.
const LIES: u64 = 3;
const NOISE: &str =
    "until [ -e /stop ]; do mkdir /noise && cd /noise && tar xf /load.tar && cd / && rm -r /noise || exit 1; done";

/// The tests.
pub fn tests() -> Vec<Trial> {
    vec![trial("power: cuts lose nothing that was made durable, and disks that lie are found out", || {
        let recording = record(SHORT, Placement::Native)?;
        println!("{}", recording.check(SHORT.cuts, SHORT.seed)?);
        lies(&recording)
    })]
}

/// Cuts the power of one recorded run; what happened, in a line.
///
/// # Errors
/// What is wrong with a disk after a cut.
pub fn cuts(amount: Amount, placement: Placement) -> Result<Summary> {
    record(amount, placement)?.check(amount.cuts, amount.seed)
}

/// Runs the workers in a machine, with noise, to an end in good order.
fn record(amount: Amount, placement: Placement) -> Result<Recording> {
    shared::prepared()?;
    let (ground, folder, workers) = (Ground::new()?, Folder::new()?, workers(WORKERS, amount.seed));
    let places = Places::all(placement);
    let setup = Setup { files: FILES, places, clock: Clock::Wall, options: &[] };
    let prepare = |tree: &mut _, config: &mut _| folder.prepare(tree, config, &ground.tools.e2fs);
    let system = Loaded::start_with(&ground, setup, prepare)?;
    let steps = std::thread::scope(|scope| {
        let noise = scope.spawn(|| demo::ground::output(&system.vm, NOISE));
        let steps = Running::begin(&system.vm, &workers, amount.steps, LIMIT, scope).end();
        demo::ground::output(&system.vm, ": >/stop")?;
        ensure!(noise.join().is_ok_and(|noise| noise.is_ok()), "the noise failed\n{}", system.log_end());
        steps
    })?;
    system.check_disk(&ground)?;
    drop(system);
    let recording = Recording::new(folder, ground.tools.e2fs.clone(), workers)?;
    let (events, flushes) = recording.size();
    println!("{steps:?} steps; {events} events in the log, {flushes} of them flushes");
    recording.check_end(&steps)?;
    Ok(recording)
}

/// The same judge finds each disk out that does not keep what it was told to keep.
fn lies(recording: &Recording) -> Result<()> {
    for honesty in [Honesty::IgnoresFlushes, Honesty::LosesRecords] {
        let found_out = recording.check_lies(honesty, LIES, SHORT.seed)?;
        ensure!(found_out == LIES, "of {LIES} disks that are {honesty:?}, {found_out} were found out");
    }
    Ok(())
}
