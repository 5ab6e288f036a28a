//! Second-level page tables: how an IOMMU translates a device's addresses (Intel VT-d 3.3, 9.8).
//!
//! They are like a VSpace's, with other bits. Bits 52 to 61, which the IOMMU ignores, hold the number of present entries of
//! the table that an entry points to. Invariants: every table page came from its IoSpace's pool and goes back to it when its
//! last entry goes; no table in use is empty, the root aside. Whoever removes entries flushes before the call ends: only
//! then may memory, or a table that went back to the pool, be used for something else.

use ukernel_abi::{Error, LARGE_PAGE_BYTES, PAGE_BYTES, Rights};

use crate::page_table::{ENTRIES, LARGE_LEVEL, PAGE_LEVEL, index, span};
use crate::{IoSpace, Kernel, Machine, PhysAddr, Ref};

/// The device may read, and write.
pub(crate) const READ: u64 = 1;
pub(crate) const WRITE: u64 = 1 << 1;
const LARGE: u64 = 1 << 7;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;
const COUNT_SHIFT: u32 = 52;
const COUNT: u64 = 0x3ff << COUNT_SHIFT;

/// So many entries of a table are changed before it is looked for interrupts.
const ENTRIES_AT_ONCE: u64 = 128;

/// What the machine's IOMMU walks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IoTables {
    /// Levels of tables: 3 or 4.
    pub levels: u32,
    /// Whether it knows leaves of 2 MiB.
    pub large_pages: bool,
}

impl IoTables {
    /// Bits of an I/O address.
    pub const fn address_bits(self) -> u32 {
        12 + 9 * self.levels
    }
}

/// An entry of a second-level table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct IoEntry(pub(crate) u64);

impl IoEntry {
    fn leaf(at: PhysAddr, rights: Rights) -> Self {
        let read = if rights.contains(Rights::READ) { READ } else { 0 };
        let write = if rights.contains(Rights::WRITE) { WRITE } else { 0 };
        Self(at.0 & ADDRESS | read | write)
    }

    fn table(at: PhysAddr) -> Self {
        Self(at.0 & ADDRESS | READ | WRITE)
    }

    pub(crate) fn present(self) -> bool {
        self.0 & (READ | WRITE) != 0
    }

    pub(crate) fn is_large(self) -> bool {
        self.0 & LARGE != 0
    }

    pub(crate) fn address(self) -> PhysAddr {
        PhysAddr(self.0 & ADDRESS)
    }

    pub(crate) fn count(self) -> u16 {
        ((self.0 & COUNT) >> COUNT_SHIFT) as u16
    }

    fn with_count(self, count: u16) -> Self {
        Self(self.0 & !COUNT | u64::from(count) << COUNT_SHIFT)
    }
}

/// The tables on the way to an address, by level; the way ends at `level`, with `entry`.
struct Walk {
    tables: [PhysAddr; 5],
    root_level: u32,
    level: u32,
    entry: IoEntry,
}

impl Walk {
    fn table(&self) -> PhysAddr {
        self.tables[self.level as usize]
    }
}

/// A run of pages to be mapped.
#[derive(Clone, Copy)]
pub(crate) struct IoRun {
    /// First I/O address.
    pub(crate) start: u64,
    /// Where it leads to.
    pub(crate) to: PhysAddr,
    /// How many pages.
    pub(crate) pages: u64,
    /// What the device may do there.
    pub(crate) rights: Rights,
}

impl<M: Machine> Kernel<M> {
    fn io_entry(&self, table: PhysAddr, place: usize) -> IoEntry {
        IoEntry(self.machine.word(table, place))
    }

    /// Add pages of zeros to the pool of tables; the first becomes the root.
    pub(crate) fn add_io_tables(&mut self, space: Ref<IoSpace>, first: PhysAddr, pages: u64) {
        for page in 0..pages {
            let table = first.offset(page * PAGE_BYTES);
            self.machine.publish_io_table(table);
            if self.get(space).root == PhysAddr(0) {
                self.get_mut(space).root = table;
            } else {
                self.return_io_table(space, table);
            }
        }
    }

    fn take_io_table(&mut self, space: Ref<IoSpace>) -> Result<PhysAddr, Error> {
        let table = self.get(space).pool;
        if table == PhysAddr(0) {
            return Err(Error::OutOfTables);
        }
        let next = PhysAddr(self.machine.word(table, 0));
        self.machine.set_io_word(table, 0, 0);
        let s = self.get_mut(space);
        s.pool = next;
        s.pool_pages -= 1;
        Ok(table)
    }

    /// Put an empty (all zero) table into the pool.
    fn return_io_table(&mut self, space: Ref<IoSpace>, table: PhysAddr) {
        let s = self.get_mut(space);
        let next = core::mem::replace(&mut s.pool, table);
        s.pool_pages += 1;
        self.machine.set_word(table, 0, next.0);
    }

    /// Follow an address as far as tables go.
    fn io_walk(&self, space: Ref<IoSpace>, root_level: u32, address: u64) -> Walk {
        let mut walk = Walk { tables: [PhysAddr(0); 5], root_level, level: root_level, entry: IoEntry(0) };
        walk.tables[root_level as usize] = self.get(space).root;
        loop {
            walk.entry = self.io_entry(walk.table(), index(walk.level, address));
            if walk.level == PAGE_LEVEL || !walk.entry.present() || walk.entry.is_large() {
                return walk;
            }
            walk.level -= 1;
            walk.tables[walk.level as usize] = walk.entry.address();
        }
    }

    /// Follow an address to a table of this level, making the tables that are missing.
    fn io_walk_making(&mut self, space: Ref<IoSpace>, levels: u32, address: u64, level: u32) -> Result<Walk, Error> {
        let mut walk = self.io_walk(space, levels, address);
        if walk.level < level || walk.entry.present() && walk.level > PAGE_LEVEL {
            return Err(Error::AlreadyMapped);
        }
        while walk.level > level {
            let table = match self.take_io_table(space) {
                Ok(table) => table,
                Err(error) => {
                    // No table stays that was made on the way and is empty.
                    self.prune_io(space, walk, address);
                    return Err(error);
                }
            };
            self.machine.set_io_word(walk.table(), index(walk.level, address), IoEntry::table(table).0);
            self.count_io(&walk, address, 1);
            walk.level -= 1;
            walk.tables[walk.level as usize] = table;
            walk.entry = IoEntry(0);
        }
        Ok(walk)
    }

    /// The table at the end of the walk has `change` more entries.
    fn count_io(&mut self, walk: &Walk, address: u64, change: i16) {
        if walk.level < walk.root_level {
            let (above, place) = (walk.tables[walk.level as usize + 1], index(walk.level + 1, address));
            let entry = self.io_entry(above, place);
            self.machine.set_io_word(above, place, entry.with_count(entry.count().wrapping_add_signed(change)).0);
        }
    }

    /// Give tables that have become empty back, from the end of the walk upwards.
    fn prune_io(&mut self, space: Ref<IoSpace>, mut walk: Walk, address: u64) {
        while walk.level < walk.root_level {
            let (above, place) = (walk.tables[walk.level as usize + 1], index(walk.level + 1, address));
            if self.io_entry(above, place).count() != 0 {
                return;
            }
            self.machine.set_io_word(above, place, 0);
            self.return_io_table(space, walk.table());
            walk.level += 1;
            self.count_io(&walk, address, -1);
        }
    }

    /// Map the first pages of a run, at most as far as one table goes; how many. One that fails changes nothing.
    pub(crate) fn map_io_part(&mut self, space: Ref<IoSpace>, tables: IoTables, run: IoRun) -> Result<u64, Error> {
        let aligned = (run.start | run.to.0).is_multiple_of(LARGE_PAGE_BYTES);
        if tables.large_pages && aligned && run.pages >= ENTRIES as u64 {
            let walk = self.io_walk_making(space, tables.levels, run.start, LARGE_LEVEL)?;
            let leaf = IoEntry::leaf(run.to, run.rights).0 | LARGE;
            self.machine.set_io_word(walk.table(), index(LARGE_LEVEL, run.start), leaf);
            self.count_io(&walk, run.start, 1);
            return Ok(ENTRIES as u64);
        }
        let walk = self.io_walk_making(space, tables.levels, run.start, PAGE_LEVEL)?;
        let first = index(PAGE_LEVEL, run.start);
        let pages = run.pages.min((ENTRIES - first) as u64).min(ENTRIES_AT_ONCE);
        let mut places = first..first + pages as usize;
        if places.any(|place| self.io_entry(walk.table(), place).present()) {
            self.prune_io(space, walk, run.start);
            return Err(Error::AlreadyMapped);
        }
        let leaf = |page| IoEntry::leaf(run.to.offset(page * PAGE_BYTES), run.rights).0;
        self.machine.set_io_words(walk.table(), first, (0..pages).map(leaf));
        self.count_io(&walk, run.start, pages as i16);
        Ok(pages)
    }

    /// Unmap the first pages of a run that was mapped as a whole, at most as far as one table goes; how many. The caller is to
    /// flush.
    pub(crate) fn unmap_io_part(&mut self, space: Ref<IoSpace>, tables: IoTables, start: u64, pages: u64) -> u64 {
        let walk = self.io_walk(space, tables.levels, start);
        if walk.level > PAGE_LEVEL {
            self.machine.set_io_word(walk.table(), index(walk.level, start), 0);
            self.count_io(&walk, start, -1);
            self.prune_io(space, walk, start);
            return span(LARGE_LEVEL) / PAGE_BYTES;
        }
        let first = index(PAGE_LEVEL, start);
        let pages = pages.min((ENTRIES - first) as u64).min(ENTRIES_AT_ONCE);
        self.machine.set_io_words(walk.table(), first, core::iter::repeat_n(0, pages as usize));
        self.count_io(&walk, start, -(pages as i16));
        self.prune_io(space, walk, start);
        pages
    }
}
