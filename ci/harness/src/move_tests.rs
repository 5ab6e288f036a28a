//! Services move and die while programs use the disk: nobody may notice, and the disk must be sound afterwards.
//!
//! While they die, the disk's writes are logged, and workers have steps made durable: these have to be on the disk itself, when
//! it was left in good order as well as after power cuts between and behind the deaths.

use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use banyan::run::{Placement, Places};
use demo::ground::{Ground, LIMIT};
use demo::load::{self, Clock, Loaded, Service, Setup};
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
/// In the test that counts instructions, where everything takes longer.
pub const COUNTED: Amount = Amount { each: 5, files: 60, cuts: 2, seed: 2 };
/// Deaths of `fs` alone.
pub const BESIDE: Amount = Amount { each: 6, files: 200, cuts: 2, seed: 3 };
/// Programs that have steps made durable meanwhile.
const WORKERS: u64 = 2;
/// The goal of 99 pauses in 100, in instructions.
pub const GOAL: u64 = 3_000_000;
/// What no pause of a test may exceed: ten times the goal, twice the longest ever seen. A move that finds no quiet moment reads
/// the disk with the gate closed; what programs do meanwhile counts as well, and the disk is the host's, which may be busy.
const CEILING: u64 = 10 * GOAL;

/// What moving was like.
#[derive(Clone, Debug)]
pub struct Moved {
    /// Moves of each service.
    pub each: u64,
    /// What the clock counted.
    pub clock: Clock,
    /// The services afterwards, with their pauses.
    pub services: Vec<Service>,
    /// What the load did meanwhile, and what of it was found on the disk.
    pub found: String,
}

impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} moves of each", self.each)?;
        for service in &self.services {
            let (pauses, divisor, unit) = match self.clock {
                Clock::Wall => (service.pauses_ns, 1_000_000, "ms"),
                Clock::Instructions => (service.busy_ns, 1, "instructions"),
            };
            let [middle, most, longest] = [pauses.middle, pauses.most, pauses.longest].map(|pause| pause / divisor);
            write!(f, "; pauses of {}: p50 {middle}, p99 {most}, longest {longest} {unit}", service.name)?;
            if self.clock == Clock::Instructions {
                write!(f, " ({})", service.steps)?;
            }
        }
        write!(f, "; {}", self.found)
    }
}

/// The tests.
pub fn tests() -> Vec<Trial> {
    vec![
        trial("move: fs and block move to and fro under load", || {
            moves(SHORT, Clock::Wall).map(|moved| println!("{moved}"))
        }),
        trial("move: pauses are short in instructions", || {
            let moved = moves(COUNTED, Clock::Instructions)?;
            println!("{moved}");
            ensure!(moved.services.iter().all(|service| service.busy_ns.longest < CEILING), "{moved}");
            Ok(())
        }),
        trial("move: fs dies under load while block is inside the personality", || {
            deaths_beside(BESIDE).map(|line| println!("{line}"))
        }),
        trial("move: fs and block die in turn under load", || deaths(SHORT).map(|line| println!("{line}"))),
    ]
}

/// Moves both services `each` times at random moments under load, and tells what that was like.
///
/// # Errors
/// When a program, the supervisor or the disk complains.
pub fn moves(amount: Amount, clock: Clock) -> Result<Moved> {
    let scene = Scene::start(amount, Places::all(Placement::Personality), clock)?;
    let done = scene.under_load(|number| {
        let (service, round) = (["fs", "block"][(number % 2) as usize], number / 2);
        let placement = ["native", "personality"][(round % 2) as usize];
        load::request(&scene.system.vm, &format!("migrate {service} {placement}"))
    })?;
    let services = load::services(&scene.system.vm)?;
    ensure!(services.iter().all(|service| service.migrations == amount.each), "{services:?}");
    Ok(Moved { each: amount.each, clock, services, found: scene.end(&done)? })
}

/// Kills the native services `each` times in turn at random moments under load; what happened, in a line.
///
/// # Errors
/// As [`moves`].
pub fn deaths(amount: Amount) -> Result<String> {
    let scene = Scene::start(amount, Places::all(Placement::Native), Clock::Wall)?;
    let done = scene.under_load(|number| kill(&scene.system, ["fs", "block"][(number % 2) as usize]))?;
    let services = load::services(&scene.system.vm)?;
    ensure!(services.iter().all(|service| service.restarts + 1 >= amount.each), "{services:?}");
    Ok(format!("{} deaths of each; {}", amount.each, scene.end(&done)?))
}

/// Kills the native file system `each` times under load while the disk's driver is inside the personality, which has to let go
/// of its memory each time; what happened, in a line.
///
/// # Errors
/// As [`moves`].
pub fn deaths_beside(amount: Amount) -> Result<String> {
    let mut places = Places::all(Placement::Personality);
    places.change("fs=native")?;
    let scene = Scene::start(Amount { each: amount.each.div_ceil(2), ..amount }, places, Clock::Wall)?;
    let done = scene.under_load(|_| kill(&scene.system, "fs"))?;
    let services = load::services(&scene.system.vm)?;
    let is_fs = |service: &Service| service.name == "fs" && service.restarts + 1 >= amount.each;
    ensure!(services.iter().any(is_fs), "{services:?}");
    Ok(format!("{} deaths of fs; {}", amount.each, scene.end(&done)?))
}

fn kill(system: &Loaded, task: &str) -> Result<()> {
    // While it is being made anew there is nothing to kill.
    let mut left = 200;
    while let Err(error) = load::request(&system.vm, &format!("kill {task}")) {
        left -= 1;
        ensure!(left > 0, "{task} cannot be killed: {error:#}");
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
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
    fn start(amount: Amount, places: Places, clock: Clock) -> Result<Self> {
        shared::prepared()?;
        let (ground, folder) = (Ground::new()?, Folder::new()?);
        let setup = Setup { files: amount.files, places, clock, options: &[] };
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
