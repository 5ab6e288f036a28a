//! What devices reach: tables and mappings of an IoSpace that come and go, in one and in pieces.

use ukernel_abi::invoke::{io_control, io_mapping, io_space, memory, untyped};
use ukernel_abi::{ObjectType, PAGE_BYTES};
use ukernel_core::checks::step::Step;
use ukernel_core::checks::world::{POT, TABLE, World};

use crate::scenario::{self, ALL, READ, copy, delete, invoke, retype, revoke, slot};

const CONTROL: u64 = 23;
const SPACES: [u64; 2] = [27, 28];
const MAPPINGS: [u64; 2] = [29, 30];
/// What tables are made of, and another memory.
const TABLES: u64 = slot::FREE[0];
const OTHER: u64 = slot::FREE[1];
const PART: u64 = slot::FREE[2];
/// A device.
const SOURCE: u64 = 0x18;
/// The last page that one table translates: two pages from here are two pieces.
const BORDER: u64 = (2 << 20) - PAGE_BYTES;

/// The usual world with an IOMMU, an IoSpace that has a device and one that has none.
pub(crate) fn world() -> World {
    let mut world = scenario::world();
    world.give_devices(CONTROL);
    let start = [
        retype(0, ObjectType::IoSpace, 0, SPACES[0]),
        retype(0, ObjectType::IoSpace, 0, SPACES[1]),
        retype(0, ObjectType::IoMapping, 0, MAPPINGS[0]),
        retype(0, ObjectType::IoMapping, 0, MAPPINGS[1]),
        retype(0, ObjectType::Untyped, 6 * PAGE_BYTES, TABLES),
        retype(0, ObjectType::Memory, PAGE_BYTES, OTHER),
        invoke(0, CONTROL, io_control::BIND, &[SPACES[0], SOURCE]),
    ];
    for step in start {
        let result = world.step(&step).expect("the start breaks no promise");
        assert_eq!(result, Some(0), "{step}");
    }
    world.tidy();
    world
}

/// Donations, mappings that fit, overlap and want tables, and all ways in which they end.
pub(crate) fn steps() -> Vec<Step> {
    let mut steps = Vec::new();
    let map = |thread, space, memory, at, mapping| invoke(thread, space, io_space::MAP, &[memory, at, READ, mapping]);
    for (thread, interrupted) in [(0, false), (1, true)] {
        let calls = [
            invoke(thread, SPACES[0], io_space::DONATE, &[TABLES, 5]),
            invoke(thread, SPACES[0], io_space::DONATE, &[POT, 1]),
            map(thread, SPACES[0], slot::MEMORY, BORDER, MAPPINGS[0]),
            map(thread, SPACES[0], slot::MEMORY, BORDER - PAGE_BYTES, MAPPINGS[0]),
            map(thread, SPACES[0], OTHER, BORDER + PAGE_BYTES, MAPPINGS[1]),
            invoke(thread, MAPPINGS[0], io_mapping::UNMAP, &[]),
            invoke(thread, SPACES[0], io_space::CLEAR, &[]),
            delete(thread, MAPPINGS[0]),
            delete(thread, SPACES[0]),
            revoke(thread, slot::MEMORY),
            revoke(thread, TABLES),
            revoke(thread, POT),
        ];
        steps.extend(calls.map(|step| Step { interrupted, ..step }));
    }
    steps.extend([
        invoke(0, SPACES[1], io_space::DONATE, &[TABLES, 3]),
        map(0, SPACES[1], OTHER, 0, MAPPINGS[1]),
        map(1, SPACES[1], PART, 0, MAPPINGS[1]),
        invoke(1, CONTROL, io_control::BIND, &[SPACES[1], SOURCE]),
        invoke(0, slot::MEMORY, memory::SUB, &[PAGE_BYTES, PAGE_BYTES, PART, READ]),
        copy(0, slot::MEMORY, PART, ALL),
        invoke(0, TABLES, untyped::RETYPE, &[ObjectType::Memory as u64, PAGE_BYTES, 1, PART, 0]),
        invoke(0, TABLE, ukernel_abi::invoke::cap_table::MOVE, &[PART, 0, slot::MEMORY]),
        delete(0, PART),
        delete(1, OTHER),
        delete(1, TABLES),
    ]);
    steps
}
