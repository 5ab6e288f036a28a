//! IoSpaces: what devices reach of memory, where the machine has an IOMMU. [`io_table`](crate::io_table) has their tables,
//! `io_mapping` what is mapped there, `io_faults` what devices are refused.
//!
//! Invariants: a device has at most one IoSpace and an IoSpace one device; the IOMMU knows an IoSpace's root exactly while that
//! has tables and a device; each mapping has its range of I/O addresses for itself, and holds its Memory by a capability in the
//! slot inside it, child of the one that it came from. What takes a mapping or a table away has flushed the IOMMU before
//! it returns: whoever revokes memory, or the memory of tables, may use it for something else at once.

use ukernel_abi::Error;
use ukernel_abi::object::SLOT_BYTES;

use crate::io_faults::{Faults, IoFault};
use crate::io_mapping::IoMapping;
use crate::io_table::IoTables;
use crate::preemption::Progress;
use crate::{Kernel, Machine, Notification, Object, PhysAddr, Ref, SlotRef};

/// Where an IoSpace's slots are, in bytes from its start.
const SLOTS_OFFSET: u64 = 128;
/// Slots for the untypeds that its table pages came from.
pub(crate) const DONATION_SLOTS: u64 = 4;
/// All its slots: the last one is for whom its device's faults are told.
pub(crate) const IO_SPACE_SLOTS: u64 = DONATION_SLOTS + 1;

/// A device: bus, device and function, as it names itself in what it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source(pub u16);

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

impl<M: Machine> Kernel<M> {
    pub(crate) fn io_tables(&self) -> Result<IoTables, Error> {
        self.machine.io_tables().ok_or(Error::InvalidState)
    }

    /// The IoSpace of a device.
    pub(crate) fn io_space_of(&self, source: Source) -> Option<Ref<IoSpace>> {
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

    /// Add pages of zeros to the tables; the first of an IoSpace without any becomes its root.
    pub(crate) fn give_io_tables(&mut self, space: Ref<IoSpace>, first: PhysAddr, pages: u64) {
        let had = self.get(space).root != PhysAddr(0);
        self.add_io_tables(space, first, pages);
        if !had {
            self.show_io_space(space);
        }
    }

    /// Tell the IOMMU what an IoSpace's device is to have now.
    pub(crate) fn show_io_space(&mut self, space: Ref<IoSpace>) {
        let s = self.get(space);
        let Some(source) = s.source else { return };
        let faults = if s.faults == 0 { Faults::Told } else { Faults::Untold };
        let view = IoView { root: s.root, domain: s.domain, faults };
        let shown = self.machine.set_io_view(source, view);
        assert!(shown, "a device that is bound has its place in the IOMMU's tables");
    }

    pub(crate) fn flush_io_space(&mut self, space: Ref<IoSpace>) {
        let domain = self.get(space).domain;
        if domain != 0 {
            self.machine.io_removed(domain);
        }
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
}
