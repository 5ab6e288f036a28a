//! The keeper: the root task's second thread, which does what takes long. It makes tasks and takes back what they had, one
//! after the other, in the order in which the service asks.
//!
//! The service (the first thread) never waits for the keeper, so faults and requests are served meanwhile. The keeper waits
//! for the kernel and, while it takes a task's devices back, for the pci server: that is trusted to answer, and the system
//! does not go on without it.
//!
//! Lock order: each of the two locks here is held alone, for a moment.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use rt::sync::Mutex;
use rt::thread;
use rt::time::now_ns;
use ukernel_user::{Cap, Notification};

use crate::create::Maker;
use crate::devices::Devices;
use crate::made::Made;

/// Something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// Take everything back that this task had.
    End(usize),
    /// Make and start this task.
    Make(usize),
}

/// Something done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// Everything was taken back.
    Ended(usize),
    /// The task runs, or could not be made.
    Made(usize, Result<(), ()>),
    /// A driver let go of this dead task, by the number of the parting.
    Parted(usize, u64),
}

/// What both threads use.
#[derive(Debug, Default)]
pub struct Shared {
    jobs: Mutex<Jobs>,
    /// The tasks that are there, by number.
    made: Mutex<BTreeMap<usize, Made>>,
}

#[derive(Debug, Default)]
struct Jobs {
    queue: VecDeque<Job>,
    done: Vec<Done>,
    /// When the service wants to be woken.
    alarm_ns: Option<u64>,
}

impl Shared {
    /// Asks for a job; the keeper is to be unparked.
    pub fn ask(&self, job: Job) {
        self.jobs.lock().queue.push_back(job);
    }

    /// Sets when the service wants to be woken, or that it does not; the keeper is to be unparked.
    pub fn set_alarm(&self, at_ns: Option<u64>) {
        self.jobs.lock().alarm_ns = at_ns;
    }

    /// Notes something done; the service is to be told.
    pub fn note_done(&self, done: Done) {
        self.jobs.lock().done.push(done);
    }

    /// Takes what was done since the last time.
    pub fn take_done(&self) -> Vec<Done> {
        core::mem::take(&mut self.jobs.lock().done)
    }

    /// Notes a task that is there.
    pub fn put_made(&self, number: usize, made: Made) {
        self.made.lock().insert(number, made);
    }

    /// The task with this number, if it is there.
    #[must_use]
    pub fn made(&self, number: usize) -> Option<Made> {
        self.made.lock().get(&number).cloned()
    }
}

/// The keeper.
pub struct Keeper {
    /// What it makes tasks of.
    pub maker: Maker,
    /// How it takes devices back.
    pub devices: Devices,
    /// What it shares with the service.
    pub shared: Arc<Shared>,
    /// Signalled when something was done, or the alarm is due.
    pub news: Cap<Notification>,
}

impl Keeper {
    /// Works for ever.
    pub fn run(mut self) {
        loop {
            let (job, alarm_ns) = {
                let mut jobs = self.shared.jobs.lock();
                (jobs.queue.pop_front(), jobs.alarm_ns)
            };
            match (job, alarm_ns) {
                (Some(job), _) => {
                    let done = self.work(job);
                    self.shared.jobs.lock().done.extend(done);
                    self.tell();
                }
                (None, Some(alarm_ns)) if alarm_ns <= now_ns() => {
                    self.shared.jobs.lock().alarm_ns = None;
                    self.tell();
                }
                (None, Some(alarm_ns)) => {
                    thread::park_until(alarm_ns);
                }
                (None, None) => thread::park(),
            }
        }
    }

    fn tell(&self) {
        if let Err(error) = self.news.signal() {
            log::error!("the keeper cannot reach the service: {error:?}");
        }
    }

    /// Does a job; `None`: it cannot be done, ever.
    fn work(&mut self, job: Job) -> Option<Done> {
        match job {
            Job::Make(number) => Some(Done::Made(number, self.make(number))),
            Job::End(number) => self.end(number).then_some(Done::Ended(number)),
        }
    }

    fn make(&mut self, number: usize) -> Result<(), ()> {
        let start_ns = now_ns();
        let result = self.maker.make(number).and_then(|made| {
            // Known before it runs: it may die at its first instruction.
            self.shared.put_made(number, made.clone());
            made.start().map_err(|error| alloc::format!("it does not start: {error:?}"))
        });
        let name = self.name(number);
        match result {
            Ok(()) => {
                log::info!("task \"{name}\" starts; made in {} us", (now_ns() - start_ns) / 1000);
                Ok(())
            }
            Err(problem) => {
                log::error!("task \"{name}\" cannot be made: {problem}");
                self.shared.made.lock().remove(&number);
                Err(())
            }
        }
    }

    /// Takes everything back from a task whose threads are stopped. Where a device cannot be made quiet, the memory that it
    /// may write to must never be used again, so the task stays as it is.
    fn end(&mut self, number: usize) -> bool {
        let start_ns = now_ns();
        let Some(task) = self.maker.manifest.tasks.get(number) else { return false };
        let name = task.name.clone();
        if let Err(problem) = self.devices.take_back(task) {
            log::error!("task \"{name}\" cannot be ended: {problem}");
            return false;
        }
        self.shared.made.lock().remove(&number);
        self.maker.unmake(number);
        log::info!("everything of task \"{name}\" was taken back, in {} us", (now_ns() - start_ns) / 1000);
        true
    }

    fn name(&self, number: usize) -> String {
        self.maker.manifest.tasks.get(number).map(|task| task.name.clone()).unwrap_or_default()
    }
}
