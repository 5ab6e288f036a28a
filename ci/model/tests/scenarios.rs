//! A short exploration of each scenario; `cargo run -- check --long` does the long one.

use kernel_model::{Limits, explore, scenarios};

/// Distinct states of each scenario: some ten seconds of one processor in all.
const STATES: usize = 40_000;
/// Of that which is only about messages: all that there are.
const MESSAGES: usize = 250_000;

#[test]
fn invariants_hold_in_every_state() {
    for scenario in scenarios() {
        let all = scenario.name == "messages";
        let states = if all { MESSAGES } else { STATES };
        match explore(&scenario, Limits { states, depth: usize::MAX }) {
            Ok(explored) => {
                println!("{}: {explored}", scenario.name);
                assert!(explored.complete || !all && explored.states >= STATES && explored.depth >= 2, "{explored}");
            }
            Err(counterexample) => panic!("{}: {counterexample}", scenario.name),
        }
    }
}
