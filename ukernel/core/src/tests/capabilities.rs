//! Derivation, retype, destruction.

use ukernel_abi::invoke::{cap_table, untyped};
use ukernel_abi::{Error, ObjectType, PAGE_BYTES, Rights};

use super::check;
use crate::Cap;
use crate::checks::world::{FREE, POT, TABLE, World};

#[test]
fn deleting_a_parent_hands_its_children_on() {
    let mut world = World::new();
    let thread = world.thread(1);
    assert_eq!(world.make(thread, ObjectType::Endpoint, 0, FREE), 0);
    for (from, to) in [(FREE, FREE + 1), (FREE + 1, FREE + 2), (FREE + 1, FREE + 3)] {
        assert_eq!(world.invoke(thread, TABLE, cap_table::COPY, &[to, 0, from, Rights::ALL.0.into()]), 0);
    }
    assert_eq!(world.invoke(thread, TABLE, cap_table::DELETE, &[FREE + 1]), 0);
    check(&world);
    assert_eq!(world.invoke(thread, TABLE, cap_table::REVOKE, &[FREE]), 0);
    check(&world);
    assert_eq!((world.cap(FREE + 2), world.cap(FREE + 3)), (Cap::Null, Cap::Null));
}

#[test]
fn untyped_starts_afresh_only_without_children() {
    let mut world = World::new();
    let thread = world.thread(1);
    assert_eq!(world.make(thread, ObjectType::Untyped, 4 * PAGE_BYTES, FREE), 0);
    let carve = |world: &mut World, slot| {
        world.invoke(thread, FREE, untyped::RETYPE, &[ObjectType::Memory as u64, 3 * PAGE_BYTES, 1, slot, 0])
    };
    assert_eq!(carve(&mut world, FREE + 1), 0);
    assert_eq!(carve(&mut world, FREE + 2), Error::OutOfMemory as u64);
    assert_eq!(world.invoke(thread, TABLE, cap_table::DELETE, &[FREE + 1]), 0);
    assert_eq!(carve(&mut world, FREE + 2), 0);
    check(&world);
}

#[test]
fn revoking_an_untyped_destroys_a_whole_task() {
    let mut world = World::new();
    let thread = world.thread(1);
    assert_eq!(world.make(thread, ObjectType::Untyped, 64 * PAGE_BYTES, FREE), 0);
    let make = |world: &mut World, object: ObjectType, size, slot| {
        assert_eq!(world.invoke(thread, FREE, untyped::RETYPE, &[object as u64, size, 1, slot, 0]), 0);
    };
    make(&mut world, ObjectType::CapTable, 4, FREE + 1);
    make(&mut world, ObjectType::VSpace, 0, FREE + 2);
    make(&mut world, ObjectType::Thread, 0, FREE + 3);
    make(&mut world, ObjectType::SchedContext, 0, FREE + 4);
    let donate = ukernel_abi::invoke::vspace::DONATE;
    assert_eq!(world.invoke(thread, FREE + 2, donate, &[FREE, 8]), 0);
    let configure = ukernel_abi::invoke::thread::CONFIGURE;
    assert_eq!(world.invoke(thread, FREE + 3, configure, &[FREE + 1, FREE + 2, 0, 0, 0]), 0);
    // The table holds the thread, which holds the table: only revoking ends both.
    assert_eq!(world.invoke(thread, FREE + 1, cap_table::MOVE, &[2, 0, FREE + 3]), 0);
    assert_eq!(world.invoke(thread, TABLE, cap_table::REVOKE, &[FREE]), 0);
    check(&world);
    for slot in FREE + 1..FREE + 5 {
        assert_eq!(world.cap(slot), Cap::Null);
    }
    assert_eq!(world.invoke(thread, FREE, untyped::INFO, &[]), 0);
    assert_eq!(world.kernel.get(thread).context.words[0], 64 * PAGE_BYTES);
}

#[test]
fn untyped_capabilities_are_not_copied() {
    let mut world = World::new();
    let thread = world.thread(1);
    let copy = [FREE, 0, POT, Rights::ALL.0.into()];
    assert_eq!(world.invoke(thread, TABLE, cap_table::COPY, &copy), Error::InvalidArgument as u64);
}
