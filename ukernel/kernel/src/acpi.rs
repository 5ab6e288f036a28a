//! The few facts that the kernel needs from ACPI: where the interrupt controllers and the power-management timer are.
//! Layouts: ACPI 6.5, 5.2.5 (RSDP), 5.2.7 (RSDT), 5.2.8 (XSDT), 5.2.9 (FADT), 5.2.12 (MADT).

use crate::Physical;
use crate::dmar::{self, Dmar};

/// Most I/O APICs taken note of.
pub const MAX_IO_APICS: usize = 4;
/// Most tables that are looked at.
const MAX_TABLES: u64 = 64;
/// A sane limit for the length of a table.
const MAX_TABLE_BYTES: u64 = 1 << 20;
pub(crate) const HEADER_BYTES: u64 = 36;
/// The flag of a processor that may be used.
const PROCESSOR_ENABLED: u32 = 1;

/// What was found. Addresses are physical.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Platform {
    /// Local APICs: where each processor finds its own.
    pub local_apic: u64,
    /// Numbers of the local APICs of the processors that may be used, as a set of bits.
    pub processors: [u64; 4],
    /// I/O APICs.
    pub io_apics: [Option<IoApic>; MAX_IO_APICS],
    /// Port of the power-management timer.
    pub pm_timer: u16,
    /// The IOMMU's units; `None`: there is no IOMMU, or what is said of it makes no sense.
    pub dmar: Option<Dmar>,
}

/// An I/O APIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IoApic {
    /// Physical address.
    pub address: u64,
    /// Number of its first line.
    pub first_line: u32,
    /// Its identifier.
    pub id: u8,
}

impl Platform {
    /// The numbers of the local APICs of the processors that may be used, in ascending order.
    pub fn local_apics(&self) -> impl Iterator<Item = u8> {
        let processors = self.processors;
        (0..=u8::MAX).filter(move |id| processors[usize::from(id / 64)] >> (id % 64) & 1 != 0)
    }
}

/// Read the tables from the root pointer on. `None`: they are damaged, or lack something.
pub fn read(memory: &impl Physical, rsdp: u64) -> Option<Platform> {
    if memory.bytes::<8>(rsdp)? != *b"RSD PTR " {
        return None;
    }
    let revision = memory.byte(rsdp + 15)?;
    let (root, width) =
        if revision >= 2 { (memory.u64(rsdp + 24)?, 8) } else { (u64::from(memory.u32(rsdp + 16)?), 4) };
    let bytes = length(memory, root)?;
    let (processors, io_apics) = ([0; 4], [None; MAX_IO_APICS]);
    let mut platform = Platform { local_apic: 0xfee0_0000, processors, io_apics, pm_timer: 0, dmar: None };
    let entries = bytes.saturating_sub(HEADER_BYTES) / width;
    for index in 0..entries.min(MAX_TABLES) {
        let at = root + HEADER_BYTES + index * width;
        let table = if width == 8 { memory.u64(at)? } else { u64::from(memory.u32(at)?) };
        match &memory.bytes::<4>(table)? {
            b"APIC" => read_madt(memory, table, &mut platform)?,
            b"FACP" => platform.pm_timer = u16::try_from(memory.u32(table + 76)?).ok()?,
            b"DMAR" => platform.dmar = dmar::read(memory, table),
            _ => {}
        }
    }
    (platform.pm_timer != 0).then_some(platform)
}

pub(crate) fn length(memory: &impl Physical, table: u64) -> Option<u64> {
    let bytes = u64::from(memory.u32(table.checked_add(4)?)?);
    (HEADER_BYTES..=MAX_TABLE_BYTES).contains(&bytes).then_some(bytes)
}

fn read_madt(memory: &impl Physical, table: u64, platform: &mut Platform) -> Option<()> {
    let end = table + length(memory, table)?;
    platform.local_apic = u64::from(memory.u32(table + 36)?);
    let mut at = table + 44;
    while at + 2 <= end {
        let (kind, bytes) = (memory.byte(at)?, memory.byte(at + 1)?);
        if bytes < 2 {
            return None;
        }
        if kind == 0 && bytes >= 8 && memory.u32(at + 4)? & PROCESSOR_ENABLED != 0 {
            let id = memory.byte(at + 3)?;
            platform.processors[usize::from(id / 64)] |= 1 << (id % 64);
        }
        if kind == 1 && bytes >= 12 {
            let address = u64::from(memory.u32(at + 4)?);
            let found = IoApic { address, first_line: memory.u32(at + 8)?, id: memory.byte(at + 2)? };
            if let Some(free) = platform.io_apics.iter_mut().find(|place| place.is_none()) {
                *free = Some(found);
            }
        }
        at += u64::from(bytes);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    extern crate alloc;
    use alloc::vec::Vec;

    use super::{IoApic, Platform, read};

    fn table(signature: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::from(*signature);
        bytes.extend((36 + body.len() as u32).to_le_bytes());
        bytes.resize(36, 0);
        bytes.extend(body);
        bytes
    }

    /// RSDP at 0, RSDT at 64, MADT at 256, FADT at 512.
    fn firmware() -> Vec<u8> {
        let mut memory = Vec::from(*b"RSD PTR ");
        memory.resize(64, 0);
        memory[16] = 64;
        memory.extend(table(b"RSDT", &[0, 1, 0, 0, 0, 2, 0, 0]));
        memory.resize(256, 0);
        let mut madt = Vec::from(0xfee0_0000u32.to_le_bytes());
        madt.extend([0; 4]);
        madt.extend([0, 8, 0, 0, 1, 0, 0, 0]);
        madt.extend([0, 8, 1, 70, 1, 0, 0, 0]);
        madt.extend([0, 8, 2, 3, 0, 0, 0, 0]);
        madt.extend([1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 24, 0, 0, 0]);
        memory.extend(table(b"APIC", &madt));
        memory.resize(512, 0);
        let mut fadt = [0; 48];
        fadt[40..42].copy_from_slice(&0x608u16.to_le_bytes());
        memory.extend(table(b"FACP", &fadt));
        memory
    }

    #[test]
    fn finds_controllers_and_timer() {
        let platform = read(&firmware().as_slice(), 0);
        let io_apics = [Some(IoApic { address: 0xfec0_0000, first_line: 24, id: 0 }), None, None, None];
        let (local_apic, processors) = (0xfee0_0000, [1, 1 << 6, 0, 0]);
        assert_eq!(platform, Some(Platform { local_apic, processors, io_apics, pm_timer: 0x608, dmar: None }));
        assert_eq!(platform.map(|platform| platform.local_apics().collect()), Some(Vec::from([0, 70])));
    }

    #[test]
    fn survives_damage_to_any_byte() {
        let good = firmware();
        for at in 0..good.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut bad = good.clone();
                bad[at] = value;
                let _ = read(&bad.as_slice(), 0);
            }
            let _ = read(&&good[..at], 0);
        }
    }
}
