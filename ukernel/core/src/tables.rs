//! Page tables: following them, making those that are missing, giving back those that are empty.
//!
//! Invariants: every table page came from the pool and goes back to it when its last entry goes; the entry that points to
//! a table counts the table's present entries.

use ukernel_abi::Error;

use crate::page_table::{LARGE_LEVEL, Leaf, PAGE_LEVEL, ROOT_LEVEL, index};
use crate::{Kernel, Machine, PhysAddr, Ref, VSpace};

/// The root slot that masters live in.
pub(crate) const MASTER_SLOT: usize = 256;

/// The tables on the way to an address, by level; the way ends at `level`, with `entry`.
pub(crate) struct Walk {
    pub(crate) tables: [PhysAddr; 5],
    pub(crate) level: u32,
    pub(crate) entry: Leaf,
}

impl<M: Machine> Kernel<M> {
    pub(crate) fn entry(&self, table: PhysAddr, index: usize) -> Leaf {
        Leaf(self.machine.word(table, index))
    }

    pub(crate) fn set_entry(&mut self, table: PhysAddr, index: usize, entry: Leaf) {
        self.machine.set_word(table, index, entry.0);
    }

    pub(crate) fn take_table(&mut self, vspace: Ref<VSpace>) -> Result<PhysAddr, Error> {
        let table = self.get(vspace).pool;
        if table == PhysAddr(0) {
            return Err(Error::OutOfTables);
        }
        let next = PhysAddr(self.machine.word(table, 0));
        self.machine.set_word(table, 0, 0);
        let v = self.get_mut(vspace);
        v.pool = next;
        v.pool_pages -= 1;
        Ok(table)
    }

    /// Put an empty (all zero) table into the pool.
    pub(crate) fn return_table(&mut self, vspace: Ref<VSpace>, table: PhysAddr) {
        let v = self.get_mut(vspace);
        let next = core::mem::replace(&mut v.pool, table);
        v.pool_pages += 1;
        self.machine.set_word(table, 0, next.0);
    }

    /// Follow an address as far as tables go.
    pub(crate) fn walk(&self, root: PhysAddr, address: u64) -> Walk {
        let mut walk = Walk {
            tables: [PhysAddr(0), PhysAddr(0), PhysAddr(0), PhysAddr(0), root],
            level: ROOT_LEVEL,
            entry: Leaf(0),
        };
        loop {
            walk.entry = self.entry(walk.tables[walk.level as usize], index(walk.level, address));
            if walk.level == PAGE_LEVEL || !walk.entry.present() || walk.entry.is_large() {
                return walk;
            }
            walk.level -= 1;
            walk.tables[walk.level as usize] = walk.entry.address();
        }
    }

    /// Follow an address to a table of this level, making the tables that are missing.
    pub(crate) fn walk_making(&mut self, vspace: Ref<VSpace>, address: u64, level: u32) -> Result<Walk, Error> {
        let mut walk = self.walk(self.get(vspace).root, address);
        while walk.level > level {
            if walk.entry.present() {
                return Err(Error::AlreadyMapped);
            }
            let table = match self.take_table(vspace) {
                Ok(table) => table,
                Err(error) => {
                    // No table stays that was made on the way and is empty.
                    self.prune(vspace, &mut walk, address);
                    return Err(error);
                }
            };
            let place = index(walk.level, address);
            self.set_entry(walk.tables[walk.level as usize], place, Leaf::table(table, 0));
            if walk.level == ROOT_LEVEL {
                self.mirror_root(vspace, place);
            }
            self.count(&walk, address, 1);
            walk.level -= 1;
            walk.tables[walk.level as usize] = table;
            walk.entry = Leaf(0);
        }
        if walk.level < level && level == LARGE_LEVEL {
            return Err(Error::AlreadyMapped); // Small pages are where the large one is to be.
        }
        Ok(walk)
    }

    /// An entry of a lower-half slot of the root changed: the legacy view follows, the master view does not execute.
    pub(crate) fn mirror_root(&mut self, vspace: Ref<VSpace>, place: usize) {
        let v = self.get(vspace);
        if !v.is_legacy() || place >= MASTER_SLOT {
            return;
        }
        let (root, legacy_root) = (v.root, v.legacy_root);
        let entry = self.entry(root, place);
        self.set_entry(legacy_root, place, if entry.present() { entry.may_execute() } else { entry });
        if entry.present() {
            self.set_entry(root, place, entry.never_execute());
        }
    }

    /// The table at the end of the walk has `change` more entries.
    pub(crate) fn count(&mut self, walk: &Walk, address: u64, change: i16) {
        if walk.level < ROOT_LEVEL {
            let (above, place) = (walk.tables[walk.level as usize + 1], index(walk.level + 1, address));
            let entry = self.entry(above, place);
            self.set_entry(above, place, entry.with_own(entry.own().wrapping_add_signed(change)));
        }
    }

    /// Give tables that have become empty back, from the end of the walk upwards.
    pub(crate) fn prune(&mut self, vspace: Ref<VSpace>, walk: &mut Walk, address: u64) {
        while walk.level < ROOT_LEVEL {
            let (above, place) = (walk.tables[walk.level as usize + 1], index(walk.level + 1, address));
            let shared = walk.level + 1 == ROOT_LEVEL && place >= MASTER_SLOT;
            if self.entry(above, place).own() != 0 || shared {
                return;
            }
            self.set_entry(above, place, Leaf(0));
            self.stale = true;
            self.return_table(vspace, walk.tables[walk.level as usize]);
            walk.level += 1;
            if walk.level == ROOT_LEVEL {
                self.mirror_root(vspace, place);
            } else {
                self.count(walk, address, -1);
            }
        }
    }
}
