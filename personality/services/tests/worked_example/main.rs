//! A service with two homes from its contract to its moves: the worked example of `native-servers/README.md`, which quotes
//! these files. On the host; messages are real, the endpoint and the supervisor are `machine.rs`.

mod client;
mod contract;
mod homes;
mod library;
mod machine;
mod manifest;
#[expect(dead_code, reason = "a task's main function needs a kernel to start it")]
mod native;
mod quotes;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use interfaces::Supervisor;
use interfaces::supervisor::{Placement, TaskState};
use rt::sync::Mutex;
use services::Slot;
use services::home::{Home, Step, StepError};
use services::migration::{self, MoveError};

use client::Office;
use contract::{TicketError, Tickets};
use homes::{Estate, Inside, NAME, Native};
use machine::Machine;

const FIRST: u64 = 100;

struct System {
    estate: Arc<Estate>,
    slot: Arc<Slot<dyn Tickets>>,
    office: Arc<Office>,
}

impl System {
    fn start() -> Self {
        let estate = Arc::new(Estate { machine: Machine::new(), roll: Arc::default(), carried: Mutex::new(FIRST) });
        let slot = Arc::new(Slot::new(NAME, Inside(estate.clone()).service()));
        let office = Arc::new(Office::new(slot.clone(), FIRST));
        Self { estate, slot, office }
    }

    fn migrate(&self, to: Placement, fail_at: Option<Step>) -> Result<(), MoveError> {
        let inside = Failing(Inside(self.estate.clone()), fail_at);
        let native = Failing(Native(self.estate.clone()), fail_at);
        match to {
            Placement::Native => migration::run(&self.slot, &inside, &native).1,
            Placement::Personality => migration::run(&self.slot, &native, &inside).1,
        }
    }

    fn state(&self) -> (Placement, TaskState) {
        let info = self.estate.machine.service(0).expect("there is one");
        (info.placement, info.state)
    }
}

/// A home of which one step fails.
struct Failing<H>(H, Option<Step>);

impl<H: Home<dyn Tickets>> Home<dyn Tickets> for Failing<H> {
    fn preparing(&self) -> &'static [Step] {
        self.0.preparing()
    }

    fn leaving(&self) -> &'static [Step] {
        self.0.leaving()
    }

    fn entering(&self) -> &'static [Step] {
        self.0.entering()
    }

    fn take(&self, step: Step) -> Result<(), StepError> {
        if self.1 == Some(step) { Err(StepError::Injected) } else { self.0.take(step) }
    }

    fn take_back(&self, step: Step) -> Result<(), StepError> {
        self.0.take_back(step)
    }

    fn service(&self) -> Arc<dyn Tickets> {
        self.0.service()
    }
}

const AT_HOME: (Placement, TaskState) = (Placement::Personality, TaskState::Absent);
const AWAY: (Placement, TaskState) = (Placement::Native, TaskState::Running);

#[test]
fn it_moves_both_ways_and_keeps_its_state() {
    let system = System::start();
    assert_eq!((system.office.take(), system.state()), (Ok(100), AT_HOME));
    system.migrate(Placement::Native, None).expect("it moves");
    assert_eq!((system.office.take(), system.state()), (Ok(101), AWAY));
    system.migrate(Placement::Personality, None).expect("it moves back");
    assert_eq!((system.office.take(), system.state()), (Ok(102), AT_HOME));
}

#[test]
fn nobody_sees_the_moves() {
    let system = System::start();
    system.office.take().expect("the first ticket begins the service");
    let (taken, done) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let takers: Vec<_> = (0..3)
        .map(|_| {
            let (office, taken, done) = (system.office.clone(), taken.clone(), done.clone());
            std::thread::spawn(move || {
                let mut tickets = Vec::new();
                while !done.load(Ordering::Relaxed) {
                    tickets.push(office.take()?);
                    taken.fetch_add(1, Ordering::Relaxed);
                }
                Ok(tickets)
            })
        })
        .collect();
    for round in 0..40 {
        let before = taken.load(Ordering::Relaxed);
        while taken.load(Ordering::Relaxed) < before + 10 {
            std::thread::yield_now();
        }
        let to = if round % 2 == 0 { Placement::Native } else { Placement::Personality };
        system.migrate(to, None).expect("it moves");
    }
    done.store(true, Ordering::Relaxed);
    let tickets = takers.into_iter().map(|taker| taker.join().expect("no panic"));
    let tickets: Result<Vec<Vec<u64>>, TicketError> = tickets.collect();
    let mut tickets = tickets.expect("no error").concat();
    tickets.sort_unstable();
    assert!(tickets.len() >= 400);
    let all: Vec<u64> = (FIRST + 1..).take(tickets.len()).collect();
    assert_eq!(tickets, all, "without gap or repetition");
}

#[test]
fn a_failed_step_is_rolled_back() {
    for (to, steps) in [
        (Placement::Native, &[Step::Start, Step::Retire, Step::Ready, Step::Note][..]),
        (Placement::Personality, &[Step::Retire, Step::Stop, Step::Ready, Step::Note]),
    ] {
        for step in steps {
            let system = System::start();
            system.office.take().expect("a ticket");
            if to == Placement::Personality {
                system.migrate(Placement::Native, None).expect("it moves");
            }
            let before = system.state();
            let refused = MoveError::RolledBack { step: *step, error: StepError::Injected };
            assert_eq!(system.migrate(to, Some(*step)), Err(refused));
            assert_eq!((system.office.take(), system.state()), (Ok(101), before), "{step:?}");
            system.migrate(to, None).expect("nothing is left in its way");
            assert_eq!(system.office.take(), Ok(102));
        }
    }
}

#[test]
fn a_death_loses_no_ticket_and_repeats_none() {
    let system = System::start();
    assert_eq!(system.office.take(), Ok(100));
    system.migrate(Placement::Native, None).expect("it moves");
    assert_eq!(system.office.take(), Ok(101));
    system.estate.machine.kill(NAME).expect("it dies");
    assert_eq!(system.office.take(), Ok(102), "the client has told the next incarnation");
    assert_eq!(system.estate.machine.service(0).expect("there is one").restarts, 1);
}
