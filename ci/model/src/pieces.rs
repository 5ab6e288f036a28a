//! Long operations that are preempted behind each piece, with other threads' calls in between.
//!
//! A step that is interrupted does one piece. Its thread may make the call again and go on, or (as if it had been stopped and
//! started elsewhere) make another; meanwhile the other threads see and use what is half done, and undo it.

use ukernel_abi::invoke::{attachment, cap_table, memory, thread, untyped, vspace};
use ukernel_abi::{Call, ObjectType, PAGE_BYTES};
use ukernel_core::checks::step::Step;
use ukernel_core::checks::world::{POT, TABLE, VSPACE, World};

use crate::scenario::{self, ALL, READ, call, copy, delete, invoke, receive, retype, revoke, slot};

/// An untyped, and what is made of it.
const UNTYPED: u64 = slot::FREE[0];
const CHILD: u64 = slot::FREE[1];
/// A copy of the child.
const COPY: u64 = slot::FREE[2];
/// Where several objects are made.
const SEVERAL: [u64; 2] = [27, 28];
/// Where a table is made that is cleared in two pieces, and log2 of its slots.
const BIG_TABLE: (u64, u64) = (29, 8);
/// A window over the end of one page table and the start of the next, the last one of the lower half.
const WINDOW: u64 = (1 << 47) - (2 << 20) - PAGE_BYTES;
const WINDOW_BYTES: u64 = 3 * PAGE_BYTES;
/// Two pages of it, from the first page of the memory on.
const TWO_PAGES: [u64; 2] = [WINDOW | READ, 1 << 40];

/// The usual world with an untyped that has a child, which has a copy.
pub(crate) fn world() -> World {
    let mut world = scenario::world();
    let start = [
        retype(0, ObjectType::Untyped, 8 * PAGE_BYTES, UNTYPED),
        invoke(0, UNTYPED, untyped::RETYPE, &[ObjectType::Notification as u64, 0, 1, CHILD, 0]),
        copy(0, CHILD, COPY, ALL),
    ];
    for step in start {
        let result = world.step(&step).expect("the start breaks no promise");
        assert_eq!(result, Some(0), "{step}");
    }
    world.tidy();
    world
}

fn interrupted(step: Step) -> Step {
    Step { interrupted: true, ..step }
}

/// What is done in pieces.
fn long() -> Vec<Step> {
    let several = [ObjectType::Notification as u64, 0, 2, SEVERAL[0], 0];
    let mut steps = vec![
        invoke(0, UNTYPED, untyped::RETYPE, &several),
        retype(0, ObjectType::CapTable, BIG_TABLE.1, BIG_TABLE.0),
        invoke(0, UNTYPED, untyped::RETYPE, &[ObjectType::Memory as u64, 5 * PAGE_BYTES, 1, SEVERAL[0], 0]),
        invoke(0, slot::SECOND_VSPACE, vspace::DONATE, &[UNTYPED, 5]),
        invoke(0, slot::ATTACHMENT, attachment::MAP, &TWO_PAGES),
        invoke(0, slot::ATTACHMENT, attachment::MAP, &[WINDOW | READ, 0, (WINDOW + PAGE_BYTES) | READ, 1]),
        invoke(0, slot::ATTACHMENT, attachment::PROTECT, &[WINDOW | READ, 2]),
        invoke(0, slot::ATTACHMENT, attachment::UNMAP, &[WINDOW, 2]),
        invoke(0, slot::ATTACHMENT, attachment::UNMAP_ALL, &[]),
        invoke(0, slot::ATTACHMENT, attachment::DETACH, &[]),
    ];
    let objects = [slot::ENDPOINT, slot::NOTIFICATION, slot::ATTACHMENT, slot::SECOND_VSPACE, slot::SMALL_TABLE];
    steps.extend(objects.into_iter().chain([UNTYPED, BIG_TABLE.0]).map(|slot| delete(0, slot)));
    steps.extend([POT, UNTYPED, CHILD, slot::MEMORY].map(|slot| revoke(0, slot)));
    steps
}

/// All of that by one thread in pieces, a part of it by another in one; and what makes it long, or comes between.
pub(crate) fn steps() -> Vec<Step> {
    let mut steps: Vec<Step> = long().into_iter().map(interrupted).collect();
    let attach = |space| invoke(1, slot::MEMORY, memory::ATTACH, &[space, WINDOW, WINDOW_BYTES, ALL, slot::ATTACHMENT]);
    steps.extend([
        attach(VSPACE),
        attach(slot::SECOND_VSPACE),
        invoke(1, slot::ATTACHMENT, attachment::MAP, &TWO_PAGES),
        invoke(1, slot::ATTACHMENT, attachment::UNMAP, &[WINDOW, 2]),
        invoke(1, UNTYPED, untyped::RETYPE, &[ObjectType::Endpoint as u64, 0, 1, SEVERAL[1], 0]),
        retype(1, ObjectType::Memory, PAGE_BYTES, SEVERAL[1]),
        invoke(1, BIG_TABLE.0, cap_table::COPY, &[200, 0, CHILD, ALL]),
        invoke(1, TABLE, cap_table::MOVE, &[SEVERAL[0], 0, UNTYPED]),
        copy(1, CHILD, COPY, ALL),
        invoke(1, slot::IDLE_THREAD, thread::SET_VSPACE, &[slot::SECOND_VSPACE]),
        invoke(1, slot::THREADS[2], thread::SET_VSPACE, &[slot::SECOND_VSPACE]),
        invoke(1, slot::THREADS[0], thread::SUSPEND, &[]),
        invoke(1, slot::THREADS[0], thread::RESUME, &[]),
        invoke(1, slot::THREADS[2], thread::SUSPEND, &[]),
        call(1, Call::Send, slot::ENDPOINT),
        call(1, Call::Wait, slot::NOTIFICATION),
        Step { call: Call::Call as u64, ..call(2, Call::Call, 1) },
        receive(1, slot::ENDPOINT, slot::REPLY),
        interrupted(delete(1, slot::SMALL_TABLE)),
        interrupted(revoke(1, UNTYPED)),
        delete(1, CHILD),
        delete(1, SEVERAL[0]),
        delete(1, slot::ATTACHMENT),
        delete(1, slot::SECOND_VSPACE),
        revoke(1, POT),
    ]);
    steps
}
