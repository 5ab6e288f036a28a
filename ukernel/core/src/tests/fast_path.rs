//! The fast path against the general code: two kernels make the same calls, one of them without the fast path, and all objects
//! are the same after each.

use core::fmt::Debug;
use std::format;
use std::string::String;
use std::vec::Vec;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use ukernel_abi::invoke::{cap_table, thread as thread_method};
use ukernel_abi::{Call, MessageInfo, ObjectType, Rights};

use super::check;
use crate::checks::world::{FREE, Path, TABLE, World};
use crate::{Endpoint, Machine, Notification, Object, Ref, Reply, SchedContext, Thread};

const ENDPOINTS: [u64; 2] = [FREE, FREE + 1];
const REPLIES: [u64; 3] = [FREE + 2, FREE + 3, FREE + 4];
/// The second one is bound to the server.
const NOTIFICATIONS: [u64; 2] = [FREE + 5, FREE + 6];
/// Copies with badges: of the first endpoint to send and to receive, of both notifications to signal, of the first to wait.
const BADGED: [(u64, u64, Rights); 5] = [
    (FREE + 7, ENDPOINTS[0], Rights::SEND),
    (FREE + 8, ENDPOINTS[0], Rights::RECEIVE),
    (FREE + 9, NOTIFICATIONS[0], Rights::SEND),
    (FREE + 10, NOTIFICATIONS[1], Rights::SEND),
    (FREE + 11, NOTIFICATIONS[0], Rights::RECEIVE),
];
const SERVER: u64 = FREE + 12;
const SLOTS: core::ops::Range<u64> = FREE..FREE + 14;
/// The calls that the fast path knows.
const FAST: [Call; 4] = [Call::Call, Call::ReplyRecv, Call::Signal, Call::Yield];
/// Words of the message page that are compared.
const PAGE_WORDS: usize = 24;

/// One system call.
#[derive(Clone, Debug, PartialEq)]
struct Step {
    thread: usize,
    call: u64,
    cap: u64,
    info: u64,
    words: [u64; 8],
    reply: u64,
    endpoint: u64,
    /// Time that passes before.
    time: u64,
}

/// Whose time the server runs on.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Server {
    Active,
    /// Its callers'.
    Passive,
}

fn world(path: Path, server: Server) -> (World, [Ref<Thread>; 5]) {
    let mut world = World::new();
    // A client, a server, two who wait for signals, one who signals.
    let threads = [world.thread(5), world.thread(5), world.thread(9), world.thread(9), world.thread(2)];
    let maker = threads[0];
    let objects = [(&ENDPOINTS[..], ObjectType::Endpoint), (&REPLIES, ObjectType::Reply)];
    for (slots, object) in objects.into_iter().chain([(&NOTIFICATIONS[..], ObjectType::Notification)]) {
        for slot in slots {
            assert_eq!(world.make(maker, object, 0, *slot), 0);
        }
    }
    for (slot, source, rights) in BADGED {
        let words = [slot, 0, source, rights.0.into(), 1 << slot];
        assert_eq!(world.invoke(maker, TABLE, cap_table::MINT, &words), 0);
    }
    world.kernel.insert_root(world.slot(SERVER), crate::Cap::Thread(threads[1]));
    assert_eq!(world.invoke(maker, SERVER, thread_method::BIND_NOTIFICATION, &[NOTIFICATIONS[1]]), 0);
    for thread in &threads[2..4] {
        world.call(*thread, Call::Wait, NOTIFICATIONS[0], MessageInfo::default(), &[]);
    }
    if server == Server::Passive {
        world.kernel.get_mut(threads[1]).context.r14 = REPLIES[0];
        world.call(threads[1], Call::Recv, ENDPOINTS[0], MessageInfo::default(), &[]);
        let time = world.kernel.get(threads[1]).sched_context.expect("it had its own");
        world.kernel.unbind_sched_context(time);
    }
    // One has no message page.
    world.kernel.get_mut(threads[4]).page = None;
    world.path = path;
    (world, threads)
}

fn step() -> impl Strategy<Value = Step> {
    let numbers =
        [Call::Call, Call::ReplyRecv, Call::Recv, Call::Signal, Call::Wait, Call::Send, Call::Reply, Call::Yield];
    let call = prop_oneof![
        8 => prop::sample::select(&[0u64, 1, 2, 7, 8][..]),
        2 => prop::sample::select(numbers.map(|call| call as u64).to_vec()),
    ];
    let info = prop_oneof![
        6 => (0..9usize).prop_map(|length| MessageInfo::new(3, length).0),
        1 => (0..600usize).prop_map(|length| MessageInfo::new(4, length).0),
        1 => (0..3usize, 0..3usize).prop_map(|(length, caps)| MessageInfo::new(5, length).with_caps(caps).0),
        1 => any::<u64>(),
    ];
    let slot =
        || prop_oneof![1 => SLOTS, 3 => prop::sample::select(&[FREE, FREE + 2, FREE + 5, FREE + 7, FREE + 9][..])];
    let reply = || prop_oneof![1 => SLOTS, 8 => Just(REPLIES[0]), 2 => Just(REPLIES[1])];
    let words = prop::array::uniform8(any::<u64>());
    let time = prop_oneof![3 => Just(0u64), 1 => 0..1500u64];
    let thread = prop_oneof![4 => Just(0usize), 4 => Just(1usize), 6 => 2..4usize, 3 => Just(4usize)];
    (thread, call, slot(), info, words, reply(), slot(), (0..12u8, time)).prop_map(
        |(thread, call, cap, info, words, reply, endpoint, (whim, time))| {
            let step = Step { thread, call, cap, info, words, reply, endpoint, time };
            let do_that = |call: Call, cap| Step { call: call as u64, cap, endpoint: FREE, ..step.clone() };
            // Mostly they do their work; the less usual forms of it come with the lower numbers.
            match (thread, whim) {
                (_, 0 | 1) => step,
                (_, 11) => do_that(Call::Yield, FREE),
                (0, 2) => do_that(Call::Call, FREE + 8),
                (0, 3) => do_that(Call::Signal, FREE + 10),
                (0, 4) | (1, 2) | (2 | 3, _) => do_that(Call::Wait, FREE + 5),
                (0, _) => do_that(Call::Call, FREE + 7),
                (1, _) => do_that(Call::ReplyRecv, reply),
                (_, 2 | 3) => do_that(Call::Signal, FREE + 10),
                (_, 4) => do_that(Call::Signal, FREE + 11),
                (_, 5 | 6) => do_that(Call::Call, FREE + 7),
                _ => do_that(Call::Signal, FREE + 9),
            }
        },
    )
}

fn perform(world: &mut World, thread: Ref<Thread>, step: &Step) {
    world.kernel.machine.now += step.time;
    let page = world.kernel.get(thread).page;
    for (index, word) in step.words.iter().enumerate() {
        if let Some(page) = page {
            world.kernel.machine.set_word(page, index + 6, *word);
        }
    }
    let context = &mut world.kernel.get_mut(thread).context;
    (context.r14, context.r15) = (step.reply, step.endpoint);
    let call = Call::from_number(step.call).expect("a number of a call");
    world.call(thread, call, step.cap, MessageInfo(step.info), &step.words);
}

fn all<T: Object + Debug>(world: &World) -> Vec<(u64, String)> {
    let mut all: Vec<_> =
        world.kernel.machine.all::<T>().map(|(at, object)| (at.address(), format!("{object:?}"))).collect();
    all.sort_unstable();
    all
}

/// All that a call can change, but page tables and capabilities.
fn snapshot(world: &World, threads: &[Ref<Thread>]) -> Vec<(u64, String)> {
    let kernel = &world.kernel;
    let mut all = [all::<Thread>(world), all::<Endpoint>(world), all::<Reply>(world)].concat();
    all.extend(self::all::<Notification>(world));
    all.extend(self::all::<SchedContext>(world));
    let cpu = kernel.cpu();
    let own = (cpu.current, cpu.loaded, cpu.active, cpu.quantum_end, cpu.programmed, kernel.counters);
    all.push((0, format!("{own:?} {}", cpu.run_queues.highest())));
    for thread in threads {
        if let Some(page) = kernel.get(*thread).page {
            let words: Vec<_> = (0..PAGE_WORDS).map(|index| kernel.machine.word(page, index)).collect();
            all.push((page.0, format!("{words:?}")));
        }
    }
    all
}

/// How often the fast path made all calls, and those of each kind of [`FAST`].
fn compare(server: Server, steps: &[Step]) -> (u64, [u64; 4]) {
    let (mut fast, threads) = world(Path::Fast, server);
    let (mut general, same_threads) = world(Path::General, server);
    assert_eq!(threads, same_threads);
    let mut ways = [0; 4];
    for step in steps {
        let thread = threads[step.thread];
        if !fast.kernel.get(thread).runnable() {
            continue;
        }
        let before = fast.fast_calls;
        perform(&mut fast, thread, step);
        perform(&mut general, thread, step);
        if let Some(way) = FAST.iter().position(|call| *call as u64 == step.call) {
            ways[way] += fast.fast_calls - before;
        }
        assert_eq!(snapshot(&fast, &threads), snapshot(&general, &threads), "after {step:?}");
        check(&fast);
    }
    assert_eq!(general.fast_calls, 0);
    (fast.fast_calls, ways)
}

#[test]
fn fast_and_general_paths_do_the_same() {
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() });
    let total = core::cell::Cell::new([0; 4]);
    let server = prop_oneof![3 => Just(Server::Active), 1 => Just(Server::Passive)];
    let result = runner.run(&(server, prop::collection::vec(step(), 1..120)), |(server, steps)| {
        let (_, ways) = compare(server, &steps);
        let sums = total.get();
        total.set(core::array::from_fn(|index| sums[index] + ways[index]));
        Ok(())
    });
    assert_eq!(result, Ok(()));
    // Random cases: about 120, 90, 450 and 230, seldom a third less.
    assert!(total.get().iter().all(|count| *count > 25), "the fast path is hardly tested: {:?}", total.get());
}

/// Call, answer and receive: all lengths take the fast path, also the longest.
#[test]
fn messages_of_all_lengths_are_fast() {
    let server = |call: Call, cap, info: MessageInfo| Step {
        thread: 1,
        call: call as u64,
        cap,
        info: info.0,
        words: [9; 8],
        reply: REPLIES[0],
        endpoint: ENDPOINTS[0],
        time: 0,
    };
    for length in (0..20).chain([60, 479, 480]) {
        let info = MessageInfo::new(7, length);
        let receive = server(Call::Recv, ENDPOINTS[0], MessageInfo::default());
        let call = Step { thread: 0, words: [1, 2, 3, 4, 5, 6, 7, 8], ..server(Call::Call, BADGED[0].0, info) };
        let answer = server(Call::ReplyRecv, REPLIES[0], info);
        let (fast, _) = compare(Server::Active, &[receive, call.clone(), answer.clone(), call, answer]);
        assert_eq!(fast, 4, "{length} words");
    }
}
