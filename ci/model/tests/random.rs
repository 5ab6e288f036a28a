//! Long random sequences of the calls of the largest scenario; a failure shrinks to the calls that matter.

use kernel_model::{Scenario, scenarios};
use proptest::prelude::*;
use ukernel_core::checks::invariants::check;

/// The scenario that has all calls.
fn everything() -> Scenario {
    scenarios().pop().expect("there are scenarios")
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 200,
        max_shrink_iters: 20_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn invariants_hold_behind_long_sequences(picks in prop::collection::vec(any::<prop::sample::Index>(), 1..1500)) {
        let Scenario { mut world, steps, .. } = everything();
        let start = world.clone();
        for pick in picks {
            if world.threads.iter().all(|thread| !world.can_run(*thread)) {
                world = start.clone();
            }
            let step = pick.get(&steps);
            let made = world.step(step);
            prop_assert!(made.is_ok(), "{step}: {}", made.err().map_or_else(String::new, |violation| violation.0));
            world.tidy();
            let held = check(&world);
            prop_assert!(held.is_ok(), "{step}: {}", held.err().map_or_else(String::new, |violation| violation.0));
        }
    }
}
