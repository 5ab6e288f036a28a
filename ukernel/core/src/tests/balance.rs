//! Which processor threads run on: none is idle while one waits that may run there.

use ukernel_abi::invoke::sched_context::{ANY_CPU, CONFIGURE, SET_CPU};

use super::check;
use crate::checks::world::{FREE, World};
use crate::context::{INITIAL_FLAGS, Resume};
use crate::{Ref, Thread};

const TIMES: [u64; 3] = [FREE, FREE + 1, FREE + 2];

/// Two processors; the first thread stays on processor 0.
fn world(priorities: [u8; 3]) -> (World, [Ref<Thread>; 3]) {
    let mut world = World::with_cpus(2, 7, 1 << 20, 32);
    let threads = priorities.map(|priority| world.thread(priority));
    for (thread, slot) in threads.into_iter().zip(TIMES) {
        world.give_time(thread, slot);
    }
    set_cpu(&mut world, threads[0], 0, 0);
    (world, threads)
}

fn set_cpu(world: &mut World, by: Ref<Thread>, whose: usize, cpu: u64) {
    assert_eq!(world.invoke(by, TIMES[whose], SET_CPU, &[cpu]), 0);
}

/// Processor 1 chooses; who runs there then.
fn choose(world: &mut World) -> Option<Ref<Thread>> {
    world.kernel.machine.go_to(1);
    let chosen = world.kernel.settle();
    world.kernel.machine.go_to(0);
    chosen
}

#[test]
fn a_thread_that_may_move_goes_to_an_idle_processor() {
    let (mut world, [first, second, third]) = world([3, 2, 1]);
    set_cpu(&mut world, first, 1, 0);
    set_cpu(&mut world, first, 2, 0);
    assert_eq!(choose(&mut world), None, "all have to stay on the other one");
    set_cpu(&mut world, first, 2, ANY_CPU);
    check(&world);
    assert_eq!(choose(&mut world), Some(third));
    assert_eq!(world.kernel.get(second).home, 0);
    check(&world);
}

#[test]
fn a_thread_whose_limit_ends_goes_to_an_idle_processor() {
    let (mut world, [first, second, third]) = world([3, 2, 1]);
    for whose in [1, 2] {
        set_cpu(&mut world, first, whose, 0);
    }
    let limit = [1_000_000, 2_000_000, 2, 0];
    assert_eq!(world.invoke(first, TIMES[2], CONFIGURE, &limit), 0);
    set_cpu(&mut world, first, 2, ANY_CPU);
    assert_eq!(choose(&mut world), None, "limited time stays on its processor");
    assert_eq!(world.invoke(first, TIMES[2], CONFIGURE, &[0; 4]), 0);
    check(&world);
    assert_eq!(choose(&mut world), Some(third));
    assert_eq!(world.kernel.get(second).home, 0);
}

#[test]
fn an_idle_processor_takes_who_waits_behind_one_that_must_stay() {
    let (mut world, [first, second, third]) = world([3, 2, 1]);
    set_cpu(&mut world, first, 1, 0);
    // It waits on processor 0, and the other one is busy until its thread stops.
    set_cpu(&mut world, first, 2, 1);
    assert_eq!(choose(&mut world), Some(third));
    let fourth = world.thread(1);
    assert_eq!(world.kernel.get(fourth).home, 0);
    world.kernel.suspend(third);
    assert_eq!(choose(&mut world), Some(fourth), "{second:?} is more urgent, but stays where it is");
    check(&world);
}

#[test]
fn idle_time_is_told_while_it_goes_on() {
    let (mut world, [first, ..]) = world([3, 2, 1]);
    set_cpu(&mut world, first, 1, 0);
    set_cpu(&mut world, first, 2, 0);
    assert_eq!(choose(&mut world), None);
    let before = world.kernel.idle_time();
    world.kernel.machine.go_to(1);
    world.kernel.begin_idle();
    world.kernel.machine.now += 100;
    assert_eq!(world.kernel.idle_time(), before + 100);
    world.kernel.end_idle();
    world.kernel.machine.now += 10;
    world.kernel.machine.go_to(0);
    assert_eq!(world.kernel.idle_time(), before + 100);
}

#[test]
fn a_new_thread_can_be_interrupted() {
    let mut world = World::new();
    let thread = world.thread(1);
    let context = &world.kernel.get(thread).context;
    assert_eq!((context.rflags, context.resume), (INITIAL_FLAGS, Resume::FULL));
}
