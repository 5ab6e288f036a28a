//! IoSpaces: what devices reach of memory, where the machine has an IOMMU. [`io_table`](crate::io_table) has their tables.
//!
//! Invariants: a device has at most one IoSpace and an IoSpace one device; the IOMMU knows an IoSpace's root exactly while that
//! has tables and a device; each mapping has its range of I/O addresses for itself, and holds its Memory by a capability in the
//! slot inside it, child of the one that it came from. What takes a mapping or a table away has flushed the IOMMU before
//! it returns: whoever revokes memory, or the memory of tables, may use it for something else at once.

use ukernel_abi::invoke::io_space;
use ukernel_abi::object::SLOT_BYTES;
use ukernel_abi::{Error, PAGE_BYTES, Rights};

use crate::io_table::{IoRun, IoTables};
use crate::preemption::Progress;
use crate::{Cap, Kernel, Machine, Notification, Object, PhysAddr, Ref, SlotRef};

/// Where an IoSpace's slots are, in bytes from its start.
const SLOTS_OFFSET: u64 = 128;
/// Slots for the untypeds that its table pages came from.
const DONATION_SLOTS: u64 = 4;
/// All its slots: the last one is for whom its device's faults are told.
pub(crate) const IO_SPACE_SLOTS: u64 = DONATION_SLOTS + 1;
/// Where a mapping's slot is, in bytes from its start.
const MAPPING_SLOT_OFFSET: u64 = 64;
/// So many donated pages become tables before it is looked for interrupts.
const DONATED_AT_ONCE: u64 = 4;
/// Writes to these addresses are interrupts, whatever the tables say (Intel VT-d 3.3, 3.14).
const INTERRUPT_ADDRESSES: core::ops::Range<u64> = 0xfee0_0000..0xfef0_0000;
/// Faults that are taken from the IOMMU in one go.
const MOST_FAULTS: usize = 32;

/// How far `io_space::MAP` has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IoStage {
    /// It begins.
    Start,
    /// The mapping is there, and grows.
    Grow,
    /// It failed, and the mapping shrinks again.
    Undo(Error),
    /// It is mapped.
    Complete,
}

/// A device: bus, device and function, as it names itself in what it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source(pub u16);

/// What a device was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IoFault {
    /// Whom.
    pub source: Source,
    /// Where; for an interrupt its index.
    pub address: u64,
    /// What it wanted: [`io_space::WRITE`], [`io_space::INTERRUPT`], or 0 for a read.
    pub kind: u64,
    /// The IOMMU's reason.
    pub reason: u8,
}

/// What the IOMMU is to do with a device's accesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IoView {
    /// The root table; 0: refuse all.
    pub root: PhysAddr,
    /// Number of the IoSpace, from 1 on; also of one that has just lost its tables.
    pub domain: u16,
    /// Whether its faults are told.
    pub faults: Faults,
}

/// Whether a device's faults are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Faults {
    /// Each of them.
    Told,
    /// None: one was told already, and nobody has looked.
    Untold,
}

/// A device's view of memory.
#[derive(Clone, Debug)]
pub struct IoSpace {
    pub(crate) caps: u32,
    /// Its device.
    pub(crate) source: Option<Source>,
    /// Its number, or 0 while it has no device.
    pub(crate) domain: u16,
    /// The root table; 0: none.
    pub(crate) root: PhysAddr,
    /// Unused table pages, linked through their first words; 0 ends the list.
    pub(crate) pool: PhysAddr,
    pub(crate) pool_pages: u64,
    pub(crate) mappings: Option<Ref<IoMapping>>,
    /// Next in the list of those that have a device.
    pub(crate) next: Option<Ref<IoSpace>>,
    /// Faults that nobody has looked at, and the last of them.
    pub(crate) faults: u64,
    pub(crate) last_fault: Option<IoFault>,
    pub(crate) target: Option<(Ref<Notification>, u64)>,
}

impl Object for IoSpace {}

const _: () = assert!(size_of::<IoSpace>() <= SLOTS_OFFSET as usize);
const _: () = assert!(SLOTS_OFFSET + IO_SPACE_SLOTS * SLOT_BYTES <= 512);

impl IoSpace {
    pub(crate) fn new() -> Self {
        Self {
            caps: 0,
            source: None,
            domain: 0,
            root: PhysAddr(0),
            pool: PhysAddr(0),
            pool_pages: 0,
            mappings: None,
            next: None,
            faults: 0,
            last_fault: None,
            target: None,
        }
    }
}

/// A Memory's presence in an IoSpace. Not mapped: `space` is `None`.
#[derive(Clone, Debug)]
pub struct IoMapping {
    pub(crate) caps: u32,
    /// What the device may do.
    pub rights: Rights,
    pub(crate) space: Option<Ref<IoSpace>>,
    /// Where the memory is.
    pub base: PhysAddr,
    pub(crate) start: u64,
    pub(crate) pages: u64,
    /// Links in the IoSpace's list.
    pub(crate) next: Option<Ref<IoMapping>>,
    pub(crate) previous: Option<Ref<IoMapping>>,
}

impl Object for IoMapping {}

const _: () = assert!(size_of::<IoMapping>() <= MAPPING_SLOT_OFFSET as usize);

impl IoMapping {
    pub(crate) fn new() -> Self {
        Self {
            caps: 0,
            rights: Rights::NONE,
            space: None,
            base: PhysAddr(0),
            start: 0,
            pages: 0,
            next: None,
            previous: None,
        }
    }
}

/// The IoSpaces that have devices.
#[derive(Clone, Debug, Default)]
pub(crate) struct IoSpaces {
    pub(crate) first: Option<Ref<IoSpace>>,
    /// Which domain numbers are taken, 0 aside.
    numbers: [u64; 4],
    /// Faults of devices without an IoSpace, and the last of them.
    pub(crate) stray: u64,
    pub(crate) last_stray: Option<IoFault>,
}

impl IoSpaces {
    fn take_number(&mut self, most: u16) -> Option<u16> {
        let taken = |n: u16| self.numbers[usize::from(n) / 64] >> (n % 64) & 1 != 0;
        let free = (1..most.min(256)).find(|n| !taken(*n))?;
        self.numbers[usize::from(free) / 64] |= 1 << (free % 64);
        Some(free)
    }

    fn free_number(&mut self, number: u16) {
        self.numbers[usize::from(number) / 64] &= !(1 << (number % 64));
    }
}

/// A slot inside an IoSpace.
pub(crate) fn io_space_slot(space: Ref<IoSpace>, index: u64) -> SlotRef {
    space.part(SLOTS_OFFSET + index * SLOT_BYTES)
}

/// The slot for whom faults are told.
pub(crate) fn fault_slot(space: Ref<IoSpace>) -> SlotRef {
    io_space_slot(space, DONATION_SLOTS)
}

/// The slot that holds a mapping's Memory.
pub(crate) fn mapping_slot(mapping: Ref<IoMapping>) -> SlotRef {
    mapping.part(MAPPING_SLOT_OFFSET)
}

impl<M: Machine> Kernel<M> {
    fn io_tables(&self) -> Result<IoTables, Error> {
        self.machine.io_tables().ok_or(Error::InvalidState)
    }

    /// The IoSpace of a device.
    fn io_space_of(&self, source: Source) -> Option<Ref<IoSpace>> {
        let mut at = self.io_spaces.first;
        while let Some(space) = at
            && self.get(space).source != Some(source)
        {
            at = self.get(space).next;
        }
        at
    }

    /// `io_control::BIND`.
    pub(crate) fn bind_io_space(&mut self, space: Ref<IoSpace>, source: Source) -> Result<(), Error> {
        self.io_tables()?;
        if self.get(space).source.is_some() || self.io_space_of(source).is_some() {
            return Err(Error::InvalidState);
        }
        let domain = self.io_spaces.take_number(self.machine.io_domains()).ok_or(Error::OutOfMemory)?;
        if !self.machine.set_io_view(source, IoView { root: PhysAddr(0), domain, faults: Faults::Told }) {
            self.io_spaces.free_number(domain);
            return Err(Error::OutOfMemory);
        }
        let next = self.io_spaces.first.replace(space);
        let s = self.get_mut(space);
        (s.source, s.domain, s.next) = (Some(source), domain, next);
        self.show_io_space(space);
        Ok(())
    }

    /// Tell the IOMMU what an IoSpace's device is to have now.
    fn show_io_space(&mut self, space: Ref<IoSpace>) {
        let s = self.get(space);
        let Some(source) = s.source else { return };
        let faults = if s.faults == 0 { Faults::Told } else { Faults::Untold };
        let view = IoView { root: s.root, domain: s.domain, faults };
        let shown = self.machine.set_io_view(source, view);
        assert!(shown, "a device that is bound has its place in the IOMMU's tables");
    }

    /// `io_space::DONATE`. `given` of the pages are there already; how many are there then: fewer than `pages` where an interrupt
    /// waits.
    pub(crate) fn donate_io_tables(
        &mut self,
        space: Ref<IoSpace>,
        untyped: SlotRef,
        pages: u64,
        mut given: u64,
    ) -> Result<u64, Error> {
        self.io_tables()?;
        given = if given < pages { given } else { 0 };
        let tie = self.io_donation_slot(space, untyped)?;
        self.start_afresh(untyped);
        self.require_room(untyped, (pages - given) * PAGE_BYTES, PAGE_BYTES)?;
        // Mappings that lost their tables go before there are others.
        if self.get(space).root == PhysAddr(0) && self.drop_mappings(space) == Progress::Preempted {
            return Ok(given);
        }
        while given < pages {
            let some = DONATED_AT_ONCE.min(pages - given);
            if self.clear_ahead(untyped, some * PAGE_BYTES, PAGE_BYTES)? == Progress::Preempted {
                break;
            }
            let piece = self.carve(untyped, some * PAGE_BYTES, PAGE_BYTES)?;
            if self.cap(tie) == Cap::Null {
                self.insert_child(untyped, tie, Cap::IoSpaceTables(space));
            }
            let is_first = self.get(space).root == PhysAddr(0);
            self.add_io_tables(space, piece.at, some);
            if is_first {
                self.show_io_space(space);
            }
            given += some;
            if given < pages && self.is_preempted() {
                break;
            }
        }
        Ok(given)
    }

    /// The slot that ties donations from this untyped to the IoSpace: one that does so already, or a free one.
    fn io_donation_slot(&self, space: Ref<IoSpace>, untyped: SlotRef) -> Result<SlotRef, Error> {
        let slots = (0..DONATION_SLOTS).map(|index| io_space_slot(space, index));
        let tie = |slot: &SlotRef| self.cap(*slot) != Cap::Null && self.get(*slot).parent == Some(untyped);
        let known = slots.clone().find(tie);
        let found = known.or_else(|| slots.clone().find(|slot| self.cap(*slot) == Cap::Null));
        found.ok_or(Error::InvalidState)
    }

    /// `io_space::MAP`. The mapping is there from the start, and grows; where that fails it shrinks again, and ends.
    pub(crate) fn map_io(
        &mut self,
        space: Ref<IoSpace>,
        memory: SlotRef,
        start: u64,
        wanted: Rights,
        mapping: Ref<IoMapping>,
        stage: IoStage,
    ) -> Result<IoStage, Error> {
        let tables = self.io_tables()?;
        let Cap::Memory { base, bytes, rights, device } = self.cap(memory) else {
            return Err(Error::InvalidCapability);
        };
        let m = self.get(mapping);
        // Of the capability that is there now: another one might give fewer rights.
        let tied = self.get(mapping_slot(mapping)).parent == Some(memory);
        let ours = stage != IoStage::Start && m.space == Some(space) && tied;
        if let (IoStage::Undo(error), true) = (stage, ours) {
            return self.undo_map_io(mapping, error);
        }
        if !ours {
            if m.space.is_some() {
                return Err(Error::InvalidState);
            }
            let end = start.checked_add(bytes).ok_or(Error::InvalidArgument)?;
            let is_interrupts = start < INTERRUPT_ADDRESSES.end && end > INTERRUPT_ADDRESSES.start;
            let is_too_far = end > 1 << tables.address_bits();
            let is_odd = wanted == Rights::NONE || !Rights::READ.or(Rights::WRITE).contains(wanted);
            if device || !start.is_multiple_of(PAGE_BYTES) || is_interrupts || is_too_far || is_odd {
                return Err(Error::InvalidArgument);
            }
            if !rights.contains(wanted) {
                return Err(Error::InsufficientRights);
            }
            if self.get(space).root == PhysAddr(0) {
                return Err(Error::OutOfTables);
            }
            self.begin_mapping(space, memory, mapping, (start, base, wanted));
        }
        match self.grow_mapping(mapping, space, tables, bytes / PAGE_BYTES) {
            Ok(Progress::Done) => Ok(IoStage::Complete),
            Ok(Progress::Preempted) => Ok(IoStage::Grow),
            Err(error) => self.undo_map_io(mapping, error),
        }
    }

    /// Make an empty mapping, which ends with its Memory.
    fn begin_mapping(
        &mut self,
        space: Ref<IoSpace>,
        memory: SlotRef,
        mapping: Ref<IoMapping>,
        (start, base, rights): (u64, PhysAddr, Rights),
    ) {
        let next = self.get_mut(space).mappings.replace(mapping);
        if let Some(next) = next {
            self.get_mut(next).previous = Some(mapping);
        }
        let caps = self.get(mapping).caps;
        *self.get_mut(mapping) =
            IoMapping { caps, rights, space: Some(space), base, start, pages: 0, next, previous: None };
        self.insert_child(memory, mapping_slot(mapping), Cap::IoMapped(mapping));
    }

    /// Map more of a mapping's Memory, up to so many pages.
    fn grow_mapping(
        &mut self,
        mapping: Ref<IoMapping>,
        space: Ref<IoSpace>,
        tables: IoTables,
        pages: u64,
    ) -> Result<Progress, Error> {
        let result = loop {
            let m = self.get(mapping);
            let (done, rights) = (m.pages, m.rights);
            let (start, to) = (m.start + done * PAGE_BYTES, m.base.offset(done * PAGE_BYTES));
            if done >= pages {
                break Ok(Progress::Done);
            }
            match self.map_io_part(space, tables, IoRun { start, to, pages: pages - done, rights }) {
                Ok(some) => self.get_mut(mapping).pages += some,
                Err(error) => break Err(error),
            }
            if self.get(mapping).pages < pages && self.is_preempted() {
                break Ok(Progress::Preempted);
            }
        };
        self.machine.io_added(self.get(space).domain);
        result
    }

    /// A mapping that failed goes.
    fn undo_map_io(&mut self, mapping: Ref<IoMapping>, error: Error) -> Result<IoStage, Error> {
        if self.remove(mapping_slot(mapping)) == Progress::Preempted {
            return Ok(IoStage::Undo(error));
        }
        Err(error)
    }

    fn flush_io_space(&mut self, space: Ref<IoSpace>) {
        let domain = self.get(space).domain;
        if domain != 0 {
            self.machine.io_removed(domain);
        }
    }

    /// Unmap what a mapping maps, in pieces, from its start on, which moves up.
    pub(crate) fn shrink_mapping(&mut self, mapping: Ref<IoMapping>) -> Progress {
        let m = self.get(mapping);
        let Some(space) = m.space.filter(|space| m.pages > 0 && self.get(*space).root != PhysAddr(0)) else {
            return Progress::Done;
        };
        let tables = self.machine.io_tables().expect("an IoSpace with tables was given them for an IOMMU");
        let progress = loop {
            let m = self.get(mapping);
            let done = self.unmap_io_part(space, tables, m.start, m.pages);
            let m = self.get_mut(mapping);
            (m.start, m.base, m.pages) =
                (m.start + done * PAGE_BYTES, m.base.offset(done * PAGE_BYTES), m.pages - done);
            if m.pages == 0 {
                break Progress::Done;
            }
            if self.is_preempted() {
                break Progress::Preempted;
            }
        };
        self.flush_io_space(space);
        progress
    }

    /// A mapping's slot has been emptied: remove what it maps still.
    pub(crate) fn unmap_io(&mut self, mapping: Ref<IoMapping>) {
        while self.shrink_mapping(mapping) == Progress::Preempted {}
        let m = self.get_mut(mapping);
        let Some(space) = m.space.take() else { return };
        let (next, previous) = (m.next.take(), m.previous.take());
        match previous {
            Some(previous) => self.get_mut(previous).next = next,
            None => self.get_mut(space).mappings = next,
        }
        if let Some(next) = next {
            self.get_mut(next).previous = previous;
        }
    }

    pub(crate) fn destroy_io_mapping(&mut self, mapping: Ref<IoMapping>) {
        self.clear(mapping_slot(mapping));
    }

    /// An IoSpace loses its tables: its device reaches nothing from now on. Then its mappings go, in pieces.
    pub(crate) fn cut_io_space(&mut self, space: Ref<IoSpace>) -> Progress {
        let s = self.get_mut(space);
        let had = core::mem::take(&mut s.root) != PhysAddr(0);
        (s.pool, s.pool_pages) = (PhysAddr(0), 0);
        if had {
            self.show_io_space(space);
        }
        self.drop_mappings(space)
    }

    /// End the mappings of an IoSpace without tables.
    fn drop_mappings(&mut self, space: Ref<IoSpace>) -> Progress {
        while let Some(mapping) = self.get(space).mappings {
            self.clear(mapping_slot(mapping));
            if self.get(space).mappings.is_some() && self.is_preempted() {
                return Progress::Preempted;
            }
        }
        Progress::Done
    }

    /// An IoSpace has lost its tables, or is to lose them.
    pub(crate) fn empty_io_space(&mut self, space: Ref<IoSpace>) {
        while self.cut_io_space(space) == Progress::Preempted {}
        for index in 0..DONATION_SLOTS {
            self.clear(io_space_slot(space, index));
        }
    }

    /// `io_space::CLEAR`, behind [`cut_io_space`](Self::cut_io_space).
    pub(crate) fn clear_io_space(&mut self, space: Ref<IoSpace>) {
        let s = self.get_mut(space);
        s.last_fault = None;
        let untold = core::mem::take(&mut s.faults) > 0;
        self.empty_io_space(space);
        if untold {
            self.show_io_space(space);
        }
        self.clear(fault_slot(space));
    }

    /// Nobody can reach the IoSpace any more.
    pub(crate) fn destroy_io_space(&mut self, space: Ref<IoSpace>) {
        self.clear_io_space(space);
        if self.get_mut(space).source.take().is_none() {
            return;
        }
        let s = self.get_mut(space);
        let (domain, next) = (core::mem::take(&mut s.domain), s.next.take());
        self.io_spaces.free_number(domain);
        let mut at = self.io_spaces.first;
        if at == Some(space) {
            self.io_spaces.first = next;
            return;
        }
        while let Some(other) = at {
            at = self.get(other).next;
            if at == Some(space) {
                self.get_mut(other).next = next;
                return;
            }
        }
    }

    /// `io_space::BIND_FAULTS`.
    pub(crate) fn bind_io_faults(&mut self, space: Ref<IoSpace>, source: SlotRef) -> Result<(), Error> {
        let (notification, badge) = self.notification_in(source, Rights::SEND)?;
        let slot = fault_slot(space);
        self.clear(slot);
        self.insert_child(source, slot, Cap::IoFaultTarget { space, notification, badge });
        self.get_mut(space).target = Some((notification, badge));
        Ok(())
    }

    /// `io_space::FAULT`: number, address, kind and reason.
    pub(crate) fn take_io_fault(&mut self, space: Ref<IoSpace>) -> [u64; 4] {
        self.tell_io_faults();
        let s = self.get_mut(space);
        let (count, last) = (core::mem::take(&mut s.faults), s.last_fault.take());
        if count > 0 {
            self.show_io_space(space);
        }
        fault_words(count, last)
    }

    /// The IOMMU interrupts: devices were refused something.
    pub fn io_fault_interrupt(&mut self) {
        self.counters.interrupts += 1;
        self.machine.end_of_interrupt();
        self.tell_io_faults();
    }

    /// Tell what the IOMMU has noted. What is left is told at the next fault, or when somebody looks.
    fn tell_io_faults(&mut self) {
        for _ in 0..MOST_FAULTS {
            let Some(fault) = self.machine.take_io_fault() else { return };
            self.tell_io_fault(fault);
        }
    }

    fn tell_io_fault(&mut self, fault: IoFault) {
        let Some(space) = self.io_space_of(fault.source) else {
            let io = &mut self.io_spaces;
            (io.stray, io.last_stray) = (io.stray.saturating_add(1), Some(fault));
            return;
        };
        let s = self.get_mut(space);
        (s.faults, s.last_fault) = (s.faults.saturating_add(1), Some(fault));
        let target = s.target;
        // Until somebody looks it is not told again: a device must not keep the kernel busy.
        if s.faults == 1 && fault.kind != io_space::INTERRUPT {
            self.show_io_space(space);
        }
        if let Some((notification, badge)) = target {
            self.signal(notification, badge);
        }
    }
}

/// A number of faults and the last one, as `io_space::FAULT` gives them.
pub(crate) fn fault_words(count: u64, last: Option<IoFault>) -> [u64; 4] {
    last.map_or([count, 0, 0, 0], |fault| [count, fault.address, fault.kind, fault.reason.into()])
}
