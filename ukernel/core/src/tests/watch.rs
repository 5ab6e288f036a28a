//! Watching: the list of all threads is all threads, messages are counted, and time is charged by the timer's interrupt.

use std::vec::Vec;

use ukernel_abi::invoke::{cap_table, sched_context, trace};
use ukernel_abi::{Call, Error, MessageInfo, ObjectType};

use super::{World, check};
use crate::checks::world::{FREE, TABLE};
use crate::{Cap, Machine, Thread};

const ENDPOINT: u64 = FREE;
const REPLY: u64 = FREE + 1;
const WATCH: u64 = FREE + 2;
const MORE: u64 = FREE + 3;

/// Numbers of all threads, as the holder of the capability finds them.
fn numbers(world: &World) -> Vec<u64> {
    let (mut numbers, mut next) = (Vec::new(), 0);
    while let Ok([what, ..]) = world.kernel.watch_thread(next) {
        numbers.push(what & 0xffff_ffff);
        next = (what & 0xffff_ffff) + 1;
    }
    numbers
}

/// Numbers of all threads that exist.
fn existing(world: &World) -> Vec<u64> {
    let mut numbers: Vec<_> = world.kernel.machine.all::<Thread>().map(|(_, thread)| thread.number.into()).collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn all_threads_are_found_until_they_end() {
    let mut world = World::new();
    let first = world.thread(5);
    let _second = world.thread(6);
    for slot in [MORE, MORE + 1, MORE + 2] {
        assert_eq!(world.make(first, ObjectType::Thread, 0, slot), 0);
    }
    assert_eq!(numbers(&world), existing(&world));
    // From the middle, the newest, the oldest of them.
    for slot in [MORE + 1, MORE + 2, MORE] {
        assert_eq!(world.invoke(first, TABLE, cap_table::DELETE, &[slot]), 0);
        world.tidy();
        assert_eq!(numbers(&world), existing(&world));
        check(&world);
    }
    assert_eq!(numbers(&world).len(), 2);
    assert_eq!(world.kernel.watch_thread(u64::MAX), Err(Error::InvalidArgument));
}

#[test]
fn a_limit_is_seen_in_thousandths() {
    let mut world = World::new();
    let thread = world.thread(5);
    world.give_time(thread, MORE);
    let limit = |world: &World| world.kernel.watch_thread(0).map(|[what, ..]| what >> 48);
    assert_eq!(limit(&world), Ok(0));
    for (budget, period, expected) in
        [(2_000_000, 10_000_000, 200), (10_000, 3_600_000_000_000, 1), (10_000, 10_000, 1000)]
    {
        let words = [budget, period, 8, 0];
        assert_eq!(world.invoke(thread, MORE, sched_context::CONFIGURE, &words), 0);
        assert_eq!(limit(&world), Ok(expected));
    }
}

#[test]
fn work_is_counted() {
    let mut world = World::new();
    let (client, server) = (world.thread(5), world.thread(5));
    assert_eq!(world.make(client, ObjectType::Endpoint, 0, ENDPOINT), 0);
    assert_eq!(world.make(client, ObjectType::Reply, 0, REPLY), 0);
    world.kernel.insert_root(world.slot(WATCH), Cap::Trace);
    world.kernel.get_mut(server).context.r14 = REPLY;
    world.call(server, Call::Recv, ENDPOINT, MessageInfo::default(), &[]);
    world.call(client, Call::Call, ENDPOINT, MessageInfo::new(1, 0), &[]);
    let context = &mut world.kernel.get_mut(server).context;
    (context.r14, context.r15) = (REPLY, ENDPOINT);
    world.call(server, Call::ReplyRecv, REPLY, MessageInfo::new(2, 0), &[]);
    assert_eq!((world.kernel.get(client).work.messages, world.kernel.get(server).work.messages), (1, 1));

    let running = world.kernel.current().expect("the client goes on");
    let (before, quantum) = (world.kernel.get(running).work.ticks, world.kernel.machine.quantum());
    let now = world.kernel.machine.now();
    world.kernel.sample(now + 10);
    world.kernel.sample(now + 17);
    // Nobody is charged for what comes before the last quantum.
    world.kernel.sample(now + 17 + 5 * quantum);
    let charged = world.kernel.get(running).work.ticks - before;
    assert!((7 + quantum..=17 + quantum).contains(&charged), "{charged}");
    let number = world.kernel.get(client).number.into();
    assert_eq!(world.invoke(client, WATCH, trace::THREAD, &[number]), 0);
    let words = world.kernel.get(client).context.words;
    assert_eq!((words[0] & 0xffff_ffff, words[2]), (number, 1));
}
