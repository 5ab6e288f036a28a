//! Traces: what a call and its answer leave in the ring, that it wraps, and that it ends with its memory.

use std::vec::Vec;

use ukernel_abi::invoke::{cap_table, thread as thread_method, trace};
use ukernel_abi::trace::{Kind, RECORD_WORDS, Record, header};
use ukernel_abi::{Call, Error, MessageInfo, ObjectType};

use super::{World, check};
use crate::checks::world::{FREE, TABLE};
use crate::{Cap, Machine, PhysAddr, Slot};

const ENDPOINT: u64 = FREE;
const REPLY: u64 = FREE + 1;
const MEMORY: u64 = FREE + 2;
const TRACE: u64 = FREE + 3;
const SELF: u64 = FREE + 4;

fn words(world: &World, index: u64) -> [u64; RECORD_WORDS] {
    let Cap::Memory { base, .. } = world.cap(MEMORY) else { panic!("a Memory") };
    let at = |word: usize| index as usize * RECORD_WORDS + word;
    core::array::from_fn(|word| {
        let page = base.offset(at(word) as u64 / 512 * 4096);
        world.kernel.machine.word(page, at(word) % 512)
    })
}

/// All events that the ring still has, oldest first.
fn events(world: &World) -> Vec<Record> {
    let head = words(world, 0);
    assert_eq!(head[header::WORD_MAGIC], header::MAGIC);
    let (written, capacity) = (head[header::WORD_WRITTEN], head[header::WORD_CAPACITY]);
    let oldest = written.saturating_sub(capacity);
    (oldest..written).map(|n| Record::from_words(&words(world, n % capacity + 1)).expect("a record")).collect()
}

#[test]
fn a_call_and_its_answer_are_traced() {
    let mut world = World::new();
    let (client, server) = (world.thread(5), world.thread(5));
    for (slot, object, size) in
        [(ENDPOINT, ObjectType::Endpoint, 0), (REPLY, ObjectType::Reply, 0), (MEMORY, ObjectType::Memory, 8192)]
    {
        assert_eq!(world.make(client, object, size, slot), 0);
    }
    world.kernel.insert_root(world.slot(TRACE), Cap::Trace);
    world.kernel.insert_root(world.slot(SELF), Cap::Thread(client));
    assert_eq!(world.invoke(client, TRACE, trace::START, &[MEMORY]), Error::InvalidState as u64, "no slot for it yet");
    world.kernel.trace_slot = Some(world.kernel.machine.create(PhysAddr(0x1000), Slot::default()));
    assert_eq!(world.invoke(client, SELF, thread_method::SET_NAME, &[u64::from_le_bytes(*b"client\0\0"), 0, 0]), 0);
    assert_eq!(world.invoke(client, TRACE, trace::START, &[MEMORY]), 0);
    assert_eq!(world.invoke(client, TRACE, trace::START, &[MEMORY]), Error::InvalidState as u64);
    check(&world);

    world.kernel.get_mut(server).context.r14 = REPLY;
    world.call(server, Call::Recv, ENDPOINT, MessageInfo::default(), &[]);
    world.call(client, Call::Call, ENDPOINT, MessageInfo::new(77, 2), &[1, 2]);
    let context = &mut world.kernel.get_mut(server).context;
    (context.r14, context.r15) = (REPLY, ENDPOINT);
    world.call(server, Call::ReplyRecv, REPLY, MessageInfo::new(78, 1), &[3]);

    let (c, s) = (world.kernel.get(client).number, world.kernel.get(server).number);
    let seen: Vec<_> = events(&world)
        .into_iter()
        .filter(|event| event.kind != Kind::Schedule)
        .map(|event| (event.kind, event.thread, event.other, event.label, event.length))
        .collect();
    let expected = [
        (Kind::Send, c, 0, 77, 2),
        (Kind::Receive, s, c, 77, 2),
        (Kind::Reply, s, c, 78, 1),
        (Kind::Receive, c, s, 78, 1),
    ];
    assert_eq!(seen, expected);
    let send = events(&world).into_iter().find(|event| event.kind == Kind::Send).expect("it was traced");
    assert_eq!(&send.name_bytes()[..7], b"client\0");

    // The ring wraps: the last events are there.
    for round in 0..500 {
        world.call(client, Call::NbSend, ENDPOINT, MessageInfo::new(round, 0), &[]);
    }
    let events = events(&world);
    assert_eq!(events.len(), 8192 / 64 - 1);
    let last = events.iter().rev().find(|event| event.kind == Kind::Send).expect("the last one");
    assert_eq!(last.label, 499);
    check(&world);

    // It ends with its memory, and then all is as before.
    assert_eq!(world.invoke(client, TABLE, cap_table::REVOKE, &[MEMORY]), 0);
    assert!(world.kernel.ring.is_none());
    check(&world);
}

#[test]
fn traces_need_memory_and_stop() {
    let mut world = World::new();
    let thread = world.thread(5);
    assert_eq!(world.make(thread, ObjectType::Memory, 4096, MEMORY), 0);
    world.kernel.insert_root(world.slot(TRACE), Cap::Trace);
    world.kernel.trace_slot = Some(world.kernel.machine.create(PhysAddr(0x1000), Slot::default()));
    assert_eq!(world.invoke(thread, TRACE, trace::START, &[TABLE]), Error::InvalidCapability as u64);
    assert_eq!(world.invoke(thread, TRACE, 0xe00, &[]), Error::InvalidMethod as u64);
    for _ in 0..2 {
        assert_eq!(world.invoke(thread, TRACE, trace::START, &[MEMORY]), 0);
        assert_eq!(world.invoke(thread, TRACE, trace::STOP, &[]), 0);
        assert!(world.kernel.ring.is_none());
    }
    check(&world);
}
