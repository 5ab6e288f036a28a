//! The thread that asks drivers inside other tasks to let go of dead clients.
//!
//! It waits for those tasks' answers, for as long as it takes; the supervisor does not wait for ever, and ends a task that does
//! not answer. That is why neither the service nor the keeper does this.
//!
//! A question that its task did not live to answer is answered by the next one that serves the disk, which knows no such client.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

use interfaces::block_device::SUPERVISOR;
use interfaces::{BlockDevice, BlockDeviceClient, BlockError};
use manifest::PCI_ENDPOINT;
use rt::sync::{Condvar, Mutex};
use ukernel_user::{Cap, Notification};

use crate::create::Maker;
use crate::keeper::{Done, Shared};

/// How long it waits before it asks again where nobody serves at the moment, in nanoseconds.
const PAUSE_NS: u64 = 1_000_000;

/// Something to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Let go of this dead task; the parting's number.
    Part(usize, u64),
    /// Take clients with this task's badge again.
    Admit(usize),
}

/// What is to be asked.
#[derive(Debug, Default)]
pub struct Questions {
    queue: Mutex<VecDeque<Question>>,
    some: Condvar,
}

impl Questions {
    /// Adds one.
    pub fn ask(&self, question: Question) {
        self.queue.lock().push_back(question);
        self.some.notify_one();
    }

    fn next(&self) -> Question {
        let mut queue = self.queue.lock();
        loop {
            if let Some(question) = queue.pop_front() {
                return question;
            }
            queue = self.some.wait(queue);
        }
    }
}

/// The thread.
#[derive(Debug)]
pub struct Parter {
    /// Each task that is a client of a disk, the disk, and its badge there.
    clients: Vec<(usize, BlockDeviceClient, u64)>,
}

impl Parter {
    /// The ways to the disks of `maker`'s system: the services whose native tasks drive a device.
    #[must_use]
    pub fn new(maker: &Maker) -> Self {
        let manifest = &maker.manifest;
        let drives = |service: &&manifest::Service| {
            let native = manifest.task(&service.native);
            native.is_some_and(|(_, task)| task.calls.iter().any(|call| call.endpoint == PCI_ENDPOINT))
        };
        let mut clients = Vec::new();
        for service in manifest.services.iter().filter(drives) {
            let Ok(disk) = maker.caller_of(&service.name, SUPERVISOR) else { continue };
            for (number, task) in manifest.tasks.iter().enumerate() {
                let calls = task.calls.iter().filter(|call| call.endpoint == service.name);
                clients.extend(calls.map(|call| (number, BlockDeviceClient::new(disk), call.badge)));
            }
        }
        Self { clients }
    }

    /// Works for ever; `news` tells the service.
    pub fn run(self, questions: &Questions, shared: &Arc<Shared>, news: Cap<Notification>) {
        loop {
            match questions.next() {
                Question::Part(task, number) => {
                    self.each(task, BlockDevice::end_client);
                    shared.note_done(Done::Parted(task, number));
                    if let Err(error) = news.signal() {
                        log::error!("the service cannot be told: {error:?}");
                    }
                }
                Question::Admit(task) => self.each(task, BlockDevice::admit_client),
            }
        }
    }

    fn each(&self, task: usize, ask: impl Fn(&BlockDeviceClient, u64) -> Result<(), BlockError>) {
        for (_, disk, badge) in self.clients.iter().filter(|(number, ..)| *number == task) {
            while let Err(error) = ask(disk, *badge) {
                if !matches!(error, BlockError::Call(_) | BlockError::Stopped) {
                    log::error!("a disk does not know of a dead client: {error}");
                }
                rt::thread::sleep_until(rt::time::now_ns() + PAUSE_NS);
            }
        }
    }
}
