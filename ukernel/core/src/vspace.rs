//! VSpaces: page-table roots, the pool of table pages, mapping and sweeping.
//!
//! Invariants: every table page came from the pool and goes back to it when its last entry goes; the entry that points to
//! a table counts the table's present entries; a legacy VSpace's two roots have the same tables in slots 0 to 255, and
//! those slots of its master view are execute-never.

use ukernel_abi::object::{MAX_ATTACHMENTS, SLOT_BYTES};
use ukernel_abi::{Error, PAGE_BYTES, Rights};

use crate::page_table::{ENTRIES, LARGE_LEVEL, Leaf, PAGE_LEVEL, ROOT_LEVEL, index, span};
use crate::preemption::{Burial, Dead, Piece, Progress};
use crate::thread::{ThreadSlot, slot_of};
use crate::{Attachment, Cap, Kernel, Machine, Object, PhysAddr, Ref, RemoteCall, SlotRef, State, Thread};

/// Where a VSpace's slots are, in bytes from its start.
const SLOTS_OFFSET: u64 = 512;
/// Slots for the untypeds that its table pages came from.
const DONATION_SLOTS: u64 = 4;
/// All its slots: the last one is for the master's VSpace.
pub(crate) const VSPACE_SLOTS: u64 = DONATION_SLOTS + 1;
/// So many entries of a table are changed before it is looked for interrupts.
const ENTRIES_AT_ONCE: usize = 128;
/// So many donated pages become tables before it is looked for interrupts.
const DONATED_AT_ONCE: u64 = 4;
/// The root slot that masters live in.
const MASTER_SLOT: usize = 256;

/// An address space.
#[derive(Clone, Debug)]
pub struct VSpace {
    pub(crate) caps: u32,
    /// Root of the only view, or of the master view; 0 before the first donation and after the end.
    pub(crate) root: PhysAddr,
    /// Root of the legacy view, or 0.
    pub(crate) legacy_root: PhysAddr,
    /// Whose master slot it shares.
    pub(crate) master: Option<Ref<VSpace>>,
    /// Unused table pages, linked through their first words; 0 ends the list.
    pub(crate) pool: PhysAddr,
    pub(crate) pool_pages: u64,
    /// Which attachment numbers are taken.
    numbers: [u64; MAX_ATTACHMENTS.div_ceil(64)],
    pub(crate) attachments: Option<Ref<Attachment>>,
    pub(crate) threads: Option<Ref<Thread>>,
    /// Its place among the dead, while it has attachments.
    pub(crate) burial: Burial,
}

impl Object for VSpace {
    fn is_unfinished(&self) -> bool {
        self.burial.listed
    }
}

const _: () = assert!(size_of::<VSpace>() <= SLOTS_OFFSET as usize);
const _: () = assert!(SLOTS_OFFSET + VSPACE_SLOTS * SLOT_BYTES <= 1024);

impl VSpace {
    pub(crate) fn new() -> Self {
        let mut numbers = [0; MAX_ATTACHMENTS.div_ceil(64)];
        numbers[0] = 1; // Number 0 means "none".
        Self {
            caps: 0,
            root: PhysAddr(0),
            legacy_root: PhysAddr(0),
            master: None,
            pool: PhysAddr(0),
            pool_pages: 0,
            numbers,
            attachments: None,
            threads: None,
            burial: Burial::default(),
        }
    }

    pub(crate) fn is_legacy(&self) -> bool {
        self.legacy_root != PhysAddr(0)
    }

    pub(crate) fn take_number(&mut self) -> Option<u16> {
        let (index, word) = self.numbers.iter_mut().enumerate().find(|(_, word)| **word != u64::MAX)?;
        let bit = word.trailing_ones();
        *word |= 1 << bit;
        Some(index as u16 * 64 + bit as u16)
    }

    pub(crate) fn free_number(&mut self, number: u16) {
        self.numbers[usize::from(number) / 64] &= !(1 << (number % 64));
    }
}

/// A slot inside a VSpace.
pub(crate) fn vspace_slot(vspace: Ref<VSpace>, index: u64) -> SlotRef {
    vspace.part(SLOTS_OFFSET + index * SLOT_BYTES)
}

/// What a sweep does to the entries of one attachment.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sweep {
    Remove,
    Protect(Rights),
}

/// The tables on the way to an address, by level; the way ends at `level`, with `entry`.
struct Walk {
    tables: [PhysAddr; 5],
    level: u32,
    entry: Leaf,
}

impl<M: Machine> Kernel<M> {
    fn entry(&self, table: PhysAddr, index: usize) -> Leaf {
        Leaf(self.machine.word(table, index))
    }

    fn set_entry(&mut self, table: PhysAddr, index: usize, entry: Leaf) {
        self.machine.set_word(table, index, entry.0);
    }

    /// Entries of the VSpace for addresses from `start` to `end` changed that processors may have used: those that
    /// translate through it forget what they remember.
    fn shoot_down(&mut self, vspace: Ref<VSpace>, start: u64, end: u64) {
        if !core::mem::take(&mut self.stale) {
            return;
        }
        let others = self.others_in(vspace);
        if others == 0 {
            return;
        }
        let one = end - start == PAGE_BYTES;
        self.machine.call(others, if one { RemoteCall::Invalidate(start) } else { RemoteCall::InvalidateAll });
    }

    /// Whether the processor translates through this VSpace's tables now, or through one that shares its master slot.
    fn translates(&self, vspace: Ref<VSpace>) -> bool {
        self.cpu().active.is_some_and(|active| active == vspace || self.get(active).master == Some(vspace))
    }

    /// Take pages for tables from an untyped. `given` of them are there already; how many are there then: fewer than `pages` where
    /// an interrupt waits.
    pub(crate) fn donate_tables(
        &mut self,
        vspace: Ref<VSpace>,
        untyped: SlotRef,
        pages: u64,
        mut given: u64,
    ) -> Result<u64, Error> {
        given = if given < pages { given } else { 0 };
        self.start_afresh(untyped);
        let tie = self.donation_slot(vspace, untyped)?;
        self.require_room(untyped, (pages - given) * PAGE_BYTES, PAGE_BYTES)?;
        while given < pages {
            let some = DONATED_AT_ONCE.min(pages - given);
            if self.clear_ahead(untyped, some * PAGE_BYTES, PAGE_BYTES)? == Progress::Preempted {
                break;
            }
            let piece = self.carve(untyped, some * PAGE_BYTES, PAGE_BYTES)?;
            if self.cap(tie) == Cap::Null {
                self.insert_child(untyped, tie, Cap::VSpaceTables(vspace));
            }
            self.add_tables(vspace, piece.at, some);
            given += some;
            if given < pages && self.is_preempted() {
                break;
            }
        }
        Ok(given)
    }

    /// Add pages of zeros to the pool; the first becomes the root.
    pub(crate) fn add_tables(&mut self, vspace: Ref<VSpace>, first: PhysAddr, pages: u64) {
        for page in 0..pages {
            let table = first.offset(page * PAGE_BYTES);
            if self.get(vspace).root == PhysAddr(0) {
                self.machine.fill_kernel_half(table);
                self.get_mut(vspace).root = table;
            } else {
                self.return_table(vspace, table);
            }
        }
    }

    /// The slot that ties donations from the untyped with this base to the VSpace: one that does so already, or a free one.
    fn donation_slot(&self, vspace: Ref<VSpace>, untyped: SlotRef) -> Result<SlotRef, Error> {
        let mut free = None;
        for index in 0..DONATION_SLOTS {
            let slot = vspace_slot(vspace, index);
            match self.get(slot) {
                s if s.cap == Cap::Null => free = free.or(Some(slot)),
                s if s.parent == Some(untyped) => return Ok(slot),
                _ => {}
            }
        }
        free.ok_or(Error::InvalidState)
    }

    fn take_table(&mut self, vspace: Ref<VSpace>) -> Result<PhysAddr, Error> {
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
    fn return_table(&mut self, vspace: Ref<VSpace>, table: PhysAddr) {
        let v = self.get_mut(vspace);
        let next = core::mem::replace(&mut v.pool, table);
        v.pool_pages += 1;
        self.machine.set_word(table, 0, next.0);
    }

    /// Give a fresh VSpace its two views.
    pub(crate) fn make_legacy(&mut self, vspace: Ref<VSpace>, master: Ref<VSpace>) -> Result<(), Error> {
        let (v, m) = (self.get(vspace), self.get(master));
        let shared = if m.root == PhysAddr(0) { Leaf(0) } else { self.entry(m.root, MASTER_SLOT) };
        let fresh = v.root != PhysAddr(0) && !v.is_legacy() && v.attachments.is_none() && v.threads.is_none();
        if !fresh || m.is_legacy() || !shared.present() {
            return Err(Error::InvalidState);
        }
        let root = v.root;
        let legacy_root = self.take_table(vspace)?;
        self.machine.fill_kernel_half(legacy_root);
        self.set_entry(root, MASTER_SLOT, shared);
        let v = self.get_mut(vspace);
        (v.legacy_root, v.master) = (legacy_root, Some(master));
        Ok(())
    }

    /// Follow an address as far as tables go.
    fn walk(&self, root: PhysAddr, address: u64) -> Walk {
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
    fn walk_making(&mut self, vspace: Ref<VSpace>, address: u64, level: u32) -> Result<Walk, Error> {
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
    fn mirror_root(&mut self, vspace: Ref<VSpace>, place: usize) {
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
    fn count(&mut self, walk: &Walk, address: u64, change: i16) {
        if walk.level < ROOT_LEVEL {
            let (above, place) = (walk.tables[walk.level as usize + 1], index(walk.level + 1, address));
            let entry = self.entry(above, place);
            self.set_entry(above, place, entry.with_own(entry.own().wrapping_add_signed(change)));
        }
    }

    /// Give tables that have become empty back, from the end of the walk upwards.
    fn prune(&mut self, vspace: Ref<VSpace>, walk: &mut Walk, address: u64) {
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

    /// Make a thread run in a VSpace; the capability to it is in the thread's slot already.
    pub(crate) fn join_vspace(&mut self, thread: Ref<Thread>, vspace: Ref<VSpace>) {
        let foreign = self.get(thread).foreign;
        let v = self.get_mut(vspace);
        let (root, next) = (if foreign { v.legacy_root } else { v.root }, v.threads.replace(thread));
        if let Some(next) = next {
            self.get_mut(next).vspace_previous = Some(thread);
        }
        let t = self.get_mut(thread);
        (t.vspace, t.root, t.vspace_next, t.vspace_previous) = (Some(vspace), root, next, None);
        self.note_home(thread);
        self.update_vcpu_roots(thread);
        if self.cpu().loaded == Some(thread) {
            self.cpu_mut().active = Some(vspace);
            self.machine.reload(thread);
        }
    }

    /// A thread's capability to its VSpace went.
    pub(crate) fn leave_vspace(&mut self, thread: Ref<Thread>) {
        self.pull(thread);
        self.dequeue(thread);
        let t = self.get_mut(thread);
        let Some(vspace) = t.vspace.take() else { return };
        t.root = PhysAddr(0);
        let (next, previous) = (t.vspace_next.take(), t.vspace_previous.take());
        match previous {
            Some(previous) => self.get_mut(previous).vspace_next = next,
            None => self.get_mut(vspace).threads = next,
        }
        if let Some(next) = next {
            self.get_mut(next).vspace_previous = previous;
        }
        self.update_vcpu_roots(thread);
        self.note_home(thread);
        if self.cpu().loaded == Some(thread) {
            self.cpu_mut().active = None;
            self.machine.reload(thread);
        }
    }

    /// Take a thread out of its VSpace, which it can not run in any more.
    fn put_out(&mut self, thread: Ref<Thread>) {
        self.pull(thread);
        self.dequeue(thread);
        if self.get(thread).state == State::Ready {
            self.get_mut(thread).state = State::Stopped;
        }
        self.clear(slot_of(thread, ThreadSlot::VSpace));
    }

    /// The VSpace is about to lose its tables: take the threads out of it, in pieces.
    pub(crate) fn evict(&mut self, vspace: Ref<VSpace>) -> Progress {
        while let Some(thread) = self.get(vspace).threads {
            self.put_out(thread);
            if self.get(vspace).threads.is_some() && self.is_preempted() {
                return Progress::Preempted;
            }
        }
        Progress::Done
    }

    /// The VSpace has lost the memory of its tables, or what it shares: nothing can run in it any more.
    pub(crate) fn kill_vspace(&mut self, vspace: Ref<VSpace>) {
        while let Some(thread) = self.get(vspace).threads {
            self.put_out(thread);
        }
        if self.cpu().active == Some(vspace) {
            self.cpu_mut().active = None;
            self.machine.retire_root();
        }
        let others = self.others_in(vspace);
        if others != 0 {
            self.machine.call(others, RemoteCall::RetireRoot);
            for cpu in (0..crate::cpu::MAX_CPUS as u8).filter(|cpu| others & 1 << cpu != 0) {
                self.cpu_at_mut(cpu).active = None;
            }
        }
        let v = self.get_mut(vspace);
        (v.root, v.legacy_root, v.pool, v.pool_pages) = (PhysAddr(0), PhysAddr(0), PhysAddr(0), 0);
    }

    /// Nobody can reach the VSpace any more, and no thread runs in it.
    pub(crate) fn destroy_vspace(&mut self, vspace: Ref<VSpace>) {
        self.kill_vspace(vspace);
        if self.get(vspace).attachments.is_some() {
            self.list_dead(Dead::VSpace(vspace));
            return;
        }
        for index in 0..VSPACE_SLOTS {
            self.clear(vspace_slot(vspace, index));
        }
    }

    /// A dead VSpace loses an attachment, which maps nothing any more, or what is in one of its slots.
    pub(crate) fn empty_vspace(&mut self, vspace: Ref<VSpace>) -> Piece {
        if let Some(attachment) = self.get(vspace).attachments {
            self.clear(crate::attachment::slot_of(attachment));
            return Piece::Made;
        }
        let slots = (0..VSPACE_SLOTS).map(|index| vspace_slot(vspace, index));
        let Some(slot) = slots.into_iter().find(|slot| self.cap(*slot) != Cap::Null) else { return Piece::None };
        self.clear(slot);
        Piece::Made
    }
}
