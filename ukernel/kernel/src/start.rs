//! From the loader's hand-over to the first thread.

use bootloader_api::config::Mapping;
use bootloader_api::info::MemoryRegionKind;
use bootloader_api::{BootInfo, BootloaderConfig, entry_point};
use ukernel::{Physical, acpi, archive, memory_plan};
use ukernel_abi::boot::{MAX_RANGES, PhysicalRange};
use ukernel_core::{BootPlan, Kernel, MAX_CPUS, Machine, PhysAddr};
use ukernel_hal::apic::{IoApic, LocalApic, disable_old_controllers};
use ukernel_hal::{DIRECT_MAP, Hardware, clock, cpu, entry, log_line};

use crate::{global, iommu};

static CONFIG: BootloaderConfig = {
    let mut config = BootloaderConfig::new_default();
    config.mappings.physical_memory = Some(Mapping::Dynamic);
    config
};

entry_point!(start, config = &CONFIG);

/// Where other processors start, and bytes used there.
const LOW_PAGE: u64 = 0x8000;
const LOW_BYTES: u64 = 0x4000;
/// The end of the 32-bit address space, which always holds devices.
const FOUR_GIB: u64 = 1 << 32;

/// Reads the firmware's tables and the archive.
struct BootMemory {
    end: u64,
    hardware: WordReader,
}

/// Reads words of physical memory before there is a machine to do it.
struct WordReader;

impl Physical for BootMemory {
    fn byte(&self, address: u64) -> Option<u8> {
        (address < self.end).then(|| self.hardware.byte(address))
    }
}

impl WordReader {
    fn byte(&self, address: u64) -> u8 {
        let word = ukernel_hal::read_physical(PhysAddr(address & !7));
        word.to_le_bytes()[(address % 8) as usize]
    }
}

fn start(info: &'static mut BootInfo) -> ! {
    cpu::set_up(0);
    entry::lock();
    assert_eq!(info.physical_memory_offset.into_option(), Some(DIRECT_MAP), "the loader maps memory elsewhere");
    let mut plan = plan(info);
    let mut kernel = Kernel::new(machine(&mut plan));
    prepare(&mut kernel.machine, &plan);
    let started = kernel.start_root(&plan.boot);
    let (mhz, mib, cpus) = (plan.boot.tsc_hz / 1_000_000, plan.boot.ram_bytes >> 20, kernel.machine.cpus());
    log_line!("time-stamp counter {mhz} MHz, {mib} MiB RAM, {cpus} processors");
    assert!(started.is_ok(), "the root task cannot be started: {started:?}");
    global::set(kernel);
    cpu::on_kernel_stack(first_thread)
}

extern "C" fn first_thread() -> ! {
    global::kernel::<false>().settle();
    entry::resume()
}

/// What was found, before there is a kernel.
struct Plan {
    boot: BootPlan,
    platform: acpi::Platform,
    local_apic: LocalApic,
    low_page: Option<u64>,
}

fn plan(info: &BootInfo) -> Plan {
    let reader = BootMemory { end: FOUR_GIB, hardware: WordReader };
    let rsdp = info.rsdp_addr.into_option().unwrap_or(0);
    let platform = acpi::read(&reader, rsdp).expect("the firmware has complete ACPI tables");
    let (free, devices, ram_bytes) = memory(info, &platform);
    let ramdisk = info.ramdisk_addr.into_option().expect("the loader passes the boot archive") - DIRECT_MAP;
    let ramdisk_end = (ramdisk + info.ramdisk_len).next_multiple_of(ukernel_abi::PAGE_BYTES);
    let archive_memory = BootMemory { end: ramdisk_end, hardware: WordReader };
    let root = archive::root_program(&archive_memory, ramdisk, info.ramdisk_len).expect("the boot archive is whole");
    disable_old_controllers();
    let mut local_apic = LocalApic::new(PhysAddr(platform.local_apic));
    local_apic.start_measuring();
    let measurement = clock::measure(platform.pm_timer);
    let tsc_hz = measurement.time_stamp_hz();
    local_apic.start_timer(measurement.frequency_of(local_apic.timer_elapsed()), tsc_hz);
    let boot = BootPlan {
        free,
        devices,
        archive: PhysicalRange { start: ramdisk, bytes: ramdisk_end - ramdisk },
        segments: root.segments,
        segment_count: root.segment_count,
        entry_point: root.entry_point,
        tsc_hz,
        rsdp,
        ram_bytes,
    };
    Plan { boot, platform, local_apic, low_page: low_page(info) }
}

/// Four pages of RAM below 1 MiB, to start the other processors with: nobody else uses RAM there.
fn low_page(info: &BootInfo) -> Option<u64> {
    let mut regions = info.memory_regions.iter().filter(|region| region.kind == MemoryRegionKind::Usable);
    let free = regions.any(|region| region.start <= LOW_PAGE && LOW_PAGE + LOW_BYTES <= region.end);
    free.then_some(LOW_PAGE)
}

/// Free RAM, device ranges (the interrupt controllers are the kernel's own), and bytes of RAM in all.
fn memory(
    info: &BootInfo,
    platform: &acpi::Platform,
) -> ([PhysicalRange; MAX_RANGES], [PhysicalRange; MAX_RANGES], u64) {
    let mut free = memory_plan::Ranges::default();
    let mut ram_bytes = 0;
    for region in info.memory_regions.iter() {
        if region.kind == MemoryRegionKind::Usable {
            free.add(region.start, region.end);
        }
        if matches!(region.kind, MemoryRegionKind::Usable | MemoryRegionKind::Bootloader) {
            ram_bytes += region.end - region.start;
        }
    }
    let known = info.memory_regions.iter().map(|region| (region.start, region.end));
    let mut devices = memory_plan::gaps(0, FOUR_GIB, known).without_page(platform.local_apic);
    let units = platform.dmar.iter().flat_map(|dmar| dmar.units.iter().flatten().copied());
    for at in platform.io_apics.iter().flatten().map(|apic| apic.address).chain(units) {
        devices = devices.without_page(at);
    }
    (free.ranges, devices.ranges, ram_bytes)
}

fn machine(plan: &mut Plan) -> Hardware {
    let io_apic = |found: acpi::IoApic| IoApic::new(PhysAddr(found.address), found.first_line);
    let io_apics = plan.platform.io_apics.map(|found| found.map(io_apic));
    let mut machine = Hardware::new(plan.local_apic, io_apics, plan.boot.tsc_hz);
    if let Some(iommu) = iommu::start(&plan.platform, &mut plan.boot.free, plan.local_apic.id()) {
        iommu.install(&mut machine);
    }
    machine
}

/// Leave what the loader needed behind, protect the stacks,
/// and start the other processors: they wait for the big lock.
fn prepare(machine: &mut Hardware, plan: &Plan) {
    machine.drop_lower_half();
    let processors = plan.platform.local_apics().count().min(MAX_CPUS);
    for page in cpu::guard_pages(processors) {
        machine.unmap_kernel_page(page);
    }
    machine.set_deadline(u64::MAX);
    if let Some(page) = plan.low_page {
        machine.start_processors(plan.platform.local_apics(), PhysAddr(page), crate::other_processor);
    }
}
