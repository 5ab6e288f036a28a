//! IoSpaces on a simulated IOMMU: the invariants compare what it would walk with what the mappings say.

use proptest::prelude::*;
use ukernel_abi::invoke::{cap_table, io_control, io_mapping, io_space, memory, untyped};
use ukernel_abi::{Call, Error, MessageInfo, ObjectType, PAGE_BYTES, Rights};

use super::check;
use crate::checks::invariants;
use crate::checks::world::{FREE, POT, World};
use crate::{Cap, Faults, IoFault, IoTables, PhysAddr, Ref, Source, Thread};

const CONTROL: u64 = FREE;
const SPACE: u64 = FREE + 1;
const NOTIFICATION: u64 = FREE + 3;
/// An untyped that pages of tables come from.
const TABLES: u64 = FREE + 4;
/// Two memories, and a part of the first.
const MEMORIES: u64 = FREE + 5;
const PARTS: u64 = 3;
const MAPPINGS: u64 = FREE + 8;
const SPARE: u64 = FREE + 12;
const PAGES: u64 = 4;
const SOURCE: Source = Source(0x18);
const READ_WRITE: u64 = 3;

/// A world with an IOMMU, and a thread in it with two IoSpaces, the first of them a device's.
fn world() -> (World, Ref<Thread>) {
    let mut world = World::new();
    world.kernel.machine.iommu.tables = Some(IoTables { levels: 3, large_pages: true });
    let thread = world.thread(1);
    let control = world.slot(CONTROL);
    world.kernel.insert_root(control, Cap::IoControl);
    let objects = [
        (ObjectType::IoSpace, 0, SPACE),
        (ObjectType::IoSpace, 0, SPACE + 1),
        (ObjectType::Notification, 0, NOTIFICATION),
        (ObjectType::Untyped, 16 * PAGE_BYTES, TABLES),
        (ObjectType::Memory, PAGES * PAGE_BYTES, MEMORIES),
        (ObjectType::Memory, PAGES * PAGE_BYTES, MEMORIES + 1),
    ];
    for (object, size, slot) in objects {
        assert_eq!(world.make(thread, object, size, slot), 0);
    }
    for slot in MAPPINGS..SPARE {
        assert_eq!(world.make(thread, ObjectType::IoMapping, 0, slot), 0);
    }
    let part = [PAGE_BYTES, PAGE_BYTES, MEMORIES + 2, Rights::READ.0.into()];
    assert_eq!(world.invoke(thread, MEMORIES, memory::SUB, &part), 0);
    assert_eq!(world.invoke(thread, CONTROL, io_control::BIND, &[SPACE, SOURCE.0.into()]), 0);
    (world, thread)
}

fn donate(world: &mut World, thread: Ref<Thread>, pages: u64) {
    assert_eq!(world.invoke(thread, SPACE, io_space::DONATE, &[TABLES, pages]), 0);
}

fn map(world: &mut World, thread: Ref<Thread>, memory: u64, at: u64, rights: u64, mapping: u64) -> u64 {
    world.invoke(thread, SPACE, io_space::MAP, &[MEMORIES + memory, at, rights, MAPPINGS + mapping])
}

fn result(world: &World, thread: Ref<Thread>) -> [u64; 4] {
    let words = world.kernel.get(thread).context.words;
    [words[0], words[1], words[2], words[3]]
}

#[test]
fn without_an_iommu_there_are_no_io_spaces() {
    let (mut world, thread) = world();
    world.kernel.machine.iommu.tables = None;
    assert_eq!(world.invoke(thread, SPACE + 1, io_space::DONATE, &[TABLES, 1]), Error::InvalidState as u64);
    let bind = [SPACE + 1, 0x20];
    assert_eq!(world.invoke(thread, CONTROL, io_control::BIND, &bind), Error::InvalidState as u64);
}

#[test]
fn a_device_has_one_space_and_a_space_one_device() {
    let (mut world, thread) = world();
    let mut bind = |space, source| world.invoke(thread, CONTROL, io_control::BIND, &[space, source]);
    assert_eq!(bind(SPACE + 1, SOURCE.0.into()), Error::InvalidState as u64);
    assert_eq!(bind(SPACE, 0x20), Error::InvalidState as u64);
    assert_eq!(bind(SPACE + 1, 0x1_0000), Error::InvalidArgument as u64);
    // The IOMMU has no room for devices on this bus.
    assert_eq!(bind(SPACE + 1, 0xff00), Error::OutOfMemory as u64);
    assert_eq!(bind(SPACE + 1, 0x20), 0);
    check(&world);
    assert_eq!(world.invoke(thread, 2, cap_table::DELETE, &[SPACE]), 0);
    assert_eq!(world.make(thread, ObjectType::IoSpace, 0, SPARE), 0);
    assert_eq!(world.invoke(thread, CONTROL, io_control::BIND, &[SPARE, SOURCE.0.into()]), 0);
    check(&world);
}

#[test]
fn what_is_mapped_has_its_rights_and_its_place() {
    let (mut world, thread) = world();
    assert_eq!(map(&mut world, thread, 0, 0x10_0000, READ_WRITE, 0), Error::OutOfTables as u64);
    donate(&mut world, thread, 8);
    assert_eq!(map(&mut world, thread, 2, 0x20_0000, READ_WRITE, 1), Error::InsufficientRights as u64);
    let execute = u64::from(Rights::EXECUTE.0);
    for (at, rights) in [(0x10_0800, 1), (0xfedf_e000, 1), (1 << 39, 1), ((1 << 39) - 0x1000, 1), (u64::MAX - 0xfff, 1)]
        .into_iter()
        .chain([(0x10_0000, 0), (0x10_0000, execute)])
    {
        assert_eq!(map(&mut world, thread, 0, at, rights, 0), Error::InvalidArgument as u64, "{at:x} {rights}");
    }
    assert_eq!(map(&mut world, thread, 0, 0x10_0000, READ_WRITE, 0), 0);
    assert_eq!(map(&mut world, thread, 2, 0x10_3000, 1, 1), Error::AlreadyMapped as u64);
    assert_eq!(map(&mut world, thread, 2, 0x10_4000, 1, 0), Error::InvalidState as u64);
    assert_eq!(map(&mut world, thread, 2, 0x10_4000, 1, 1), 0);
    check(&world);
}

#[test]
fn tables_made_in_vain_go_back() {
    let (mut world, thread) = world();
    donate(&mut world, thread, 2);
    assert_eq!(map(&mut world, thread, 0, 0x10_0000, READ_WRITE, 0), Error::OutOfTables as u64);
    check(&world);
    donate(&mut world, thread, 1);
    // The second of the two tables that this needs is missing; what the first one got is undone.
    assert_eq!(map(&mut world, thread, 0, 0x1f_e000, READ_WRITE, 0), Error::OutOfTables as u64);
    check(&world);
    assert_eq!(world.invoke(thread, SPACE, io_space::POOL, &[]), 0);
    assert_eq!(result(&world, thread)[..2], [2, 39]);
}

#[test]
fn revoked_memory_is_out_of_reach_and_flushed() {
    let (mut world, thread) = world();
    donate(&mut world, thread, 8);
    assert_eq!(map(&mut world, thread, 2, 0x10_0000, 1, 0), 0);
    world.kernel.machine.iommu.flushed = None;
    assert_eq!(world.invoke(thread, 2, cap_table::REVOKE, &[MEMORIES]), 0);
    assert_eq!(world.kernel.machine.iommu.flushed, Some(1));
    check(&world);
    assert_eq!(world.invoke(thread, MAPPINGS, io_mapping::UNMAP, &[]), Error::InvalidState as u64);
}

#[test]
fn without_the_memory_of_its_tables_a_space_is_empty() {
    let (mut world, thread) = world();
    donate(&mut world, thread, 8);
    assert_eq!(map(&mut world, thread, 0, 0x10_0000, READ_WRITE, 0), 0);
    assert!(world.kernel.machine.iommu.root(SOURCE).is_some());
    world.kernel.machine.iommu.flushed = None;
    assert_eq!(world.invoke(thread, 2, cap_table::REVOKE, &[TABLES]), 0);
    assert_eq!((world.kernel.machine.iommu.root(SOURCE), world.kernel.machine.iommu.flushed), (None, Some(1)));
    check(&world);
    donate(&mut world, thread, 8);
    assert_eq!(map(&mut world, thread, 0, 0x10_0000, READ_WRITE, 0), 0);
    check(&world);
}

#[test]
fn large_pages_are_used_where_both_sides_are_aligned() {
    let (mut world, thread) = world();
    donate(&mut world, thread, 3);
    let memory = Cap::Memory { base: PhysAddr(0x4000_0000), bytes: 4 << 20, rights: Rights::ALL, device: false };
    let slot = world.slot(SPARE);
    world.kernel.insert_root(slot, memory);
    let large = [SPARE, 0x4000_0000, READ_WRITE, MAPPINGS];
    assert_eq!(world.invoke(thread, SPACE, io_space::MAP, &large), 0);
    check(&world);
    assert_eq!(map(&mut world, thread, 0, 0x4020_0000, READ_WRITE, 1), Error::AlreadyMapped as u64);
    assert_eq!(world.invoke(thread, MAPPINGS, io_mapping::UNMAP, &[]), 0);
    check(&world);
}

#[test]
fn faults_are_told_once_until_somebody_looks() {
    let (mut world, thread) = world();
    donate(&mut world, thread, 8);
    assert_eq!(world.invoke(thread, SPACE, io_space::BIND_FAULTS, &[NOTIFICATION]), 0);
    let minted = [SPARE, 0, NOTIFICATION, 31, 4];
    assert_eq!(world.invoke(thread, 2, cap_table::MINT, &minted), 0);
    assert_eq!(world.invoke(thread, SPACE, io_space::BIND_FAULTS, &[SPARE]), 0);
    let fault = IoFault { source: SOURCE, address: 0x5000, kind: io_space::WRITE, reason: 5 };
    world.kernel.machine.iommu.fault = Some(fault);
    world.kernel.io_fault_interrupt();
    check(&world);
    let told = |world: &World| world.kernel.machine.iommu.views.iter().any(|(_, view)| view.faults == Faults::Told);
    assert!(!told(&world));
    assert_eq!(world.call(thread, Call::Poll, NOTIFICATION, MessageInfo(0), &[]), 0);
    assert_eq!(world.invoke(thread, SPACE, io_space::FAULT, &[]), 0);
    assert_eq!(result(&world, thread), [1, 0x5000, io_space::WRITE, 5]);
    assert!(told(&world));
    assert_eq!(world.invoke(thread, SPACE, io_space::FAULT, &[]), 0);
    assert_eq!(result(&world, thread), [0; 4]);
    world.kernel.machine.iommu.fault = Some(IoFault { source: Source(7), ..fault });
    world.kernel.io_fault_interrupt();
    assert_eq!(world.invoke(thread, CONTROL, io_control::STRAY_FAULTS, &[]), 0);
    assert_eq!((result(&world, thread), world.kernel.get(thread).context.words[4]), ([1, 0x5000, 1, 5], 7));
}

#[derive(Clone, Debug)]
enum Step {
    Donate { pages: u64 },
    Map { space: u64, memory: u64, page: u64, rights: u64, mapping: u64 },
    Unmap { mapping: u64 },
    Remake { mapping: u64 },
    Revoke { slot: u64 },
    Clear { space: u64 },
    Bind { space: u64 },
    Fault,
    Look,
    Delete { space: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let (space, mapping) = (0..2u64, 0..4u64);
    let map = (space.clone(), 0..PARTS, 0..24u64, 1..4u64, mapping.clone());
    prop_oneof![
        2 => (1..5u64).prop_map(|pages| Step::Donate { pages }),
        8 => map.prop_map(|(space, memory, page, rights, mapping)| Step::Map { space, memory, page, rights, mapping }),
        4 => mapping.clone().prop_map(|mapping| Step::Unmap { mapping }),
        1 => mapping.prop_map(|mapping| Step::Remake { mapping }),
        1 => prop::sample::select(&[MEMORIES, MEMORIES + 1, TABLES, POT, NOTIFICATION][..])
            .prop_map(|slot| Step::Revoke { slot }),
        1 => space.clone().prop_map(|space| Step::Clear { space }),
        1 => space.clone().prop_map(|space| Step::Bind { space }),
        1 => Just(Step::Fault),
        1 => Just(Step::Look),
        1 => space.prop_map(|space| Step::Delete { space }),
    ]
}

/// I/O addresses far apart, so that tables come and go, and some next to each other.
fn address(page: u64) -> u64 {
    (page / 6) * (1 << 31) + (page % 6) * PAGE_BYTES
}

fn take(world: &mut World, thread: Ref<Thread>, step: &Step) {
    match *step {
        Step::Donate { pages } => world.invoke(thread, SPACE, io_space::DONATE, &[TABLES, pages]),
        Step::Map { space, memory, page, rights, mapping } => {
            let words = [MEMORIES + memory, address(page), rights, MAPPINGS + mapping];
            world.invoke(thread, SPACE + space, io_space::MAP, &words)
        }
        Step::Unmap { mapping } => world.invoke(thread, MAPPINGS + mapping, io_mapping::UNMAP, &[]),
        Step::Remake { mapping } => {
            world.invoke(thread, 2, cap_table::DELETE, &[MAPPINGS + mapping]);
            let one = [ObjectType::IoMapping as u64, 0, 1, MAPPINGS + mapping, 0];
            world.invoke(thread, POT, untyped::RETYPE, &one)
        }
        Step::Revoke { slot } => world.invoke(thread, 2, cap_table::REVOKE, &[slot]),
        Step::Clear { space } => world.invoke(thread, SPACE + space, io_space::CLEAR, &[]),
        Step::Bind { space } => world.invoke(thread, CONTROL, io_control::BIND, &[SPACE + space, 0x18 + space]),
        Step::Fault => {
            let fault = IoFault { source: SOURCE, address: 0x7000, kind: 0, reason: 6 };
            world.kernel.machine.iommu.fault = Some(fault);
            world.kernel.io_fault_interrupt();
            world.kernel.settle();
            0
        }
        Step::Look => world.invoke(thread, SPACE, io_space::FAULT, &[]),
        Step::Delete { space } => world.invoke(thread, 2, cap_table::DELETE, &[SPACE + space]),
    };
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn a_device_reaches_what_is_mapped_and_nothing_else(steps in prop::collection::vec(step(), 1..80)) {
        let (mut world, thread) = world();
        for step in steps {
            take(&mut world, thread, &step);
            world.kernel.machine.forget_dead();
            let held = invariants::check(&world);
            prop_assert!(held.is_ok(), "{step:?}: {:?}", held.err());
        }
    }
}
