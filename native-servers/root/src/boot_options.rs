//! Options of the boot that change the manifest. All others are for tasks; an option `once.KEY=VALUE` is for the first life
//! of each task that may see it (`plan`).
//!
//! * `place=SERVICE:PLACEMENT,...`: where services run at first
//! * `on-personality-crash=halt|restart`: what follows when the personality dies; `halt` is what the manifest says
//! * `start=TASK,...`: tasks to start with the system that would start on demand
//! * `kill=TASK:MILLISECONDS,...`: tasks that die so long after the start, as if by a fault; for tests and demonstrations

use alloc::format;
use alloc::vec::Vec;

use manifest::{Manifest, PLACE_OPTION, Problem, Restart, Space, Start};

use crate::plan::option;

/// Key of the option for the personality's death.
pub const CRASH_OPTION: &str = "on-personality-crash";
/// Key of the option for tasks to start.
pub const START_OPTION: &str = "start";
/// Key of the option for tasks to kill.
pub const KILL_OPTION: &str = "kill";

/// Applies the options in `boot` (lines of `key=value`).
///
/// # Errors
/// An option makes no sense.
pub fn apply(manifest: &mut Manifest, boot: &str) -> Result<(), Problem> {
    if let Some(places) = option(boot, PLACE_OPTION) {
        manifest.place(places)?;
    }
    match option(boot, CRASH_OPTION) {
        None | Some("halt") => {}
        Some("restart") => {
            let masters = manifest.tasks.iter_mut().filter(|task| task.space == Space::Master);
            masters.for_each(|task| task.restart = Restart::Always);
        }
        Some(other) => return Err(Problem(format!("{CRASH_OPTION}={other}: it is halt or restart"))),
    }
    for name in option(boot, START_OPTION).unwrap_or_default().split(',').filter(|name| !name.is_empty()) {
        start(manifest, name)?;
    }
    Ok(())
}

/// Reads which tasks are to die, and when, in nanoseconds after the start.
///
/// # Errors
/// The option makes no sense.
pub fn kills(manifest: &Manifest, boot: &str) -> Result<Vec<(u64, usize)>, Problem> {
    let entries = option(boot, KILL_OPTION).unwrap_or_default().split(',').filter(|entry| !entry.is_empty());
    let kills = entries.map(|entry| {
        let (name, after) = entry.split_once(':')?;
        let after_ns = after.parse::<u64>().ok()?.checked_mul(1_000_000)?;
        Some((after_ns, manifest.task(name)?.0))
    });
    let kills: Option<Vec<_>> = kills.collect();
    kills.ok_or_else(|| Problem(format!("{KILL_OPTION}: it is a list of TASK:MILLISECONDS")))
}

fn start(manifest: &mut Manifest, name: &str) -> Result<(), Problem> {
    if manifest.services.iter().any(|service| service.native == name) {
        return Err(Problem(format!("{START_OPTION}={name}: it belongs to a service, which is to be placed instead")));
    }
    let task = manifest.tasks.iter_mut().find(|task| task.name == name);
    let task = task.ok_or_else(|| Problem(format!("{START_OPTION}={name}: there is no such task")))?;
    task.start = Start::Boot;
    Ok(())
}
