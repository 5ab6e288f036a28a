//! The account of a budget: conserved, bounded, and never more than the budget in a period.

use proptest::prelude::*;
use std::vec::Vec;

use crate::refills::{Refill, Refills};

const LEAST: u64 = 10;

fn refill(time: u64, amount: u64) -> Refill {
    Refill { time, amount }
}

#[test]
fn used_time_comes_back_a_period_later() {
    let mut refills = Refills::new(30, 100, LEAST, 8, 1000);
    refills.spend(10);
    assert_eq!(refills.all(), [refill(1010, 20), refill(1100, 10)]);
    // Use that goes on is one piece.
    refills.spend(5);
    assert_eq!(refills.all(), [refill(1015, 15), refill(1100, 15)]);
    refills.defer(1050);
    refills.spend(15);
    assert_eq!(refills.all(), [refill(1100, 15), refill(1150, 15)]);
    refills.defer(1065);
    assert!(!refills.ready(1099) && refills.ready(1100));
}

#[test]
fn a_rest_that_is_too_short_waits_for_more() {
    let mut refills = Refills::new(30, 100, LEAST, 8, 0);
    refills.spend(25);
    assert_eq!(refills.all(), [refill(95, 30)]);
}

#[test]
fn a_full_list_gives_back_later_and_never_earlier() {
    let mut refills = Refills::new(100, 1000, LEAST, 2, 0);
    refills.spend(10);
    refills.defer(50);
    refills.spend(10);
    assert_eq!(refills.all(), [refill(60, 80), refill(1040, 20)]);
}

#[test]
fn an_overrun_takes_from_what_comes_next() {
    let mut refills = Refills::new(30, 100, LEAST, 8, 0);
    refills.spend(20);
    refills.defer(40);
    assert_eq!(refills.all(), [refill(40, 10), refill(100, 20)]);
    refills.spend(15);
    assert_eq!(refills.all(), [refill(105, 15), refill(140, 10), refill(200, 5)]);
    refills.spend(1000);
    assert_eq!(refills.all(), [refill(305, 30)]);
}

#[test]
fn all_of_the_time_never_runs_out() {
    let mut refills = Refills::new(50, 50, LEAST, 4, 0);
    for now in (7..2000).step_by(7) {
        refills.spend(7);
        refills.defer(now);
        assert!(refills.ready(now), "{refills:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whoever runs as long as it may, with pauses of any length, gets no more than its budget in any window of a period.
    #[test]
    fn no_window_of_a_period_has_more_than_the_budget(
        (budget, period) in (LEAST..200, 1..5u64).prop_map(|(budget, times)| (budget, budget * times)),
        most in 2..9usize,
        turns in prop::collection::vec((0..150u64, 0..300u64), 1..60),
    ) {
        let mut refills = Refills::new(budget, period, LEAST, most, 0);
        let (mut now, mut used): (u64, Vec<(u64, u64)>) = (0, Vec::new());
        for (pause, wanted) in turns {
            now += pause;
            if !refills.ready(now) {
                now = refills.first().time;
            }
            refills.defer(now);
            let ran = wanted.min(refills.first().amount);
            now += ran;
            used.push((now - ran, now));
            refills.spend(ran);
            refills.defer(now);
            prop_assert_eq!(refills.all().iter().map(|refill| refill.amount).sum::<u64>(), budget);
            prop_assert!(refills.all().len() <= most && refills.first().amount >= LEAST.min(budget));
            prop_assert!(refills.all().windows(2).all(|pair| pair[0].time + pair[0].amount <= pair[1].time));
        }
        for (start, _) in &used {
            let end = start + period;
            let inside = used.iter().map(|(from, to)| to.min(&end).saturating_sub(*from.max(start))).sum::<u64>();
            prop_assert!(inside <= budget, "{} ticks from {} to {}: {:?}", inside, start, end, used);
        }
    }
}
