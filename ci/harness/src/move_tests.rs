//! Services move and die while programs use the disk: nobody may notice, and the disk must be sound afterwards.
//!
//! While they die, the disk's writes are logged, and workers have steps made durable: these have to be on the disk itself, when
//! it was left in good order as well as after power cuts between and behind the deaths.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use banyan::run::{Placement, Places};
use demo::ground::{Ground, LIMIT};
use demo::load::{self, Clock, Loaded, Setup};
use libtest_mimic::Trial;
use power_cuts::cuts::Recording;
use power_cuts::folder::Folder;
use power_cuts::workers::{Running, Worker, workers};

use crate::{shared, trial};

/// How much of a test is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount {
    /// Moves of each service, or deaths.
    pub each: u64,
    /// Files in the archive that is unpacked.
    pub files: u32,
    /// Power cuts, made of the log of the disk's writes.
    pub cuts: u64,
    /// Where the random moments come from.
    pub seed: u64,
}

/// In a test.
pub const SHORT: Amount = Amount { each: 20, files: 2000, cuts: 6, seed: 1 };
/// Programs that have steps made durable meanwhile.
const WORKERS: u64 = 2;

/// The tests.
pub fn tests() -> Vec<Trial> {
    vec![
        trial("move: fs and block move to and fro under load", || moves(SHORT).map(|line| println!("{line}"))),
        trial("move: fs and block die in turn under load", || deaths(SHORT).map(|line| println!("{line}"))),
    ]
}

/// Moves both services `each` times at random moments under load; what happened, in a line.
///
/// # Errors
/// When a program, the supervisor or the disk complains.
pub fn moves(amount: Amount) -> Result<String> {
    let scene = Scene::start(amount, Placement::Personality)?;
    let unpacked = scene.under_load(|number| {
        let (service, round) = (["fs", "block"][(number % 2) as usize], number / 2);
        let placement = ["native", "personality"][(round % 2) as usize];
        load::request(&scene.system.vm, &format!("migrate {service} {placement}"))
    })?;
    let services = load::services(&scene.system.vm)?;
    ensure!(services.iter().all(|service| service.migrations == amount.each), "{services:?}");
    let pauses: Vec<_> = services.iter().map(|service| (service.name.as_str(), service.pauses_ns)).collect();
    let what = format!("{} moves of each; longest, 99 % and middle pause in ns: {pauses:?}", amount.each);
    Ok(format!("{what}; {}", scene.end(&unpacked)?))
}

/// Kills the native services `each` times in turn at random moments under load; what happened, in a line.
///
/// # Errors
/// As [`moves`].
pub fn deaths(amount: Amount) -> Result<String> {
    let scene = Scene::start(amount, Placement::Native)?;
    let unpacked = scene.under_load(|number| {
        let task = ["fs", "block"][(number % 2) as usize];
        // While it is being made anew there is nothing to kill.
        let mut left = 200;
        while let Err(error) = load::request(&scene.system.vm, &format!("kill {task}")) {
            left -= 1;
            ensure!(left > 0, "{task} cannot be killed: {error:#}");
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    })?;
    let services = load::services(&scene.system.vm)?;
    ensure!(services.iter().all(|service| service.restarts + 1 >= amount.each), "{services:?}");
    Ok(format!("{} deaths of each; {}", amount.each, scene.end(&unpacked)?))
}

/// A system under load, whose disk's writes are logged.
struct Scene {
    amount: Amount,
    ground: Ground,
    folder: Folder,
    workers: Vec<Worker>,
    system: Loaded,
}

/// What the load did.
struct Done {
    /// How often the archive was unpacked.
    unpacked: usize,
    /// The steps of each worker.
    steps: Vec<u64>,
}

impl Scene {
    fn start(amount: Amount, placement: Placement) -> Result<Self> {
        shared::prepared()?;
        let (ground, folder) = (Ground::new()?, Folder::new()?);
        let places = Places::all(placement);
        let setup = Setup { files: amount.files, places, clock: Clock::Wall, options: &[] };
        let prepare = |tree: &mut _, config: &mut _| folder.prepare(tree, config, &ground.tools.e2fs);
        let system = Loaded::start_with(&ground, setup, prepare)?;
        Ok(Self { amount, workers: workers(WORKERS, amount.seed), ground, folder, system })
    }

    /// Does `what` twice `each` times while the load runs and the workers work.
    fn under_load(&self, what: impl FnMut(u64) -> Result<()>) -> Result<Done> {
        std::thread::scope(|scope| {
            let working = Running::begin(&self.system.vm, &self.workers, u64::MAX, LIMIT, scope);
            let running = self.system.begin(scope);
            let disturbed = load::disturb(self.amount.seed, 2 * self.amount.each, Duration::from_millis(400), what);
            let ended = self.system.end(running);
            let steps = working.end();
            disturbed.with_context(|| format!("the log:\n{}", self.system.log_end()))?;
            Ok(Done { unpacked: ended?, steps: steps.with_context(|| self.system.log_end())? })
        })
    }

    /// Stops the system in order and looks for every promised step on its disk, and on the disks after power cuts.
    fn end(self, done: &Done) -> Result<String> {
        self.system.check_disk(&self.ground)?;
        drop(self.system);
        let recording = Recording::new(self.folder, self.ground.tools.e2fs, self.workers)?;
        recording.check_end(&done.steps)?;
        let found = recording.check(self.amount.cuts, self.amount.seed)?;
        let Done { unpacked, steps } = done;
        Ok(format!("{unpacked} archives unpacked, {steps:?} steps found on the disk; {found}"))
    }
}
