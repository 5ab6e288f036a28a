//! Four-level page tables (Intel SDM 3A, 4.5), built in frames of an [`Arena`].
//!
//! Invariant: an entry is written once; mapping an address twice is refused.

use x86_64::structures::paging::PageTableFlags as Flags;

use crate::arena::Arena;
use crate::{Error, PAGE_BYTES};

/// Entries of a table.
const ENTRIES: u64 = 512;

/// The size of one mapping, by the level of the table that holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageSize {
    /// 4 KiB.
    Small,
    /// 2 MiB.
    Large,
    /// 1 GiB.
    Giant,
}

impl PageSize {
    /// Bytes of a page.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        PAGE_BYTES << (9 * self.level())
    }

    const fn level(self) -> u32 {
        match self {
            Self::Small => 0,
            Self::Large => 1,
            Self::Giant => 2,
        }
    }
}

/// A table hierarchy under construction.
#[derive(Debug)]
pub struct PageTable {
    root: u64,
}

impl PageTable {
    /// Starts with an empty root.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn new(arena: &mut Arena<'_>) -> Result<Self, Error> {
        Ok(Self { root: arena.allocate(1)? })
    }

    /// Physical address of the root table.
    #[must_use]
    pub fn root(&self) -> u64 {
        self.root
    }

    /// Maps `count` pages of `size` from `virtual_address` to `physical` on. PRESENT is implied.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], or [`Error::Kernel`] when something is mapped there already.
    pub fn map(
        &self,
        arena: &mut Arena<'_>,
        virtual_address: u64,
        physical: u64,
        count: u64,
        size: PageSize,
        flags: Flags,
    ) -> Result<(), Error> {
        let huge = if size == PageSize::Small { Flags::empty() } else { Flags::HUGE_PAGE };
        let bits = (flags | huge | Flags::PRESENT).bits();
        for page in 0..count {
            let offset = page * size.bytes();
            let slot = self.slot(arena, virtual_address.wrapping_add(offset), size)?;
            if read(arena, slot) != 0 {
                return Err(Error::Kernel("two things are to lie at one address"));
            }
            write(arena, slot, (physical + offset) | bits);
        }
        Ok(())
    }

    /// Finds the entry for `virtual_address` at `size`'s level, and makes the tables on the way.
    fn slot(&self, arena: &mut Arena<'_>, virtual_address: u64, size: PageSize) -> Result<u64, Error> {
        let mut table = self.root;
        for level in (size.level() + 1..4).rev() {
            let slot = table + index(virtual_address, level) * 8;
            let mut entry = read(arena, slot);
            if entry == 0 {
                // Rights are the leaves'; the levels above grant everything.
                entry = arena.allocate(1)? | (Flags::PRESENT | Flags::WRITABLE).bits();
                write(arena, slot, entry);
            } else if entry & Flags::HUGE_PAGE.bits() != 0 {
                return Err(Error::Kernel("two things are to lie at one address"));
            }
            table = entry & ADDRESS_MASK;
        }
        Ok(table + index(virtual_address, size.level()) * 8)
    }
}

const ADDRESS_MASK: u64 = 0x000f_ffff_ffff_f000;

fn index(virtual_address: u64, level: u32) -> u64 {
    (virtual_address >> (12 + 9 * level)) % ENTRIES
}

fn read(arena: &mut Arena<'_>, slot: u64) -> u64 {
    let mut entry = [0; 8];
    entry.copy_from_slice(arena.bytes(slot, 8));
    u64::from_le_bytes(entry)
}

fn write(arena: &mut Arena<'_>, slot: u64, entry: u64) {
    arena.bytes(slot, 8).copy_from_slice(&entry.to_le_bytes());
}

/// Translates as the processor would: the entry that maps `virtual_address`, with its page size.
#[cfg(test)]
pub(crate) fn translate(arena: &mut Arena<'_>, root: u64, virtual_address: u64) -> Option<(u64, Flags)> {
    let mut table = root;
    for level in (0..4).rev() {
        let entry = read(arena, table + index(virtual_address, level) * 8);
        let flags = Flags::from_bits_truncate(entry);
        if !flags.contains(Flags::PRESENT) {
            return None;
        }
        if level == 0 || flags.contains(Flags::HUGE_PAGE) {
            let mask = (PAGE_BYTES << (9 * level)) - 1;
            return Some(((entry & ADDRESS_MASK & !mask) | (virtual_address & mask), flags));
        }
        table = entry & ADDRESS_MASK;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    #[test]
    fn pages_of_each_size_translate() {
        let mut memory = vec![0xaa; 64 * 4096];
        let mut arena = Arena::new(0x20_0000, &mut memory);
        let table = PageTable::new(&mut arena).expect("room");
        let (high, flags) = (0xffff_ffff_8000_0000, Flags::WRITABLE | Flags::NO_EXECUTE);
        table.map(&mut arena, high, 0x5000, 3, PageSize::Small, flags).expect("free");
        table.map(&mut arena, 0xffff_c000_0000_0000, 0, 2, PageSize::Large, flags).expect("free");
        table.map(&mut arena, 0xffff_c001_0000_0000, 1 << 30, 1, PageSize::Giant, flags).expect("free");
        let mut at = |address| translate(&mut arena, table.root(), address).map(|(physical, _)| physical);
        assert_eq!(at(high + 0x2abc), Some(0x7abc));
        assert_eq!(at(high + 0x3000), None);
        assert_eq!(at(0xffff_c000_0020_1234), Some(0x20_1234));
        assert_eq!(at(0xffff_c001_0000_1234), Some((1 << 30) + 0x1234));
        assert!(table.map(&mut arena, high, 0, 1, PageSize::Small, flags).is_err());
        assert!(table.map(&mut arena, 0xffff_c000_0000_0000, 0, 1, PageSize::Small, flags).is_err());
    }

    #[test]
    fn running_out_of_frames_is_an_error() {
        let mut memory = vec![0; 2 * 4096];
        let mut arena = Arena::new(0, &mut memory);
        let table = PageTable::new(&mut arena).expect("room");
        let mapped = table.map(&mut arena, 0, 0, 1, PageSize::Small, Flags::empty());
        assert_eq!(mapped, Err(Error::OutOfMemory));
    }
}
