//! Page-table entries and their arithmetic: x86-64 four-level paging (Intel SDM 3A, 4.5).
//!
//! Bits 52 to 61 are ours: in a leaf the number of the attachment that made it, in an entry that points to a table
//! the number of that table's entries that are present.

use ukernel_abi::{PAGE_BYTES, Rights};

use crate::PhysAddr;

/// Level of the tables whose entries map 4 KiB pages.
pub(crate) const PAGE_LEVEL: u32 = 1;
/// Level of the tables whose entries map 2 MiB pages.
pub(crate) const LARGE_LEVEL: u32 = 2;
/// Level of the root.
pub(crate) const ROOT_LEVEL: u32 = 4;
/// Entries of a table.
pub(crate) const ENTRIES: usize = 512;

const PRESENT: u64 = 1;
const WRITE: u64 = 1 << 1;
const USER: u64 = 1 << 2;
const UNCACHED: u64 = 1 << 3 | 1 << 4;
const LARGE: u64 = 1 << 7;
const NO_EXECUTE: u64 = 1 << 63;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;
const OWN_SHIFT: u32 = 52;
const OWN: u64 = 0x3ff << OWN_SHIFT;
/// What PROTECT changes.
const RIGHTS: u64 = WRITE | NO_EXECUTE;

/// Index of the entry for an address in a table of this level.
pub(crate) const fn index(level: u32, address: u64) -> usize {
    (address >> (12 + 9 * (level - 1))) as usize & (ENTRIES - 1)
}

/// Bytes that one entry of a table of this level covers.
pub(crate) const fn span(level: u32) -> u64 {
    PAGE_BYTES << (9 * (level - 1))
}

/// A page-table entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(transparent)]
pub struct Leaf(pub u64);

impl Leaf {
    /// A 4 KiB mapping's entry. At least one right must be given.
    pub(crate) fn page(at: PhysAddr, rights: Rights, uncached: bool, number: u16) -> Self {
        let cache = if uncached { UNCACHED } else { 0 };
        Self(at.0 & ADDRESS | PRESENT | USER | rights_bits(rights) | cache | u64::from(number) << OWN_SHIFT)
    }

    /// The same for 2 MiB.
    pub(crate) fn large(at: PhysAddr, rights: Rights, uncached: bool, number: u16) -> Self {
        Self(Self::page(at, rights, uncached, number).0 | LARGE)
    }

    /// An entry that points to a table with `count` present entries.
    pub(crate) fn table(at: PhysAddr, count: u16) -> Self {
        Self(at.0 & ADDRESS | PRESENT | WRITE | USER | u64::from(count) << OWN_SHIFT)
    }

    /// The same, for the root of a master view: nothing below is executable.
    #[must_use]
    pub(crate) fn never_execute(self) -> Self {
        Self(self.0 | NO_EXECUTE)
    }

    /// The same, executable as the leaves say.
    #[must_use]
    pub(crate) fn may_execute(self) -> Self {
        Self(self.0 & !NO_EXECUTE)
    }

    /// Whether the processor uses it.
    pub fn present(self) -> bool {
        self.0 & PRESENT != 0
    }

    /// Whether it maps 2 MiB.
    pub fn is_large(self) -> bool {
        self.0 & LARGE != 0
    }

    /// Whether a user program may write through it.
    pub fn writable(self) -> bool {
        self.0 & WRITE != 0
    }

    /// Whether a user program may execute through it.
    pub fn executable(self) -> bool {
        self.0 & NO_EXECUTE == 0
    }

    /// Where it points.
    pub fn address(self) -> PhysAddr {
        PhysAddr(self.0 & ADDRESS)
    }

    /// The attachment's number, or the table's count.
    pub fn own(self) -> u16 {
        ((self.0 & OWN) >> OWN_SHIFT) as u16
    }

    /// The same entry with another count.
    #[must_use]
    pub(crate) fn with_own(self, own: u16) -> Self {
        Self(self.0 & !OWN | u64::from(own) << OWN_SHIFT)
    }

    /// The same entry with other rights.
    #[must_use]
    pub(crate) fn with_rights(self, rights: Rights) -> Self {
        Self(self.0 & !RIGHTS | rights_bits(rights))
    }
}

fn rights_bits(rights: Rights) -> u64 {
    let write = if rights.contains(Rights::WRITE) { WRITE } else { 0 };
    let execute = if rights.contains(Rights::EXECUTE) { 0 } else { NO_EXECUTE };
    write | execute
}
