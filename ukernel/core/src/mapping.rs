//! Mapping runs of pages and sweeping them out again, in pieces.

use ukernel_abi::{Error, PAGE_BYTES, Rights};

use crate::page_table::{ENTRIES, LARGE_LEVEL, Leaf, PAGE_LEVEL, index, span};
use crate::tables::Walk;
use crate::{Kernel, Machine, PhysAddr, Ref, RemoteCall, VSpace};

/// So many entries of a table are changed before it is looked for interrupts.
const ENTRIES_AT_ONCE: usize = 128;

/// What a sweep does to the entries of one attachment.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sweep {
    Remove,
    Protect(Rights),
}

impl<M: Machine> Kernel<M> {
    /// Entries of the VSpace for addresses from `start` to `end` changed that processors may have used: those that
    /// translate through it forget what they remember.
    fn shoot_down(&mut self, vspace: Ref<VSpace>, start: u64, end: u64) {
        if !core::mem::take(&mut self.stale) {
            return;
        }
        let others = self.others_in(vspace);
        if others == 0 || crate::seeded::MISSED_SHOOTDOWN {
            return;
        }
        let one = end - start == PAGE_BYTES;
        self.machine.call(others, if one { RemoteCall::Invalidate(start) } else { RemoteCall::InvalidateAll });
    }

    /// Whether the processor translates through this VSpace's tables now, or through one that shares its master slot.
    fn translates(&self, vspace: Ref<VSpace>) -> bool {
        self.cpu().active.is_some_and(|active| active == vspace || self.get(active).master == Some(vspace))
    }

    /// Map `pages` pages from `address` on to the memory at `to`; for attachment `number`. What the attachment has mapped
    /// there is replaced. Runs that are aligned on both sides get large pages. How many pages were mapped: not all where an
    /// interrupt waits.
    pub(crate) fn map_run(
        &mut self,
        vspace: Ref<VSpace>,
        address: u64,
        to: PhysAddr,
        pages: u64,
        look: (Rights, bool, u16),
    ) -> Result<u64, Error> {
        if self.get(vspace).root == PhysAddr(0) {
            return Err(Error::OutOfTables);
        }
        let result = self.map_pages(vspace, address, to, pages, look);
        self.shoot_down(vspace, address, address + pages * PAGE_BYTES);
        result
    }

    fn map_pages(
        &mut self,
        vspace: Ref<VSpace>,
        mut address: u64,
        mut to: PhysAddr,
        pages: u64,
        look: (Rights, bool, u16),
    ) -> Result<u64, Error> {
        let flush = self.translates(vspace);
        let mut left = pages;
        loop {
            let done = self.map_piece(vspace, address, to, left, look, flush)?;
            left -= done;
            if left == 0 || self.is_preempted() {
                return Ok(pages - left);
            }
            address += done * PAGE_BYTES;
            to = to.offset(done * PAGE_BYTES);
        }
    }

    /// Map the first pages of a run; how many.
    #[inline(always)]
    pub(crate) fn map_piece(
        &mut self,
        vspace: Ref<VSpace>,
        address: u64,
        to: PhysAddr,
        pages: u64,
        look: (Rights, bool, u16),
        flush: bool,
    ) -> Result<u64, Error> {
        let large = (address | to.0).is_multiple_of(ukernel_abi::LARGE_PAGE_BYTES) && pages >= ENTRIES as u64;
        if large && self.map_large(vspace, address, to, look)? {
            return Ok(ENTRIES as u64);
        }
        self.map_in_table(vspace, address, to, pages, look, flush)
    }

    /// Map one large page. `false`: something is there, small pages will tell whose.
    fn map_large(
        &mut self,
        vspace: Ref<VSpace>,
        address: u64,
        to: PhysAddr,
        look: (Rights, bool, u16),
    ) -> Result<bool, Error> {
        let walk = match self.walk_making(vspace, address, LARGE_LEVEL) {
            Err(Error::AlreadyMapped) => return Ok(false),
            other => other?,
        };
        if walk.level != LARGE_LEVEL || walk.entry.present() {
            return Ok(false);
        }
        let entry = Leaf::large(to, look.0, look.1, look.2);
        self.set_entry(walk.tables[LARGE_LEVEL as usize], index(LARGE_LEVEL, address), entry);
        self.count(&walk, address, 1);
        Ok(true)
    }

    /// Map a piece of a run, at most up to the end of one table; returns how many pages.
    fn map_in_table(
        &mut self,
        vspace: Ref<VSpace>,
        address: u64,
        to: PhysAddr,
        pages: u64,
        (rights, uncached, number): (Rights, bool, u16),
        flush: bool,
    ) -> Result<u64, Error> {
        let mut walk = self.walk_making(vspace, address, PAGE_LEVEL)?;
        let table = walk.tables[PAGE_LEVEL as usize];
        let first = index(PAGE_LEVEL, address);
        let pages = pages.min((ENTRIES - first) as u64).min(ENTRIES_AT_ONCE as u64);
        let (mut added, mut result) = (0, Ok(pages));
        for page in 0..pages {
            let old = self.entry(table, first + page as usize);
            if old.present() && old.own() != number {
                result = Err(Error::AlreadyMapped);
                break;
            }
            let entry = Leaf::page(to.offset(page * PAGE_BYTES), rights, uncached, number);
            self.set_entry(table, first + page as usize, entry);
            if !old.present() {
                added += 1;
                continue;
            }
            self.stale = true;
            if flush {
                self.machine.invalidate(address + page * PAGE_BYTES);
            }
        }
        if added != 0 {
            self.count(&walk, address, added);
        } else if result.is_err() {
            self.prune(vspace, &mut walk, address);
        }
        result
    }

    /// Remove, or change the rights of, the entries of attachment `number` from `start` to `end`. Returns where it has come to:
    /// not to the end where an interrupt waits.
    /// A large page that is only partly in the range: InvalidArgument.
    pub(crate) fn sweep(
        &mut self,
        vspace: Ref<VSpace>,
        start: u64,
        end: u64,
        number: u16,
        what: Sweep,
    ) -> Result<u64, Error> {
        let root = self.get(vspace).root;
        if root == PhysAddr(0) || start >= end {
            return Ok(end);
        }
        let many = end - start > 32 * PAGE_BYTES;
        let flush = self.translates(vspace);
        let mut at = start;
        let result = loop {
            match self.sweep_piece(vspace, root, (at, end), (number, what), flush && !many) {
                Ok(next) if next >= end => break Ok(end),
                Ok(next) if self.is_preempted() => break Ok(next),
                Ok(next) => at = next,
                Err(error) => break Err(error),
            }
        };
        if flush && many {
            self.machine.invalidate_all();
        }
        self.shoot_down(vspace, start, end);
        result
    }

    /// Sweep as far as one table goes, or a part of it; returns the address to go on at.
    #[inline(always)]
    fn sweep_piece(
        &mut self,
        vspace: Ref<VSpace>,
        root: PhysAddr,
        (at, end): (u64, u64),
        (number, what): (u16, Sweep),
        flush: bool,
    ) -> Result<u64, Error> {
        let mut walk = self.walk(root, at);
        if !walk.entry.present() {
            return Ok(self.next_present(&walk, at));
        }
        if walk.level == PAGE_LEVEL {
            return Ok(self.sweep_table(vspace, &mut walk, at, end, (number, what), flush));
        }
        let next = (at | (span(LARGE_LEVEL) - 1)).wrapping_add(1);
        if walk.entry.own() == number {
            if !at.is_multiple_of(span(LARGE_LEVEL)) || next > end {
                return Err(Error::InvalidArgument);
            }
            self.sweep_large(vspace, &mut walk, at, what);
        }
        Ok(next)
    }

    /// The first address behind `at` that may be mapped, as far as the table tells in which the walk ended.
    fn next_present(&self, walk: &Walk, at: u64) -> u64 {
        let (table, span) = (walk.tables[walk.level as usize], span(walk.level));
        let mut next = at & !(span - 1);
        for place in index(walk.level, at)..ENTRIES {
            if self.entry(table, place).present() {
                return next;
            }
            // The end of the root wraps to 0 only behind every window.
            next = next.saturating_add(span);
        }
        next
    }

    /// Sweep a piece, at most up to the end of one table; returns the address to go on at.
    fn sweep_table(
        &mut self,
        vspace: Ref<VSpace>,
        walk: &mut Walk,
        start: u64,
        end: u64,
        (number, what): (u16, Sweep),
        flush: bool,
    ) -> u64 {
        let table = walk.tables[PAGE_LEVEL as usize];
        let (mut at, mut removed) = (start, 0);
        let first = index(PAGE_LEVEL, start);
        for place in first..ENTRIES.min(first + ENTRIES_AT_ONCE) {
            if at >= end {
                break;
            }
            let entry = self.entry(table, place);
            if entry.present() && entry.own() == number {
                let new = match what {
                    Sweep::Remove => {
                        removed += 1;
                        Leaf(0)
                    }
                    Sweep::Protect(rights) => entry.with_rights(rights),
                };
                self.set_entry(table, place, new);
                self.stale = true;
                if flush {
                    self.machine.invalidate(at);
                }
            }
            at += PAGE_BYTES;
        }
        if removed != 0 {
            self.count(walk, start, -removed);
            self.prune(vspace, walk, start);
        }
        at
    }

    fn sweep_large(&mut self, vspace: Ref<VSpace>, walk: &mut Walk, at: u64, what: Sweep) {
        let (table, place) = (walk.tables[LARGE_LEVEL as usize], index(LARGE_LEVEL, at));
        self.stale = true;
        match what {
            Sweep::Remove => {
                self.set_entry(table, place, Leaf(0));
                self.count(walk, at, -1);
                self.prune(vspace, walk, at);
            }
            Sweep::Protect(rights) => self.set_entry(table, place, walk.entry.with_rights(rights)),
        }
    }
}
