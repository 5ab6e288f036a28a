//! The same bug in the same driver in both of its homes: a panic at a request, switched on by a boot option.

use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};
use banyan::disk::{Disk, Storage};
use banyan::run::{Config, End, Mode, Placement, Places, Vm};
use libtest_mimic::Trial;

use crate::{shared, trial};

/// Which request the driver panics at, counted from its start. What the load asks for is several times as many.
const REQUEST: &str = "150";
/// Writes a file, reads it back from the disk, and says what it was; the same in both homes.
const LOAD: &str = "seq 1 300000 >/a; sync; for i in 1 2 3 4 5 6; do cp /a /copy$i; sync; done; cat /copy? | md5sum; \
                    for i in 1 2 3 4 5 6; do cat /a; done | md5sum; banyan services";

/// The tests.
pub fn tests() -> Vec<Trial> {
    vec![
        trial("injection: programs survive a native driver that panics", native),
        trial("injection: the personality dies of a driver inside it that panics", inside),
    ]
}

fn start(placement: Placement) -> Result<Vm> {
    let mut config = Config::new(Mode::Exec);
    config.storage = Storage::Disk(Disk::Fresh);
    config.places = Places::all(placement);
    config.options = vec![("panic_after_requests".into(), REQUEST.into())];
    let system = Vm::start(&config)?;
    system.wait_ready(Some(Instant::now() + shared::LIMIT)).map_err(|stop| anyhow!("{stop:?}"))?;
    Ok(system)
}

fn log(system: &Vm) -> String {
    system.explained_log().unwrap_or_default()
}

fn native() -> Result<()> {
    let system = start(Placement::Native)?;
    let output = system.exec(LOAD, b"", shared::LIMIT).with_context(|| log(&system))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<_> = text.lines().collect();
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.0 == 0 && errors.is_empty(), "{errors}\n{}", log(&system));
    ensure!(lines.len() > 2 && lines[0] == lines[1], "the copies differ: {text}");
    let panics = log(&system).matches("injected bug: request number").count();
    ensure!(panics > 0, "nothing was injected:\n{}", log(&system));
    let restarts = lines.iter().find_map(|line| line.strip_prefix("block")?.split_whitespace().nth(2));
    let restarts = restarts.and_then(|restarts| restarts.parse::<usize>().ok());
    // The last panic's restart may be under way.
    ensure!(restarts.is_some_and(|restarts| (1..=panics).contains(&restarts)), "{panics} panics: {text}");
    Ok(())
}

fn inside() -> Result<()> {
    let system = start(Placement::Personality)?;
    ensure!(system.exec(LOAD, b"", shared::LIMIT).is_err(), "the load ran to its end");
    let end = system.wait(Some(Instant::now() + shared::LIMIT));
    ensure!(matches!(end, Some(End::Failed(_))), "the machine goes on: {end:?}\n{}", log(&system));
    let log = log(&system);
    for sign in ["injected bug: request number", "task \"personality\" is dead"] {
        ensure!(log.contains(sign), "no {sign:?} in the log:\n{log}");
    }
    Ok(())
}
