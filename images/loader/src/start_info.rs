//! The PVH start information that a hypervisor leaves in memory (Xen's public `arch-x86/hvm/start_info.h`).
//!
//! Layouts: `hvm_start_info` (56 bytes), `hvm_modlist_entry` (32 bytes), `hvm_memmap_table_entry` (24 bytes).

use crate::Error;
use crate::memory_map::{Kind, Range};

/// Bytes of `hvm_start_info`, version 1.
pub const START_INFO_BYTES: usize = 56;
/// Bytes of a module's entry.
pub const MODULE_BYTES: usize = 32;
/// Bytes of an entry of the memory map.
pub const MEMORY_ENTRY_BYTES: usize = 24;
/// Most entries of a memory map that are read.
pub const MAX_MEMORY_ENTRIES: u32 = 128;

const MAGIC: u32 = 0x336e_c578;
const TYPE_RAM: u32 = 1;

/// The parts of the start information that the loader uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartInfo {
    /// Physical address of the list of modules.
    pub modules: u64,
    /// Physical address of the ACPI root pointer, or 0.
    pub rsdp: u64,
    /// Physical address of the memory map.
    pub memory_map: u64,
    /// Number of its entries.
    pub memory_entries: u32,
}

impl StartInfo {
    /// Reads the record and checks that it has what the loader needs.
    ///
    /// # Errors
    /// [`Error::StartInfo`] for a wrong magic number, an old version, no module, or no memory map.
    pub fn parse(record: &[u8; START_INFO_BYTES]) -> Result<Self, Error> {
        if read_u32(record, 0) != MAGIC {
            return Err(Error::StartInfo("bad magic number"));
        }
        if read_u32(record, 4) < 1 {
            return Err(Error::StartInfo("version 0 has no memory map"));
        }
        if read_u32(record, 12) == 0 {
            return Err(Error::StartInfo("no RAM disk (qemu: -initrd)"));
        }
        let memory_entries = read_u32(record, 48);
        if memory_entries == 0 || memory_entries > MAX_MEMORY_ENTRIES {
            return Err(Error::StartInfo("no memory map, or one that is too long"));
        }
        Ok(Self {
            modules: read_u64(record, 16),
            rsdp: read_u64(record, 32),
            memory_map: read_u64(record, 40),
            memory_entries,
        })
    }
}

/// Physical address and bytes of a module.
#[must_use]
pub fn parse_module(entry: &[u8; MODULE_BYTES]) -> (u64, u64) {
    (read_u64(entry, 0), read_u64(entry, 8))
}

/// An entry of the memory map; ends beyond the address space are cut.
#[must_use]
pub fn parse_memory_entry(entry: &[u8; MEMORY_ENTRY_BYTES]) -> Range {
    let start = read_u64(entry, 0);
    let kind = match read_u32(entry, 16) {
        TYPE_RAM => Kind::Ram,
        other => Kind::Firmware(other),
    };
    Range { start, end: start.saturating_add(read_u64(entry, 8)), kind }
}

fn read_u32(bytes: &[u8], at: usize) -> u32 {
    let field = bytes.get(at..).and_then(|rest| rest.first_chunk()).expect("offsets are inside the fixed records");
    u32::from_le_bytes(*field)
}

fn read_u64(bytes: &[u8], at: usize) -> u64 {
    let field = bytes.get(at..).and_then(|rest| rest.first_chunk()).expect("offsets are inside the fixed records");
    u64::from_le_bytes(*field)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> [u8; START_INFO_BYTES] {
        let mut record = [0; START_INFO_BYTES];
        record[..4].copy_from_slice(&MAGIC.to_le_bytes());
        record[4] = 1;
        record[12] = 1;
        record[16..24].copy_from_slice(&0x7000_u64.to_le_bytes());
        record[48] = 3;
        record
    }

    #[test]
    fn a_good_record_is_read() {
        let info = StartInfo::parse(&record()).expect("good");
        assert_eq!((info.modules, info.memory_entries, info.rsdp), (0x7000, 3, 0));
    }

    #[test]
    fn bad_records_are_refused() {
        for at in [0, 4, 12, 48] {
            let mut bad = record();
            bad[at] = 0;
            assert!(StartInfo::parse(&bad).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_memory_entry_that_overflows_is_cut() {
        let mut entry = [0xff; MEMORY_ENTRY_BYTES];
        entry[16..20].copy_from_slice(&1_u32.to_le_bytes());
        assert_eq!(parse_memory_entry(&entry), Range { start: u64::MAX, end: u64::MAX, kind: Kind::Ram });
    }
}
