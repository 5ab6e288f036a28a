//! Devices on PCI; served by the pci server, which alone touches configuration space and MSI-X tables.
//!
//! A driver's badge says which device is its own: vendor in bits 16 to 31, device in bits 0 to 15, index among equal ones
//! in bits 32 to 39 (see [`badge`]). It can ask for nothing else.

use ipc::Capability;

ipc::errors! {
    /// Why a driver did not get what it asked for.
    pub enum PciError {
        /// There is no such device.
        NoDevice = 1,
        /// The device has no such base address register, or not one of memory.
        NoBar = 2,
        /// The device has no such interrupt vector, or the system has none left.
        NoVector = 3,
        /// The offset is outside configuration space or not aligned.
        BadOffset = 4,
        /// The kernel refused what was needed.
        Failed = 5,
    }
}

ipc::record! {
    /// A device.
    pub struct PciDevice {
        /// Vendor.
        pub vendor: u16,
        /// Device.
        pub device: u16,
        /// Bus (bits 8 to 15), device (3 to 7), function (0 to 2).
        pub location: u16,
        /// Number of its MSI-X vectors.
        pub vectors: u16,
    }
}

ipc::record! {
    /// A memory range of a device.
    pub struct Bar {
        /// Device memory, to be mapped uncached; it has READ and WRITE.
        pub memory: Capability,
        /// Where within the first page the range starts.
        pub page_offset: u32,
        /// Its bytes.
        pub bytes: u64,
    }
}

/// The badge of the driver of device `index` among those with this vendor and device.
#[must_use]
pub const fn badge(vendor: u16, device: u16, index: u8) -> u64 {
    (index as u64) << 32 | (vendor as u64) << 16 | device as u64
}

ipc::interface! {
    /// A driver's view of the PCI bus: its own device.
    pub trait PciBus(client PciBusClient, handler PciBusHandler, dispatcher PciBusDispatcher) = 7 {
        /// The driver's device.
        1 => fn device(&self) -> Result<PciDevice, PciError>;
        /// Reads configuration space at `offset`, a multiple of 4.
        2 => fn read_config(&self, offset: u16) -> Result<u32, PciError>;
        /// The memory behind base address register `index`.
        3 => fn bar(&self, index: u8) -> Result<Bar, PciError>;
        /// Lets the device answer at its addresses and be a bus master.
        4 => fn enable(&self) -> Result<(), PciError>;
        /// Issues an interrupt for MSI-X vector `vector` and programs the device's table: an `Irq`, to be bound.
        5 => fn interrupt(&self, vector: u16) -> Result<Capability, PciError>;
    }
}
