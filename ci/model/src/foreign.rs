//! Foreign code: a master with a Vcpu, a thread that is foreign code itself, and the views that both run in.
//!
//! The tables of the master view's shared slot, of the legacy VSpace and the state page can all go; the state page gets registers
//! that no processor takes, and so do answers to the foreign thread.

use ukernel_abi::invoke::{attachment, memory, thread, vcpu, vspace};
use ukernel_abi::vcpu::REGISTER_WORDS;
use ukernel_abi::{Call, MASTER_START, ObjectType, PAGE_BYTES};
use ukernel_core::checks::moves::{FOREIGN, KINDS, WRITE_STATE};
use ukernel_core::checks::step::{FAULT, Step};
use ukernel_core::checks::world::{POT, VSPACE, World};

use crate::scenario::{self, READ, call, delete, invoke, receive, retype, revoke, slot};

/// The VSpace whose master slot is shared, what its tables are made of, and those of the legacy VSpace.
pub(crate) const HOME: u64 = 23;
const HOME_TABLES: u64 = slot::FREE[0];
pub(crate) const LEGACY: u64 = slot::SECOND_VSPACE;
pub(crate) const LEGACY_TABLES: u64 = slot::FREE[1];
pub(crate) const STATE: u64 = 27;
pub(crate) const VCPU: u64 = 28;
const MASTER: usize = 1;
const FOREIGN_THREAD: usize = 2;

/// How a VSpace gets the two views, once there is something in the master slot of `home`.
pub(crate) fn views(home: u64) -> [Step; 8] {
    let master = [home, MASTER_START, PAGE_BYTES, READ, slot::SECOND_ATTACHMENT];
    [
        // What it got for other scenarios.
        revoke(0, LEGACY),
        delete(0, LEGACY),
        retype(0, ObjectType::VSpace, 0, LEGACY),
        retype(0, ObjectType::Untyped, 5 * PAGE_BYTES, LEGACY_TABLES),
        invoke(0, LEGACY, vspace::DONATE, &[LEGACY_TABLES, 5]),
        invoke(0, slot::MEMORY, memory::ATTACH, &master),
        invoke(0, slot::SECOND_ATTACHMENT, attachment::MAP, &[MASTER_START | READ, 0]),
        invoke(0, LEGACY, vspace::MAKE_LEGACY, &[home]),
    ]
}

/// How thread 1 becomes a master.
pub(crate) fn master() -> [Step; 5] {
    [
        retype(0, ObjectType::Memory, PAGE_BYTES, STATE),
        retype(0, ObjectType::Vcpu, 0, VCPU),
        invoke(0, VCPU, vcpu::SET_STATE, &[STATE, 0]),
        invoke(0, slot::THREADS[MASTER], thread::BIND_VCPU, &[VCPU]),
        invoke(0, slot::THREADS[MASTER], thread::SET_VSPACE, &[LEGACY]),
    ]
}

/// Calls that must succeed.
pub(crate) fn start(world: &mut World, steps: impl IntoIterator<Item = Step>) {
    for step in steps {
        let result = world.step(&step).expect("the start breaks no promise");
        assert_eq!(result, Some(0), "{step}");
        world.tidy();
    }
}

/// A handler, a master and a foreign thread.
pub(crate) fn world() -> World {
    let mut world = scenario::shared_table(1);
    for thread in [MASTER, FOREIGN_THREAD] {
        world.handle_faults(world.threads[thread], slot::ENDPOINT);
    }
    let home = [
        retype(0, ObjectType::VSpace, 0, HOME),
        retype(0, ObjectType::Untyped, 4 * PAGE_BYTES, HOME_TABLES),
        invoke(0, HOME, vspace::DONATE, &[HOME_TABLES, 4]),
    ];
    start(&mut world, home);
    start(&mut world, views(HOME));
    start(&mut world, master());
    let foreign = slot::THREADS[FOREIGN_THREAD];
    let thread = [
        invoke(0, foreign, thread::SUSPEND, &[]),
        invoke(0, foreign, thread::SET_VSPACE, &[LEGACY]),
        invoke(0, foreign, thread::MAKE_FOREIGN, &[slot::THREADS[0]]),
    ];
    start(&mut world, thread);
    world
}

/// An answer with registers of a kind.
fn answer(kind: u64) -> Step {
    let (reply, endpoint) = (slot::REPLY, slot::ENDPOINT);
    let words = [kind, 0, 0, 0, 0];
    Step { method: 0, words, length: REGISTER_WORDS, reply, endpoint, ..call(0, Call::ReplyRecv, reply) }
}

/// What a master does, and what is done to it.
pub(crate) fn master_steps() -> Vec<Step> {
    let mut steps = vec![
        call(MASTER, Call::VcpuEnter, 0),
        Step { thread: MASTER, call: FOREIGN, ..Step::default() },
        Step { thread: MASTER, call: FAULT, ..Step::default() },
        call(MASTER, Call::Wait, slot::NOTIFICATION),
        call(MASTER, Call::Call, slot::ENDPOINT),
        call(0, Call::Signal, slot::NOTIFICATION),
        invoke(0, VCPU, vcpu::KICK, &[]),
        invoke(0, slot::THREADS[MASTER], thread::SUSPEND, &[]),
        invoke(0, slot::THREADS[MASTER], thread::RESUME, &[]),
        invoke(0, slot::THREADS[MASTER], thread::SET_VSPACE, &[LEGACY]),
        invoke(0, slot::THREADS[MASTER], thread::SET_VSPACE, &[VSPACE]),
        invoke(0, slot::THREADS[MASTER], thread::BIND_VCPU, &[VCPU]),
        invoke(0, VCPU, vcpu::SET_STATE, &[STATE, 0]),
        delete(0, VCPU),
        retype(0, ObjectType::Vcpu, 0, VCPU),
        revoke(0, STATE),
        revoke(0, LEGACY),
        revoke(0, LEGACY_TABLES),
    ];
    for kind in 0..KINDS {
        steps.push(Step { call: WRITE_STATE, cap: VCPU, words: [kind, 0, 0, 0, 0], ..Step::default() });
    }
    steps
}

/// All of it, and the same for the foreign thread and the shared tables.
pub(crate) fn steps() -> Vec<Step> {
    let foreign = slot::THREADS[FOREIGN_THREAD];
    let mut steps = master_steps();
    steps.extend((0..KINDS).map(answer));
    steps.extend([
        Step { thread: FOREIGN_THREAD, call: FOREIGN, ..Step::default() },
        Step { thread: FOREIGN_THREAD, call: FAULT, ..Step::default() },
        receive(0, slot::ENDPOINT, slot::REPLY),
        receive(0, slot::ENDPOINT, 0),
        call(0, Call::Reply, slot::REPLY),
        Step { method: 0, ..call(0, Call::Reply, slot::REPLY) },
        invoke(0, foreign, thread::KICK, &[]),
        invoke(0, foreign, thread::SUSPEND, &[]),
        invoke(0, foreign, thread::RESUME, &[]),
        invoke(0, foreign, thread::SET_VSPACE, &[LEGACY]),
        invoke(0, foreign, thread::BIND_VCPU, &[VCPU]),
        invoke(0, foreign, thread::WRITE_REGISTERS, &[MASTER_START, 0, 0, 0, 0]),
        invoke(0, slot::THREADS[MASTER], thread::WRITE_REGISTERS, &[MASTER_START, 0, 0, 0, 0]),
        invoke(0, slot::THREADS[MASTER], thread::MAKE_FOREIGN, &[0]),
        invoke(0, slot::THREADS[0], thread::BIND_VCPU, &[VCPU]),
        call(0, Call::VcpuEnter, 0),
        invoke(MASTER, foreign, thread::KICK, &[]),
        invoke(MASTER, foreign, thread::SUSPEND, &[]),
        invoke(MASTER, VCPU, vcpu::KICK, &[]),
        delete(0, slot::REPLY),
        delete(0, slot::ENDPOINT),
        delete(0, HOME),
        revoke(0, HOME),
        revoke(0, HOME_TABLES),
        Step { interrupted: true, ..revoke(0, HOME_TABLES) },
        invoke(0, HOME, vspace::DONATE, &[HOME_TABLES, 4]),
        invoke(0, LEGACY, vspace::DONATE, &[LEGACY_TABLES, 5]),
        invoke(0, LEGACY, vspace::DONATE, &[POT, 2]),
        invoke(0, LEGACY, vspace::MAKE_LEGACY, &[HOME]),
        invoke(0, slot::SECOND_ATTACHMENT, attachment::DETACH, &[]),
    ]);
    steps
}
