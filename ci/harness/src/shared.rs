//! What many tests share: the prepared tools, Linux's answers, and two running Banyans, with one processor and with four, that are
//! started again when a test brought them down.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use banyan::run::{Config, Mode, Output, Vm};
use reference::batch::Answer;

use crate::workshop::Prepared;

/// How long one command may take. Emulation on a busy machine is slow; only a hang takes this long.
pub const LIMIT: Duration = Duration::from_secs(180);

type Shared<T> = OnceLock<Result<T, String>>;

/// Tools, programs and the root tree.
///
/// # Errors
/// When they cannot be made; every test that needs them fails with the same message.
pub fn prepared() -> Result<&'static Prepared> {
    static PREPARED: Shared<Prepared> = OnceLock::new();
    once(&PREPARED, Prepared::new)
}

/// Linux's answer to the case with this number.
///
/// # Errors
/// When Linux could not be asked.
pub fn linux_answer(number: usize) -> Result<&'static Answer> {
    static ANSWERS: Shared<Vec<Answer>> = OnceLock::new();
    let answers = once(&ANSWERS, || prepared()?.linux_answers())?;
    answers.get(number).context("Linux was asked about every case")
}

fn once<T>(place: &'static Shared<T>, make: impl FnOnce() -> Result<T>) -> Result<&'static T> {
    let made = place.get_or_init(|| make().map_err(|error| format!("{error:#}")));
    made.as_ref().map_err(|message| anyhow!("{message}"))
}

/// Which of the running systems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Processors {
    /// The one with as many as a system has where nothing else is said.
    Usual,
    /// The one with four.
    Four,
}

/// Runs a command on a shared Banyan, one at a time. When the system breaks, its log's end joins the error, and the
/// next command gets a new system.
///
/// # Errors
/// When the system does not start, breaks, or the command takes too long.
pub fn exec(processors: Processors, command: &str, input: &[u8], limit: Duration) -> Result<Output> {
    static SYSTEMS: [Mutex<Option<Vm>>; 2] = [const { Mutex::new(None) }; 2];
    let mut place = SYSTEMS[processors as usize].lock().unwrap_or_else(PoisonError::into_inner);
    let system = match place.take() {
        Some(system) => system,
        None => start(processors)?,
    };
    let result = system.exec(command, input, limit);
    match result {
        Ok(output) => {
            *place = Some(system);
            Ok(output)
        }
        Err(error) => Err(error.context(log_end(&system))),
    }
}

/// Starts a Banyan with the tests' root.
///
/// # Errors
/// When it does not build or boot.
pub fn start(processors: Processors) -> Result<Vm> {
    let mut config = Config::new(Mode::Exec);
    config.root = banyan::root::Root::Path(prepared()?.root.clone());
    if processors == Processors::Four {
        config.cpus = 4;
    }
    let system = Vm::start(&config)?;
    let deadline = Instant::now() + LIMIT;
    system.wait_ready(Some(deadline)).map_err(|stop| anyhow!("{stop:?}")).with_context(|| log_end(&system))?;
    Ok(system)
}

fn log_end(system: &Vm) -> String {
    let log = system.explained_log().unwrap_or_default();
    let lines: Vec<_> = log.lines().collect();
    let end = lines[lines.len().saturating_sub(30)..].join("\n");
    format!("the system's log is {}; its end:\n{end}\n", system.log().display())
}
