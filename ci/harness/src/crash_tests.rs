//! What happens when the personality dies: as the boot option says, and native tasks go on.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use banyan::run::{Config, Event, Mode, OnCrash, Vm};
use libtest_mimic::Trial;

use crate::{shared, trial};

/// The tests.
pub fn tests() -> Vec<Trial> {
    vec![
        trial("crash: a personality that dies is made anew, and native tasks go on", restarted),
        trial("crash: a personality that dies ends the system where nothing else is said", halted),
    ]
}

/// When the personality is killed, in milliseconds from the start. The second time is for machines so slow that nobody was
/// at work the first time.
const KILLS: &str = "personality:15000,personality:90000";
/// Most microseconds that a heartbeat may be late, on a busy machine. Making a personality anew takes much longer.
const MAX_LATE_US: u64 = 500_000;

fn start(on_crash: OnCrash, kills: &str) -> Result<Vm> {
    let mut config = Config::new(Mode::Exec);
    config.root = banyan::root::Root::Path(shared::prepared()?.root.clone());
    config.on_crash = on_crash;
    let options = [("start", "heartbeat"), ("kill", kills)];
    config.options = options.map(|(key, value)| (key.into(), value.into())).into();
    Vm::start(&config)
}

fn restarted() -> Result<()> {
    let vm = start(OnCrash::Restart, KILLS)?;
    let log = || vm.explained_log();
    let context = || format!("the log:\n{}", banyan::progress::tail(&log().unwrap_or_default()));
    work_until_death(&vm).with_context(context)?;
    let output = vm.exec("echo again; cat /etc/hostname | wc -l", b"", shared::LIMIT).with_context(context)?;
    ensure!(output.stdout.starts_with(b"again\n"), "after its death: {output:?}\n{}", context());
    let log = log()?;
    ensure!(log.contains("task \"personality\" is dead"), "the log does not say what died:\n{log}");
    ensure!(log.contains("task \"personality\" is made anew"), "the log does not say what came:\n{log}");
    beats(&log)
}

/// Runs a command that never ends; it ends with an error when the system below it dies.
fn work_until_death(vm: &Vm) -> Result<()> {
    let deadline = Instant::now() + shared::LIMIT;
    vm.wait_ready(Some(deadline)).map_err(|stop| anyhow!("{stop:?}"))?;
    let session = vm.open("echo at work; sleep 100000")?;
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

/// The heartbeat was not late, and lost no beat, before and behind the death.
fn beats(log: &str) -> Result<()> {
    let mut count = 0;
    for line in log.lines().filter_map(|line| line.strip_prefix("[heartbeat] beat ")) {
        let (number, late_us) = parse(line).with_context(|| format!("a beat: {line}"))?;
        ensure!(number == count, "beat {count} is missing");
        ensure!(late_us < MAX_LATE_US, "beat {number} was {late_us} us late");
        count += 1;
    }
    ensure!(count > 20, "there are {count} beats");
    Ok(())
}

fn parse(beat: &str) -> Option<(u64, u64)> {
    let (number, rest) = beat.trim_end().split_once(" at ")?;
    let late_us = rest.split_once(" ms, ")?.1.strip_suffix(" us late")?;
    Some((number.parse().ok()?, late_us.parse().ok()?))
}

fn halted() -> Result<()> {
    let vm = start(OnCrash::Halt, "personality:15000")?;
    let result = vm.exec("sleep 100000", b"", shared::LIMIT);
    ensure!(result.is_err(), "the command ended: {result:?}");
    let log = vm.explained_log()?;
    let said = "task \"personality\" is dead, and the system cannot go on without it";
    ensure!(log.contains(said), "the log does not say what died:\n{log}");
    Ok(())
}
