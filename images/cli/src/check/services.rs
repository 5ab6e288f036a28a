//! Services that move, die and lose power, longer than in tests: several boots, each with a seed of its own.

use std::process::Command;

use anyhow::{Context, Result};
use banyan::run::Placement;
use banyan::workspace;
use demo::load::Clock;
use harness::{move_tests, power_tests, stress_tests};
use power_cuts::cuts::Summary;

use super::seed;
use crate::cli::Length;
use crate::output::tell;

/// Moves of each service in the long form, and deaths; in each boot so many of each.
const MOVES: u64 = 500;
const DEATHS: u64 = 1000;
const EACH: u64 = 50;
/// Power cuts of a recorded boot in the long form, and such boots; half of them have the services inside.
const CUTS: u64 = 125;
const BOOTS: u64 = 4;
/// How many times more random runs the file system's own tests make.
const FACTOR: u64 = 10;

/// The file system's own random runs and power cuts, in memory.
pub(super) fn file_system(length: Length) -> Result<Result<String, String>> {
    let factor = if length == Length::Long { FACTOR } else { 1 };
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["test", "--quiet", "-p", "fs-server"]).current_dir(workspace::source());
    let output = command.env("FS_TEST_FACTOR", factor.to_string()).output().context("cannot run cargo")?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(match output.status.success() {
        true => Ok(format!("all tests, with {factor} times the random runs")),
        false => Err(format!("{}{}", text(&output.stdout), text(&output.stderr))),
    })
}

/// Both services move under load.
pub(super) fn moves(length: Length) -> Result<Result<String, String>> {
    Ok(boots(length, MOVES, |amount| move_tests::moves(amount, Clock::Wall).map(|moved| moved.to_string())))
}

/// Both services move under load, on a machine whose clock counts instructions.
pub(super) fn pauses(_: Length) -> Result<Result<String, String>> {
    let amount = move_tests::Amount { each: EACH, seed: seed(), ..move_tests::COUNTED };
    Ok(match move_tests::moves(amount, Clock::Instructions) {
        Ok(moved) if moved.services.iter().all(|service| service.busy_ns.most < move_tests::GOAL) => {
            Ok(moved.to_string())
        }
        Ok(moved) => Err(format!("the goal is {} instructions: {moved}", move_tests::GOAL)),
        Err(error) => Err(format!("seed {}: {error:#}", amount.seed)),
    })
}

/// Both services die under load.
pub(super) fn deaths(length: Length) -> Result<Result<String, String>> {
    Ok(boots(length, DEATHS, move_tests::deaths))
}

/// Boots as often as there is to do, with `what` in each; in the long form it happens so often to each service.
fn boots(length: Length, long: u64, what: fn(move_tests::Amount) -> Result<String>) -> Result<String, String> {
    let (each, count) = if length == Length::Long { (EACH, long / EACH) } else { (move_tests::SHORT.each, 1) };
    let first = seed();
    for seed in (first..).take(count as usize) {
        let amount = move_tests::Amount { each, seed, ..move_tests::SHORT };
        let line = what(amount).map_err(|error| format!("seed {seed}: {error:#}"))?;
        tell(&format!("seed {seed}: {line}"));
    }
    Ok(format!(
        "{count} boots with {each} of each service, seeds from {first} on, every program and byte as it should be"
    ))
}

/// All kinds of work at once on four processors, while both services move.
pub(super) fn stress(length: Length) -> Result<Result<String, String>> {
    let (seconds, pause_seconds) = if length == Length::Long { (3600, 40) } else { (20, 3) };
    let amount = stress_tests::Amount { seconds, pause_seconds, seed: seed() };
    Ok(stress_tests::stress(amount).map_err(|error| format!("seed {}: {error:#}", amount.seed)))
}

/// The power fails while programs have work made durable.
pub(super) fn power_cuts(length: Length) -> Result<Result<String, String>> {
    let (boots, cuts) = if length == Length::Long { (BOOTS, CUTS) } else { (1, power_tests::SHORT.cuts) };
    let (first, mut all) = (seed(), Summary::default());
    for number in 0..boots {
        let placement = if number % 2 == 0 { Placement::Native } else { Placement::Personality };
        let amount = power_tests::Amount { cuts, seed: first + number, ..power_tests::SHORT };
        match power_tests::cuts(amount, placement) {
            Ok(summary) => all.add(summary),
            Err(error) => return Ok(Err(format!("seed {}, {placement:?}: {error:#}", amount.seed))),
        }
    }
    Ok(Ok(format!("{boots} boots, seeds from {first} on; {all}")))
}
