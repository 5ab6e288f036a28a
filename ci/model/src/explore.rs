//! The explorer: breadth first over the states of a scenario.
//!
//! Of a state that was seen, its digest is kept, and by which call from which other state it came: 24 bytes. A state
//! itself is made again when its turn comes, from that of its parent, which is mostly still there from its sibling before.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use ukernel_core::checks::Violation;
use ukernel_core::checks::invariants::check;
use ukernel_core::checks::step::Step;
use ukernel_core::checks::world::World;

use crate::Scenario;
use crate::seen::Seen;
use crate::trail;

/// Where to stop.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most distinct states.
    pub states: usize,
    /// Most calls from the start.
    pub depth: usize,
}

/// What was explored.
#[derive(Clone, Copy, Debug, Default)]
pub struct Explored {
    /// Distinct states.
    pub states: usize,
    /// Calls made.
    pub transitions: u64,
    /// All sequences of this many calls were made.
    pub depth: usize,
    /// No call leads anywhere new: these are all states that there are.
    pub complete: bool,
    /// How long it took.
    pub time: Duration,
}

impl fmt::Display for Explored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = self.states as f64 / self.time.as_secs_f64().max(1e-9);
        let all = if self.complete { " (all there are)" } else { "" };
        let (states, transitions, depth, time) = (self.states, self.transitions, self.depth, self.time.as_secs_f64());
        write!(f, "{states} states{all}, {transitions} transitions, depth {depth}, {time:.1} s, {rate:.0} states/s")
    }
}

/// A sequence of calls after which something does not hold.
#[derive(Clone, Debug)]
pub struct Counterexample {
    /// What does not hold.
    pub violation: Violation,
    /// The calls.
    pub steps: Vec<Step>,
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} after\n{}", self.violation, trail::print(&self.steps))
    }
}

/// Where a state came from: index of another, and of a call.
#[derive(Clone, Copy)]
struct Origin {
    parent: u32,
    step: u16,
}

struct Explorer<'a> {
    scenario: &'a Scenario,
    limits: Limits,
    seen: Seen,
    origins: Vec<Origin>,
    /// The state that is being expanded, its parent, and which one that is.
    here: World,
    parent: World,
    parent_index: usize,
    /// Where calls are tried.
    trial: World,
    done: Explored,
}

/// Explore a scenario as far as the limits allow.
///
/// # Errors
/// A shortest sequence of calls after which something does not hold.
pub fn explore(scenario: &Scenario, limits: Limits) -> Result<Explored, Box<Counterexample>> {
    trail::watch_panics();
    let mut explorer = Explorer::new(scenario, limits);
    let result = catch_unwind(AssertUnwindSafe(|| explorer.run()));
    let (steps, message) = trail::take();
    match result {
        Ok(Ok(explored)) => Ok(explored),
        Ok(Err(violation)) => Err(Box::new(Counterexample { violation, steps })),
        Err(_) => Err(Box::new(Counterexample { violation: Violation(message), steps })),
    }
}

impl<'a> Explorer<'a> {
    fn new(scenario: &'a Scenario, limits: Limits) -> Self {
        let world = scenario.world.clone();
        let mut seen = Seen::default();
        seen.insert(world.digest());
        Self {
            scenario,
            limits,
            seen,
            origins: vec![Origin { parent: 0, step: 0 }],
            here: world.clone(),
            parent: world.clone(),
            parent_index: 0,
            trial: world,
            done: Explored::default(),
        }
    }

    fn run(&mut self) -> Result<Explored, Violation> {
        let start = Instant::now();
        check(&self.here)?;
        let (mut next, mut level_end) = (0, 1);
        while next < self.origins.len() && self.origins.len() < self.limits.states {
            if next == level_end {
                (level_end, self.done.depth) = (self.origins.len(), self.done.depth + 1);
                if self.done.depth == self.limits.depth {
                    break;
                }
            }
            self.go_to(next)?;
            self.expand(next)?;
            next += 1;
        }
        self.done.complete = next == self.origins.len();
        (self.done.states, self.done.time) = (self.origins.len(), start.elapsed());
        Ok(self.done)
    }

    /// The calls that lead to a state.
    fn way_to(&self, mut index: usize) -> Vec<Step> {
        let mut steps = Vec::new();
        while index != 0 {
            let origin = self.origins[index];
            steps.push(self.scenario.steps[usize::from(origin.step)]);
            index = origin.parent as usize;
        }
        steps.reverse();
        steps
    }

    /// Make the state with this index again.
    fn go_to(&mut self, index: usize) -> Result<(), Violation> {
        trail::set(self.way_to(index));
        if index == 0 {
            return Ok(());
        }
        let origin = self.origins[index];
        let parent = origin.parent as usize;
        if parent != self.parent_index {
            self.parent.copy_from(&self.scenario.world);
            for step in self.way_to(parent) {
                self.parent.step(&step)?;
                self.parent.tidy();
            }
            self.parent_index = parent;
        }
        self.here.copy_from(&self.parent);
        self.here.step(&self.scenario.steps[usize::from(origin.step)])?;
        self.here.tidy();
        Ok(())
    }

    /// Make every call that can be made here.
    fn expand(&mut self, index: usize) -> Result<(), Violation> {
        let scenario = self.scenario;
        let (length, here) = (self.way_to(index).len(), self.here.digest());
        let mut changed = true;
        for (number, step) in scenario.steps.iter().enumerate() {
            if !self.here.may_be_made(step) {
                continue;
            }
            trail::push(length, *step);
            // A call that failed has changed nothing that is state.
            if changed {
                self.trial.copy_from(&self.here);
            }
            self.trial.step(step)?;
            self.done.transitions += 1;
            self.trial.tidy();
            let digest = self.trial.digest();
            changed = digest != here;
            if changed && self.seen.insert(digest) {
                check(&self.trial)?;
                let parent = u32::try_from(index).expect("states are counted in 32 bits");
                let step = u16::try_from(number).expect("a scenario has fewer than 65,536 calls");
                self.origins.push(Origin { parent, step });
            }
        }
        Ok(())
    }
}
