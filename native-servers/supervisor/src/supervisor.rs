//! Requests and events in, orders out.
//!
//! `T` is a ticket: the right to answer a request that takes long.

mod companions;
mod parting;

use alloc::vec::Vec;

use interfaces::SupervisorError;
use interfaces::supervisor::ServiceInfo;
use manifest::{DeviceFault, Manifest, Placement, Restart, Task};

use crate::life::{After, Life, Phase};
use crate::rights;

type Refusal = SupervisorError;

/// Something to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Order<T> {
    /// Now: stop all threads of this task.
    Stop(usize),
    /// Have the disk's driver, which another task has, end this dead one as a client, then tell by [`Supervisor::parted`] with
    /// this number. Nothing waits for that meanwhile.
    Part(usize, u64),
    /// Have the driver take clients with this task's badge again.
    Admit(usize),
    /// Take back everything that this task had (its devices first), then tell by [`Supervisor::ended`]. Later orders wait.
    End(usize),
    /// Make and start this task, then tell by [`Supervisor::made`].
    Make(usize),
    /// Answer a request.
    Answer(T, Result<(), SupervisorError>),
    /// This task is dead for good, and the system cannot go on without it.
    Halt(usize),
}

/// How a task died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// By a fault of its own.
    Fault,
    /// Somebody with the right to do so ended it: nothing that is held against it.
    Killed,
}

/// The supervisor's state.
#[derive(Debug)]
pub struct Supervisor<T> {
    manifest: Manifest,
    lives: Vec<Life>,
    /// By service, where each runs.
    placements: Vec<Placement>,
    /// The last number of a parting.
    partings: u64,
    /// Who waits for a task's start or stop.
    waiting: Vec<(usize, T)>,
    orders: Vec<Order<T>>,
}

impl<T> Supervisor<T> {
    /// The supervisor of a system of which nothing runs yet.
    #[must_use]
    pub fn new(manifest: Manifest) -> Self {
        Self {
            lives: manifest.tasks.iter().map(|_| Life::new()).collect(),
            placements: manifest.services.iter().map(|service| service.placement).collect(),
            partings: 0,
            waiting: Vec::new(),
            orders: Vec::new(),
            manifest,
        }
    }

    /// The manifest.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Takes the orders that were given since the last time, to be carried out in this order.
    pub fn take_orders(&mut self) -> Vec<Order<T>> {
        core::mem::take(&mut self.orders)
    }

    /// What a task is doing.
    #[must_use]
    pub fn phase(&self, task: usize) -> Option<Phase> {
        self.lives.get(task).map(|life| life.phase)
    }

    /// The system has started: these tasks run, and services that are placed native get theirs.
    pub fn started(&mut self, tasks: impl IntoIterator<Item = usize>) {
        for task in tasks {
            self.set(task, Phase::Running);
        }
        for number in 0..self.manifest.services.len() {
            if let Some(native) = self.native(number).filter(|_| self.placements[number] == Placement::Native) {
                self.make(native);
            }
        }
    }

    /// The service with this number.
    #[must_use]
    pub fn service(&self, number: usize) -> Option<ServiceInfo> {
        let service = self.manifest.services.get(number)?;
        let life = self.lives.get(self.native(number)?)?;
        Some(ServiceInfo {
            name: service.name.clone(),
            placement: match self.placements[number] {
                Placement::Personality => interfaces::supervisor::Placement::Personality,
                Placement::Native => interfaces::supervisor::Placement::Native,
            },
            state: life.state(),
            restarts: life.restarts,
        })
    }

    /// A request to make a task; it is answered when the task runs, or when it was given up and nothing of it is left.
    ///
    /// # Errors
    /// What the request is to be answered with at once, and its ticket.
    pub fn start(&mut self, caller: usize, name: &str, ticket: T) -> Result<(), (Refusal, T)> {
        let task = match rights::to_control(&self.manifest, caller, name) {
            Ok(task) => task,
            Err(refusal) => return Err((refusal, ticket)),
        };
        if !matches!(self.lives[task].phase, Phase::Absent | Phase::Dead) {
            return Err((Refusal::State, ticket));
        }
        self.lives[task].deaths.forget();
        self.waiting.push((task, ticket));
        self.make(task);
        Ok(())
    }

    /// A request to end a task; it is answered when all was taken back.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn stop(&mut self, caller: usize, name: &str, ticket: T) -> Result<(), (Refusal, T)> {
        let task = match rights::to_control(&self.manifest, caller, name) {
            Ok(task) => task,
            Err(refusal) => return Err((refusal, ticket)),
        };
        match self.lives[task].phase {
            Phase::Running => {
                self.waiting.push((task, ticket));
                self.orders.push(Order::Stop(task));
                self.end(task, After::Absent);
            }
            Phase::Pausing { .. } | Phase::Dead => {
                self.set(task, Phase::Absent);
                self.answer(task, Err(Refusal::Failed));
                self.orders.push(Order::Answer(ticket, Ok(())));
            }
            Phase::Absent | Phase::Making { .. } | Phase::Ending(_) => return Err((Refusal::State, ticket)),
        }
        Ok(())
    }

    /// A request to note where a service runs.
    ///
    /// # Errors
    /// The refusal.
    pub fn placed(&mut self, caller: usize, name: &str, placement: Placement) -> Result<(), Refusal> {
        let number = rights::to_place(&self.manifest, caller, name)?;
        self.placements[number] = placement;
        Ok(())
    }

    /// A request to end a task as if by its own fault.
    ///
    /// # Errors
    /// The refusal.
    pub fn kill(&mut self, caller: usize, name: &str, now_ns: u64) -> Result<(), Refusal> {
        let task = rights::to_kill(&self.manifest, caller, name)?;
        if self.lives[task].phase != Phase::Running {
            return Err(Refusal::State);
        }
        let by = &self.manifest.tasks[caller].name;
        log::warn!("task \"{name}\" is killed by task \"{by}\"");
        self.died(task, Death::Killed, now_ns);
        Ok(())
    }

    /// The device of the driver with this badge wanted what it may not, as the pci server says: its driver ends, where the manifest
    /// says so, as by a fault of its own.
    ///
    /// # Errors
    /// The refusal.
    pub fn device_fault(&mut self, caller: usize, driver: u64, now_ns: u64) -> Result<(), Refusal> {
        let task = rights::to_accuse(&self.manifest, caller, driver)?;
        let Task { name, device_fault, .. } = &self.manifest.tasks[task];
        match device_fault {
            DeviceFault::Note => log::warn!("the device of task \"{name}\" wanted what it may not"),
            DeviceFault::End => {
                log::error!("the device of task \"{name}\" wanted what it may not, so the task ends");
                self.died(task, Death::Fault, now_ns);
            }
        }
        Ok(())
    }

    /// A thread of a task faulted, or the task was killed. `false`: it was dying already.
    pub fn died(&mut self, task: usize, death: Death, now_ns: u64) -> bool {
        let phase = self.phase(task);
        if !matches!(phase, Some(Phase::Running | Phase::Making { then: None })) {
            return false;
        }
        let after = self.after_death(task, death, now_ns);
        self.log_death(task, after);
        self.orders.push(Order::Stop(task));
        if after == After::Dead && self.manifest.tasks[task].essential {
            self.orders.push(Order::Halt(task));
            self.set(task, Phase::Dead);
            return true;
        }
        self.end_companions(task, now_ns);
        self.part(task, after, now_ns);
        self.end_parting_from(task);
        true
    }

    /// Everything was taken back from a task.
    pub fn ended(&mut self, task: usize, now_ns: u64) {
        let Some(Phase::Ending(after)) = self.phase(task) else { return };
        if core::mem::take(&mut self.lives[task].is_barred) {
            self.orders.push(Order::Admit(task));
        }
        match after {
            After::Absent => {
                self.set(task, Phase::Absent);
                self.answer(task, Ok(()));
            }
            After::Restart { at_ns } => {
                self.set(task, Phase::Pausing { until_ns: at_ns });
                self.lives[task].is_restart = true;
                self.tick(now_ns);
            }
            After::Dead => {
                self.set(task, Phase::Dead);
                self.answer(task, Err(Refusal::Failed));
            }
        }
    }

    /// A task was made and runs, or could not be made (then nothing is left of it).
    pub fn made(&mut self, task: usize, success: Result<(), ()>, now_ns: u64) {
        let Some(Phase::Making { then }) = self.phase(task) else { return };
        if success.is_err() {
            self.set(task, Phase::Dead);
            self.answer(task, Err(Refusal::Failed));
            if self.manifest.tasks[task].essential {
                self.orders.push(Order::Halt(task));
            }
            return;
        }
        let life = &mut self.lives[task];
        life.phase = Phase::Running;
        if core::mem::take(&mut life.is_restart) {
            life.restarts = life.restarts.saturating_add(1);
            log::info!("task \"{}\" is made anew", self.manifest.tasks[task].name);
        }
        match then {
            None => self.answer(task, Ok(())),
            Some(after) => {
                // Who waits for its start is told when it runs after all, or when nothing is left of it.
                if after == After::Absent {
                    self.answer(task, Err(Refusal::Failed));
                }
                self.orders.push(Order::Stop(task));
                self.part(task, after, now_ns);
            }
        }
    }

    /// Time went on: makes the tasks whose pause is over, and ends whoever does not let a dead client go.
    pub fn tick(&mut self, now_ns: u64) {
        self.end_patience(now_ns);
        for task in 0..self.lives.len() {
            if matches!(self.lives[task].phase, Phase::Pausing { until_ns } if until_ns <= now_ns) {
                self.make(task);
            }
        }
    }

    /// When [`tick`](Self::tick) is to be called next.
    #[must_use]
    pub fn next_tick(&self) -> Option<u64> {
        let times = self.lives.iter().filter_map(|life| match life.phase {
            Phase::Pausing { until_ns } => Some(until_ns),
            _ => life.parting.map(|parting| parting.until_ns),
        });
        times.min()
    }

    fn after_death(&mut self, task: usize, death: Death, now_ns: u64) -> After {
        if self.manifest.tasks[task].restart == Restart::Never {
            return After::Dead;
        }
        let pause = match death {
            Death::Killed => Some(0),
            Death::Fault => self.lives[task].deaths.note(now_ns),
        };
        pause.map_or(After::Dead, |pause| After::Restart { at_ns: now_ns.saturating_add(pause) })
    }

    fn log_death(&self, task: usize, after: After) {
        let task = &self.manifest.tasks[task];
        let name = &task.name;
        match after {
            After::Dead if task.essential => {
                log::error!("task \"{name}\" is dead, and the system cannot go on without it");
            }
            After::Dead if task.restart == Restart::Always => {
                log::error!("task \"{name}\" is dead; it died too often to be made anew");
            }
            _ => log::warn!("task \"{name}\" is dead"),
        }
    }

    fn make(&mut self, task: usize) {
        self.set(task, Phase::Making { then: None });
        self.orders.push(Order::Make(task));
    }

    /// Takes everything back from a task whose threads are stopped; if it is being made, as soon as it is there.
    fn end(&mut self, task: usize, after: After) {
        if let Phase::Making { .. } = self.lives[task].phase {
            self.set(task, Phase::Making { then: Some(after) });
            return;
        }
        self.set(task, Phase::Ending(after));
        self.orders.push(Order::End(task));
    }

    fn answer(&mut self, task: usize, result: Result<(), SupervisorError>) {
        for (about, ticket) in core::mem::take(&mut self.waiting) {
            if about == task {
                self.orders.push(Order::Answer(ticket, result));
            } else {
                self.waiting.push((about, ticket));
            }
        }
    }

    fn set(&mut self, task: usize, phase: Phase) {
        if let Some(life) = self.lives.get_mut(task) {
            life.phase = phase;
        }
    }

    /// The number of a service's native task.
    fn native(&self, service: usize) -> Option<usize> {
        let service = self.manifest.services.get(service)?;
        self.manifest.task(&service.native).map(|(number, _)| number)
    }
}
