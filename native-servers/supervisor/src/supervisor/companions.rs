//! Tasks that cannot go on as they are when another one dies.

use manifest::Placement;

use super::{Order, Supervisor};
use crate::life::{After, Phase};

impl<T> Supervisor<T> {
    /// Ends the tasks that work for a dying one or on its memory.
    ///
    /// * The native tasks of the services that run inside it at other times work for it alone. They are made anew where the
    ///   system started with them native: a fresh personality finds its services as at boot.
    /// * A driver that it calls may have told its device to write into its memory, and the device does not know of deaths:
    ///   the driver is made anew, and so its device reset, before that memory is taken back.
    pub(super) fn end_companions(&mut self, task: usize, now_ns: u64) {
        let restart = After::Restart { at_ns: now_ns };
        for number in 0..self.manifest.services.len() {
            let Some(native) = self.native(number).filter(|native| *native != task) else { continue };
            let (service, dying) = (&self.manifest.services[number], &self.manifest.tasks[task]);
            if service.inside == dying.name {
                self.placements[number] = service.placement;
                match service.placement {
                    Placement::Native => self.renew(native, restart),
                    Placement::Personality => self.remove(native),
                }
            } else if dying.calls.iter().any(|call| call.endpoint == service.name) && self.has_device(native) {
                self.end_if_there(native, restart);
            }
        }
    }

    /// Ends a task and makes it anew, whatever it is doing.
    fn renew(&mut self, task: usize, restart: After) {
        match self.lives[task].phase {
            Phase::Absent | Phase::Dead => self.make(task),
            Phase::Ending(_) => self.set(task, Phase::Ending(restart)),
            Phase::Pausing { .. } => {}
            Phase::Running | Phase::Making { .. } => self.end_if_there(task, restart),
        }
    }

    /// Ends a task for good, whatever it is doing.
    fn remove(&mut self, task: usize) {
        match self.lives[task].phase {
            Phase::Absent => {}
            Phase::Pausing { .. } | Phase::Dead => self.set(task, Phase::Absent),
            Phase::Ending(_) => self.set(task, Phase::Ending(After::Absent)),
            Phase::Running | Phase::Making { .. } => self.end_if_there(task, After::Absent),
        }
    }

    fn end_if_there(&mut self, task: usize, after: After) {
        if matches!(self.lives[task].phase, Phase::Running | Phase::Making { .. }) {
            log::info!("task \"{}\" ends with it", self.manifest.tasks[task].name);
            self.orders.push(Order::Stop(task));
            self.end(task, after);
        }
    }

    /// Whether the task drives a device on PCI.
    pub(super) fn has_device(&self, task: usize) -> bool {
        self.manifest.tasks[task].calls.iter().any(|call| call.endpoint == manifest::PCI_ENDPOINT)
    }
}
