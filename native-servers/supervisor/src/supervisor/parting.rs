//! The death of a client of a driver that runs inside another task.
//!
//! The device may have been told to write into the dead task's memory, and the driver cannot be ended for that: it would take
//! the task along in which it runs. So the driver is asked to end the client. Only then is its memory taken back. If there
//! is no answer in time, the driver's task is as good as dead: it is ended, and so its device reset, before that memory is
//! taken back.

use manifest::Placement;

use super::{Death, Order, Supervisor};
use crate::life::{After, Parting, Phase};

/// How long a driver may take to let go of a dead client, in nanoseconds. It waits for the disk; only a hang takes that long.
pub const PATIENCE_NS: u64 = 30_000_000_000;

impl<T> Supervisor<T> {
    /// Takes everything back from a task that died; before that a driver inside another task lets go of it.
    pub(super) fn part(&mut self, task: usize, after: After, now_ns: u64) {
        let Some(host) = self.host_of_driver(task) else { return self.end(task, after) };
        if let Phase::Making { .. } = self.lives[task].phase {
            // When it is there it ends, and comes here again.
            return self.end(task, after);
        }
        self.set(task, Phase::Ending(after));
        self.partings += 1;
        let number = self.partings;
        self.lives[task].parting = Some(Parting { number, host, until_ns: now_ns.saturating_add(PATIENCE_NS) });
        self.orders.push(Order::Part(task, number));
    }

    /// The driver has let go of a dead client.
    pub fn parted(&mut self, task: usize, number: u64) {
        let Some(life) = self.lives.get_mut(task) else { return };
        if life.parting.take_if(|parting| parting.number == number).is_some() {
            life.is_barred = true;
            self.orders.push(Order::End(task));
        }
    }

    /// The task that has the driver is being ended, and its device reset: clients that wait for it wait no longer.
    pub(super) fn end_parting_from(&mut self, host: usize) {
        for task in 0..self.lives.len() {
            if self.lives[task].parting.take_if(|parting| parting.host == host).is_some() {
                self.orders.push(Order::End(task));
            }
        }
    }

    /// Ends the tasks that have not answered in time.
    pub(super) fn end_patience(&mut self, now_ns: u64) {
        for task in 0..self.lives.len() {
            if let Some(parting) = self.lives[task].parting.filter(|parting| parting.until_ns <= now_ns) {
                let [client, host] = [task, parting.host].map(|number| self.manifest.tasks[number].name.as_str());
                log::error!("task \"{host}\" does not let go of the dead task \"{client}\": it hangs");
                if !self.died(parting.host, Death::Fault, now_ns) {
                    self.lives[task].parting = None;
                }
            }
        }
    }

    /// The running task that has a driver inside which this one is a client of.
    fn host_of_driver(&self, task: usize) -> Option<usize> {
        let services = self.manifest.services.iter().enumerate();
        let mut inside = services.filter(|(number, service)| {
            self.placements[*number] == Placement::Personality
                && self.manifest.tasks[task].calls.iter().any(|call| call.endpoint == service.name)
                && self.native(*number).is_some_and(|native| native != task && self.has_device(native))
        });
        let (_, service) = inside.next()?;
        let (host, _) = self.manifest.task(&service.inside)?;
        (host != task && self.lives[host].phase == Phase::Running).then_some(host)
    }
}
