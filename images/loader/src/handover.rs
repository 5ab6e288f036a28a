//! The last steps: `BootInfo` and its memory regions are written where the kernel will see them, then the jump.
//!
//! Invariant: while they are written, the loader's root table has the kernel's upper half beside its own lower half.

use core::convert::Infallible;
use core::{ptr, slice};

use bootloader_api::BootInfo;
use bootloader_api::info::{MemoryRegion, Optional};
use loader_core::plan::{BOOT_INFO_PAGES, Handoff};
use loader_core::{Error, PAGE_BYTES};
use x86_64::registers::control::Cr3;

const ENTRIES: usize = 512;
const UPPER_HALF: usize = 256;

// SAFETY: the signature is that of the code in `pvh.s`.
unsafe extern "C" {
    fn switch(root: u64, boot_info: u64, stack_top: u64, entry: u64) -> !;
}

/// Starts the kernel with interrupts off and `rdi` = its `BootInfo`.
///
/// # Errors
/// [`Error::MemoryMap`] when the regions do not fit in the boot information's pages.
pub fn start_kernel(handoff: &Handoff, rsdp: u64, archive: (u64, u64)) -> Result<Infallible, Error> {
    adopt_upper_half(handoff.root);
    let layout = &handoff.layout;
    let regions = write_regions(handoff)?;
    let mut info = BootInfo::new(regions.into());
    info.physical_memory_offset = Optional::Some(layout.physical_memory);
    info.rsdp_addr = if rsdp == 0 { Optional::None } else { Optional::Some(rsdp) };
    info.ramdisk_addr = Optional::Some(layout.physical_memory + archive.0);
    info.ramdisk_len = archive.1;
    (info.kernel_addr, info.kernel_len) = handoff.kernel_file;
    info.kernel_stack_bottom = layout.stack;
    info.kernel_stack_len = layout.stack_bytes;
    let place: *mut BootInfo = ptr::with_exposed_provenance_mut(layout.boot_info as usize);
    // SAFETY: `plan::load` mapped BOOT_INFO_PAGES writable pages there, of which the regions use none but the last.
    unsafe { place.write(info) };
    // SAFETY: the root maps `switch` itself, the kernel's entry point and its stack.
    unsafe { switch(handoff.root, layout.boot_info, layout.stack + layout.stack_bytes, handoff.entry) }
}

/// Makes the kernel's addresses reachable before the switch.
fn adopt_upper_half(root: u64) {
    let current: *mut u64 = ptr::with_exposed_provenance_mut(Cr3::read().0.start_address().as_u64() as usize);
    let kernel: *const u64 = ptr::with_exposed_provenance(root as usize);
    // SAFETY: a table of 512 entries below 4 GiB, mapped one to one, and complete: nothing writes to it any more.
    let kernel = unsafe { slice::from_raw_parts(kernel, ENTRIES) };
    // SAFETY: the table in use, likewise in reach. Its upper half is empty, so that no translation in use changes.
    let current = unsafe { slice::from_raw_parts_mut(current, ENTRIES) };
    current[UPPER_HALF..].copy_from_slice(&kernel[UPPER_HALF..]);
}

/// Writes the memory regions behind the first page of the boot information.
fn write_regions(handoff: &Handoff) -> Result<&'static mut [MemoryRegion], Error> {
    let capacity = ((BOOT_INFO_PAGES - 1) * PAGE_BYTES) as usize / size_of::<MemoryRegion>();
    let start: *mut MemoryRegion = ptr::with_exposed_provenance_mut((handoff.layout.boot_info + PAGE_BYTES) as usize);
    let mut length = 0;
    for region in handoff.memory_map.regions() {
        if length == capacity {
            return Err(Error::MemoryMap("too many ranges for the boot information"));
        }
        let place = start.wrapping_add(length);
        // SAFETY: inside the pages mapped for the boot information, because `length < capacity`.
        unsafe { place.write(region) };
        length += 1;
    }
    // SAFETY: `length` regions were just written, and only the boot information refers to them.
    Ok(unsafe { slice::from_raw_parts_mut(start, length) })
}
