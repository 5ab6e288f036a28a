//! What manifests grant, as tasks see it that have it and tasks that do not: a system made for that
//! (`images/systems/grants-test.toml`), booted once, behind an IOMMU and with two devices that do what they are told.

use std::sync::OnceLock;

use anyhow::{Result, anyhow, ensure};
use banyan::root::Tree;
use banyan::run::{Config, Mode};
use banyan::{build, image, workspace};
use libtest_mimic::Trial;

use crate::machine::{Bench, LIMIT};
use crate::{suite, trial};

const PREFIX: &str = "[grants-test] ";
/// What the tasks report.
const TESTS: [&str; 11] = [
    "a_task_with_the_grant_traces_others",
    "the_trace_is_not_running_by_itself",
    "a_limit_is_seen_from_outside",
    "a_badge_that_watches_sees_threads",
    "the_switch_alone_shows_no_threads",
    "a_task_without_the_grant_traces_nothing",
    "a_task_without_the_switch_asks_root_nothing",
    "a_limited_task_makes_no_time",
    "a_limited_task_gets_its_share",
    "a_device_writes_where_it_may",
    "a_driver_goes_on_where_faults_are_noted",
];
const DEVICES: [&str; 6] =
    ["-device", "intel-iommu,intremap=on", "-device", "edu,dma_mask=0xffffffff", "-device", "edu,dma_mask=0xffffffff"];

/// The tests.
#[must_use]
pub fn tests() -> Vec<Trial> {
    let reported = TESTS.map(|name| trial(format!("grants: {name}"), move || suite::passed(log()?, PREFIX, name)));
    let faults = trial("grants: a device's fault is a message with its name, and its driver ends", faults);
    reported.into_iter().chain([faults]).collect()
}

/// The one boot's log.
fn log() -> Result<&'static str> {
    static LOG: OnceLock<Result<String, String>> = OnceLock::new();
    let log = LOG.get_or_init(|| boot().map_err(|error| format!("{error:#}")));
    log.as_ref().map(String::as_str).map_err(|message| anyhow!("{message}"))
}

/// The pci server has had the faults delivered, and the supervisor has done what each driver's manifest says.
fn faults() -> Result<()> {
    let log = log()?;
    let noted = "the device of task \"careless\" wanted what it may not";
    let ended = "the device of task \"culprit\" wanted what it may not, so the task ends";
    let dead = "task \"culprit\" is dead";
    for line in [noted, ended, dead] {
        ensure!(
            log.lines().any(|logged| logged.trim_end().ends_with(line)),
            "no {line:?}; the log's end:\n{}",
            suite::end(log)
        );
    }
    let wanted = "1234:11e8 wanted to write to address 0x200000 and may not";
    let faults = log.lines().filter(|line| line.starts_with("[pci]") && line.contains(wanted)).count();
    ensure!(faults == 2, "{faults} faults of two devices; the log's end:\n{}", suite::end(log));
    ensure!(!log.contains("its driver goes on"), "the driver did not end:\n{}", suite::end(log));
    ensure!(!log.contains("task \"careless\" is dead"), "the other driver ended:\n{}", suite::end(log));
    Ok(())
}

fn boot() -> Result<String> {
    let programs: Vec<build::Program> = build::PROGRAMS.iter().copied().chain([build::GRANTS_TEST]).collect();
    let mut bench = Bench::new("grants-test", &programs)?;
    let archive = bench.file("archive");
    let mut config = Config::new(Mode::Exec);
    config.manifest = workspace::source().join("images/systems/grants-test.toml");
    let image = image::build(&bench.programs, &config, &Tree::default(), &archive)?;
    bench.log_of(&image, &DEVICES.map(String::from), LIMIT)
}
