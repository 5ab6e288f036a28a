//! The first task: the kernel makes the root task's objects, gives it all that is left, and starts it.

use ukernel_abi::boot::{
    MAX_RANGES, MAX_SEGMENTS, PhysicalRange, ROOT_ARCHIVE_ADDRESS, ROOT_INFO_ADDRESS, ROOT_MESSAGE_PAGE,
    ROOT_STACK_ADDRESS, ROOT_STACK_BYTES, RootInfo, Segment, slot,
};
use ukernel_abi::object::SLOT_BYTES;
use ukernel_abi::{Error, PAGE_BYTES, Rights};

use crate::thread::{ThreadSlot, slot_of};
use crate::{Cap, CapTable, Kernel, Machine, PhysAddr, Ref, SchedContext, Slot, VSpace};

/// log2 of the slots of the root task's CapTable.
const ROOT_TABLE_BITS: u8 = 12;
/// Priority of the root task: it serves faults of all others.
const ROOT_PRIORITY: u8 = 254;
/// Page-table pages that the root task starts with.
const ROOT_TABLES: u64 = 64;

/// What the loader and the firmware told.
#[derive(Clone, Debug)]
pub struct BootPlan {
    /// Free RAM: page-aligned, disjoint, none at address 0; zeros at the end.
    pub free: [PhysicalRange; MAX_RANGES],
    /// Device ranges, likewise.
    pub devices: [PhysicalRange; MAX_RANGES],
    /// The boot archive.
    pub archive: PhysicalRange,
    /// The root task's segments, checked against the archive, and their number.
    pub segments: [Segment; MAX_SEGMENTS],
    /// Number of `segments`.
    pub segment_count: usize,
    /// The root task's entry point.
    pub entry_point: u64,
    /// Frequency of the time-stamp counter.
    pub tsc_hz: u64,
    /// Physical address of the ACPI root pointer, or 0.
    pub rsdp: u64,
    /// Bytes of RAM in all.
    pub ram_bytes: u64,
}

/// The memory that the root task's own objects come from: the start of the largest free range.
struct Purse {
    at: u64,
    end: u64,
}

impl Purse {
    fn take(&mut self, bytes: u64, align: u64) -> Result<PhysAddr, Error> {
        let start = self.at.next_multiple_of(align);
        let end = start.checked_add(bytes).filter(|end| *end <= self.end).ok_or(Error::OutOfMemory)?;
        self.at = end;
        Ok(PhysAddr(start))
    }
}

impl<M: Machine> Kernel<M> {
    /// Make and start the root task.
    ///
    /// # Errors
    /// OutOfMemory when there is too little RAM, InvalidArgument for segments that cannot be mapped.
    pub fn start_root(&mut self, plan: &BootPlan) -> Result<(), Error> {
        let largest = (0..MAX_RANGES).max_by_key(|index| plan.free[*index].bytes).unwrap_or(0);
        let range = plan.free[largest];
        let mut purse = Purse { at: range.start, end: range.start + range.bytes };

        let table = self.make_table(purse.take((64 << ROOT_TABLE_BITS) + 64, PAGE_BYTES)?, ROOT_TABLE_BITS);
        let thread = self.make_thread(purse.take(2048, PAGE_BYTES)?);
        let vspace = self.make_vspace(purse.take(1024, PAGE_BYTES)?);
        let time: Ref<SchedContext> = self.machine.create(purse.take(256, 64)?, SchedContext::new());
        let tables = self.fresh(&mut purse, ROOT_TABLES * PAGE_BYTES)?;
        self.add_tables(vspace, tables, ROOT_TABLES);
        self.trace_slot = Some(self.machine.create(purse.take(SLOT_BYTES, SLOT_BYTES)?, Slot::default()));
        self.map_root(plan, vspace, &mut purse)?;

        let info = self.fresh(&mut purse, PAGE_BYTES)?;
        self.map_initial(vspace, ROOT_INFO_ADDRESS, info, PAGE_BYTES, Rights::READ)?;
        let page = self.fresh(&mut purse, PAGE_BYTES)?;
        self.map_initial(vspace, ROOT_MESSAGE_PAGE, page, PAGE_BYTES, Rights::READ.or(Rights::WRITE))?;

        let caps = [
            (slot::CAP_TABLE, Cap::CapTable(table)),
            (slot::VSPACE, Cap::VSpace(vspace)),
            (slot::THREAD, Cap::Thread(thread)),
            (slot::SCHED_CONTEXT, Cap::SchedContext(time)),
            (slot::IRQ_CONTROL, Cap::IrqControl),
            (slot::IO_PORTS, Cap::IoPorts { first: 0, last: u16::MAX }),
            (slot::LOG, Cap::Log),
            (slot::TRACE, Cap::Trace),
            (slot::ARCHIVE, memory(plan.archive, Rights::READ.or(Rights::EXECUTE).or(Rights::GRANT), false)),
        ];
        for (index, cap) in caps {
            self.give_root(table, index, cap);
        }
        if self.machine.io_tables().is_some() {
            self.give_root(table, slot::IO_CONTROL, Cap::IoControl);
        }
        self.give_ranges(plan, table, info, (largest, purse));

        let root_slot = |index| self.get(table).slot(table, index).expect("the root table is large enough");
        let (own_table, own_vspace) = (root_slot(slot::CAP_TABLE), root_slot(slot::VSPACE));
        self.set_table(thread, own_table)?;
        self.set_vspace(thread, own_vspace)?;
        self.insert_root(slot_of(thread, ThreadSlot::Page), Cap::ThreadPage(thread));
        self.get_mut(thread).page = Some(page);
        let stack_top = ROOT_STACK_ADDRESS + ROOT_STACK_BYTES;
        self.write_registers(thread, [plan.entry_point, stack_top, ROOT_INFO_ADDRESS, 0, 0])?;
        self.set_priority(thread, ROOT_PRIORITY);
        self.bind_sched_context(time, thread);
        self.resume(thread);
        Ok(())
    }

    /// Zeroed pages.
    fn fresh(&mut self, purse: &mut Purse, bytes: u64) -> Result<PhysAddr, Error> {
        let at = purse.take(bytes, PAGE_BYTES)?;
        self.machine.zero(at, bytes);
        Ok(at)
    }

    /// A mapping that belongs to no attachment and stays.
    fn map_initial(
        &mut self,
        vspace: Ref<VSpace>,
        address: u64,
        at: PhysAddr,
        bytes: u64,
        rights: Rights,
    ) -> Result<(), Error> {
        let (mut done, pages) = (0, bytes.div_ceil(PAGE_BYTES));
        while done < pages {
            let (address, at) = (address + done * PAGE_BYTES, at.offset(done * PAGE_BYTES));
            done += self.map_piece(vspace, address, at, pages - done, (rights, false, 0), false)?;
        }
        Ok(())
    }

    /// Map the root task's segments, its stack and the archive.
    fn map_root(&mut self, plan: &BootPlan, vspace: Ref<VSpace>, purse: &mut Purse) -> Result<(), Error> {
        for segment in plan.segments.iter().take(plan.segment_count) {
            let rights = Rights::from_bits(segment.rights);
            let source = PhysAddr(plan.archive.start + segment.offset);
            let at = if rights.contains(Rights::WRITE) || segment.memory_bytes > segment.file_bytes {
                let at = self.fresh(purse, segment.memory_bytes.next_multiple_of(PAGE_BYTES))?;
                self.copy_pages(source, at, segment.file_bytes);
                at
            } else {
                source
            };
            self.map_initial(vspace, segment.address, at, segment.memory_bytes, rights)?;
        }
        let stack = self.fresh(purse, ROOT_STACK_BYTES)?;
        self.map_initial(vspace, ROOT_STACK_ADDRESS, stack, ROOT_STACK_BYTES, Rights::READ.or(Rights::WRITE))?;
        self.map_initial(vspace, ROOT_ARCHIVE_ADDRESS, PhysAddr(plan.archive.start), plan.archive.bytes, Rights::READ)
    }

    fn copy_pages(&mut self, from: PhysAddr, to: PhysAddr, bytes: u64) {
        let mut done = 0;
        while done < bytes {
            let step = (bytes - done).min(PAGE_BYTES);
            self.machine.copy(from.offset(done), to.offset(done), step);
            done += step;
        }
    }

    fn give_root(&mut self, table: Ref<CapTable>, index: u64, cap: Cap) {
        let slot = self.get(table).slot(table, index).expect("the root table is large enough");
        self.insert_root(slot, cap);
    }

    /// Give the root task what is left of RAM, and the devices, and tell it.
    fn give_ranges(&mut self, plan: &BootPlan, table: Ref<CapTable>, info: PhysAddr, (largest, purse): (usize, Purse)) {
        let mut told = RootInfo {
            archive_bytes: plan.archive.bytes,
            tsc_hz: plan.tsc_hz,
            untyped_count: 0,
            device_count: 0,
            rsdp: plan.rsdp,
            ram_bytes: plan.ram_bytes,
            cpus: self.machine.cpus() as u64,
            untypeds: [PhysicalRange::default(); MAX_RANGES],
            devices: [PhysicalRange::default(); MAX_RANGES],
        };
        for (index, range) in plan.free.iter().enumerate() {
            let start = if index == largest { purse.at.next_multiple_of(PAGE_BYTES) } else { range.start };
            let bytes = (range.start + range.bytes).saturating_sub(start);
            if bytes > 0 {
                let cap = Cap::Untyped { base: PhysAddr(start), bytes, used: 0, dirty: false, cleared: 0 };
                self.give_root(table, slot::UNTYPED_FIRST + told.untyped_count, cap);
                told.untypeds[told.untyped_count as usize] = PhysicalRange { start, bytes };
                told.untyped_count += 1;
            }
        }
        for range in plan.devices.iter().filter(|range| range.bytes > 0) {
            self.give_root(table, slot::DEVICE_FIRST + told.device_count, memory(*range, Rights::ALL, true));
            told.devices[told.device_count as usize] = *range;
            told.device_count += 1;
        }
        self.write_info(info, &told);
    }

    /// The info page is words in the order of the structure's fields.
    fn write_info(&mut self, page: PhysAddr, info: &RootInfo) {
        let counts = [info.untyped_count, info.device_count, info.rsdp, info.ram_bytes, info.cpus];
        let head = [info.archive_bytes, info.tsc_hz].into_iter().chain(counts);
        let ranges = info.untypeds.iter().chain(&info.devices).flat_map(|range| [range.start, range.bytes]);
        for (index, word) in head.chain(ranges).enumerate() {
            self.machine.set_word(page, index, word);
        }
    }
}

const _: () = assert!(size_of::<RootInfo>() == (7 + 4 * MAX_RANGES) * 8);

fn memory(range: PhysicalRange, rights: Rights, device: bool) -> Cap {
    Cap::Memory { base: PhysAddr(range.start), bytes: range.bytes, rights, device }
}
