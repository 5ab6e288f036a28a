//! VSpaces with two views, which share a slot of their master's tables: and what happens when either goes.

use ukernel_abi::invoke::{attachment, cap_table, memory, thread, untyped, vspace};
use ukernel_abi::{Error, MASTER_START, ObjectType, PAGE_BYTES};

use super::check;
use crate::checks::world::{FREE, TABLE, World};
use crate::{Cap, PhysAddr, Ref, State, Thread, VSpace};

/// A VSpace, what its tables are made of, and what it shares its master slot with.
const HOME: u64 = FREE;
const HOME_TABLES: u64 = FREE + 1;
const SPACES: [u64; 2] = [FREE + 2, FREE + 3];
const SPACE_TABLES: [u64; 2] = [FREE + 4, FREE + 5];
const PAGE: u64 = FREE + 6;
const ATTACHMENT: u64 = FREE + 7;
const INSIDE: u64 = FREE + 8;

struct Views {
    world: World,
    thread: Ref<Thread>,
}

impl Views {
    /// A master and two VSpaces that share its slot; the memory of each one's tables is an untyped of its own.
    fn new() -> Self {
        let mut world = World::new();
        let thread = world.thread(10);
        let mut views = Self { world, thread };
        for (space, tables) in
            [HOME, SPACES[0], SPACES[1]].into_iter().zip([HOME_TABLES, SPACE_TABLES[0], SPACE_TABLES[1]])
        {
            views.make(ObjectType::VSpace, 0, space);
            views.make(ObjectType::Untyped, 16 * PAGE_BYTES, tables);
            views.invoke(space, vspace::DONATE, &[tables, 6]);
        }
        views.make(ObjectType::Memory, PAGE_BYTES, PAGE);
        views.make(ObjectType::Attachment, 0, ATTACHMENT);
        views.invoke(PAGE, memory::ATTACH, &[HOME, MASTER_START, PAGE_BYTES, 1, ATTACHMENT]);
        views.invoke(ATTACHMENT, attachment::MAP, &[MASTER_START | 1, 0]);
        for space in SPACES {
            views.invoke(space, vspace::MAKE_LEGACY, &[HOME]);
        }
        check(&views.world);
        views
    }

    fn make(&mut self, object: ObjectType, size: u64, slot: u64) {
        assert_eq!(self.world.make(self.thread, object, size, slot), 0, "{object:?}");
    }

    #[track_caller]
    fn invoke(&mut self, cap: u64, method: u32, words: &[u64]) {
        assert_eq!(self.world.invoke(self.thread, cap, method, words), 0);
        check(&self.world);
    }

    /// A thread that could run in a VSpace.
    fn inside(&mut self, space: u64) -> Ref<Thread> {
        let inside = self.world.thread(1);
        self.world.give_thread(inside, INSIDE);
        self.invoke(INSIDE, thread::SET_VSPACE, &[space]);
        inside
    }

    fn vspace(&self, slot: u64) -> Ref<VSpace> {
        let Cap::VSpace(vspace) = self.world.cap(slot) else { panic!("slot {slot} has a VSpace") };
        vspace
    }
}

#[test]
fn views_end_with_the_tables_that_they_share() {
    let mut views = Views::new();
    let inside = views.inside(SPACES[1]);
    views.invoke(TABLE, cap_table::REVOKE, &[HOME_TABLES]);
    for space in SPACES {
        assert_eq!(views.world.kernel.get(views.vspace(space)).root, PhysAddr(0), "its master's tables are gone");
    }
    assert_eq!(views.world.state(inside), State::Stopped);
    assert_eq!(views.world.invoke(views.thread, INSIDE, thread::SET_VSPACE, &[SPACES[1]]), Error::InvalidState as u64);
    // What the tables were is anybody's memory now.
    views.invoke(HOME_TABLES, untyped::RETYPE, &[ObjectType::Memory as u64, 8 * PAGE_BYTES, 1, FREE + 9, 0]);
}

#[test]
fn views_end_with_their_master() {
    let mut views = Views::new();
    views.invoke(TABLE, cap_table::REVOKE, &[HOME]);
    for space in SPACES {
        assert_eq!(views.world.kernel.get(views.vspace(space)).root, PhysAddr(0));
    }
}

#[test]
fn a_view_that_lost_its_tables_can_be_made_anew() {
    let mut views = Views::new();
    views.invoke(TABLE, cap_table::REVOKE, &[SPACE_TABLES[0]]);
    assert_eq!(views.world.kernel.get(views.vspace(SPACES[0])).root, PhysAddr(0));
    views.invoke(SPACES[0], vspace::DONATE, &[SPACE_TABLES[0], 6]);
    assert!(!views.world.kernel.get(views.vspace(SPACES[0])).is_legacy());
    views.invoke(SPACES[0], vspace::MAKE_LEGACY, &[HOME]);
    assert!(views.world.kernel.get(views.vspace(SPACES[0])).is_legacy());
    // The other one was not touched, and both end with what they share.
    assert!(views.world.kernel.get(views.vspace(SPACES[1])).is_legacy());
    views.invoke(TABLE, cap_table::REVOKE, &[HOME_TABLES]);
    assert!(SPACES.iter().all(|space| views.world.kernel.get(views.vspace(*space)).root == PhysAddr(0)));
}

#[test]
fn a_view_outlives_its_masters_capability() {
    let mut views = Views::new();
    let home = views.vspace(HOME);
    views.invoke(TABLE, cap_table::DELETE, &[HOME]);
    assert!(views.world.kernel.machine.exists(home));
    views.inside(SPACES[0]);
    views.invoke(TABLE, cap_table::DELETE, &[SPACES[1]]);
    views.invoke(TABLE, cap_table::DELETE, &[SPACES[0]]);
    views.invoke(TABLE, cap_table::DELETE, &[INSIDE]);
    views.invoke(TABLE, cap_table::REVOKE, &[HOME_TABLES]);
}

#[test]
fn nothing_is_its_own_master() {
    let mut views = Views::new();
    views.invoke(ATTACHMENT, attachment::DETACH, &[]);
    assert_eq!(views.world.invoke(views.thread, HOME, vspace::MAKE_LEGACY, &[HOME]), Error::InvalidState as u64);
    check(&views.world);
}
