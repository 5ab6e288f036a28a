//! `cargo run -p kernel-model -- [STATES [SCENARIO]]`: explores each scenario, or one, up to so many distinct states.

use std::process::ExitCode;

use kernel_model::{Limits, explore, scenarios};

/// States of each scenario, when nothing else is asked for.
const STATES: usize = 100_000;

fn main() -> ExitCode {
    let states = std::env::args().nth(1).map_or(Ok(STATES), |text| text.parse());
    let Ok(states) = states else {
        eprintln!("the argument is a number of states");
        return ExitCode::from(2);
    };
    let only = std::env::args().nth(2);
    for scenario in scenarios().iter().filter(|scenario| only.as_ref().is_none_or(|name| name == scenario.name)) {
        match explore(scenario, Limits { states, depth: usize::MAX }) {
            Ok(explored) => println!("{}: {explored}", scenario.name),
            Err(counterexample) => {
                println!("{}: {counterexample}", scenario.name);
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
