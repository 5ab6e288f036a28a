//! Long random sequences of system calls of three threads, with the invariants checked after each: on one processor and on two, with
//! an IOMMU, budgets, Vcpus and foreign threads.

use proptest::prelude::*;
use std::string::String;
use ukernel_abi::Call;
use ukernel_abi::invoke::{
    attachment, cap_table, io_control, io_mapping, io_space, memory, sched_context, thread, timer, untyped, vcpu,
    vspace,
};
use ukernel_abi::{MASTER_START, ObjectType, PAGE_BYTES};

use super::check;
use crate::checks::invariants;
use crate::checks::moves::{ENTER, FOREIGN, SUMMONS, WRITE_STATE};
use crate::checks::step::{FAULT, Step, TICK};
use crate::checks::world::{FREE, POT, World};
use crate::{Ref, Thread};

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
    thread::WRITE_REGISTERS,
    thread::BIND_VCPU,
    thread::SET_FPU,
    vcpu::SET_STATE,
    vcpu::KICK,
    sched_context::SET_CPU,
    io_space::DONATE,
    io_space::MAP,
    io_space::CLEAR,
    io_space::BIND_FAULTS,
    io_mapping::UNMAP,
    io_control::BIND,
];
/// What besides system calls happens.
const MOVES: &[u64] = &[TICK, FAULT, FOREIGN, WRITE_STATE, SUMMONS, ENTER];

fn slot() -> impl Strategy<Value = u64> {
    prop_oneof![1 => 0..FREE, 4 => FREE..FREE + OBJECTS.len() as u64 + 5]
}

/// Nanoseconds of budgets and periods, and ticks that pass.
fn times() -> impl Strategy<Value = u64> {
    prop::sample::select(&[5, 10, 30, 10_000, 20_000, 50_000][..])
}

fn step() -> impl Strategy<Value = Step> {
    let call = prop_oneof![6 => Just(Call::Invoke as u64), 4 => 0..13u64, 3 => prop::sample::select(MOVES)];
    let address = prop::sample::select(&[0, PAGE_BYTES, WINDOW | 1, WINDOW | 3, MASTER_START | 1, MASTER_START][..]);
    let word = prop_oneof![6 => slot(), 4 => 0..17u64, 2 => address, 4 => times(), 2 => any::<u64>()];
    let (caps, flags) = (prop_oneof![2 => Just(0u64), 1 => slot()], [0.2, 0.1].map(prop::bool::weighted));
    let words = (prop::array::uniform5(word), prop_oneof![4 => Just(5usize), 1 => 0..5usize]);
    let arguments = (words, slot(), slot(), caps.clone(), caps, flags);
    (0..3usize, call, slot(), prop::sample::select(METHODS), arguments).prop_map(
        |(thread, call, mut cap, method, ((mut words, length), reply, endpoint, send_cap, receive_cap, flags))| {
            match call {
                TICK => words[0] %= 100,
                SUMMONS | ENTER => cap %= 2,
                _ => {}
            }
            let [interrupted, waits] = flags;
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
                waits,
            }
        },
    )
}

const WINDOW: u64 = 0x40_0000;
/// What there is at the start, from slot `FREE` on.
const OBJECTS: [ObjectType; 14] = [
    ObjectType::Endpoint,
    ObjectType::Reply,
    ObjectType::Notification,
    ObjectType::Memory,
    ObjectType::Attachment,
    ObjectType::SchedContext,
    ObjectType::Thread,
    ObjectType::VSpace,
    ObjectType::Timer,
    ObjectType::Vcpu,
    ObjectType::IoSpace,
    ObjectType::IoMapping,
    ObjectType::VSpace,
    ObjectType::Untyped,
];

/// Objects, three threads, and the right to give devices their IoSpaces; one VSpace has what two views want of a master.
fn world(cpus: u8) -> World {
    let mut world = World::with_cpus(cpus, 7, 1 << 20, 32);
    let threads = [world.thread(1), world.thread(1), world.thread(2)];
    for (slot, object) in (FREE..).zip(OBJECTS) {
        let size = if matches!(object, ObjectType::Memory | ObjectType::Untyped) { 8 * PAGE_BYTES } else { 0 };
        assert_eq!(world.make(threads[0], object, size, slot), 0);
    }
    let next = FREE + OBJECTS.len() as u64;
    world.give_time(threads[0], next);
    world.give_time(threads[1], next + 1);
    world.give_thread(threads[2], next + 2);
    world.give_thread(threads[0], next + 3);
    world.give_devices(next + 4);
    two_views(&mut world, threads[1]);
    for cpu in (0..world.cpus()).rev() {
        world.step(&Step { call: SUMMONS, cap: cpu, ..Step::default() }).expect("choosing breaks no promise");
    }
    check(&world);
    world
}

/// Thread 1 becomes a master, in a VSpace with two views.
fn two_views(world: &mut World, thread: Ref<Thread>) {
    let (home, legacy, memory, attachment, master) = (FREE + 7, FREE + 12, FREE + 3, FREE + 4, 60);
    world.give_thread(thread, master);
    for (cap, method, words) in [
        (home, vspace::DONATE, [POT, 8, 0, 0, 0]),
        (legacy, vspace::DONATE, [FREE + 13, 6, 0, 0, 0]),
        (memory, memory::ATTACH, [home, MASTER_START, 4 * PAGE_BYTES, 3, attachment]),
        (attachment, attachment::MAP, [MASTER_START | 1, 0, MASTER_START | 1, 0, 0]),
        (legacy, vspace::MAKE_LEGACY, [home, 0, 0, 0, 0]),
        (FREE + 9, vcpu::SET_STATE, [memory, PAGE_BYTES, 0, 0, 0]),
        (master, thread::BIND_VCPU, [FREE + 9, 0, 0, 0, 0]),
        (master, thread::SET_VSPACE, [legacy, 0, 0, 0, 0]),
    ] {
        let length = if method == attachment::MAP { 4 } else { 5 };
        assert_eq!(world.invoke(world.threads[0], cap, method, &words[..length]), 0, "{method:x}");
    }
}

/// Make those of the steps that can be made.
fn make(mut world: World, steps: &[Step]) -> Result<(), TestCaseError> {
    for step in steps {
        let is_others = matches!(step.call, SUMMONS | ENTER);
        if is_others && step.cap >= world.cpus() || (is_others || step.waits) && !world.may_be_made(step) {
            continue;
        }
        let step = &Step { waits: step.waits && world.cpus() > 1, ..*step };
        let made = world.step(step);
        prop_assert!(made.is_ok(), "{step}: {}", made.err().map_or_else(String::new, |violation| violation.0));
        // Whoever follows a reference to what is gone panics.
        world.kernel.machine.forget_dead();
        let held = invariants::check(&world);
        prop_assert!(held.is_ok(), "{step}: {}", held.err().map_or_else(String::new, |violation| violation.0));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
    #[test]
    fn invariants_hold_whatever_threads_do(steps in prop::collection::vec(step(), 1..120)) {
        make(world(1), &steps)?;
    }

    #[test]
    fn invariants_hold_whatever_processors_do(steps in prop::collection::vec(step(), 1..120)) {
        make(world(2), &steps)?;
    }
}
