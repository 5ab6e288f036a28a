//! Messages, answers, notifications.

use ukernel_abi::invoke::{cap_table, sched_context, thread};
use ukernel_abi::{Call, Error, MessageInfo, ObjectType, Rights};

use super::check;
use crate::checks::world::{FREE, TABLE, World};
use crate::{Content, Ref, State, Thread};

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

/// The system call's result that the thread goes on with.
fn result(world: &World, thread: Ref<Thread>) -> u64 {
    world.kernel.get(thread).context.rax
}

#[test]
fn a_call_waits_while_nobody_receives() {
    let (mut world, client, server) = world();
    // Someone has received and left: the endpoint remembers nothing of it.
    receive(&mut world, server);
    world.kernel.suspend(server);
    check(&world);
    world.call(client, Call::Call, ENDPOINT, MessageInfo::new(3, 1), &[7]);
    check(&world);
    assert!(matches!(world.kernel.get(client).state, State::Sending { .. }));
    let successor = world.thread(10);
    assert_eq!(world.make(successor, ObjectType::Reply, 0, REPLY + 5), 0);
    world.kernel.get_mut(successor).context.r14 = REPLY + 5;
    world.call(successor, Call::Recv, ENDPOINT, MessageInfo::default(), &[]);
    check(&world);
    assert!(matches!(world.kernel.get(client).state, State::Replying { content: Content::Own, .. }));
    assert_eq!((result(&world, successor), world.kernel.get(successor).context.words[0]), (0, 7));
}

#[test]
fn a_caller_learns_that_its_server_died_when_the_right_to_answer_goes() {
    let (mut world, client, server) = world();
    receive(&mut world, server);
    world.call(client, Call::Call, ENDPOINT, MessageInfo::new(3, 0), &[]);
    world.kernel.suspend(server);
    check(&world);
    assert!(matches!(world.kernel.get(client).state, State::Replying { .. }), "it might still answer");
    world.kernel.delete(world.slot(REPLY));
    check(&world);
    assert_eq!((world.kernel.get(client).state, result(&world, client)), (State::Ready, Error::ServerDied as u64));
    // The endpoint is as good as before: the call is held for the next server.
    world.call(client, Call::Call, ENDPOINT, MessageInfo::new(3, 0), &[]);
    check(&world);
    assert!(matches!(world.kernel.get(client).state, State::Sending { .. }));
}

#[test]
fn a_caller_learns_that_its_server_died_when_the_servers_memory_is_revoked() {
    let (mut world, client, server) = world();
    let reply = FREE + 20;
    assert_eq!(world.make(client, ObjectType::Untyped, 4096, FREE + 19), 0);
    let retype = ukernel_abi::invoke::untyped::RETYPE;
    assert_eq!(world.invoke(client, FREE + 19, retype, &[ObjectType::Reply as u64, 0, 1, reply, 0]), 0);
    world.kernel.get_mut(server).context.r14 = reply;
    world.call(server, Call::Recv, ENDPOINT, MessageInfo::default(), &[]);
    world.call(client, Call::Call, ENDPOINT, MessageInfo::new(3, 0), &[]);
    world.kernel.suspend(server);
    let revoker = world.thread(10);
    let revoke = ukernel_abi::invoke::cap_table::REVOKE;
    assert_eq!(world.invoke(revoker, TABLE, revoke, &[FREE + 19]), 0);
    check(&world);
    assert_eq!((world.kernel.get(client).state, result(&world, client)), (State::Ready, Error::ServerDied as u64));
}

#[test]
fn a_bound_signal_wakes_a_receiver_and_leaves_the_endpoint_without_one() {
    let (mut world, client, server) = world();
    let badged = FREE + 9;
    let mint = ukernel_abi::invoke::cap_table::MINT;
    assert_eq!(world.invoke(client, TABLE, mint, &[badged, 0, NOTIFICATION, 2, 1 << 63]), 0);
    let crate::Cap::Notification { notification, .. } = world.cap(NOTIFICATION) else { panic!("a notification") };
    world.kernel.bind_notification(server, Some(notification)).expect("both are free");
    receive(&mut world, server);
    world.call(client, Call::Signal, badged, MessageInfo::default(), &[]);
    check(&world);
    let got = &world.kernel.get(server).context;
    assert_eq!((got.rax, got.rdi, MessageInfo(got.rsi)), (0, 1 << 63, MessageInfo::default()));
    world.call(client, Call::Call, ENDPOINT, MessageInfo::new(3, 0), &[]);
    check(&world);
    assert!(matches!(world.kernel.get(client).state, State::Sending { .. }), "nobody receives any more");
}

#[test]
fn bits_that_are_there_reach_a_receiver_that_is_bound_later() {
    let (mut world, client, server) = world();
    let badged = [FREE + 3, 0, NOTIFICATION, Rights::ALL.0.into(), 5];
    assert_eq!(world.invoke(client, TABLE, cap_table::MINT, &badged), 0);
    world.call(client, Call::Signal, FREE + 3, MessageInfo::default(), &[]);
    receive(&mut world, server);
    world.give_thread(server, FREE + 4);
    assert_eq!(world.invoke(client, FREE + 4, thread::BIND_NOTIFICATION, &[NOTIFICATION]), 0);
    check(&world);
    let server = world.kernel.get(server);
    assert_eq!((server.state, server.context.rdi, server.context.rsi), (State::Ready, 5, 0));
}

/// A server without time of its own that waits for calls at an endpoint.
fn passive(world: &mut World, endpoint: u64, reply: u64) -> Ref<Thread> {
    let server = world.thread(10);
    world.kernel.get_mut(server).context.r14 = reply;
    world.call(server, Call::Recv, endpoint, MessageInfo::default(), &[]);
    let time = world.kernel.get(server).sched_context.expect("threads of a world have time");
    world.kernel.free_sched_context(time);
    server
}

#[test]
fn time_that_is_lent_can_be_destroyed() {
    let (mut world, client, helper) = world();
    const TIME: u64 = FREE + 10;
    assert_eq!(world.make(helper, ObjectType::SchedContext, 0, TIME), 0);
    let old = world.kernel.get(client).sched_context.expect("threads of a world have time");
    world.kernel.free_sched_context(old);
    world.give_thread(client, FREE + 11);
    assert_eq!(world.invoke(helper, TIME, sched_context::BIND, &[FREE + 11]), 0);
    let server = passive(&mut world, ENDPOINT, REPLY);
    world.call(client, Call::Call, ENDPOINT, MessageInfo::new(3, 0), &[]);
    assert!(world.kernel.get(server).sched_context.is_some());
    assert_eq!(world.invoke(helper, TABLE, cap_table::DELETE, &[TIME]), 0);
    world.kernel.machine.forget_dead();
    check(&world);
    assert_eq!(world.call(helper, Call::Reply, REPLY, MessageInfo::new(4, 0), &[]), 0);
    check(&world);
    let client = world.kernel.get(client);
    assert_eq!((client.state, client.sched_context), (State::Ready, None));
}

#[test]
fn time_that_was_taken_back_stays_where_it_is() {
    let (mut world, client, helper) = world();
    const INNER: u64 = FREE + 10;
    assert_eq!(world.make(helper, ObjectType::Endpoint, 0, INNER), 0);
    assert_eq!(world.make(helper, ObjectType::Reply, 0, INNER + 1), 0);
    let (outer, inner) = (passive(&mut world, ENDPOINT, REPLY), passive(&mut world, INNER, INNER + 1));
    world.call(client, Call::Call, ENDPOINT, MessageInfo::new(3, 0), &[]);
    world.call(outer, Call::Call, INNER, MessageInfo::new(3, 0), &[]);
    check(&world);
    let time = world.kernel.get(inner).sched_context.expect("it works on the client's time");
    // The client is answered while the inner call is under way: whose answer gives back nothing any more.
    for reply in [REPLY, INNER + 1] {
        assert_eq!(world.call(helper, Call::Reply, reply, MessageInfo::new(4, 0), &[]), 0);
        check(&world);
        assert_eq!(world.kernel.get(client).sched_context, Some(time));
    }
    assert_eq!(world.kernel.get(outer).sched_context, None);
}
