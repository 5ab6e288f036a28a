//! What happens when the personality dies: as the boot option says, and native tasks go on.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use banyan::disk::{Disk, Storage};
use banyan::run::{Config, Event, Mode, OnCrash, Placement, Places, Vm};
use libtest_mimic::Trial;

use crate::{shared, trial};

/// The tests.
pub fn tests() -> Vec<Trial> {
    vec![
        trial("crash: a personality that dies is made anew, and native tasks go on", || {
            restarted(&in_memory(KILLS), "sleep 100000", 1)
        }),
        trial("crash: a personality that dies finds its disk again, services inside", || {
            restarted(&on_disk(Placement::Personality), SUICIDE, 2)
        }),
        trial("crash: a personality that dies finds its disk again, services native", || {
            restarted(&on_disk(Placement::Native), SUICIDE, 2)
        }),
        trial("crash: a personality that dies ends the system where nothing else is said", halted),
    ]
}

/// When a personality without services to command is killed, in milliseconds from the start. The second time is for
/// machines so slow that nobody was at work the first time.
const KILLS: &str = "personality:10000,personality:60000";
/// A command that kills the personality below it.
const SUICIDE: &str = "banyan kill personality; sleep 100000";
/// The heartbeat's options.
const HEARTBEAT: [(&str, &str); 2] = [("start", "heartbeat"), ("heartbeat_ms", "20")];
/// What the log says when the personality has died, and when there is another.
const DEAD: &str = "task \"personality\" is dead";
const BEAT: &str = "[heartbeat] beat ";
const ANEW: &str = "task \"personality\" is made anew";

/// A system whose files are in the personality's memory.
fn in_memory(kills: &str) -> Config {
    let mut config = Config::new(Mode::Exec);
    config.storage = Storage::Memory;
    config.options =
        HEARTBEAT.into_iter().chain([("kill", kills)]).map(|(key, value)| (key.into(), value.into())).collect();
    config
}

/// A system whose files are on a disk.
fn on_disk(placement: Placement) -> Config {
    let mut config = Config::new(Mode::Exec);
    config.storage = Storage::Disk(Disk::Fresh);
    config.places = Places::all(placement);
    config.options = HEARTBEAT.map(|(key, value)| (key.into(), value.into())).into();
    config
}

/// Runs commands in the lives of a personality, of which each but the last ends while `deadly` runs.
fn restarted(config: &Config, deadly: &str, deaths: u32) -> Result<()> {
    let vm = Vm::start(&Config { on_crash: OnCrash::Restart, ..config.clone() })?;
    let context = || format!("the log:\n{}", banyan::progress::tail(&vm.explained_log().unwrap_or_default()));
    for life in 1..=deaths {
        let command = format!("echo {life} >/tmp/life; sync; cat /tmp/life");
        let output = vm.exec(&command, b"", shared::LIMIT).with_context(context)?;
        ensure!(output.stdout == format!("{life}\n").as_bytes(), "life {life}: {output:?}\n{}", context());
        work_until_death(&vm, deadly).with_context(context)?;
    }
    let output = vm.exec("echo again; ls /bin | wc -l", b"", shared::LIMIT).with_context(context)?;
    ensure!(output.stdout.starts_with(b"again\n"), "after its death: {output:?}\n{}", context());
    let log = vm.explained_log()?;
    let (_, after) = log.split_once(DEAD).with_context(|| format!("the log does not say what died:\n{log}"))?;
    let (meanwhile, _) = after.split_once(ANEW).with_context(|| format!("the log does not say what came:\n{log}"))?;
    ensure!(meanwhile.contains(BEAT), "nothing beat while the personality was made anew:\n{log}");
    beats(&log)
}

/// Runs a command during which the personality dies: it ends with an error.
fn work_until_death(vm: &Vm, deadly: &str) -> Result<()> {
    let deadline = Instant::now() + shared::LIMIT;
    vm.wait_ready(Some(deadline)).map_err(|stop| anyhow!("{stop:?}"))?;
    let session = vm.open(deadly)?;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        ensure!(left > Duration::ZERO, "nothing died");
        match session.next(Some(deadline)).map_err(|stop| anyhow!("waiting for the death: {stop:?}"))? {
            Event::Refused(reason) => {
                ensure!(reason.contains("died"), "the reason is {reason:?}");
                return Ok(());
            }
            Event::Exit(status) => return Err(anyhow!("it ended with {status:?}")),
            _ => {}
        }
    }
}

/// No beat is missing, before and behind the death. How late one may be is measured where instructions are the clock
/// (`supervisor_tests`): here the host decides when anything runs.
fn beats(log: &str) -> Result<()> {
    let mut count = 0;
    for line in log.lines().filter_map(|line| line.strip_prefix(BEAT)) {
        let number = line.split_once(" at ").and_then(|(number, _)| number.parse::<u64>().ok());
        ensure!(number == Some(count), "beat {count} is missing: {line}");
        count += 1;
    }
    ensure!(count > 20, "there are {count} beats");
    Ok(())
}

fn halted() -> Result<()> {
    let vm = Vm::start(&in_memory(KILLS))?;
    let result = vm.exec("sleep 100000", b"", shared::LIMIT);
    ensure!(result.is_err(), "the command ended: {result:?}");
    let log = vm.explained_log()?;
    let said = "task \"personality\" is dead, and the system cannot go on without it";
    ensure!(log.contains(said), "the log does not say what died:\n{log}");
    Ok(())
}
