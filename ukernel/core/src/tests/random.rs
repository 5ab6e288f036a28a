//! Long random sequences of system calls of three threads, with the invariants checked after each.

use proptest::prelude::*;
use std::string::String;
use ukernel_abi::Call;
use ukernel_abi::invoke::{attachment, cap_table, memory, sched_context, thread, timer, untyped, vspace};

use super::check;
use crate::checks::invariants;
use crate::checks::step::{Step, TICK};
use crate::checks::world::{FREE, World};

const METHODS: &[u32] = &[
    untyped::RETYPE,
    untyped::INFO,
    cap_table::COPY,
    cap_table::MINT,
    cap_table::MOVE,
    cap_table::DELETE,
    cap_table::REVOKE,
    thread::SUSPEND,
    thread::RESUME,
    thread::SET_PRIORITY,
    thread::BIND_NOTIFICATION,
    thread::CONFIGURE,
    thread::SET_VSPACE,
    thread::MAKE_FOREIGN,
    thread::KICK,
    vspace::DONATE,
    vspace::MAKE_LEGACY,
    memory::ATTACH,
    memory::SUB,
    attachment::MAP,
    attachment::UNMAP_ALL,
    attachment::DETACH,
    sched_context::BIND,
    sched_context::UNBIND,
    sched_context::CONFIGURE,
    sched_context::CONSUMED,
    sched_context::YIELD_TO,
    thread::SET_TIMEOUT,
    thread::SET_MAX_PRIORITY,
    thread::FORGO_TIME,
    timer::BIND,
    timer::ARM,
];

fn slot() -> impl Strategy<Value = u64> {
    prop_oneof![1 => 0..FREE, 4 => FREE..FREE + 16]
}

/// Nanoseconds of budgets and periods, and ticks that pass.
fn times() -> impl Strategy<Value = u64> {
    prop::sample::select(&[5, 10, 30, 10_000, 20_000, 50_000][..])
}

fn step() -> impl Strategy<Value = Step> {
    let call = prop_oneof![3 => Just(Call::Invoke as u64), 2 => 0..13u64, 1 => Just(TICK)];
    let word = prop_oneof![3 => slot(), 2 => 0..17u64, 1 => Just(4096u64), 2 => times(), 1 => any::<u64>()];
    let (caps, interrupted) = (prop_oneof![2 => Just(0u64), 1 => slot()], prop::bool::weighted(0.2));
    let words = (prop::array::uniform5(word), prop_oneof![4 => Just(5usize), 1 => 0..5usize]);
    let arguments = (words, slot(), slot(), caps.clone(), caps, interrupted);
    (0..3usize, call, slot(), prop::sample::select(METHODS), arguments).prop_map(
        |(thread, call, cap, method, ((mut words, length), reply, endpoint, send_cap, receive_cap, interrupted))| {
            if call == TICK {
                words[0] %= 100;
            }
            Step {
                thread,
                call,
                cap,
                method,
                words,
                length,
                reply,
                endpoint,
                send_cap,
                receive_cap,
                interrupted,
                ..Step::default()
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
    #[test]
    fn invariants_hold_whatever_threads_do(steps in prop::collection::vec(step(), 1..120)) {
        let mut world = World::new();
        let threads = [world.thread(1), world.thread(1), world.thread(2)];
        for (slot, object) in [(0, 6), (1, 7), (2, 8), (3, 5), (4, 12), (5, 9), (6, 3), (7, 4), (8, 10)] {
            let size = if object == 5 { 4096 } else { 0 };
            let object = ukernel_abi::ObjectType::from_number(object).expect("a type");
            prop_assert_eq!(world.make(threads[0], object, size, FREE + slot), 0);
        }
        world.give_time(threads[0], FREE + 9);
        world.give_time(threads[1], FREE + 10);
        world.give_thread(threads[2], FREE + 11);
        world.give_thread(threads[0], FREE + 12);
        check(&world);
        for step in steps {
            let made = world.step(&step);
            prop_assert!(made.is_ok(), "{step}: {}", made.err().map_or_else(String::new, |violation| violation.0));
            // Whoever follows a reference to what is gone panics.
            world.kernel.machine.forget_dead();
            let held = invariants::check(&world);
            prop_assert!(held.is_ok(), "{step}: {}", held.err().map_or_else(String::new, |violation| violation.0));
        }
    }
}
