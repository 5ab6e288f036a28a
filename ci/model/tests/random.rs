//! Long random sequences of the calls of the largest scenarios; a failure shrinks to the calls that matter.

use kernel_model::{Scenario, scenarios};
use proptest::prelude::*;
use proptest::sample::Index;
use ukernel_core::checks::invariants::check;
use ukernel_core::checks::step::Step;
use ukernel_core::checks::world::World;

/// A scenario by name.
fn scenario(name: &str) -> Scenario {
    scenarios().into_iter().find(|scenario| scenario.name == name).expect("there is such a scenario")
}

/// A world in which much was revoked has little left to do: after so many steps it starts again.
const LIFETIME: usize = 250;

/// Make those of the picked steps that can be made.
fn make(name: &str, picks: &[Index]) -> Result<(), TestCaseError> {
    let Scenario { world: start, steps, .. } = scenario(name);
    for picks in picks.chunks(LIFETIME) {
        let mut world = start.clone();
        for step in picks.iter().map(|pick| pick.get(&steps)) {
            if !world.may_be_made(step) {
                continue;
            }
            let made = world.step(step);
            prop_assert!(made.is_ok(), "{step}: {}", made.err().map_or_else(String::new, |violation| violation.0));
            holds(&mut world, step)?;
        }
    }
    Ok(())
}

fn holds(world: &mut World, step: &Step) -> Result<(), TestCaseError> {
    world.tidy();
    let held = check(world);
    prop_assert!(held.is_ok(), "{step}: {}", held.err().map_or_else(String::new, |violation| violation.0));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        max_shrink_iters: 20_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn all_calls_in_long_sequences(picks in prop::collection::vec(any::<Index>(), 1..1500)) {
        make("everything", &picks)?;
    }

    #[test]
    fn foreign_code_in_long_sequences(picks in prop::collection::vec(any::<Index>(), 1..1500)) {
        make("foreign", &picks)?;
    }

    #[test]
    fn two_processors_in_long_sequences(picks in prop::collection::vec(any::<Index>(), 1..1500)) {
        make("processors", &picks)?;
    }

    #[test]
    fn limited_time_on_two_processors_in_long_sequences(picks in prop::collection::vec(any::<Index>(), 1..1500)) {
        make("accounts", &picks)?;
    }

    #[test]
    fn devices_in_long_sequences(picks in prop::collection::vec(any::<Index>(), 1..1500)) {
        make("devices", &picks)?;
    }

    #[test]
    fn budgets_in_long_sequences(picks in prop::collection::vec(any::<Index>(), 1..1500)) {
        make("budgets", &picks)?;
    }
}
