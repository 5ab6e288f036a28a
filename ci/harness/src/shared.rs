//! What many tests share: the prepared tools, Linux's answers, and one running Banyan that is started again when a test
//! brought it down.

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

/// Runs a command on the shared Banyan, one at a time. When the system breaks, its log's end joins the error, and the
/// next command gets a new system.
///
/// # Errors
/// When the system does not start, breaks, or the command takes too long.
pub fn exec(command: &str, input: &[u8], limit: Duration) -> Result<Output> {
    static SYSTEM: Mutex<Option<Vm>> = Mutex::new(None);
    let mut place = SYSTEM.lock().unwrap_or_else(PoisonError::into_inner);
    let system = match place.take() {
        Some(system) => system,
        None => start()?,
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
pub fn start() -> Result<Vm> {
    let mut config = Config::new(Mode::Exec);
    config.root = banyan::root::Root::Path(prepared()?.root.clone());
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
