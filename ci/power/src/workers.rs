//! The workers of a recording, and how far each was at any place of the log.

use std::collections::BTreeMap;
use std::thread::{Scope, ScopedJoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use banyan::run::{Output, Vm};
use legacy_programs::promises::{LEDGER, Node, Plan, RECORD_BYTES, Tree, is_same, read_record};

use crate::log::{Event, WriteLog};

/// A program in the machine that does the steps of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worker {
    /// Its folder in the root.
    pub folder: String,
    /// What its plan is drawn from.
    pub seed: u64,
}

/// So many workers for a run with this seed.
#[must_use]
pub fn workers(count: u64, seed: u64) -> Vec<Worker> {
    let worker = |number| Worker { folder: format!("w{number}"), seed: seed * 100 + number };
    (0..count).map(worker).collect()
}

/// Workers at work in a machine.
pub struct Running<'scope>(Vec<(Worker, ScopedJoinHandle<'scope, Result<Output>>)>);

impl<'scope> Running<'scope> {
    /// Lets them begin: each does `steps` steps at most, until the load ends.
    pub fn begin(
        vm: &'scope Vm,
        workers: &[Worker],
        steps: u64,
        limit: Duration,
        scope: &'scope Scope<'scope, '_>,
    ) -> Self {
        let start = |worker: &Worker| {
            let Worker { folder, seed } = worker;
            let command = format!("exec disk-load promises /{folder} {seed} {steps}");
            (worker.clone(), scope.spawn(move || vm.exec(&command, b"", limit)))
        };
        Self(workers.iter().map(start).collect())
    }

    /// Waits for them; the steps that each did, all of which it found done.
    ///
    /// # Errors
    /// When one failed.
    pub fn end(self) -> Result<Vec<u64>> {
        let ends = self.0.into_iter().map(|(worker, thread)| {
            let output = thread.join().map_err(|_| anyhow!("the thread of {worker:?} panicked"))??;
            let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            ensure!(output.status.code() == 0 && errors.is_empty(), "{worker:?} said {text}{errors}");
            text.trim().parse().with_context(|| format!("{worker:?} said {text}"))
        });
        ends.collect()
    }
}

/// Where in a log the records of a worker are: that of step `n` is in event `self[n - 1]` for the first time.
pub type Records = Vec<usize>;

/// Finds the records of all workers.
///
/// # Errors
/// When the log cannot be read, or a record is missing before another.
pub fn records(log: &WriteLog, workers: &[Worker]) -> Result<Vec<Records>> {
    let mut found: BTreeMap<u64, Records> = workers.iter().map(|worker| (worker.seed, Vec::new())).collect();
    for (index, event) in log.events.iter().enumerate() {
        let (Event::Write(piece) | Event::DurableWrite(piece)) = event else { continue };
        let bytes = log.bytes(piece)?;
        for (seed, number) in bytes.chunks(RECORD_BYTES).filter_map(read_record) {
            let Some(records) = found.get_mut(&seed) else { continue };
            let next = records.len() as u64 + 1;
            ensure!(number <= next, "record {number} of seed {seed} is written where {next} was expected");
            if number == next {
                records.push(index);
            }
        }
    }
    Ok(workers.iter().map(|worker| found.remove(&worker.seed).unwrap_or_default()).collect())
}

/// Follows a worker's plan through cuts that come in order.
#[derive(Debug)]
pub struct Follower {
    worker: Worker,
    records: Records,
    /// Drawn up to the last record that was written.
    plan: Plan,
    done: u64,
}

impl Follower {
    /// Starts at the beginning.
    #[must_use]
    pub fn new(worker: Worker, records: Records) -> Self {
        let plan = Plan::new(worker.seed);
        Self { worker, records, plan, done: 0 }
    }

    /// The worker's folder.
    #[must_use]
    pub fn folder(&self) -> &str {
        &self.worker.folder
    }

    /// Goes to a cut; how many steps were promised before it.
    pub fn advance(&mut self, cut: usize) -> u64 {
        while self.records.get(self.done as usize).is_some_and(|index| *index < cut) {
            self.plan.draw();
            self.done += 1;
        }
        self.done
    }

    /// Checks the worker's folder (`None`: there is none) after a cut at this place.
    ///
    /// # Errors
    /// What was promised and is not there, or is there and never was.
    pub fn check(&self, found: Option<&Tree>) -> Result<()> {
        let context = || format!("/{}, after step {}", self.worker.folder, self.done);
        let Some(found) = found else {
            ensure!(self.done == 0, "{} is missing", context());
            return Ok(());
        };
        let mut found = found.clone();
        let ledger = found.remove(LEDGER);
        self.check_ledger(ledger).with_context(context)?;
        let mut after = self.plan.clone();
        let step = after.draw();
        let allowed = step.allows(self.plan.tree(), after.tree(), &found);
        allowed.map_err(|error| anyhow!("{error}; the next step is {step:?}")).with_context(context)
    }

    /// Checks the folder as it must be when the worker has ended.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn check_end(&self, steps: u64, found: Option<&Tree>) -> Result<()> {
        let mut found = found.with_context(|| format!("/{} is missing", self.worker.folder))?.clone();
        let records = numbers(found.remove(LEDGER).as_ref(), self.worker.seed)?;
        ensure!(self.done == steps, "/{} did {steps} steps, but {} are in the log", self.worker.folder, self.done);
        ensure!(records == steps, "the ledger of /{} has {records} of {steps} records", self.worker.folder);
        is_same(self.plan.tree(), &found).map_err(|error| anyhow!("/{}: {error}", self.worker.folder))
    }

    /// All records but the last were durable, and there are no others.
    fn check_ledger(&self, ledger: Option<Node>) -> Result<()> {
        let count = numbers(ledger.as_ref(), self.worker.seed)?;
        let least = self.done.saturating_sub(1);
        ensure!((least..=self.done).contains(&count), "the ledger has {count} of {least} records");
        Ok(())
    }
}

/// How many records a ledger has, in order; behind them one may be missing, of which only zeros are there.
fn numbers(ledger: Option<&Node>, seed: u64) -> Result<u64> {
    let bytes = match ledger {
        Some(Node::File(bytes)) => bytes.as_slice(),
        Some(Node::Folder) => anyhow::bail!("the ledger is a folder"),
        None => &[],
    };
    let sectors = bytes.chunks(RECORD_BYTES);
    let whole = sectors.zip(1..).take_while(|(bytes, number)| read_record(bytes) == Some((seed, *number))).count();
    let rest = &bytes[whole * RECORD_BYTES..];
    ensure!(rest.len() <= RECORD_BYTES && rest.iter().all(|byte| *byte == 0), "the ledger ends in rubbish");
    Ok(whole as u64)
}
