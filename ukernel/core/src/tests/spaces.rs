//! Attachments and page tables, against a plain map.

use std::collections::BTreeMap;

use proptest::prelude::*;
use ukernel_abi::invoke::{attachment, memory};
use ukernel_abi::{Error, ObjectType, PAGE_BYTES, Rights};

use super::check;
use crate::checks::world::{FREE, VSPACE, World};
use crate::page_table::{Leaf, index};
use crate::{Cap, Machine, PhysAddr};

const MEMORY: u64 = FREE;
const ATTACHMENT: u64 = FREE + 1;
const WINDOW: u64 = 0x10_0000_0000;
const PAGES: u64 = 16;

/// What the tables say about an address.
fn translate(world: &World, address: u64) -> Option<Leaf> {
    let Cap::VSpace(vspace) = world.cap(VSPACE) else { panic!("a VSpace") };
    let mut table = world.kernel.get(vspace).root;
    for level in (1..=4).rev() {
        let entry = Leaf(world.kernel.machine.word(table, index(level, address)));
        if !entry.present() {
            return None;
        }
        if level == 1 {
            return Some(entry);
        }
        table = entry.address();
    }
    None
}

#[derive(Clone, Debug)]
enum Step {
    Map { page: u64, count: u64, first: u64, write: bool },
    Protect { page: u64, count: u64, write: bool },
    Unmap { page: u64, count: u64 },
    UnmapAll,
}

fn step() -> impl Strategy<Value = Step> {
    // Pages are far apart in the window, so that tables come and go.
    let page = 0..64u64;
    prop_oneof![
        (page.clone(), 1..4u64, 0..PAGES - 4, any::<bool>()).prop_map(|(page, count, first, write)| Step::Map {
            page,
            count,
            first,
            write
        }),
        (page.clone(), 1..4u64, any::<bool>()).prop_map(|(page, count, write)| Step::Protect { page, count, write }),
        (page, 1..4u64).prop_map(|(page, count)| Step::Unmap { page, count }),
        Just(Step::UnmapAll),
    ]
}

fn address(page: u64) -> u64 {
    WINDOW + (page / 8) * (1 << 31) + (page % 8) * PAGE_BYTES
}

fn rights(write: bool) -> u64 {
    u64::from(if write { Rights::READ.or(Rights::WRITE) } else { Rights::READ }.0)
}

#[test]
fn tables_made_in_vain_go_back() {
    let mut world = World::sized(5, 64 * PAGE_BYTES, 3);
    let thread = world.thread(1);
    assert_eq!(world.make(thread, ObjectType::Memory, PAGE_BYTES, MEMORY), 0);
    assert_eq!(world.make(thread, ObjectType::Attachment, 0, ATTACHMENT), 0);
    let attach = [VSPACE, WINDOW, PAGE_BYTES, Rights::ALL.0.into(), ATTACHMENT];
    assert_eq!(world.invoke(thread, MEMORY, memory::ATTACH, &attach), 0);
    let Cap::VSpace(vspace) = world.cap(VSPACE) else { panic!("a VSpace") };
    let map = [WINDOW | rights(false), 0];
    assert_eq!(world.invoke(thread, ATTACHMENT, attachment::MAP, &map), Error::OutOfTables as u64);
    check(&world);
    assert_eq!(world.kernel.get(vspace).pool_pages, 2);
}

proptest! {
    #[test]
    fn tables_do_what_a_map_does(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        let thread = world.thread(1);
        prop_assert_eq!(world.make(thread, ObjectType::Memory, PAGES * PAGE_BYTES, MEMORY), 0);
        prop_assert_eq!(world.make(thread, ObjectType::Attachment, 0, ATTACHMENT), 0);
        let attach = [VSPACE, WINDOW, 1 << 40, Rights::ALL.0.into(), ATTACHMENT];
        prop_assert_eq!(world.invoke(thread, MEMORY, memory::ATTACH, &attach), 0);
        let Cap::Memory { base, .. } = world.cap(MEMORY) else { panic!("a Memory") };
        let Cap::VSpace(vspace) = world.cap(VSPACE) else { panic!("a VSpace") };
        let pool = world.kernel.get(vspace).pool_pages;
        let mut model: BTreeMap<u64, (PhysAddr, bool)> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Map { page, count, first, write } => {
                    let run = [address(page) | rights(write), first | (count - 1) << 40];
                    prop_assert_eq!(world.invoke(thread, ATTACHMENT, attachment::MAP, &run), 0);
                    for offset in 0..count {
                        let to = base.offset((first + offset) * PAGE_BYTES);
                        model.insert(address(page) + offset * PAGE_BYTES, (to, write));
                    }
                }
                Step::Protect { page, count, write } => {
                    let range = [address(page) | rights(write), count];
                    prop_assert_eq!(world.invoke(thread, ATTACHMENT, attachment::PROTECT, &range), 0);
                    for (_, entry) in model.range_mut(address(page)..address(page) + count * PAGE_BYTES) {
                        entry.1 = write;
                    }
                }
                Step::Unmap { page, count } => {
                    prop_assert_eq!(world.invoke(thread, ATTACHMENT, attachment::UNMAP, &[address(page), count]), 0);
                    model.retain(|at, _| !(address(page)..address(page) + count * PAGE_BYTES).contains(at));
                }
                Step::UnmapAll => {
                    prop_assert_eq!(world.invoke(thread, ATTACHMENT, attachment::UNMAP_ALL, &[]), 0);
                    model.clear();
                }
            }
            for page in 0..72 {
                let found = translate(&world, address(page)).map(|entry| (entry.address(), entry.writable()));
                prop_assert_eq!(found, model.get(&address(page)).copied());
            }
            if model.is_empty() {
                prop_assert_eq!(world.kernel.get(vspace).pool_pages, pool, "all tables are back");
            }
        }
    }
}
