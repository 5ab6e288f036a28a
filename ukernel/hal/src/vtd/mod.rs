//! The IOMMU: Intel VT-d, all units of a machine with the same tables (Intel VT-d 3.3).
//!
//! Without an entry a device reaches nothing and interrupts nobody: `core` gives each what it may, by
//! [`set_view`](Iommu::set_view) and [`set_interrupt`](Iommu::set_interrupt). Interrupts in the old format, which name no
//! entry, are refused. An interrupt's entry has its vector's number.
//!
//! A unit that does not answer once it is in use is the end: nobody could say what devices reach.

mod formats;
mod unit;

pub use formats::{Remapped, Trigger, io_apic_target, message};

use formats::{Invalidation, context_entry, context_table, interrupt_entry, root_entry};
use ukernel_abi::PAGE_BYTES;
use ukernel_core::{IoFault, IoTables, IoView, PhysAddr, Source};
use unit::Unit;

use crate::object_store;

/// Most units.
pub const MAX_UNITS: usize = 4;
/// Buses that there is a context table for.
const CONTEXT_PAGES: u64 = 32;
/// Pages in front of the context tables: root table, interrupt table, words that say what is done, queues.
const OTHER_PAGES: u64 = 3 + MAX_UNITS as u64;
/// Pages that the IOMMU's tables take.
pub const PAGES: u64 = OTHER_PAGES + CONTEXT_PAGES;
/// Vector of the interrupt that tells faults.
pub const FAULT_VECTOR: u8 = 0xe2;

/// Why an IOMMU is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// A unit lacks something: a queue, interrupt remapping, or tables like the others'.
    Lacks,
    /// A unit does not answer.
    Silent,
}

/// The IOMMU.
#[derive(Debug)]
pub struct Iommu {
    units: [Option<Unit>; MAX_UNITS],
    root: PhysAddr,
    interrupts: PhysAddr,
    /// The next unused context table, and how many there are.
    next_context: PhysAddr,
    contexts: u64,
    tables: IoTables,
    domains: u16,
    is_coherent: bool,
    wants_additions: bool,
}

impl Iommu {
    /// Take the units with registers at these addresses into use; `pages` are [`PAGES`] pages for their tables, and local
    /// APIC `processor` gets their faults.
    ///
    /// # Errors
    /// They cannot be used; the machine is as if there were none.
    pub fn start(units: &[Option<u64>; MAX_UNITS], pages: PhysAddr, processor: u32) -> Result<Self, Unusable> {
        object_store::zero(pages, PAGES * PAGE_BYTES);
        for page in 0..PAGES {
            write_back_page(pages.offset(page * PAGE_BYTES));
        }
        let page = |index: u64| pages.offset(index * PAGE_BYTES);
        let mut place = 0..MAX_UNITS as u64;
        let units = units.map(|at| {
            let number = place.next()?;
            at.map(|at| Unit::new(PhysAddr(at), page(3 + number), page(2).offset(8 * number)))
        });
        let all = || units.iter().flatten().map(Unit::capabilities);
        let first = all().next().ok_or(Unusable::Lacks)?;
        let levels = first.levels().ok_or(Unusable::Lacks)?;
        if !all().all(|unit| unit.suffices() && unit.has_levels(levels)) {
            return Err(Unusable::Lacks);
        }
        let domains = all().map(|unit| unit.domains()).min().unwrap_or(0);
        let mut iommu = Self {
            root: page(0),
            interrupts: page(1),
            next_context: page(OTHER_PAGES),
            contexts: CONTEXT_PAGES,
            tables: IoTables { levels, large_pages: all().all(|unit| unit.large_pages()) },
            domains: u16::try_from(domains).unwrap_or(u16::MAX),
            is_coherent: all().all(|unit| unit.is_coherent()),
            wants_additions: all().any(|unit| unit.wants_additions()),
            units,
        };
        let (root, interrupts) = (iommu.root, iommu.interrupts);
        let told = (0xfee0_0000 | u64::from(processor) << 12, u64::from(FAULT_VECTOR));
        for unit in iommu.units.iter_mut().flatten() {
            unit.start(root, interrupts, told).map_err(|_| Unusable::Silent)?;
        }
        Ok(iommu)
    }

    /// The tables that it walks.
    pub const fn tables(&self) -> IoTables {
        self.tables
    }

    /// How many domains it tells apart.
    pub const fn domains(&self) -> u16 {
        self.domains
    }

    /// Write a word of a table.
    pub fn set_word(&mut self, table: PhysAddr, index: usize, value: u64) {
        object_store::set_word(table, index, value);
        if !self.is_coherent {
            object_store::write_back(table, index);
        }
    }

    /// A zeroed page becomes a table.
    pub fn publish(&mut self, table: PhysAddr) {
        if !self.is_coherent {
            write_back_page(table);
        }
    }

    fn invalidate(&mut self, what: &[Invalidation]) {
        for unit in self.units.iter_mut().flatten() {
            unit.invalidate(what).expect("the IOMMU answers: else devices could reach what they lost");
        }
    }

    /// Set what a device reaches. `false`: there is no context table left for its bus.
    pub fn set_view(&mut self, source: Source, view: IoView) -> bool {
        let (bus, place) = (usize::from(source.0 >> 8) * 2, usize::from(source.0 & 0xff) * 2);
        let Some(contexts) = context_table(object_store::word(self.root, bus)).or_else(|| self.add_bus(bus)) else {
            return false;
        };
        let [low, high] = context_entry(view, self.tables.levels);
        if object_store::word(contexts, place + 1) != high {
            // Never two halves of different entries.
            self.set_word(contexts, place, 0);
            self.forget_device(source, view.domain);
            self.set_word(contexts, place + 1, high);
        }
        self.set_word(contexts, place, low);
        self.forget_device(source, view.domain);
        true
    }

    fn add_bus(&mut self, bus: usize) -> Option<PhysAddr> {
        self.contexts = self.contexts.checked_sub(1)?;
        let table = self.next_context;
        self.next_context = table.offset(PAGE_BYTES);
        self.set_word(self.root, bus, root_entry(table));
        Some(table)
    }

    fn forget_device(&mut self, source: Source, domain: u16) {
        self.invalidate(&[Invalidation::Context { source, domain }, Invalidation::Translations { domain }]);
    }

    /// Entries were added to tables of this domain.
    pub fn added(&mut self, domain: u16) {
        if self.wants_additions && domain != 0 {
            self.removed(domain);
        }
    }

    /// Entries were removed from tables of this domain.
    pub fn removed(&mut self, domain: u16) {
        self.invalidate(&[Invalidation::Translations { domain }]);
    }

    /// Let a device raise an interrupt.
    pub fn set_interrupt(&mut self, interrupt: Remapped) {
        let [low, high] = interrupt_entry(interrupt);
        let place = usize::from(interrupt.vector) * 2;
        self.set_word(self.interrupts, place + 1, high);
        self.set_word(self.interrupts, place, low);
        self.invalidate(&[Invalidation::Interrupt { index: interrupt.vector.into() }]);
    }

    /// Nobody may raise an interrupt any more.
    pub fn forget_interrupt(&mut self, vector: u8) {
        let place = usize::from(vector) * 2;
        self.set_word(self.interrupts, place, 0);
        self.set_word(self.interrupts, place + 1, 0);
        self.invalidate(&[Invalidation::Interrupt { index: vector.into() }]);
    }

    /// The next fault.
    pub fn take_fault(&mut self) -> Option<IoFault> {
        self.units.iter_mut().flatten().find_map(Unit::take_fault)
    }
}

fn write_back_page(page: PhysAddr) {
    (0..512).step_by(8).for_each(|index| object_store::write_back(page, index));
}
