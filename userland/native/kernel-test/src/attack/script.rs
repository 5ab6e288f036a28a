//! Scripts: random system calls, most of which make sense to some degree.
//!
//! The attacker's table has four slots for each type of object. A call names mostly a slot that holds, or once held, what
//! its method wants, and passes mostly arguments of the right kind: so calls get far before they are refused, or succeed.

use ukernel_abi::invoke::{
    attachment, cap_table, io_space, irq, memory, sched_context, thread, timer, untyped, vcpu, vspace,
};
use ukernel_abi::{Call, MASTER_START, MessageInfo, ObjectType, PAGE_BYTES};

use super::random::Random;
use super::target::{CODE, MESSAGES};
use crate::machine::{END, SCRIPT, peek, poke};

/// Bytes of a record.
pub const RECORD_BYTES: u64 = 128;
/// Offset of the counts of results in the script: one for each error code, 0 is success.
pub const RESULTS: u64 = 64;
/// Offset of the first record.
const RECORDS: u64 = 256;
/// Pages of a script.
pub const PAGES: u64 = 16;
/// Calls of a script.
pub const CALLS: u64 = (PAGES * PAGE_BYTES - RECORDS) / RECORD_BYTES;
/// Where the attacker may map.
pub const WINDOW: u64 = 0x60_0000;
/// Where its devices may reach memory.
pub const IO_WINDOW: u64 = 0x20_0000;
const READ_WRITE: u64 = 3;
/// Where its threads start, as registers.
const START: [u64; 2] = [CODE, MESSAGES + PAGE_BYTES];

/// The high byte of each object type's methods (`ukernel_abi::invoke`), by type; 0: none.
const GROUPS: [u64; 20] = [0, 1, 2, 3, 4, 5, 0, 0, 0, 7, 0xb, 0xc, 6, 9, 0xa, 8, 0xd, 0, 0x10, 0x11];
/// How many methods each type has.
const METHODS: [u64; 20] = [0, 2, 5, 16, 3, 4, 0, 0, 0, 6, 3, 3, 5, 3, 5, 2, 2, 0, 6, 1];
/// Types with methods: those that are made most, and used most, more than once.
const TYPES: [u64; 24] = [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 5, 5, 9, 9, 10, 11, 12, 12, 13, 14, 15, 18, 18, 19];
/// Types of which objects are made.
const MADE: [u64; 15] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 18, 19];
const RIGHTS: [u64; 6] = [1, 2, 3, 5, 9, 31];
/// Numbers of processors, and any.
const CPUS: [u64; 5] = [0, 1, 2, 3, sched_context::ANY_CPU];

/// The first of the four slots for a type.
pub const fn slots_of(object: ObjectType) -> u64 {
    object as u64 * 4
}

/// Write a script of `calls` calls to the memory at `at`.
pub fn write(random: &mut Random, at: u64, calls: u64) {
    for index in 0..calls {
        let place = at + RECORDS + index * RECORD_BYTES;
        for (word, value) in record(random).into_iter().enumerate() {
            poke(place + word as u64 * 8, value);
        }
    }
    poke(at, SCRIPT + RECORDS);
    poke(at + 8, SCRIPT + RECORDS + calls * RECORD_BYTES);
}

/// How many calls of the script at `at` were begun.
pub fn calls_made(at: u64) -> u64 {
    (peek(at) - SCRIPT - RECORDS) / RECORD_BYTES
}

/// A slot of a type, or now and then any.
fn slot(random: &mut Random, object: u64) -> u64 {
    match random.below(20) {
        0 => random.below(80),
        1 => random.number(),
        _ => object * 4 + random.below(4),
    }
}

fn some_slot(random: &mut Random) -> u64 {
    let object = random.one_of(&MADE);
    slot(random, object)
}

/// Where it may map: mostly in the lower half, which most VSpaces have.
fn window(random: &mut Random) -> u64 {
    let start = if random.once_in(6) { MASTER_START } else { WINDOW };
    start + random.below(8) * PAGE_BYTES
}

/// A number of some kind.
fn word(random: &mut Random) -> u64 {
    match random.below(8) {
        0 | 1 => some_slot(random),
        2 => random.below(17),
        3 => window(random) | random.one_of(&RIGHTS),
        4 => random.below(5) * PAGE_BYTES,
        5 => random.one_of(&RIGHTS),
        6 => 1 << random.below(64),
        _ => random.number(),
    }
}

/// Registers of a call, in the order of a record.
fn record(random: &mut Random) -> [u64; 11] {
    let (reply, endpoint) = (slot(random, ObjectType::Reply as u64), slot(random, ObjectType::Endpoint as u64));
    let mut words = [0; 6];
    words.fill_with(|| word(random));
    let call = match random.below(16) {
        0 => random.below(13),
        // Waiting ends only when somebody stops the attacker, so there is less of it.
        1 | 2 => {
            random.one_of(&[Call::NbRecv, Call::NbSend, Call::Reply, Call::Signal, Call::Poll].map(|call| call as u64))
        }
        3 if random.once_in(8) => random.number().max(END + 1),
        _ => Call::Invoke as u64,
    };
    let (cap, info) = match Call::from_number(call) {
        Some(Call::Invoke) => invocation(random, &mut words),
        Some(Call::Reply | Call::ReplyRecv) => (reply, message(random)),
        Some(Call::Signal | Call::Wait | Call::Poll) => (slot(random, ObjectType::Notification as u64), 0),
        _ => (slot(random, ObjectType::Endpoint as u64), message(random)),
    };
    let [w0, w1, w2, w3, w4, w5] = words;
    [call, cap, info, w0, w1, w2, w3, w4, w5, reply, endpoint]
}

/// A message's header.
fn message(random: &mut Random) -> u64 {
    if random.once_in(50) {
        return random.number();
    }
    let length = if random.once_in(4) { random.below(500) } else { random.below(7) };
    MessageInfo::new(random.number() as u32, length as usize).with_caps(random.below(6) as usize).0
}

/// Capability and header of an invocation; the words are changed where the method wants something in particular.
fn invocation(random: &mut Random, words: &mut [u64; 6]) -> (u64, u64) {
    let object = random.one_of(&TYPES);
    // Now and then one more than there are.
    let wrong = u64::from(random.once_in(16));
    let number = 1 + random.below(METHODS[object as usize] + wrong);
    let mut method = (GROUPS[object as usize] << 8 | number) as u32;
    // What takes away is rarer, or there would soon be nothing left to use.
    if matches!(method, cap_table::DELETE | cap_table::REVOKE) && !random.once_in(4) {
        method = cap_table::COPY;
    }
    let length = match method {
        attachment::MAP | attachment::PROTECT | attachment::UNMAP => 2 + 2 * random.below(2),
        vcpu::SET_FIXUPS => 3 + 3 * random.below(2),
        _ if random.once_in(10) => random.below(500),
        _ => 5,
    };
    if method == vcpu::SET_FIXUPS {
        // A thread that faults at its own fix-up would not end, and it is more urgent than its handler.
        for triple in words.chunks_exact_mut(3) {
            triple.copy_from_slice(&[CODE + 1 + random.below(20), CODE + 1 + random.below(100), CODE]);
        }
    } else if !random.once_in(8) {
        arguments(random, method, words);
    }
    (slot(random, object), MessageInfo::new(method, length as usize).0)
}

/// Arguments of the right kind.
fn arguments(random: &mut Random, method: u32, words: &mut [u64; 6]) {
    let object = random.one_of(&MADE);
    let (from, to) = (slot(random, object), slot(random, object));
    let rights = random.one_of(&RIGHTS);
    match method {
        untyped::RETYPE => {
            let size = match ObjectType::from_number(object) {
                Some(ObjectType::CapTable) => 2 + random.below(3),
                Some(ObjectType::Memory | ObjectType::Untyped) => PAGE_BYTES * (1 + random.below(6)),
                _ => 0,
            };
            words[..5].copy_from_slice(&[object, size, 1 + random.below(2), to, 0]);
        }
        cap_table::COPY | cap_table::MOVE => words[..4].copy_from_slice(&[to, 0, from, rights]),
        cap_table::MINT => words[..5].copy_from_slice(&[to, 0, from, rights, random.below(5)]),
        cap_table::DELETE | cap_table::REVOKE => words[0] = from,
        _ if method >> 8 == thread::CONFIGURE >> 8 => thread_arguments(random, method, words),
        _ if method >> 8 == sched_context::BIND >> 8 => time_arguments(random, method, words),
        _ => memory_arguments(random, method, words),
    }
}

/// The same, of methods of address spaces, memory, devices, and what is bound to one object.
fn memory_arguments(random: &mut Random, method: u32, words: &mut [u64; 6]) {
    let rights = random.one_of(&RIGHTS);
    let (at, page) = (window(random), random.below(4) * PAGE_BYTES);
    let pages = 1 + random.below(4);
    let mut a = |object: ObjectType| slot(random, object as u64);
    match method {
        memory::ATTACH => {
            let start = if at < MASTER_START { WINDOW } else { MASTER_START };
            let storage = a(ObjectType::Attachment);
            words[..5].copy_from_slice(&[a(ObjectType::VSpace), start, 8 * PAGE_BYTES, rights, storage]);
        }
        memory::SUB => words[..4].copy_from_slice(&[page, pages * PAGE_BYTES, a(ObjectType::Memory), rights]),
        attachment::MAP => {
            let second = (window(random) | rights, random.below(4) | random.below(2) << 40);
            words[..4].copy_from_slice(&[at | rights, random.below(4), second.0, second.1]);
        }
        attachment::PROTECT => words[..2].copy_from_slice(&[at | rights, pages]),
        attachment::UNMAP => words[..2].copy_from_slice(&[at, pages]),
        vspace::DONATE | io_space::DONATE => words[..2].copy_from_slice(&[a(ObjectType::Untyped), pages]),
        vspace::MAKE_LEGACY => words[0] = a(ObjectType::VSpace),
        io_space::MAP => {
            let (memory, mapping) = (a(ObjectType::Memory), a(ObjectType::IoMapping));
            words[..4].copy_from_slice(&[memory, IO_WINDOW + page, rights & READ_WRITE, mapping]);
        }
        io_space::BIND_FAULTS | irq::BIND | timer::BIND => words[0] = a(ObjectType::Notification),
        vcpu::SET_STATE => words[..2].copy_from_slice(&[a(ObjectType::Memory), page]),
        _ => {}
    }
}

/// The same, of methods of threads.
fn thread_arguments(random: &mut Random, method: u32, words: &mut [u64; 6]) {
    let mut a = |object: ObjectType| slot(random, object as u64);
    match method {
        thread::CONFIGURE => {
            let (table, space) = (a(ObjectType::CapTable), a(ObjectType::VSpace));
            words[..4].copy_from_slice(&[table, space, a(ObjectType::Endpoint), a(ObjectType::Memory)]);
            words[4] = random.below(4) * PAGE_BYTES;
        }
        // More threads that make the script's calls.
        thread::WRITE_REGISTERS => words[..2].copy_from_slice(&START),
        thread::SET_PRIORITY => words[0] = random.below(110),
        thread::SET_FPU => words[0] = random.below(3),
        thread::SET_VSPACE => words[0] = a(ObjectType::VSpace),
        thread::BIND_VCPU => words[0] = a(ObjectType::Vcpu),
        thread::BIND_NOTIFICATION => words[0] = a(ObjectType::Notification),
        thread::SET_TIMEOUT => words[0] = a(ObjectType::Endpoint),
        thread::MAKE_FOREIGN => words[0] = if random.once_in(2) { 0 } else { slot(random, ObjectType::Thread as u64) },
        _ => {}
    }
}

/// The same, of methods of scheduling contexts.
fn time_arguments(random: &mut Random, method: u32, words: &mut [u64; 6]) {
    match method {
        sched_context::CONFIGURE => {
            let budget = sched_context::MIN_BUDGET_NS * random.below(100);
            words[..3].copy_from_slice(&[budget, budget * (1 + random.below(5)), 2 + random.below(7)]);
        }
        sched_context::BIND => words[0] = slot(random, ObjectType::Thread as u64),
        sched_context::SET_CPU => words[0] = random.one_of(&CPUS),
        _ => {}
    }
}
