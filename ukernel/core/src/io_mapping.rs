//! IoMappings: a Memory's presence in an IoSpace, made and undone in pieces.
//!
//! A mapping holds its Memory by a capability in the slot inside it, child of the one that it came from, and ends with it.

use ukernel_abi::{Error, PAGE_BYTES, Rights};

use crate::io_table::{IoRun, IoTables};
use crate::preemption::Progress;
use crate::{Cap, IoSpace, Kernel, Machine, Object, PhysAddr, Ref, SlotRef};

/// Where a mapping's slot is, in bytes from its start.
const MAPPING_SLOT_OFFSET: u64 = 64;

/// Writes to these addresses are interrupts, whatever the tables say (Intel VT-d 3.3, 3.14).
const INTERRUPT_ADDRESSES: core::ops::Range<u64> = 0xfee0_0000..0xfef0_0000;

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

/// The slot that holds a mapping's Memory.
pub(crate) fn mapping_slot(mapping: Ref<IoMapping>) -> SlotRef {
    mapping.part(MAPPING_SLOT_OFFSET)
}

impl<M: Machine> Kernel<M> {
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

    /// End the mappings of an IoSpace without tables.
    pub(crate) fn drop_mappings(&mut self, space: Ref<IoSpace>) -> Progress {
        while let Some(mapping) = self.get(space).mappings {
            self.clear(mapping_slot(mapping));
            if self.get(space).mappings.is_some() && self.is_preempted() {
                return Progress::Preempted;
            }
        }
        Progress::Done
    }
}
