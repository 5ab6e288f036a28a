//! A short exploration of each scenario; `cargo run -- check --long` does the long one.

use kernel_model::{Limits, explore, scenarios};

/// Distinct states of each scenario: a few seconds of one processor in all.
const STATES: usize = 40_000;

#[test]
fn invariants_hold_in_every_state() {
    for scenario in scenarios() {
        match explore(&scenario, Limits { states: STATES, depth: usize::MAX }) {
            Ok(explored) => {
                println!("{}: {explored}", scenario.name);
                assert!(explored.complete || explored.states >= STATES && explored.depth >= 2, "{explored}");
            }
            Err(counterexample) => panic!("{}: {counterexample}", scenario.name),
        }
    }
}
