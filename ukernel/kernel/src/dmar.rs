//! The ACPI table that says where the IOMMU's units are: DMAR (Intel VT-d 3.3, chapter 8).

use crate::Physical;
use crate::acpi::{HEADER_BYTES, length};

/// Most units taken note of.
pub const MAX_UNITS: usize = 4;
/// Most I/O APICs taken note of.
const MAX_IO_APICS: usize = 4;
/// Bytes of the table in front of its structures.
const FRONT_BYTES: u64 = HEADER_BYTES + 12;
/// The structure of a unit: its type, and its bytes in front of the device scopes.
const UNIT: u16 = 0;
const UNIT_BYTES: u64 = 16;
/// The scope that is an I/O APIC.
const IO_APIC: u8 = 3;
/// Bytes of a scope whose device is on its bus: no bridges in between.
const SHORT_SCOPE_BYTES: u8 = 8;

/// What the table says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dmar {
    /// Physical addresses of the units' registers.
    pub units: [Option<u64>; MAX_UNITS],
    /// How I/O APICs name themselves to the IOMMU: identifier and source number (bus, device, function).
    io_apics: [Option<(u8, u16)>; MAX_IO_APICS],
}

impl Dmar {
    /// The source number of the I/O APIC with this identifier.
    pub fn io_apic(&self, id: u8) -> Option<u16> {
        self.io_apics.iter().flatten().find(|(other, _)| *other == id).map(|(_, source)| *source)
    }
}

/// Read the table. `None`: it is damaged, or has no unit, or more than are taken note of: a device behind one that is not
/// in use would reach everything.
pub fn read(memory: &impl Physical, table: u64) -> Option<Dmar> {
    let end = table.checked_add(length(memory, table)?)?;
    let (mut at, mut dmar) = (table + FRONT_BYTES, Dmar::default());
    while at.checked_add(4)? <= end {
        let (kind, bytes) = (half(memory, at)?, u64::from(half(memory, at + 2)?));
        let next = at.checked_add(bytes).filter(|next| bytes >= 4 && *next <= end)?;
        if kind == UNIT {
            read_unit(memory, (at, next), &mut dmar)?;
        }
        at = next;
    }
    dmar.units[0].map(|_| dmar)
}

fn half(memory: &impl Physical, at: u64) -> Option<u16> {
    memory.bytes(at).map(u16::from_le_bytes)
}

fn read_unit(memory: &impl Physical, (at, end): (u64, u64), dmar: &mut Dmar) -> Option<()> {
    let registers = memory.u64(at + 8)?;
    let scopes = at.checked_add(UNIT_BYTES).filter(|scopes| *scopes <= end)?;
    let is_valid = registers != 0 && registers.is_multiple_of(4096) && registers.checked_add(4096).is_some();
    let place = dmar.units.iter_mut().find(|place| place.is_none()).filter(|_| is_valid)?;
    *place = Some(registers);
    let mut at = scopes;
    while at < end {
        let bytes = memory.byte(at + 1)?;
        let next = at.checked_add(bytes.into()).filter(|next| bytes >= 6 && *next <= end)?;
        if memory.byte(at)? == IO_APIC && bytes == SHORT_SCOPE_BYTES {
            let [id, bus, device, function] = memory.bytes(at + 4)?;
            let source = u16::from(bus) << 8 | u16::from(device & 31) << 3 | u16::from(function & 7);
            let place = dmar.io_apics.iter_mut().find(|place| place.is_none())?;
            *place = Some((id, source));
        }
        at = next;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    extern crate alloc;
    use alloc::vec::Vec;

    use super::{Dmar, read};

    fn structure(kind: u16, body: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::from(kind.to_le_bytes());
        bytes.extend((4 + body.len() as u16).to_le_bytes());
        bytes.extend(body);
        bytes
    }

    fn unit(registers: u64, scopes: &[u8]) -> Vec<u8> {
        let mut body = Vec::from([1, 0, 0, 0]);
        body.extend(registers.to_le_bytes());
        body.extend(scopes);
        structure(0, &body)
    }

    fn table(structures: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = Vec::from(*b"DMAR");
        bytes.resize(48, 0);
        structures.iter().for_each(|structure| bytes.extend(structure));
        let length = (bytes.len() as u32).to_le_bytes();
        bytes[4..8].copy_from_slice(&length);
        bytes
    }

    /// A unit with an I/O APIC and an endpoint, something unknown, a reserved region, and another unit.
    fn good() -> Vec<u8> {
        let scopes = [3, 8, 0, 0, 0, 0xff, 2, 1, 1, 8, 0, 0, 0, 0, 3, 0];
        let reserved = structure(1, &[0; 20]);
        table(&[unit(0xfed9_0000, &scopes), structure(9, &[0; 12]), reserved, unit(0xfed9_1000, &[])])
    }

    #[test]
    fn units_and_io_apics_are_found() {
        let dmar = read(&good().as_slice(), 0).expect("it is whole");
        assert_eq!(dmar.units, [Some(0xfed9_0000), Some(0xfed9_1000), None, None]);
        assert_eq!((dmar.io_apic(0), dmar.io_apic(1)), (Some(0xff11), None));
    }

    #[test]
    fn without_a_unit_or_with_too_many_there_is_no_iommu() {
        assert_eq!(read(&table(&[]).as_slice(), 0), None);
        let many: Vec<_> = (0..5).map(|index| unit(0xfed9_0000 + (index << 12), &[])).collect();
        assert_eq!(read(&table(&many).as_slice(), 0), None);
        assert_eq!(read(&table(&many[..4]).as_slice(), 0).map(|dmar| dmar.units.iter().flatten().count()), Some(4));
    }

    #[test]
    fn lengths_that_lead_nowhere_are_refused() {
        let good = good();
        // A structure that is too short, one past the table's end, a scope of no bytes, one past its unit's end.
        for (at, value) in [(50, 3), (50, 15), (51, 8), (65, 0), (65, 17)] {
            let mut bad = good.clone();
            bad[at] = value;
            assert_eq!(read(&bad.as_slice(), 0), None, "byte {at} is {value}");
        }
        for registers in [0, 0xfed9_0800, !0xfff] {
            assert_eq!(read(&table(&[unit(registers, &[])]).as_slice(), 0), None);
        }
    }

    #[test]
    fn survives_damage_to_any_byte() {
        let good = good();
        for at in 0..good.len() {
            for value in [0, 1, 2, 0x7f, 0x80, 0xff] {
                let mut bad = good.clone();
                bad[at] = value;
                let read: Option<Dmar> = read(&bad.as_slice(), 0);
                assert!(read.is_none_or(|dmar| dmar.units[0].is_some()));
            }
            let _ = read(&&good[..at], 0);
        }
    }
}
