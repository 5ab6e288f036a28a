//! Messages, answers, notifications; the fast path against the general one.

use ukernel_abi::{Call, Error, MessageInfo, ObjectType};

use super::invariants::check;
use super::simulation::{FREE, World};
use crate::{Ref, State, Thread};

const ENDPOINT: u64 = FREE;
const REPLY: u64 = FREE + 1;
const NOTIFICATION: u64 = FREE + 2;

fn world() -> (World, Ref<Thread>, Ref<Thread>) {
    let mut world = World::new();
    let client = world.thread(10);
    let server = world.thread(10);
    assert_eq!(world.make(client, ObjectType::Endpoint, 0, ENDPOINT), 0);
    assert_eq!(world.make(client, ObjectType::Reply, 0, REPLY), 0);
    assert_eq!(world.make(client, ObjectType::Notification, 0, NOTIFICATION), 0);
    (world, client, server)
}

fn receive(world: &mut World, server: Ref<Thread>) {
    world.kernel.get_mut(server).context.r14 = REPLY;
    world.call(server, Call::Recv, ENDPOINT, MessageInfo::default(), &[]);
}

fn answer(world: &mut World, server: Ref<Thread>, info: MessageInfo, words: &[u64]) {
    let context = &mut world.kernel.get_mut(server).context;
    (context.r14, context.r15) = (REPLY, ENDPOINT);
    world.call(server, Call::ReplyRecv, REPLY, info, words);
}

#[test]
fn a_round_trip_moves_words_and_blocks_the_right_threads() {
    let (mut world, client, server) = world();
    receive(&mut world, server);
    assert!(matches!(world.kernel.get(server).state, State::Receiving { .. }));
    world.call(client, Call::Call, ENDPOINT, MessageInfo::new(3, 2), &[7, 8, 9]);
    check(&world);
    assert!(matches!(world.kernel.get(client).state, State::Replying { .. }));
    let got = world.kernel.get(server).context.clone();
    assert_eq!((got.rax, MessageInfo(got.rsi), got.words[0], got.words[1]), (0, MessageInfo::new(3, 2), 7, 8));
    assert_ne!(got.words[2], 9, "words past the length do not travel");
    answer(&mut world, server, MessageInfo::new(4, 1), &[70]);
    check(&world);
    let got = &world.kernel.get(client).context;
    assert_eq!((got.rax, MessageInfo(got.rsi), got.words[0]), (0, MessageInfo::new(4, 1), 70));
}

#[test]
fn fast_and_general_paths_do_the_same() {
    for length in 0..=6 {
        let mut contexts = std::vec::Vec::new();
        for slow in [false, true] {
            let (mut world, client, server) = world();
            receive(&mut world, server);
            if slow {
                // A waiting thread of higher priority keeps the fast path out, and then goes away.
                let other = world.thread(20);
                world.call(other, Call::Wait, NOTIFICATION, MessageInfo::default(), &[]);
                world.kernel.get_mut(client).context.rax = 0;
                let kind = crate::thread::SendKind { call: true, grant: true, fault: false };
                let crate::Cap::Endpoint { endpoint, badge, .. } = world.cap(ENDPOINT) else { panic!("an endpoint") };
                let context = &mut world.kernel.get_mut(client).context;
                (context.rsi, context.words) = (MessageInfo::new(1, length).0, [1, 2, 3, 4, 5, 6]);
                world.kernel.send(client, endpoint, badge, kind, crate::ipc::Blocking::Block);
                world.kernel.settle();
            } else {
                world.call(client, Call::Call, ENDPOINT, MessageInfo::new(1, length), &[1, 2, 3, 4, 5, 6]);
            }
            check(&world);
            let (c, s) = (world.kernel.get(client), world.kernel.get(server));
            assert_eq!(s.state, State::Ready);
            assert!(matches!(c.state, State::Replying { fault: false, .. }));
            contexts.push((s.context.words, s.context.rsi, s.context.rdi, s.context.rax));
        }
        assert_eq!(contexts[0], contexts[1]);
    }
}

#[test]
fn signals_are_not_lost() {
    let (mut world, client, server) = world();
    assert_eq!(world.call(client, Call::Poll, NOTIFICATION, MessageInfo::default(), &[]), Error::WouldBlock as u64);
    world.call(server, Call::Wait, NOTIFICATION, MessageInfo::default(), &[]);
    assert!(matches!(world.kernel.get(server).state, State::Waiting { .. }));
    world.call(client, Call::Signal, NOTIFICATION, MessageInfo::default(), &[]);
    assert_eq!(world.kernel.get(server).state, State::Ready);
    check(&world);
}

#[test]
fn a_blocked_call_can_be_stopped_and_repeated() {
    let (mut world, client, server) = world();
    world.kernel.get_mut(client).context.rip = 0x1002;
    world.call(client, Call::Call, ENDPOINT, MessageInfo::new(0, 0), &[]);
    world.kernel.suspend(client);
    check(&world);
    assert_eq!(world.kernel.get(client).context.rip, 0x1000);
    assert_eq!(world.kernel.get(client).context.rax, Call::Call as u64);
    world.kernel.resume(client);
    receive(&mut world, server);
    check(&world);
}
