//! Long operations with an interrupt that always waits: each call does one piece. What comes out is what comes out without
//! interrupts, the invariants hold after each piece, and somebody else may finish what a caller has left.

use std::vec;
use std::vec::Vec;

use ukernel_abi::invoke::{
    attachment, cap_table, io_control, io_mapping, io_space, memory, sched_context, thread, untyped, vspace,
};
use ukernel_abi::{Call, Error, MessageInfo, ObjectType, PAGE_BYTES, Rights};

use super::check;
use crate::checks::world::{FREE, POT, TABLE, VSPACE, World};
use crate::{Cap, IoTables, Ref, Thread};

const ALL: u64 = Rights::ALL.0 as u64;
const READ: u64 = Rights::READ.0 as u64;
const WINDOW: u64 = 0x4000_0000;

/// An invocation, as often as it is to be made again: its result, and how many pieces it was.
fn in_pieces(world: &mut World, thread: Ref<Thread>, cap: u64, method: u32, words: &[u64]) -> (u64, usize) {
    for pieces in 1..100_000 {
        if let Some(result) = one_piece(world, thread, cap, method, words) {
            return (result, pieces);
        }
    }
    panic!("it does not end");
}

/// One piece of it. `None`: it is to be made again.
fn one_piece(world: &mut World, thread: Ref<Thread>, cap: u64, method: u32, words: &[u64]) -> Option<u64> {
    piece_of(world, thread, |world| world.invoke(thread, cap, method, words))
}

/// The same of any system call of the thread.
fn piece_of(world: &mut World, thread: Ref<Thread>, call: impl Fn(&mut World) -> u64) -> Option<u64> {
    let before = world.kernel.get(thread).context.rip;
    world.kernel.machine.interrupt = true;
    let result = call(world);
    world.kernel.machine.interrupt = false;
    world.kernel.machine.forget_dead();
    check(world);
    let again = world.kernel.get(thread).context.rip != before;
    world.kernel.get_mut(thread).context.rip = before;
    (!again).then_some(result)
}

/// The call comes to the same in pieces as in one, and in at least so many.
#[track_caller]
fn same_in_pieces(world: &mut World, thread: Ref<Thread>, least: usize, cap: u64, method: u32, words: &[u64]) {
    let mut whole = world.clone();
    let result = whole.invoke(thread, cap, method, words);
    let (in_parts, pieces) = in_pieces(world, thread, cap, method, words);
    assert_eq!(in_parts, result);
    assert!(pieces >= least, "{pieces} pieces");
    for world in [world, &mut whole] {
        world.tidy();
        check(world);
    }
}

#[track_caller]
fn same_state(mut one: World, mut other: World) {
    one.tidy();
    other.tidy();
    assert!(one.digest() == other.digest(), "the states differ");
}

fn retype(object: ObjectType, size: u64, count: u64, first: u64) -> [u64; 5] {
    [object as u64, size, count, first, 0]
}

fn world() -> (World, Ref<Thread>) {
    let mut world = World::new();
    let thread = world.thread(1);
    (world, thread)
}

/// A Memory of so many pages in slot `FREE`, attached by the attachment in the slot behind it.
fn attached(world: &mut World, thread: Ref<Thread>, pages: u64) {
    assert_eq!(world.make(thread, ObjectType::Memory, pages * PAGE_BYTES, FREE), 0);
    assert_eq!(world.make(thread, ObjectType::Attachment, 0, FREE + 1), 0);
    let words = [VSPACE, WINDOW, pages * PAGE_BYTES, ALL, FREE + 1];
    assert_eq!(world.invoke(thread, FREE, memory::ATTACH, &words), 0);
}

fn run(pages: u64) -> u64 {
    (pages - 1) << 40
}

#[test]
fn many_objects_are_made_one_by_one() {
    let (mut world, thread) = world();
    let words = retype(ObjectType::Notification, 0, 40, FREE);
    let mut whole = world.clone();
    assert_eq!(whole.invoke(thread, POT, untyped::RETYPE, &words), 0);
    same_in_pieces(&mut world, thread, 40, POT, untyped::RETYPE, &words);
    same_state(world, whole);
}

#[test]
fn what_is_cleared_is_not_seen_before_it_is_clear() {
    let (mut world, thread) = world();
    let words = retype(ObjectType::Memory, 40 * PAGE_BYTES, 1, FREE);
    assert_eq!(one_piece(&mut world, thread, POT, untyped::RETYPE, &words), None);
    assert_eq!(world.cap(FREE), Cap::Null);
    // Somebody else takes memory from there meanwhile.
    assert_eq!(world.make(thread, ObjectType::Memory, PAGE_BYTES, FREE + 1), 0);
    let (result, pieces) = in_pieces(&mut world, thread, POT, untyped::RETYPE, &words);
    assert!(result == 0 && pieces >= 10 && world.cap(FREE) != Cap::Null, "{pieces} pieces");
}

#[test]
fn large_tables_come_and_go_in_pieces() {
    let (mut world, thread) = world();
    same_in_pieces(&mut world, thread, 4, POT, untyped::RETYPE, &retype(ObjectType::CapTable, 10, 1, FREE));
    let copy = [9, 0, POT + 1, ALL];
    assert_eq!(world.invoke(thread, FREE, cap_table::COPY, &copy), 0);
    // 1,024 slots, by 64.
    same_in_pieces(&mut world, thread, 16, TABLE, cap_table::DELETE, &[FREE]);
    assert_eq!(world.kernel.dead, None);
}

#[test]
fn no_memory_is_taken_where_a_table_is_still_emptied() {
    let (mut world, thread) = world();
    assert_eq!(world.make(thread, ObjectType::CapTable, 9, FREE), 0);
    assert_eq!(one_piece(&mut world, thread, TABLE, cap_table::DELETE, &[FREE]), None);
    assert!(world.kernel.dead.is_some() && world.cap(FREE) == Cap::Null);
    // Whoever wanted it gone makes other calls now; the next one that takes memory ends it.
    let words = retype(ObjectType::Endpoint, 0, 1, FREE);
    assert_eq!(one_piece(&mut world, thread, POT, untyped::RETYPE, &words), None);
    assert_eq!(world.cap(FREE), Cap::Null);
    let (result, _) = in_pieces(&mut world, thread, POT, untyped::RETYPE, &words);
    assert!(result == 0 && world.kernel.dead.is_none());
}

#[test]
fn chains_of_copies_are_revoked_in_pieces() {
    let (mut world, thread) = world();
    assert_eq!(world.make(thread, ObjectType::Endpoint, 0, FREE), 0);
    for slot in FREE..FREE + 50 {
        assert_eq!(world.invoke(thread, TABLE, cap_table::COPY, &[slot + 1, 0, slot, ALL]), 0);
    }
    same_in_pieces(&mut world, thread, 50, TABLE, cap_table::REVOKE, &[FREE]);
    assert!(world.cap(FREE) != Cap::Null && (FREE + 1..FREE + 51).all(|slot| world.cap(slot) == Cap::Null));
}

#[test]
fn an_untyped_that_is_going_gives_nothing_out() {
    let (mut world, thread) = world();
    assert_eq!(world.make(thread, ObjectType::Untyped, 4 * PAGE_BYTES, FREE), 0);
    let words = retype(ObjectType::Notification, 0, 50, FREE + 1);
    assert_eq!(world.invoke(thread, FREE, untyped::RETYPE, &words), 0);
    assert_eq!(one_piece(&mut world, thread, TABLE, cap_table::DELETE, &[FREE]), None);
    let wanted = retype(ObjectType::Endpoint, 0, 1, FREE + 60);
    assert_eq!(world.invoke(thread, FREE, untyped::RETYPE, &wanted), Error::OutOfMemory as u64);
    let (result, _) = in_pieces(&mut world, thread, TABLE, cap_table::DELETE, &[FREE]);
    assert_eq!(result, 0);
    // The children are the parent's, and revoking it gets them.
    assert_ne!(world.cap(FREE + 1), Cap::Null);
    same_in_pieces(&mut world, thread, 50, TABLE, cap_table::REVOKE, &[POT]);
    assert_eq!(world.cap(FREE + 1), Cap::Null);
}

#[test]
fn untypeds_within_untypeds_are_revoked_in_pieces() {
    let (mut world, thread) = world();
    for slot in FREE..FREE + 20 {
        let from = if slot == FREE { POT } else { slot - 1 };
        let words = retype(ObjectType::Untyped, 64 * PAGE_BYTES, 1, slot);
        assert_eq!(world.invoke(thread, from, untyped::RETYPE, &words), 0);
    }
    let words = retype(ObjectType::Reply, 0, 30, FREE + 20);
    assert_eq!(world.invoke(thread, FREE + 19, untyped::RETYPE, &words), 0);
    same_in_pieces(&mut world, thread, 50, TABLE, cap_table::REVOKE, &[POT]);
    let again = retype(ObjectType::Memory, 200 * PAGE_BYTES, 1, FREE);
    assert_eq!(world.invoke(thread, POT, untyped::RETYPE, &again), 0);
}

#[test]
fn runs_are_mapped_protected_and_unmapped_in_pieces() {
    let (mut world, thread) = world();
    let pages = 200;
    attached(&mut world, thread, pages);
    let mut whole = world.clone();
    let cases: [(u32, Vec<u64>, usize); 3] = [
        // Two pairs; the first is of two pieces.
        (attachment::MAP, vec![WINDOW | READ, run(150), (WINDOW + 180 * PAGE_BYTES) | READ, 180], 3),
        (attachment::PROTECT, vec![(WINDOW) | READ, pages], 2),
        (attachment::UNMAP, vec![WINDOW, 140, WINDOW + 180 * PAGE_BYTES, 1], 3),
    ];
    for (method, words, least) in cases {
        assert_eq!(whole.invoke(thread, FREE + 1, method, &words), 0);
        same_in_pieces(&mut world, thread, least, FREE + 1, method, &words);
        same_state(world.clone(), whole.clone());
    }
    same_in_pieces(&mut world, thread, 2, FREE + 1, attachment::UNMAP_ALL, &[]);
    assert_eq!(whole.invoke(thread, FREE + 1, attachment::UNMAP_ALL, &[]), 0);
    same_state(world, whole);
}

#[test]
fn a_window_closes_from_below_while_it_is_detached() {
    let ends: [(u64, u32, &[u64]); 3] = [
        (FREE + 1, attachment::DETACH, &[]),
        (TABLE, cap_table::DELETE, &[FREE + 1]),
        (TABLE, cap_table::REVOKE, &[FREE]),
    ];
    for (cap, method, words) in ends {
        let (mut world, thread) = world();
        attached(&mut world, thread, 200);
        let mapped = world.invoke(thread, FREE + 1, attachment::MAP, &[WINDOW | READ, run(200)]);
        assert_eq!(mapped, 0);
        assert_eq!(one_piece(&mut world, thread, cap, method, words), None);
        let below = world.invoke(thread, FREE + 1, attachment::MAP, &[WINDOW | READ, 0]);
        assert_eq!(below, Error::InvalidArgument as u64);
        let above = world.invoke(thread, FREE + 1, attachment::MAP, &[(WINDOW + 199 * PAGE_BYTES) | READ, 0]);
        assert_eq!(above, 0);
        same_in_pieces(&mut world, thread, 1, cap, method, words);
        assert!(world.kernel.get(world.kernel.get(thread).vspace.expect("it has one")).attachments.is_none());
    }
}

#[test]
fn donations_come_in_pieces() {
    let (mut world, thread) = world();
    assert_eq!(world.make(thread, ObjectType::VSpace, 0, FREE), 0);
    let mut whole = world.clone();
    assert_eq!(whole.invoke(thread, FREE, vspace::DONATE, &[POT, 30]), 0);
    same_in_pieces(&mut world, thread, 8, FREE, vspace::DONATE, &[POT, 30]);
    same_state(world, whole);
}

/// A VSpace in slot `FREE` with three attachments, in which two threads are that do not run.
fn inhabited() -> (World, Ref<Thread>) {
    let (mut world, thread) = world();
    assert_eq!(world.make(thread, ObjectType::Untyped, 32 * PAGE_BYTES, FREE + 10), 0);
    assert_eq!(world.make(thread, ObjectType::VSpace, 0, FREE), 0);
    assert_eq!(world.invoke(thread, FREE, vspace::DONATE, &[FREE + 10, 8]), 0);
    assert_eq!(world.make(thread, ObjectType::Memory, PAGE_BYTES, FREE + 1), 0);
    for number in 0..3 {
        assert_eq!(world.make(thread, ObjectType::Attachment, 0, FREE + 2 + number), 0);
        let words = [FREE, WINDOW + number * PAGE_BYTES, PAGE_BYTES, ALL, FREE + 2 + number];
        assert_eq!(world.invoke(thread, FREE + 1, memory::ATTACH, &words), 0);
    }
    for slot in [FREE + 5, FREE + 6] {
        assert_eq!(world.make(thread, ObjectType::Thread, 0, slot), 0);
        assert_eq!(world.invoke(thread, slot, thread::SET_VSPACE, &[FREE]), 0);
    }
    (world, thread)
}

#[test]
fn a_vspace_is_left_by_its_threads_one_by_one() {
    let (mut world, thread) = inhabited();
    same_in_pieces(&mut world, thread, 2, TABLE, cap_table::REVOKE, &[FREE + 10]);
    let Cap::VSpace(vspace) = world.cap(FREE) else { panic!("the VSpace itself stays") };
    let v = world.kernel.get(vspace);
    assert!(v.threads.is_none() && v.root.0 == 0 && v.attachments.is_some());
}

#[test]
fn a_vspace_loses_its_attachments_one_by_one() {
    let (mut world, thread) = inhabited();
    for slot in [FREE + 5, FREE + 6] {
        assert_eq!(world.invoke(thread, TABLE, cap_table::DELETE, &[slot]), 0);
    }
    same_in_pieces(&mut world, thread, 3, TABLE, cap_table::DELETE, &[FREE]);
    // All ties are undone: the memory can go back.
    for slot in [FREE + 1, FREE + 10] {
        assert!(!world.kernel.get(world.slot(slot)).has_children());
    }
}

#[test]
fn waiters_are_turned_away_one_by_one() {
    for (object, call) in [(ObjectType::Endpoint, Call::Send), (ObjectType::Notification, Call::Wait)] {
        let (mut world, thread) = world();
        assert_eq!(world.make(thread, object, 0, FREE), 0);
        let waiters: Vec<_> = (0..3).map(|_| world.thread(1)).collect();
        for waiter in &waiters {
            world.call(*waiter, call, FREE, MessageInfo::new(0, 0), &[]);
        }
        assert_eq!(one_piece(&mut world, thread, TABLE, cap_table::DELETE, &[FREE]), None);
        let waiting = |world: &World| waiters.iter().filter(|waiter| !world.can_run(**waiter)).count();
        assert_eq!(waiting(&world), 2);
        same_in_pieces(&mut world, thread, 2, TABLE, cap_table::DELETE, &[FREE]);
        assert_eq!(waiting(&world), 0);
    }
}

/// An IoSpace with a device and tables in slot `FREE`, two Memories of so many pages behind it, then two mappings.
fn with_device(pages: u64) -> (World, Ref<Thread>) {
    let (mut world, thread) = world();
    world.kernel.machine.iommu.tables = Some(IoTables { levels: 3, large_pages: true });
    let control = world.slot(FREE + 10);
    world.kernel.insert_root(control, Cap::IoControl);
    let (memory, mapping) = (ObjectType::Memory, ObjectType::IoMapping);
    let objects =
        [(ObjectType::IoSpace, 0), (memory, pages * PAGE_BYTES), (memory, PAGE_BYTES), (mapping, 0), (mapping, 0)];
    for ((object, size), slot) in objects.into_iter().zip(FREE..) {
        assert_eq!(world.make(thread, object, size, slot), 0);
    }
    assert_eq!(world.invoke(thread, FREE + 10, io_control::BIND, &[FREE, 0x18]), 0);
    assert_eq!(world.make(thread, ObjectType::Untyped, 20 * PAGE_BYTES, FREE + 11), 0);
    (world, thread)
}

fn map_io(memory: u64, at: u64, mapping: u64) -> [u64; 4] {
    [memory, at, READ, mapping]
}

#[test]
fn devices_get_and_lose_memory_in_pieces() {
    let (mut world, thread) = with_device(180);
    same_in_pieces(&mut world, thread, 3, FREE, io_space::DONATE, &[FREE + 11, 10]);
    let words = map_io(FREE + 1, 0x10_0000, FREE + 3);
    same_in_pieces(&mut world, thread, 2, FREE, io_space::MAP, &words);
    let ends: [(u64, u32, &[u64], usize); 5] = [
        (FREE + 3, io_mapping::UNMAP, &[], 2),
        (TABLE, cap_table::DELETE, &[FREE + 3], 2),
        (TABLE, cap_table::REVOKE, &[FREE + 1], 2),
        (TABLE, cap_table::REVOKE, &[FREE + 11], 1),
        (FREE, io_space::CLEAR, &[], 1),
    ];
    for (cap, method, words, least) in ends {
        same_in_pieces(&mut world.clone(), thread, least, cap, method, words);
    }
}

#[test]
fn a_device_keeps_nothing_of_a_mapping_that_failed() {
    let (mut world, thread) = with_device(180);
    assert_eq!(world.invoke(thread, FREE, io_space::DONATE, &[FREE + 11, 10]), 0);
    let last = map_io(FREE + 2, 0x10_0000 + 179 * PAGE_BYTES, FREE + 4);
    assert_eq!(world.invoke(thread, FREE, io_space::MAP, &last), 0);
    let words = map_io(FREE + 1, 0x10_0000, FREE + 3);
    let (result, pieces) = in_pieces(&mut world, thread, FREE, io_space::MAP, &words);
    assert!(result == Error::AlreadyMapped as u64 && pieces >= 2, "{result} after {pieces} pieces");
    let Cap::IoMapping(mapping) = world.cap(FREE + 3) else { panic!("the mapping itself stays") };
    assert!(world.kernel.get(mapping).space.is_none() && !world.kernel.get(world.slot(FREE + 1)).has_children());
}

#[test]
fn a_mapping_goes_on_with_the_capability_that_it_began_with() {
    let (mut world, thread) = with_device(180);
    assert_eq!(world.invoke(thread, FREE, io_space::DONATE, &[FREE + 11, 10]), 0);
    let writable = [FREE + 1, 0x10_0000, Rights::READ.or(Rights::WRITE).0.into(), FREE + 3];
    assert_eq!(one_piece(&mut world, thread, FREE, io_space::MAP, &writable), None);
    // In its place is one now that may only be read.
    assert_eq!(world.invoke(thread, TABLE, cap_table::MOVE, &[FREE + 20, 0, FREE + 1]), 0);
    assert_eq!(world.invoke(thread, TABLE, cap_table::COPY, &[FREE + 1, 0, FREE + 20, READ]), 0);
    world.kernel.get_mut(thread).progress = 1;
    let (result, _) = in_pieces(&mut world, thread, FREE, io_space::MAP, &writable);
    assert_eq!(result, Error::InvalidState as u64);
}

#[test]
fn mappings_without_tables_go_one_by_one() {
    let (mut world, thread) = with_device(1);
    assert_eq!(world.invoke(thread, FREE, io_space::DONATE, &[FREE + 11, 6]), 0);
    for (memory, mapping) in [(FREE + 1, FREE + 3), (FREE + 2, FREE + 4)] {
        let words = map_io(memory, memory << 20, mapping);
        assert_eq!(world.invoke(thread, FREE, io_space::MAP, &words), 0);
    }
    assert_eq!(one_piece(&mut world, thread, FREE, io_space::CLEAR, &[]), None);
    assert!(world.kernel.machine.iommu.views.iter().all(|(_, view)| view.root.0 == 0));
    // New tables know nothing of what is left.
    let (result, _) = in_pieces(&mut world, thread, FREE, io_space::DONATE, &[FREE + 11, 6]);
    assert_eq!(result, 0);
    let Cap::IoSpace(space) = world.cap(FREE) else { panic!("the IoSpace stays") };
    assert!(world.kernel.get(space).mappings.is_none());
}

/// An untyped in slot `FREE` with more children than one piece moves, from slot `FREE + 2` on.
fn parent(world: &mut World, thread: Ref<Thread>) {
    assert_eq!(world.make(thread, ObjectType::Untyped, 64 << 10, FREE), 0);
    let words = retype(ObjectType::Notification, 0, 60, FREE + 2);
    assert_eq!(world.invoke(thread, FREE, untyped::RETYPE, &words), 0);
}

const MOVED: [u64; 3] = [FREE + 1, 0, FREE];

#[test]
fn children_follow_a_capability_in_pieces() {
    let (mut world, thread) = world();
    parent(&mut world, thread);
    same_in_pieces(&mut world, thread, 4, TABLE, cap_table::MOVE, &MOVED);
    assert_eq!(world.kernel.cap(world.slot(FREE)), Cap::Null);
    // Nothing is left behind: all of them go with it.
    assert_eq!(world.invoke(thread, TABLE, cap_table::REVOKE, &[FREE + 1]), 0);
    assert!((2..62).all(|slot| world.kernel.cap(world.slot(FREE + slot)) == Cap::Null));
    assert_eq!(world.make(thread, ObjectType::Notification, 0, FREE + 2), 0);
}

#[test]
fn what_is_left_of_a_move_gives_no_rights() {
    let (mut world, thread) = world();
    parent(&mut world, thread);
    assert_eq!(one_piece(&mut world, thread, TABLE, cap_table::MOVE, &MOVED), None);
    let husk = world.kernel.cap(world.slot(FREE));
    assert_eq!(husk, Cap::Husk);
    let refused = Error::InvalidCapability as u64;
    assert_eq!(world.invoke(thread, FREE, untyped::RETYPE, &retype(ObjectType::Endpoint, 0, 1, FREE + 100)), refused);
    assert_eq!(world.invoke(thread, TABLE, cap_table::COPY, &[FREE + 100, 0, FREE, ALL]), refused);
    assert_eq!(world.invoke(thread, TABLE, cap_table::MOVE, &[FREE + 100, 0, FREE]), refused);
    // Where others revoke what was moved, all children are gone, those that have not followed yet as well.
    let mut revoked = world.clone();
    assert_eq!(revoked.invoke(thread, TABLE, cap_table::REVOKE, &[FREE + 1]), 0);
    assert!((0..62).all(|slot| slot == 1 || revoked.kernel.cap(revoked.slot(FREE + slot)) == Cap::Null));
    check(&revoked);
    // Where they delete it, the rest of the move is refused, and the children are its parent's.
    let mut deleted = world.clone();
    assert_eq!(deleted.invoke(thread, TABLE, cap_table::DELETE, &[FREE + 1]), 0);
    check(&deleted);
    assert_eq!(deleted.invoke(thread, TABLE, cap_table::MOVE, &MOVED), refused);
    assert_eq!(deleted.invoke(thread, TABLE, cap_table::REVOKE, &[POT]), 0);
    assert_eq!(deleted.kernel.cap(deleted.slot(FREE + 50)), Cap::Null);
    // Where they delete what is left, the move is complete.
    assert_eq!(world.invoke(thread, TABLE, cap_table::DELETE, &[FREE]), 0);
    check(&world);
    assert_eq!(world.invoke(thread, TABLE, cap_table::REVOKE, &[FREE + 1]), 0);
    assert_eq!(world.kernel.cap(world.slot(FREE + 50)), Cap::Null);
}

const SERVERS: u64 = 5;
/// The endpoint and the Reply of the first server; those of the others follow.
const FIRST: [u64; 2] = [FREE, FREE + 1];
const CLIENT: u64 = FREE + SERVERS * 2;
const CLIENT_TIME: u64 = CLIENT + 1;

/// A client, and servers that work on its time, each called by the one before. Nobody has answered.
fn chain(world: &mut World) -> Ref<Thread> {
    let client = world.thread(5);
    world.give_thread(client, CLIENT);
    world.give_time(client, CLIENT_TIME);
    let mut caller = client;
    for [endpoint, reply] in (0..SERVERS).map(|index| FIRST.map(|slot| slot + index * 2)) {
        assert_eq!(world.make(caller, ObjectType::Endpoint, 0, endpoint), 0);
        assert_eq!(world.make(caller, ObjectType::Reply, 0, reply), 0);
        let server = world.thread(5);
        world.kernel.get_mut(server).context.r14 = reply;
        world.call(server, Call::Recv, endpoint, MessageInfo::default(), &[]);
        let own = world.kernel.get(server).sched_context.expect("threads of a world have time");
        world.kernel.free_sched_context(own);
        world.call(caller, Call::Call, endpoint, MessageInfo::default(), &[]);
        caller = server;
    }
    client
}

/// An answer to the first of many calls that took the time along, and whatever else ends that call or the loan.
#[test]
fn time_comes_back_from_many_in_pieces() {
    let (mut world, helper) = world();
    let client = chain(&mut world);
    check(&world);
    let crate::Cap::SchedContext(time) = world.cap(CLIENT_TIME) else { panic!("it was just given") };
    assert!(world.kernel.get(time).thread.is_some_and(|user| user != client));
    type End = fn(&mut World, Ref<Thread>) -> u64;
    let answer: End = |world, helper| world.call(helper, Call::Reply, FIRST[1], MessageInfo::default(), &[]);
    let suspend: End = |world, helper| world.invoke(helper, CLIENT, thread::SUSPEND, &[]);
    let delete: End = |world, helper| world.invoke(helper, TABLE, cap_table::DELETE, &[FIRST[1]]);
    let unbind: End = |world, helper| world.invoke(helper, CLIENT_TIME, sched_context::UNBIND, &[]);
    for (end, user) in [(answer, Some(client)), (suspend, Some(client)), (delete, Some(client)), (unbind, None)] {
        let mut world = world.clone();
        let mut pieces = 1;
        while piece_of(&mut world, helper, |world| end(world, helper)).map(|result| assert_eq!(result, 0)).is_none() {
            pieces += 1;
        }
        assert_eq!(pieces, 2);
        assert_eq!((world.kernel.get(time).thread, world.kernel.get(time).lent), (user, None));
    }
}
