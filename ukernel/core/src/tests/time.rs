//! Limited time: budgets, refills, timeouts, lent time; and who may give which priority.

use ukernel_abi::invoke::{sched_context, thread};
use ukernel_abi::{Call, Error, MessageInfo, ObjectType, fault};

use super::check;
use crate::checks::simulation::NS_PER_TICK;
use crate::checks::world::{FREE, World};
use crate::{Ref, State, Thread};

const ENDPOINT: u64 = FREE;
const REPLY: u64 = FREE + 1;
const TIMEOUTS: u64 = FREE + 2;
const TIMEOUT_REPLY: u64 = FREE + 3;
/// Capabilities to time and threads, by the thread's index.
const TIME: u64 = FREE + 10;
const THREAD: u64 = FREE + 20;
const NOBODY: u64 = Error::InvalidState as u64;

/// A thread of high priority with unlimited time, and two workers.
fn world() -> (World, [Ref<Thread>; 3]) {
    let mut world = World::new();
    let threads = [world.thread(20), world.thread(10), world.thread(5)];
    for (index, thread) in threads.into_iter().enumerate() {
        world.give_time(thread, TIME + index as u64);
        world.give_thread(thread, THREAD + index as u64);
    }
    for (slot, object) in [(ENDPOINT, 6), (REPLY, 7), (TIMEOUTS, 6), (TIMEOUT_REPLY, 7)] {
        let object = ObjectType::from_number(object).expect("a type");
        assert_eq!(world.make(threads[0], object, 0, slot), 0);
    }
    check(&world);
    (world, threads)
}

/// The first thread limits another's time, in ticks, and goes to sleep.
fn limit(world: &mut World, threads: [Ref<Thread>; 3], index: u64, budget: u64, period: u64) {
    let words = [budget * NS_PER_TICK, period * NS_PER_TICK, 4, 7];
    assert_eq!(world.invoke(threads[0], TIME + index, sched_context::CONFIGURE, &words), 0);
    check(world);
}

fn sleep(world: &mut World, thread: Ref<Thread>, slot: u64) {
    world.invoke(thread, slot, thread::SUSPEND, &[]);
    check(world);
}

fn tick(world: &mut World, ticks: u64) {
    world.tick(ticks);
    check(world);
}

#[test]
fn a_used_up_budget_lets_others_run_until_its_refill() {
    let (mut world, threads) = world();
    limit(&mut world, threads, 1, 20, 100);
    sleep(&mut world, threads[0], THREAD);
    assert_eq!(world.kernel.current(), Some(threads[1]));
    tick(&mut world, 10);
    assert_eq!(world.kernel.current(), Some(threads[1]));
    tick(&mut world, 10);
    assert_eq!(world.kernel.current(), Some(threads[2]));
    tick(&mut world, 79);
    assert_eq!(world.kernel.current(), Some(threads[2]));
    tick(&mut world, 1);
    assert_eq!(world.kernel.current(), Some(threads[1]));
}

#[test]
fn nobody_runs_while_all_budgets_are_used_up() {
    let (mut world, threads) = world();
    limit(&mut world, threads, 1, 20, 100);
    limit(&mut world, threads, 2, 30, 200);
    sleep(&mut world, threads[0], THREAD);
    tick(&mut world, 20);
    tick(&mut world, 30);
    assert_eq!(world.kernel.current(), None);
    tick(&mut world, 50);
    assert_eq!(world.kernel.current(), Some(threads[1]));
}

#[test]
fn a_timeout_reaches_the_threads_handler_which_lets_it_go_on() {
    let (mut world, threads) = world();
    limit(&mut world, threads, 1, 20, 100);
    assert_eq!(world.invoke(threads[0], THREAD + 1, thread::SET_TIMEOUT, &[TIMEOUTS]), 0);
    world.kernel.get_mut(threads[0]).context.r14 = TIMEOUT_REPLY;
    world.call(threads[0], Call::Recv, TIMEOUTS, MessageInfo(0), &[]);
    assert_eq!(world.kernel.current(), Some(threads[1]));
    tick(&mut world, 20);
    assert_eq!(world.kernel.current(), Some(threads[0]));
    let context = &world.kernel.get(threads[0]).context;
    assert_eq!(MessageInfo(context.rsi), MessageInfo::new(fault::TIMEOUT, fault::TIMEOUT_WORDS));
    assert_eq!(context.words[..2], [7, 20 * NS_PER_TICK]);
    // More time, at once; it was told of what is used.
    limit(&mut world, threads, 1, 50, 100);
    world.call(threads[0], Call::Reply, TIMEOUT_REPLY, MessageInfo::new(fault::RESUME, 0), &[]);
    sleep(&mut world, threads[0], THREAD);
    assert_eq!(world.kernel.current(), Some(threads[1]));
    tick(&mut world, 40);
    assert_eq!(world.kernel.current(), Some(threads[1]));
}

#[test]
fn an_unresumed_timeout_leaves_the_thread_stopped() {
    let (mut world, threads) = world();
    limit(&mut world, threads, 1, 20, 100);
    assert_eq!(world.invoke(threads[0], THREAD + 1, thread::SET_TIMEOUT, &[TIMEOUTS]), 0);
    world.kernel.get_mut(threads[0]).context.r14 = TIMEOUT_REPLY;
    world.call(threads[0], Call::Recv, TIMEOUTS, MessageInfo(0), &[]);
    tick(&mut world, 20);
    world.call(threads[0], Call::Reply, TIMEOUT_REPLY, MessageInfo::new(1, 0), &[]);
    assert_eq!(world.state(threads[1]), State::Stopped);
    check(&world);
}

#[test]
fn a_timeout_that_nobody_can_answer_stops_the_thread_and_changes_nothing() {
    let (mut world, threads) = world();
    limit(&mut world, threads, 1, 20, 100);
    assert_eq!(world.invoke(threads[0], THREAD + 1, thread::SET_TIMEOUT, &[TIMEOUTS]), 0);
    world.kernel.get_mut(threads[1]).context.rax = 4711;
    world.call(threads[0], Call::Recv, TIMEOUTS, MessageInfo(0), &[]);
    tick(&mut world, 20);
    assert_eq!(MessageInfo(world.kernel.get(threads[0]).context.rsi).label(), fault::TIMEOUT);
    assert_eq!((world.state(threads[1]), world.kernel.get(threads[1]).context.rax), (State::Stopped, 4711));
    check(&world);
}

/// Thread 2 serves at ENDPOINT without time of its own, and thread 1 calls it on limited time.
fn passive() -> (World, [Ref<Thread>; 3]) {
    let (mut world, threads) = world();
    assert_eq!(world.invoke(threads[0], THREAD + 2, thread::SET_PRIORITY, &[10]), 0);
    world.kernel.get_mut(threads[2]).context.r14 = REPLY;
    world.call(threads[2], Call::Recv, ENDPOINT, MessageInfo(0), &[]);
    assert_eq!(world.invoke(threads[0], TIME + 2, sched_context::UNBIND, &[]), 0);
    limit(&mut world, threads, 1, 30, 100);
    world.call(threads[1], Call::Call, ENDPOINT, MessageInfo(0), &[]);
    check(&world);
    (world, threads)
}

#[test]
fn passive_servers_use_up_their_callers_budget() {
    let (mut world, threads) = passive();
    sleep(&mut world, threads[0], THREAD);
    assert_eq!(world.kernel.current(), Some(threads[2]));
    tick(&mut world, 20);
    world.kernel.get_mut(threads[2]).context.r14 = REPLY;
    world.kernel.get_mut(threads[2]).context.r15 = ENDPOINT;
    world.call(threads[2], Call::ReplyRecv, REPLY, MessageInfo(0), &[]);
    check(&world);
    assert_eq!(world.kernel.current(), Some(threads[1]));
    tick(&mut world, 10);
    assert_eq!(world.kernel.current(), None);
}

#[test]
fn a_passive_servers_own_handler_is_told_of_its_callers_timeout() {
    let (mut world, threads) = passive();
    assert_eq!(world.invoke(threads[0], THREAD + 2, thread::SET_TIMEOUT, &[TIMEOUTS]), 0);
    world.kernel.get_mut(threads[0]).context.r14 = TIMEOUT_REPLY;
    world.call(threads[0], Call::Recv, TIMEOUTS, MessageInfo(0), &[]);
    assert_eq!(world.kernel.current(), Some(threads[2]));
    tick(&mut world, 30);
    assert_eq!(world.kernel.current(), Some(threads[0]));
    assert!(matches!(world.state(threads[2]), State::Replying { .. }));
    assert_eq!(world.kernel.get(threads[0]).context.words[0], 7);
}

#[test]
fn yielding_gives_up_the_rest() {
    let (mut world, threads) = world();
    limit(&mut world, threads, 1, 20, 100);
    sleep(&mut world, threads[0], THREAD);
    tick(&mut world, 5);
    world.call(threads[1], Call::Yield, 0, MessageInfo(0), &[]);
    check(&world);
    assert_eq!(world.kernel.current(), Some(threads[2]));
    assert_eq!(world.invoke(threads[2], TIME + 1, sched_context::CONSUMED, &[]), 0);
    assert_eq!(world.kernel.get(threads[2]).context.words[0], 5 * NS_PER_TICK);
    tick(&mut world, 95);
    assert_eq!(world.kernel.current(), Some(threads[1]));
}

#[test]
fn time_that_is_destroyed_waits_for_nothing() {
    let (mut world, threads) = world();
    assert_eq!(world.make(threads[0], ObjectType::SchedContext, 0, FREE + 5), 0);
    assert_eq!(world.invoke(threads[0], TIME + 1, sched_context::UNBIND, &[]), 0);
    assert_eq!(world.invoke(threads[0], FREE + 5, sched_context::BIND, &[THREAD + 1]), 0);
    let words = [20 * NS_PER_TICK, 100 * NS_PER_TICK, 2, 0];
    assert_eq!(world.invoke(threads[0], FREE + 5, sched_context::CONFIGURE, &words), 0);
    sleep(&mut world, threads[0], THREAD);
    tick(&mut world, 20);
    let delete = ukernel_abi::invoke::cap_table::DELETE;
    assert_eq!(world.invoke(threads[2], crate::checks::world::TABLE, delete, &[FREE + 5]), 0);
    world.kernel.machine.forget_dead();
    check(&world);
    tick(&mut world, 200);
    assert_eq!(world.kernel.current(), Some(threads[2]));
}

#[test]
fn limits_that_make_no_sense_are_refused() {
    let (mut world, threads) = world();
    let ms = 1_000_000;
    for words in [[ms, 0, 2, 0], [0, ms, 2, 0], [2 * ms, ms, 2, 0], [9_999, ms, 2, 0], [ms, u64::MAX, 2, 0]] {
        let result = world.invoke(threads[0], TIME, sched_context::CONFIGURE, &words);
        assert_eq!(result, Error::InvalidArgument as u64, "{words:?}");
    }
    for most in [0, 1, 9, u64::MAX] {
        let result = world.invoke(threads[0], TIME, sched_context::CONFIGURE, &[ms, 2 * ms, most, 0]);
        assert_eq!(result, Error::InvalidArgument as u64, "{most} refills");
    }
    assert_eq!(world.invoke(threads[0], TIME, sched_context::CONSUMED, &[]), NOBODY);
    assert_eq!(world.invoke(threads[0], TIME, sched_context::CONFIGURE, &[ms, ms, 8, 0]), 0);
    check(&world);
}

#[test]
fn yield_to_runs_whom_the_time_belongs_to() {
    let (mut world, threads) = world();
    let others = [world.thread(20), world.thread(20)];
    assert_eq!(world.invoke(threads[0], TIME, sched_context::YIELD_TO, &[]), NOBODY);
    world.give_time(others[1], TIME + 3);
    assert_eq!(world.invoke(threads[0], TIME + 3, sched_context::YIELD_TO, &[]), 0);
    check(&world);
    assert_eq!(world.kernel.current(), Some(others[1]));
}

#[test]
fn nobody_gives_a_higher_priority_than_its_maximum() {
    let (mut world, threads) = world();
    let refused = Error::InsufficientRights as u64;
    assert_eq!(world.invoke(threads[0], THREAD + 1, thread::SET_MAX_PRIORITY, &[15]), 0);
    let mut set = |method, priority| world.invoke(threads[1], THREAD + 2, method, &[priority]);
    assert_eq!(set(thread::SET_PRIORITY, 16), refused);
    assert_eq!(set(thread::SET_MAX_PRIORITY, 16), refused);
    assert_eq!(set(thread::SET_PRIORITY, 256), Error::InvalidArgument as u64);
    assert_eq!(set(thread::SET_PRIORITY, 15), 0);
    // What a thread makes is limited as it is itself.
    assert_eq!(world.make(threads[1], ObjectType::Thread, 0, FREE + 6), 0);
    let crate::Cap::Thread(made) = world.cap(FREE + 6) else { panic!("there is a thread") };
    assert_eq!(world.kernel.get(made).max_priority, 15);
    check(&world);
}

#[test]
fn who_has_forgone_time_makes_none() {
    let (mut world, threads) = world();
    let (ms, refused) = (1_000_000, Error::InsufficientRights as u64);
    assert_eq!(world.invoke(threads[0], THREAD + 1, thread::FORGO_TIME, &[]), 0);
    for words in [[0; 4], [ms, 2 * ms, 8, 0]] {
        assert_eq!(world.invoke(threads[1], TIME + 2, sched_context::CONFIGURE, &words), refused, "{words:?}");
        assert_eq!(world.invoke(threads[0], TIME, sched_context::CONFIGURE, &words), 0, "others may");
    }
    assert_eq!(world.make(threads[1], ObjectType::SchedContext, 0, FREE + 6), refused);
    // Nor does what it makes.
    assert_eq!(world.make(threads[1], ObjectType::Thread, 0, FREE + 6), 0);
    let crate::Cap::Thread(made) = world.cap(FREE + 6) else { panic!("there is a thread") };
    assert!(!world.kernel.get(made).makes_time);
    check(&world);
}
