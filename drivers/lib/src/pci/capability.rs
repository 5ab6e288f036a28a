//! The list of capabilities in configuration space (PCI local bus specification 3.0, 6.7 and 6.8.2).

use super::{CONFIG_BYTES, ConfigSpace, ConfigSpaceMut};

/// Capability number of MSI.
pub const MSI: u8 = 0x05;
/// Capability number of "vendor-specific", which virtio uses.
pub const VENDOR: u8 = 0x09;
/// Capability number of MSI-X.
pub const MSI_X: u8 = 0x11;

const STATUS: u16 = 0x06;
const STATUS_HAS_LIST: u16 = 1 << 4;
const LIST: u16 = 0x34;
/// Capabilities begin after the 64 bytes of the header and are at least 4 bytes long, so there are no more than this.
const MAX_CAPABILITIES: usize = (CONFIG_BYTES as usize - 64) / 4;

/// The offsets of all capabilities with this number, in list order. The list may be a loop, or point anywhere: the walk
/// is bounded and stays between header and end.
pub fn find<C: ConfigSpace>(config: &mut C, number: u8) -> impl Iterator<Item = u16> + use<C> {
    let mut next = match config.read_config_u16(STATUS) & STATUS_HAS_LIST {
        0 => 0,
        _ => u16::from(config.read_config_u8(LIST) & !3),
    };
    let mut found = [0; MAX_CAPABILITIES];
    let mut count = 0;
    for _ in 0..MAX_CAPABILITIES {
        if next < 0x40 {
            break;
        }
        let header = config.read_config(next);
        if header as u8 == number && !found.iter().take(count).any(|&seen| seen == next) {
            found[count] = next;
            count += 1;
        }
        next = (header >> 8) as u16 & 0xfc;
    }
    found.into_iter().take(count)
}

/// Bits of the MSI-X capability's first word.
const ENABLE: u32 = 1 << 31;
const MASK_ALL: u32 = 1 << 30;

/// Where the MSI-X vectors of a function are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MsiX {
    /// Offset of the capability.
    pub offset: u16,
    /// Number of vectors, 1 to 2,048.
    pub vectors: u16,
    /// Which base address register the table is in.
    pub table_bar: u8,
    /// Byte offset of the table there.
    pub table_offset: u32,
    /// Which base address register the pending bits are in.
    pub pending_bar: u8,
    /// Byte offset of the pending bits there.
    pub pending_offset: u32,
}

impl MsiX {
    /// Bytes of one entry of the table.
    pub const ENTRY_BYTES: u64 = 16;

    /// Read the capability, if there is one.
    pub fn read(config: &mut impl ConfigSpace) -> Option<Self> {
        let offset = find(config, MSI_X).next().filter(|&offset| offset <= CONFIG_BYTES - 12)?;
        let control = config.read_config_u16(offset + 2);
        let table = config.read_config(offset + 4);
        let pending = config.read_config(offset + 8);
        Some(Self {
            offset,
            vectors: (control & 0x7ff) + 1,
            table_bar: table as u8 & 7,
            table_offset: table & !7,
            pending_bar: pending as u8 & 7,
            pending_offset: pending & !7,
        })
    }

    /// Bytes of the table.
    pub fn table_bytes(&self) -> u64 {
        u64::from(self.vectors) * Self::ENTRY_BYTES
    }

    /// Bytes of the pending bits.
    pub fn pending_bytes(&self) -> u64 {
        u64::from(self.vectors.div_ceil(64)) * 8
    }

    /// Let the function use its vectors; those masked in the table stay masked. Line interrupts end.
    pub fn enable(&self, config: &mut impl ConfigSpaceMut) {
        let control = config.read_config(self.offset);
        config.write_config(self.offset, (control | ENABLE) & !MASK_ALL);
    }

    /// Let the function use none of its vectors.
    pub fn disable(&self, config: &mut impl ConfigSpaceMut) {
        let control = config.read_config(self.offset);
        config.write_config(self.offset, control & !ENABLE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::FakeFunction;

    #[test]
    fn msi_x_is_found_behind_other_capabilities() {
        let mut function = FakeFunction::new(0x1af4, 0x1043, 0);
        function.add_capability(0x50, VENDOR, &[0; 3]);
        function.add_capability(0x98, MSI_X, &[0x001f_0000, 0x0000_0001, 0x0000_0801]);
        let msi_x = MsiX::read(&mut function).expect("added above");
        assert_eq!((msi_x.vectors, msi_x.table_bar, msi_x.table_offset), (32, 1, 0));
        assert_eq!((msi_x.pending_bar, msi_x.pending_offset), (1, 0x800));
        msi_x.enable(&mut function);
        assert_eq!(function.read_config(0x98) >> 30, 0b10);
        msi_x.disable(&mut function);
        assert_eq!(function.read_config(0x98) >> 30, 0b00);
    }

    #[test]
    fn a_list_that_loops_ends() {
        let mut function = FakeFunction::new(0x1af4, 0x1043, 0);
        function.add_capability(0x50, VENDOR, &[0]);
        function.set(0x50, 0x5000 | u32::from(VENDOR));
        assert_eq!(find(&mut function, VENDOR).count(), 1);
        assert_eq!(MsiX::read(&mut function), None);
    }

    #[test]
    fn a_capability_cut_off_by_the_end_is_none() {
        let mut function = FakeFunction::new(0x1af4, 0x1043, 0);
        function.add_capability(0xfc, MSI_X, &[0]);
        assert_eq!(MsiX::read(&mut function), None);
    }
}
