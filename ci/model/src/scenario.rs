//! What is explored: a world of three threads, and the calls that they may make.
//!
//! Threads 0 and 1 share a table that holds everything; thread 2 has a small table of its own, with a badged right to
//! send and one to signal. All have one priority. The faults of thread 1 and thread 2 go to the two endpoints, those of thread 0 to nobody.

use ukernel_abi::invoke::{attachment, cap_table, memory, sched_context, thread, timer, untyped, vspace};
use ukernel_abi::{Call, ObjectType, PAGE_BYTES, Rights};
use ukernel_core::checks::simulation::NS_PER_TICK;
use ukernel_core::checks::step::{FAULT, Step, TICK};
use ukernel_core::checks::world::{POT, TABLE, VSPACE, World};

/// A world and calls.
pub struct Scenario {
    /// What it is about.
    pub name: &'static str,
    /// The start.
    pub world: World,
    /// The calls.
    pub steps: Vec<Step>,
}

/// Slots of the table of threads 0 and 1; [`POT`], [`TABLE`] and [`VSPACE`] come before.
pub(crate) mod slot {
    pub const ENDPOINT: u64 = 4;
    pub const SECOND_ENDPOINT: u64 = 5;
    pub const NOTIFICATION: u64 = 6;
    pub const REPLY: u64 = 7;
    pub const SECOND_REPLY: u64 = 8;
    pub const MEMORY: u64 = 9;
    pub const ATTACHMENT: u64 = 10;
    pub const SECOND_ATTACHMENT: u64 = 11;
    /// Capabilities to the three threads.
    pub const THREADS: [u64; 3] = [12, 13, 14];
    pub const SMALL_TABLE: u64 = 15;
    /// A thread that never runs, to be configured and bound.
    pub const IDLE_THREAD: u64 = 16;
    pub const SECOND_VSPACE: u64 = 17;
    pub const SCHED_CONTEXT: u64 = 18;
    pub const TIMER: u64 = 19;
    /// Capabilities to the threads' scheduling contexts.
    pub const TIMES: [u64; 3] = [24, 25, 26];
    /// Where copies and new objects go.
    pub const FREE: [u64; 3] = [20, 21, 22];
}

/// Slots of thread 2's table.
mod small {
    pub const ENDPOINT: u64 = 1;
    pub const NOTIFICATION: u64 = 2;
    pub const FREE: u64 = 3;
}

const TABLE_BITS: u8 = 5;
const POT_PAGES: u64 = 24;
const TABLES: u64 = 6;
/// The window is at the end of each table, which keeps walks short.
pub(crate) const WINDOW: u64 = (1 << 47) - 4 * PAGE_BYTES;
pub(crate) const READ: u64 = Rights::READ.0 as u64;
pub(crate) const READ_WRITE: u64 = Rights::READ.0 as u64 | Rights::WRITE.0 as u64;
pub(crate) const ALL: u64 = Rights::ALL.0 as u64;

pub(crate) fn invoke(thread: usize, cap: u64, method: u32, arguments: &[u64]) -> Step {
    let mut words = [0; 5];
    words[..arguments.len()].copy_from_slice(arguments);
    Step { thread, call: Call::Invoke as u64, cap, method, words, length: arguments.len(), ..Step::default() }
}

pub(crate) fn call(thread: usize, call: Call, cap: u64) -> Step {
    Step { thread, call: call as u64, cap, method: thread as u32 + 1, ..Step::default() }
}

pub(crate) fn receive(thread: usize, cap: u64, reply: u64) -> Step {
    Step { reply, receive_cap: slot::FREE[2], ..call(thread, Call::Recv, cap) }
}

pub(crate) fn retype(thread: usize, object: ObjectType, size: u64, slot: u64) -> Step {
    invoke(thread, POT, untyped::RETYPE, &[object as u64, size, 1, slot, 0])
}

pub(crate) fn copy(thread: usize, from: u64, to: u64, rights: u64) -> Step {
    invoke(thread, TABLE, cap_table::COPY, &[to, 0, from, rights])
}

pub(crate) fn mint(thread: usize, from: u64, to: u64, rights: u64, badge: u64) -> Step {
    invoke(thread, TABLE, cap_table::MINT, &[to, 0, from, rights, badge])
}

pub(crate) fn delete(thread: usize, slot: u64) -> Step {
    invoke(thread, TABLE, cap_table::DELETE, &[slot])
}

pub(crate) fn revoke(thread: usize, slot: u64) -> Step {
    invoke(thread, TABLE, cap_table::REVOKE, &[slot])
}

/// The world that most scenarios start from, made by system calls of thread 0.
pub(crate) fn world() -> World {
    let mut world = shared_table(1);
    let third = world.threads[2];
    world.handle_faults(world.threads[1], slot::ENDPOINT);
    world.handle_faults(third, slot::SECOND_ENDPOINT);
    world.move_thread(third, slot::SMALL_TABLE);
    world.tidy();
    world
}

/// The same with threads 1 and 2 as servers without time of their own, which wait for calls.
fn servers() -> World {
    let mut world = shared_table(1);
    let start = [
        // Thread 0 runs on time that can be destroyed.
        invoke(1, slot::TIMES[0], sched_context::UNBIND, &[]),
        invoke(1, slot::SCHED_CONTEXT, sched_context::BIND, &[slot::THREADS[0]]),
        receive(1, slot::ENDPOINT, slot::REPLY),
        receive(2, slot::SECOND_ENDPOINT, slot::SECOND_REPLY),
        invoke(0, slot::TIMES[1], sched_context::UNBIND, &[]),
        invoke(0, slot::TIMES[2], sched_context::UNBIND, &[]),
    ];
    for step in start {
        world.step(&step).expect("the start breaks no promise");
    }
    world.tidy();
    world
}

/// Three threads and objects; all threads have the same table.
pub(crate) fn shared_table(cpus: u8) -> World {
    // Who is its own processor's master has a master slot as well.
    let tables = if cpus == 1 { TABLES } else { TABLES + 3 };
    let mut world = World::with_cpus(cpus, TABLE_BITS, POT_PAGES * PAGE_BYTES, tables);
    let threads = [world.thread(1), world.thread(1), world.thread(1)];
    for (thread, slot) in threads.into_iter().zip(slot::THREADS) {
        world.give_thread(thread, slot);
    }
    for (thread, slot) in threads.into_iter().zip(slot::TIMES) {
        world.give_time(thread, slot);
    }
    let setup = [
        retype(0, ObjectType::Endpoint, 0, slot::ENDPOINT),
        retype(0, ObjectType::Endpoint, 0, slot::SECOND_ENDPOINT),
        retype(0, ObjectType::Notification, 0, slot::NOTIFICATION),
        retype(0, ObjectType::Reply, 0, slot::REPLY),
        retype(0, ObjectType::Reply, 0, slot::SECOND_REPLY),
        retype(0, ObjectType::Memory, 2 * PAGE_BYTES, slot::MEMORY),
        retype(0, ObjectType::Attachment, 0, slot::ATTACHMENT),
        retype(0, ObjectType::Attachment, 0, slot::SECOND_ATTACHMENT),
        retype(0, ObjectType::CapTable, 2, slot::SMALL_TABLE),
        retype(0, ObjectType::Thread, 0, slot::IDLE_THREAD),
        retype(0, ObjectType::VSpace, 0, slot::SECOND_VSPACE),
        retype(0, ObjectType::SchedContext, 0, slot::SCHED_CONTEXT),
        invoke(0, slot::SECOND_VSPACE, vspace::DONATE, &[POT, 5]),
        invoke(0, slot::SMALL_TABLE, cap_table::MINT, &[small::ENDPOINT, 0, slot::ENDPOINT, ALL, 7]),
        invoke(0, slot::SMALL_TABLE, cap_table::MINT, &[small::NOTIFICATION, 0, slot::NOTIFICATION, 2, 4]),
    ];
    for step in setup {
        let result = world.step(&step).expect("the start breaks no promise");
        assert_eq!(result, Some(0), "{step}");
    }
    world
}

/// Messages, answers, signals, faults; stopping and starting whoever waits; binding and lending.
fn messages() -> Vec<Step> {
    let mut steps = Vec::new();
    for thread in [0, 1] {
        for endpoint in [slot::ENDPOINT, slot::SECOND_ENDPOINT] {
            steps.extend([Call::Call, Call::Send].map(|kind| call(thread, kind, endpoint)));
            steps.push(receive(thread, endpoint, slot::REPLY));
        }
        steps.extend([
            Step { thread, call: FAULT, ..Step::default() },
            // An answer without label lets a thread that faulted go on.
            Step { method: 0, ..call(thread, Call::Reply, slot::REPLY) },
            call(thread, Call::NbSend, slot::ENDPOINT),
            Step { send_cap: slot::NOTIFICATION, ..call(thread, Call::Call, slot::ENDPOINT) },
            receive(thread, slot::ENDPOINT, slot::SECOND_REPLY),
            receive(thread, slot::ENDPOINT, 0),
            Step { call: Call::NbRecv as u64, ..receive(thread, slot::ENDPOINT, slot::REPLY) },
            Step { reply: slot::REPLY, endpoint: slot::ENDPOINT, ..call(thread, Call::ReplyRecv, slot::REPLY) },
            call(thread, Call::Reply, slot::REPLY),
            call(thread, Call::Reply, slot::SECOND_REPLY),
            call(thread, Call::Signal, slot::NOTIFICATION),
            call(thread, Call::Wait, slot::NOTIFICATION),
            call(thread, Call::Poll, slot::NOTIFICATION),
        ]);
        for other in slot::THREADS {
            steps.push(invoke(thread, other, thread::SUSPEND, &[]));
            steps.push(invoke(thread, other, thread::RESUME, &[]));
        }
    }
    steps.extend([
        mint(0, slot::NOTIFICATION, slot::FREE[0], ALL, 1),
        call(1, Call::Signal, slot::FREE[0]),
        invoke(0, slot::THREADS[1], thread::BIND_NOTIFICATION, &[slot::NOTIFICATION]),
        invoke(0, slot::THREADS[1], thread::BIND_NOTIFICATION, &[0]),
        Step { thread: 2, call: FAULT, ..Step::default() },
        call(2, Call::Call, small::ENDPOINT),
        call(2, Call::Send, small::ENDPOINT),
        Step { receive_cap: small::FREE, ..receive(2, small::ENDPOINT, 0) },
        call(2, Call::Signal, small::NOTIFICATION),
    ]);
    steps
}

/// Time that is lent along chains of calls, taken away, given to others, and lost with its object.
fn time() -> Vec<Step> {
    let mut steps = Vec::new();
    for thread in [0, 1, 2] {
        for (endpoint, reply) in [(slot::ENDPOINT, slot::REPLY), (slot::SECOND_ENDPOINT, slot::SECOND_REPLY)] {
            steps.extend([
                call(thread, Call::Call, endpoint),
                receive(thread, endpoint, reply),
                Step { reply, endpoint, ..call(thread, Call::ReplyRecv, reply) },
                call(thread, Call::Reply, reply),
            ]);
        }
        steps.push(invoke(thread, slot::THREADS[thread], thread::SUSPEND, &[]));
    }
    let times = [slot::SCHED_CONTEXT, slot::TIMES[1], slot::TIMES[2]];
    for (time, other) in times.into_iter().zip(slot::THREADS) {
        steps.extend([
            invoke(0, time, sched_context::UNBIND, &[]),
            invoke(0, time, sched_context::BIND, &[other]),
            invoke(1, time, sched_context::UNBIND, &[]),
            invoke(0, other, thread::SUSPEND, &[]),
            invoke(0, other, thread::RESUME, &[]),
            invoke(1, other, thread::SUSPEND, &[]),
        ]);
    }
    steps.push(invoke(0, slot::TIMES[0], sched_context::BIND, &[slot::THREADS[1]]));
    steps.extend([slot::REPLY, slot::SECOND_REPLY, slot::ENDPOINT].map(|slot| delete(0, slot)));
    steps.extend([slot::SECOND_REPLY, slot::SCHED_CONTEXT].map(|slot| delete(1, slot)));
    steps.push(delete(2, slot::SCHED_CONTEXT));
    steps
}

/// Ticks of a budget, and of what passes at a time: the budget and a half of its second piece.
pub(crate) const BUDGET: u64 = 20;
pub(crate) const PAUSES: [u64; 2] = [10, 25];

pub(crate) fn limit(thread: usize, time: u64, budget: u64, period: u64) -> Step {
    invoke(thread, time, sched_context::CONFIGURE, &[budget * NS_PER_TICK, period * NS_PER_TICK, 2, time])
}

/// Two threads on limited time and a server without any, of three priorities; the least urgent hears of timeouts.
fn limited() -> World {
    let mut world = shared_table(1);
    let start = [
        retype(0, ObjectType::Timer, 0, slot::TIMER),
        mint(0, slot::NOTIFICATION, slot::FREE[0], ALL, 1),
        invoke(0, slot::TIMER, timer::BIND, &[slot::FREE[0]]),
        receive(2, slot::ENDPOINT, slot::REPLY),
        invoke(0, slot::TIMES[2], sched_context::UNBIND, &[]),
        limit(0, slot::TIMES[0], BUDGET, 3 * BUDGET),
        invoke(0, slot::THREADS[2], thread::SET_PRIORITY, &[2]),
        invoke(0, slot::THREADS[1], thread::SET_PRIORITY, &[0]),
    ];
    for step in start {
        world.step(&step).expect("the start breaks no promise");
    }
    world.tidy();
    world
}

/// Time that passes while threads call, wait, yield, are limited anew, and hear of each other's timeouts.
fn budgets() -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for ticks in PAUSES {
        steps.push(Step { call: TICK, words: [ticks, 0, 0, 0, 0], ..Step::default() });
    }
    for thread in [0, 1] {
        steps.extend([
            call(thread, Call::Call, slot::ENDPOINT),
            call(thread, Call::Wait, slot::NOTIFICATION),
            call(thread, Call::Yield, 0),
            receive(thread, slot::SECOND_ENDPOINT, slot::SECOND_REPLY),
            call(thread, Call::Reply, slot::SECOND_REPLY),
        ]);
        steps.push(Step { method: 0, ..call(thread, Call::Reply, slot::SECOND_REPLY) });
    }
    let (reply, endpoint) = (slot::REPLY, slot::ENDPOINT);
    steps.extend([
        Step { reply, endpoint, ..call(2, Call::ReplyRecv, reply) },
        call(2, Call::Yield, 0),
        call(2, Call::Call, slot::SECOND_ENDPOINT),
        invoke(0, slot::TIMER, timer::ARM, &[2 * BUDGET]),
        invoke(1, slot::TIMER, timer::ARM, &[BUDGET / 2]),
        invoke(0, slot::THREADS[0], thread::SET_TIMEOUT, &[slot::SECOND_ENDPOINT]),
        invoke(0, slot::THREADS[2], thread::SET_TIMEOUT, &[slot::SECOND_ENDPOINT]),
        invoke(1, slot::THREADS[2], thread::SET_TIMEOUT, &[0]),
        limit(1, slot::TIMES[0], 2 * BUDGET, 2 * BUDGET),
        limit(0, slot::TIMES[1], BUDGET, 2 * BUDGET),
        limit(1, slot::TIMES[1], 0, 0),
        invoke(1, slot::TIMES[0], sched_context::UNBIND, &[]),
        invoke(1, slot::TIMES[0], sched_context::BIND, &[slot::THREADS[0]]),
        invoke(1, slot::TIMES[0], sched_context::CONSUMED, &[]),
        invoke(1, slot::TIMES[1], sched_context::YIELD_TO, &[]),
        invoke(0, slot::THREADS[1], thread::SET_PRIORITY, &[1]),
        invoke(0, slot::THREADS[0], thread::SUSPEND, &[]),
        invoke(1, slot::THREADS[0], thread::RESUME, &[]),
        invoke(1, slot::THREADS[2], thread::SUSPEND, &[]),
        invoke(1, slot::THREADS[2], thread::RESUME, &[]),
        delete(1, slot::SECOND_ENDPOINT),
        delete(1, slot::TIMES[0]),
    ]);
    steps
}

/// Derivation: copies, moves, deletion and revocation of what is in use.
fn capabilities() -> Vec<Step> {
    let mut steps = Vec::new();
    let [first, second, third] = slot::FREE;
    for from in [slot::ENDPOINT, slot::NOTIFICATION, slot::REPLY, slot::MEMORY, slot::SMALL_TABLE, first] {
        steps.push(copy(0, from, second, ALL));
    }
    steps.extend([
        copy(1, slot::ENDPOINT, first, READ),
        mint(0, slot::ENDPOINT, first, ALL, 1),
        copy(0, second, third, ALL),
        invoke(0, TABLE, cap_table::MOVE, &[third, 0, second]),
        invoke(1, TABLE, cap_table::MOVE, &[first, 0, slot::ENDPOINT]),
        invoke(0, slot::SMALL_TABLE, cap_table::COPY, &[small::FREE, 0, second, ALL]),
        invoke(0, slot::SMALL_TABLE, cap_table::MOVE, &[small::FREE, 0, POT]),
        invoke(0, slot::SMALL_TABLE, cap_table::MOVE, &[small::FREE, 0, slot::SMALL_TABLE]),
        retype(0, ObjectType::Untyped, 2 * PAGE_BYTES, first),
        retype(0, ObjectType::CapTable, 2, first),
        retype(0, ObjectType::Endpoint, 0, second),
        retype(1, ObjectType::Memory, PAGE_BYTES, second),
        invoke(0, first, untyped::RETYPE, &[ObjectType::Memory as u64, PAGE_BYTES, 1, second, 0]),
        invoke(0, first, untyped::RETYPE, &[ObjectType::Notification as u64, 0, 1, third, 0]),
        invoke(
            0,
            slot::IDLE_THREAD,
            thread::CONFIGURE,
            &[slot::SMALL_TABLE, slot::SECOND_VSPACE, slot::ENDPOINT, slot::MEMORY, 0],
        ),
        invoke(0, slot::SCHED_CONTEXT, sched_context::BIND, &[slot::IDLE_THREAD]),
        invoke(0, slot::SCHED_CONTEXT, sched_context::UNBIND, &[]),
        invoke(0, slot::IDLE_THREAD, thread::SUSPEND, &[]),
    ]);
    let all = [slot::ENDPOINT, slot::NOTIFICATION, slot::REPLY, slot::SMALL_TABLE, slot::IDLE_THREAD, slot::MEMORY];
    for slot in all.into_iter().chain(slot::FREE).chain([slot::SCHED_CONTEXT, slot::SECOND_VSPACE, POT]) {
        steps.push(delete(1, slot));
    }
    for slot in [POT, slot::ENDPOINT, slot::NOTIFICATION, slot::MEMORY, slot::SMALL_TABLE, first, slot::SECOND_VSPACE] {
        steps.push(revoke(0, slot));
        steps.push(Step { interrupted: true, ..revoke(1, slot) });
    }
    steps
}

/// Attachments in two VSpaces, one of which may get two views; donations; changing VSpace.
fn spaces() -> Vec<Step> {
    let mut steps = Vec::new();
    let [first, second, _] = slot::FREE;
    let attach = |thread, memory, space, rights, attachment| {
        invoke(thread, memory, memory::ATTACH, &[space, WINDOW, 3 * PAGE_BYTES, rights, attachment])
    };
    for (thread, attachment) in [(0, slot::ATTACHMENT), (1, slot::SECOND_ATTACHMENT)] {
        for space in [VSPACE, slot::SECOND_VSPACE] {
            steps.push(attach(thread, slot::MEMORY, space, ALL, attachment));
        }
        steps.extend([
            attach(thread, first, slot::SECOND_VSPACE, READ, attachment),
            invoke(thread, attachment, attachment::MAP, &[WINDOW | READ_WRITE, 0, (WINDOW + PAGE_BYTES) | READ, 1]),
            invoke(thread, attachment, attachment::MAP, &[(WINDOW + 2 * PAGE_BYTES) | READ, 0]),
            invoke(thread, attachment, attachment::PROTECT, &[WINDOW | READ, 2]),
            invoke(thread, attachment, attachment::UNMAP, &[WINDOW + PAGE_BYTES, 2]),
            invoke(thread, attachment, attachment::UNMAP_ALL, &[]),
            invoke(thread, attachment, attachment::DETACH, &[]),
            delete(thread, attachment),
        ]);
    }
    steps.extend([
        invoke(0, slot::MEMORY, memory::SUB, &[PAGE_BYTES, PAGE_BYTES, first, READ_WRITE]),
        copy(1, slot::MEMORY, first, READ),
        retype(1, ObjectType::Memory, PAGE_BYTES, first),
        retype(1, ObjectType::Untyped, 6 * PAGE_BYTES, second),
        invoke(1, slot::SECOND_VSPACE, vspace::DONATE, &[second, 2]),
        invoke(0, slot::SECOND_VSPACE, vspace::DONATE, &[POT, 1]),
        invoke(0, slot::SECOND_VSPACE, vspace::MAKE_LEGACY, &[VSPACE]),
        invoke(0, slot::THREADS[1], thread::SET_VSPACE, &[slot::SECOND_VSPACE]),
        invoke(0, slot::THREADS[1], thread::SET_VSPACE, &[VSPACE]),
        invoke(1, slot::THREADS[1], thread::SET_VSPACE, &[slot::SECOND_VSPACE]),
        invoke(0, slot::THREADS[1], thread::SUSPEND, &[]),
        invoke(0, slot::THREADS[1], thread::RESUME, &[]),
    ]);
    for slot in [slot::MEMORY, first, second, slot::SECOND_VSPACE] {
        steps.push(delete(1, slot));
    }
    for slot in [slot::MEMORY, first, second, slot::SECOND_VSPACE, POT] {
        steps.push(revoke(0, slot));
        steps.push(Step { interrupted: true, ..revoke(1, slot) });
    }
    steps
}

/// All scenarios, the one that has all calls last.
#[must_use]
pub fn scenarios() -> Vec<Scenario> {
    let mut everything: Vec<Step> = Vec::new();
    for step in
        messages().into_iter().chain(capabilities()).chain(spaces()).chain(time()).chain(crate::foreign::steps())
    {
        if !everything.contains(&step) {
            everything.push(step);
        }
    }
    let named = [
        ("messages", world(), messages()),
        ("time", servers(), time()),
        ("budgets", limited(), budgets()),
        ("capabilities", world(), capabilities()),
        ("spaces", world(), spaces()),
        ("pieces", crate::pieces::world(), crate::pieces::steps()),
        ("devices", crate::devices::world(), crate::devices::steps()),
        ("foreign", crate::foreign::world(), crate::foreign::steps()),
        ("processors", crate::processors::world(), crate::processors::steps()),
        ("pulls", crate::processors::world(), crate::processors::pulls()),
        ("accounts", crate::accounts::world(), crate::accounts::steps()),
        ("everything", world(), everything),
    ];
    named.into_iter().map(|(name, world, steps)| Scenario { name, world, steps }).collect()
}
