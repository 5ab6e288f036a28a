//! The tester: runs the tests, in two lives.

use alloc::string::String;

use interfaces::supervisor::{ServiceInfo, TaskState};
use interfaces::system::StopReason;
use interfaces::{Supervisor, SupervisorClient, System, SystemClient};
use rt::time::now_ns;

use crate::contract::{Victim, VictimClient};
use crate::tests;

/// What tests work with.
pub struct World {
    /// The supervisor.
    pub supervisor: SupervisorClient,
    /// The victim, whichever incarnation of it.
    pub victim: VictimClient,
}

/// A test's result.
pub type Outcome = Result<(), String>;

/// Runs the tests and stops the machine.
pub fn run(env: &rt::Env) {
    let endpoint = |name| env.endpoint(name).expect("the manifest grants what the tester calls");
    let world = World {
        supervisor: SupervisorClient::new(endpoint("supervisor")),
        victim: VictimClient::new(endpoint("victim")),
    };
    // The victim's restarts tell the lives apart: nothing else is left of an earlier one.
    let is_second_life = world.service("victim").is_ok_and(|service| service.restarts > 0);
    let list = if is_second_life { tests::SECOND_LIFE } else { tests::FIRST_LIFE };
    let failed = list.iter().filter(|(name, test)| !report(name, test(&world))).count();
    if !is_second_life && failed == 0 {
        // The first life's last act; it does not come back from it.
        let answer = world.supervisor.kill(env.name());
        log::info!("FAILED to end: {answer:?}");
    }
    // There is a second life only if nothing has failed in the first.
    let before = if is_second_life { tests::FIRST_LIFE.len() } else { 0 };
    log::info!("done: {} passed, {failed} failed", before + list.len() - failed);
    let reason = if failed == 0 { StopReason::Orderly } else { StopReason::Failure };
    let _ = SystemClient::new(endpoint("system")).stop(reason);
}

fn report(name: &str, outcome: Outcome) -> bool {
    match &outcome {
        Ok(()) => log::info!("ok {name}"),
        Err(reason) => log::info!("FAILED {name}: {reason}"),
    }
    outcome.is_ok()
}

impl World {
    /// What the supervisor says of a service.
    pub fn service(&self, name: &str) -> Result<ServiceInfo, String> {
        for number in 0.. {
            let service = self.supervisor.service(number).map_err(|error| alloc::format!("{name}: {error:?}"))?;
            if service.name == name {
                return Ok(service);
            }
        }
        Err("there are endless services".into())
    }

    /// Waits until a service's task is in this state.
    pub fn wait_for(&self, name: &str, state: TaskState, limit_ms: u64) -> Result<ServiceInfo, String> {
        let deadline = now_ns() + limit_ms * 1_000_000;
        loop {
            let service = self.service(name)?;
            if service.state == state {
                return Ok(service);
            }
            if now_ns() > deadline {
                return Err(alloc::format!("{name} is {:?} after {limit_ms} ms", service.state));
            }
            rt::thread::sleep_until(now_ns() + 1_000_000);
        }
    }

    /// Kills the victim, and waits for its next incarnation.
    pub fn kill_victim(&self) -> Result<u64, String> {
        let before = self.victim.incarnation().map_err(|error| alloc::format!("before: {error:?}"))?;
        self.supervisor.kill("victim").map_err(|error| alloc::format!("kill: {error:?}"))?;
        let after = self.victim.incarnation().map_err(|error| alloc::format!("after: {error:?}"))?;
        if after == before { Err("it is still the same".into()) } else { Ok(after) }
    }
}
