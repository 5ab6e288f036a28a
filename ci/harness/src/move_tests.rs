//! Services move and die while programs use the disk: nobody may notice, and the disk must be sound afterwards.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use banyan::run::{Placement, Places};
use demo::ground::Ground;
use demo::load::{self, Clock, Loaded, Setup};
use libtest_mimic::Trial;

use crate::{shared, trial};

/// How much of a test is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount {
    /// Moves of each service, or deaths.
    pub each: u64,
    /// Files in the archive that is unpacked.
    pub files: u32,
    /// Where the random moments come from.
    pub seed: u64,
}

/// In a test.
pub const SHORT: Amount = Amount { each: 20, files: 2000, seed: 1 };

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
    let ground = ground()?;
    let system = Loaded::start(&ground, setup(amount, Placement::Personality))?;
    let unpacked = under_load(&system, amount, |number| {
        let (service, round) = (["fs", "block"][(number % 2) as usize], number / 2);
        let placement = ["native", "personality"][(round % 2) as usize];
        load::request(&system.vm, &format!("migrate {service} {placement}"))
    })?;
    let services = load::services(&system.vm)?;
    ensure!(services.iter().all(|service| service.migrations == amount.each), "{services:?}");
    system.check_disk(&ground)?;
    let pauses: Vec<_> = services.iter().map(|service| (service.name.as_str(), service.pauses_ns)).collect();
    Ok(format!(
        "{} moves of each, {unpacked} archives unpacked; longest, 99 % and middle pause in ns: {pauses:?}",
        amount.each
    ))
}

/// Kills the native services `each` times in turn at random moments under load; what happened, in a line.
///
/// # Errors
/// As [`moves`].
pub fn deaths(amount: Amount) -> Result<String> {
    let ground = ground()?;
    let system = Loaded::start(&ground, setup(amount, Placement::Native))?;
    let unpacked = under_load(&system, amount, |number| {
        let task = ["fs", "block"][(number % 2) as usize];
        // While it is being made anew there is nothing to kill.
        let mut left = 200;
        while let Err(error) = load::request(&system.vm, &format!("kill {task}")) {
            left -= 1;
            ensure!(left > 0, "{task} cannot be killed: {error:#}");
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    })?;
    let services = load::services(&system.vm)?;
    ensure!(services.iter().all(|service| service.restarts + 1 >= amount.each), "{services:?}");
    system.check_disk(&ground)?;
    Ok(format!("{} deaths of each, {unpacked} archives unpacked", amount.each))
}

fn setup(amount: Amount, placement: Placement) -> Setup<'static> {
    Setup { files: amount.files, places: Places::all(placement), clock: Clock::Wall, options: &[] }
}

fn ground() -> Result<Ground> {
    shared::prepared()?;
    Ground::new()
}

/// Does `what` twice `each` times while the load runs; how often the archive was unpacked.
fn under_load(system: &Loaded, amount: Amount, what: impl FnMut(u64) -> Result<()>) -> Result<usize> {
    std::thread::scope(|scope| {
        let running = system.begin(scope);
        let disturbed = load::disturb(amount.seed, 2 * amount.each, Duration::from_millis(400), what);
        let ended = system.end(running);
        disturbed.with_context(|| format!("the log:\n{}", system.log_end()))?;
        ended
    })
}
