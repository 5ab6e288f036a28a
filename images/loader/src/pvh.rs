//! PVH front end: finds memory map and archive in the hypervisor's records, and makes slices of them.
//!
//! Invariant: the first 4 GiB of physical memory are mapped one to one (`pvh.s`); nothing beyond is touched.

use core::arch::global_asm;
use core::arch::x86_64::__cpuid;
use core::{ptr, slice};

use loader_core::Error;
use loader_core::arena::Arena;
use loader_core::memory_map::MemoryMap;
use loader_core::page_table::PageSize;
use loader_core::plan::{self, Machine};
use loader_core::start_info::{
    MEMORY_ENTRY_BYTES, MODULE_BYTES, START_INFO_BYTES, StartInfo, parse_memory_entry, parse_module,
};

use crate::{fail, handover};

global_asm!(include_str!("pvh.s"));

const IDENTITY_END: u64 = 4 << 30;

// SAFETY: symbols of `link.ld` and `pvh.s`; only their addresses are used.
unsafe extern "C" {
    static loader_start: u8;
    static loader_end: u8;
    static switch: u8;
}

/// Continues `pvh_start` in 64-bit mode.
// SAFETY: no other symbol has this name.
#[unsafe(no_mangle)]
extern "C" fn pvh_main(start_info: u32) -> ! {
    match start(start_info.into()) {
        Ok(never) => match never {},
        Err(error) => fail(&error),
    }
}

fn start(start_info: u64) -> Result<core::convert::Infallible, Error> {
    let record = read_record::<START_INFO_BYTES>(start_info)?;
    let info = StartInfo::parse(&record)?;
    let (archive_start, archive_bytes) = parse_module(&read_record::<MODULE_BYTES>(info.modules)?);
    let machine = Machine {
        memory_map: read_memory_map(&info)?,
        archive_start,
        archive: physical_slice(archive_start, archive_bytes)?,
        loader: (&raw const loader_start) as u64..(&raw const loader_end) as u64,
        switch_page: (&raw const switch) as u64,
        giant_pages: if has_giant_pages() { PageSize::Giant } else { PageSize::Large },
    };
    let (arena_start, arena_end) = machine.arena_range()?;
    let length = usize::try_from(arena_end - arena_start).map_err(|_| Error::OutOfMemory)?;
    let memory = ptr::with_exposed_provenance_mut(arena_start as usize);
    // SAFETY: the range is RAM below 4 GiB, so mapped, and `arena_range` left out the loader and the archive: nothing
    // else refers to it. Any bytes are valid `u8`s.
    let memory = unsafe { slice::from_raw_parts_mut(memory, length) };
    let mut arena = Arena::new(arena_start, memory);
    let handoff = plan::load(&machine, &mut arena)?;
    handover::start_kernel(&handoff, info.rsdp, (machine.archive_start, machine.archive.len() as u64))
}

fn read_memory_map(info: &StartInfo) -> Result<MemoryMap, Error> {
    let mut map = MemoryMap::default();
    for index in 0..u64::from(info.memory_entries) {
        let address = info.memory_map.saturating_add(index * MEMORY_ENTRY_BYTES as u64);
        map.push(parse_memory_entry(&read_record::<MEMORY_ENTRY_BYTES>(address)?))?;
    }
    Ok(map)
}

fn read_record<const N: usize>(address: u64) -> Result<[u8; N], Error> {
    let mut record = [0; N];
    record.copy_from_slice(physical_slice(address, N as u64)?);
    Ok(record)
}

/// The bytes that the hypervisor says it left at `address`.
fn physical_slice(address: u64, bytes: u64) -> Result<&'static [u8], Error> {
    // QEMU's boot code leaves the memory map in page 0.
    let in_reach = address != 0 && address.checked_add(bytes).is_some_and(|end| end <= IDENTITY_END);
    if !in_reach {
        return Err(Error::StartInfo("a record at address 0 or beyond 4 GiB"));
    }
    let start = ptr::with_exposed_provenance(address as usize);
    // SAFETY: mapped, because below 4 GiB, and not null. The hypervisor finished writing before it started us; the
    // arena, the only memory that the loader writes to, is cut from RAM without the archive, and the records are
    // copied before it is first used.
    Ok(unsafe { slice::from_raw_parts(start, bytes as usize) })
}

fn has_giant_pages() -> bool {
    let highest = __cpuid(0x8000_0000).eax;
    highest >= 0x8000_0001 && __cpuid(0x8000_0001).edx & (1 << 26) != 0
}
