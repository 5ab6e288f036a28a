//! PCI configuration space: how to reach it, and what lies in a function's header.
//!
//! * [`ports`]: all of configuration space through ports 0xcf8 and 0xcfc (the pci server's)
//! * [`header`]: identity, base address registers, commands
//! * [`capability`]: the capability list and the MSI-X capability
//!
//! Everything read from a device is hostile: lists are walked with a bound, offsets are kept inside the 256 bytes.

pub mod capability;
pub mod header;
pub mod ports;

pub use pci_types::{CommandRegister, PciAddress};

/// Bytes of a function's configuration space (the conventional part; the extended part is not used).
pub const CONFIG_BYTES: u16 = 256;

/// One function's configuration space. Offsets are multiples of 4 below [`CONFIG_BYTES`].
pub trait ConfigSpace {
    /// Read 32 bits; all ones where nobody answers.
    fn read_config(&mut self, offset: u16) -> u32;

    /// Read the 16 bits at `offset`, a multiple of 2.
    fn read_config_u16(&mut self, offset: u16) -> u16 {
        (self.read_config(offset & !3) >> ((offset & 2) * 8)) as u16
    }

    /// Read the byte at `offset`.
    fn read_config_u8(&mut self, offset: u16) -> u8 {
        (self.read_config(offset & !3) >> ((offset & 3) * 8)) as u8
    }
}

/// A function's configuration space that may also be written: the pci server's.
pub trait ConfigSpaceMut: ConfigSpace {
    /// Write 32 bits.
    fn write_config(&mut self, offset: u16, value: u32);
}
