//! Loads the kernel: from archive and memory map to page tables and everything that `BootInfo` says.
//!
//! The kernel's address space: its image (4 KiB pages, each segment with its own rights, none writable and
//! executable), the map of all physical memory (never executable), the boot information, the boot stack above an
//! unmapped page, and one page of the loader: the code that switches over.

use x86_64::structures::paging::PageTableFlags as Flags;

use crate::archive::Archive;
use crate::arena::Arena;
use crate::config::Layout;
use crate::elf::{KernelElf, Segment};
use crate::memory_map::{Kind, MemoryMap, Range};
use crate::page_table::{PageSize, PageTable};
use crate::{Error, PAGE_BYTES};

/// Pages of the boot information: one for `BootInfo`, the others for memory regions.
pub const BOOT_INFO_PAGES: u64 = 3;
/// Name of the kernel's entry in the archive.
pub const KERNEL_ENTRY: &str = "ukernel";

const FOUR_GIB: u64 = 4 << 30;
const LOW_MEMORY_END: u64 = 1 << 20;

/// What a front end found.
#[derive(Debug)]
pub struct Machine<'a> {
    /// The firmware's memory map.
    pub memory_map: MemoryMap,
    /// Physical address of the archive, page-aligned.
    pub archive_start: u64,
    /// The archive.
    pub archive: &'a [u8],
    /// Physical range of the loader itself.
    pub loader: core::ops::Range<u64>,
    /// Physical address of the page with the code that loads the new root table.
    pub switch_page: u64,
    /// Whether the processor has 1 GiB pages.
    pub giant_pages: PageSize,
}

/// What is needed to fill in `BootInfo` and jump.
#[derive(Debug)]
pub struct Handoff {
    /// Physical address of the root table.
    pub root: u64,
    /// The kernel's entry point.
    pub entry: u64,
    /// Where things are in the kernel's address space.
    pub layout: Layout,
    /// Physical address and bytes of the kernel's ELF file.
    pub kernel_file: (u64, u64),
    /// The final memory map.
    pub memory_map: MemoryMap,
}

impl Machine<'_> {
    /// The memory map with what must not be used as RAM: page 0, the loader and the archive.
    ///
    /// # Errors
    /// [`Error::MemoryMap`] when it has too many ranges, [`Error::Archive`] when the archive is not page-aligned.
    pub fn reserved_map(&self) -> Result<MemoryMap, Error> {
        if !self.archive_start.is_multiple_of(PAGE_BYTES) {
            return Err(Error::Archive("does not start on a page boundary"));
        }
        let archive_end = (self.archive_start + self.archive.len() as u64).next_multiple_of(PAGE_BYTES);
        let mut map = self.memory_map.clone();
        // Page 0 holds the firmware's interrupt vectors, and address 0 is nobody's.
        map.push(Range { start: 0, end: PAGE_BYTES, kind: Kind::Loader })?;
        map.push(Range { start: self.loader.start, end: self.loader.end, kind: Kind::Loader })?;
        map.push(Range { start: self.archive_start, end: archive_end, kind: Kind::Loader })?;
        Ok(map)
    }

    /// The range of RAM that the loader may work in: the largest one that the front end reaches.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] when there is none.
    pub fn arena_range(&self) -> Result<(u64, u64), Error> {
        let map = self.reserved_map()?.resolve()?;
        map.largest_ram(LOW_MEMORY_END, FOUR_GIB).ok_or(Error::OutOfMemory)
    }
}

/// Builds the kernel's address space in `arena`.
///
/// # Errors
/// Whatever is wrong with the archive, the kernel or the memory map.
pub fn load(machine: &Machine<'_>, arena: &mut Arena<'_>) -> Result<Handoff, Error> {
    let file = Archive::parse(machine.archive)?.data(KERNEL_ENTRY)?;
    let kernel = KernelElf::parse(file.bytes)?;
    let layout = Layout::parse(kernel.section(".bootloader-config")?)?;
    let table = PageTable::new(arena)?;
    for segment in kernel.segments() {
        load_segment(&table, arena, segment)?;
    }
    map_fresh(&table, arena, layout.boot_info, BOOT_INFO_PAGES)?;
    map_fresh(&table, arena, layout.stack, layout.stack_bytes / PAGE_BYTES)?;
    map_physical_memory(&table, arena, machine, layout.physical_memory)?;
    table.map(arena, machine.switch_page, machine.switch_page, 1, PageSize::Small, Flags::empty())?;

    let mut map = machine.reserved_map()?;
    map.push(Range { start: arena.used().start, end: arena.used().end, kind: Kind::Loader })?;
    Ok(Handoff {
        root: table.root(),
        entry: kernel.entry,
        layout,
        kernel_file: (machine.archive_start + file.offset, file.bytes.len() as u64),
        memory_map: map.resolve()?,
    })
}

fn load_segment(table: &PageTable, arena: &mut Arena<'_>, segment: &Segment<'_>) -> Result<(), Error> {
    let pages = segment.memory_bytes.div_ceil(PAGE_BYTES);
    let frames = arena.allocate(pages)?;
    arena.bytes(frames, segment.data.len()).copy_from_slice(segment.data);
    let mut flags = Flags::GLOBAL;
    flags.set(Flags::WRITABLE, segment.writable);
    flags.set(Flags::NO_EXECUTE, !segment.executable);
    table.map(arena, segment.address, frames, pages, PageSize::Small, flags)
}

fn map_fresh(table: &PageTable, arena: &mut Arena<'_>, address: u64, pages: u64) -> Result<(), Error> {
    let frames = arena.allocate(pages)?;
    let flags = Flags::WRITABLE | Flags::NO_EXECUTE | Flags::GLOBAL;
    table.map(arena, address, frames, pages, PageSize::Small, flags)
}

/// Maps all of RAM, and at least 4 GiB, at `address`. Below 4 GiB, where RAM and devices alternate, in 2 MiB pages:
/// one page should not cover several memory types (Intel SDM 3A, 12.11.9).
fn map_physical_memory(
    table: &PageTable,
    arena: &mut Arena<'_>,
    machine: &Machine<'_>,
    address: u64,
) -> Result<(), Error> {
    let flags = Flags::WRITABLE | Flags::NO_EXECUTE | Flags::GLOBAL;
    let low_pages = FOUR_GIB / PageSize::Large.bytes();
    table.map(arena, address, 0, low_pages, PageSize::Large, flags)?;
    let size = machine.giant_pages;
    let high_pages = machine.memory_map.ram_end().saturating_sub(FOUR_GIB).div_ceil(size.bytes());
    table.map(arena, address + FOUR_GIB, FOUR_GIB, high_pages, size, flags)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::tests::archive_with;
    use crate::config;
    use crate::elf::KERNEL_BASE;
    use crate::elf::tests::kernel_with;
    use crate::page_table::translate;
    use std::vec;

    const MIB: u64 = 1 << 20;

    #[test]
    fn a_kernel_is_loaded_and_everything_it_gets_is_reserved() {
        let archive = archive_with(KERNEL_ENTRY, &kernel_with(&config::tests::good().serialize()));
        let mut memory_map = MemoryMap::default();
        let mut ram = |start, end| memory_map.push(Range { start, end, kind: Kind::Ram }).expect("room");
        ram(0, 0x9_f000);
        ram(MIB, 64 * MIB);
        ram(FOUR_GIB, FOUR_GIB + 3 * MIB);
        let machine = Machine {
            memory_map,
            archive_start: 60 * MIB,
            archive: &archive,
            loader: MIB..2 * MIB,
            switch_page: MIB,
            giant_pages: PageSize::Large,
        };
        assert_eq!(machine.arena_range(), Ok((2 * MIB, 60 * MIB)));
        let mut memory = vec![0xcc; 2 << 20];
        let mut arena = Arena::new(2 * MIB, &mut memory);
        let handoff = load(&machine, &mut arena).expect("loads");

        let used = arena.used();
        let mut at = |address| translate(&mut arena, handoff.root, address);
        let (code, code_flags) = at(KERNEL_BASE).expect("mapped");
        assert!(used.contains(&code) && !code_flags.contains(Flags::WRITABLE | Flags::NO_EXECUTE));
        assert_eq!(at(KERNEL_BASE + 0x2000), None);
        assert_eq!(
            at(config::PHYSICAL_MEMORY + FOUR_GIB + 3 * MIB - 1).map(|(to, _)| to),
            Some(FOUR_GIB + 3 * MIB - 1)
        );
        assert!(at(config::PHYSICAL_MEMORY).expect("mapped").1.contains(Flags::NO_EXECUTE));
        assert_eq!(at(config::STACK - 1), None);
        assert!(at(config::STACK).is_some() && at(config::STACK + (80 << 10) - 1).is_some());
        assert_eq!(at(MIB).map(|(to, _)| to), Some(MIB));
        assert_eq!(at(MIB + PAGE_BYTES), None);
        assert_eq!(&arena.bytes(code, 5)[..], b"code\0");

        let usable = |address: u64| {
            let mut ranges = handoff.memory_map.ranges().iter().filter(|range| range.kind == Kind::Ram);
            ranges.any(|range| (range.start..range.end).contains(&address))
        };
        assert!(usable(0x8000) && usable(used.end) && usable(FOUR_GIB));
        assert!(!usable(0) && !usable(used.start) && !usable(used.end - 1) && !usable(60 * MIB) && !usable(MIB));
    }
}
