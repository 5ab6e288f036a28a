//! Devices on PCI; served by the pci server, which alone touches configuration space and MSI-X tables.
//!
//! A driver's badge says which device is its own: vendor in bits 16 to 31, device in bits 0 to 15, index among equal ones
//! in bits 32 to 39; and, where several drivers take turns, which of them it is, in bits 40 to 47: its *holder number* (see
//! [`badge`]). It can ask for nothing else.
//!
//! A device has one holder at a time: the driver that was first to ask for a range, an interrupt, or for the device to be
//! enabled. Others are refused until it gives the device back ([`PciBus::release`]), or the supervisor takes it away from a
//! driver that died ([`PciBus::evict`]). Either way the device is reset, and what was handed out of it is revoked, before
//! the call is answered: from then on the driver reaches the device no more, and the device no memory. Where the machine
//! has an IOMMU that is so even if the device does not finish its reset.

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
        /// Another driver has the device.
        Held = 6,
        /// Only the supervisor may ask for that.
        Refused = 7,
        /// The device did not finish its reset. It is kept from memory, and nobody gets it any more.
        NoReset = 8,
        /// The machine has no IOMMU: the device reaches all memory, by physical addresses.
        NoIoSpace = 9,
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

/// The supervisor's badge, which means no device.
pub const SUPERVISOR: u64 = 1 << 48;

/// The badge of driver number `holder` of device `index` among those with this vendor and device.
#[must_use]
pub const fn badge(holder: u8, vendor: u16, device: u16, index: u8) -> u64 {
    (holder as u64) << 40 | (index as u64) << 32 | (vendor as u64) << 16 | device as u64
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
        /// Gives the device back: it is reset and cut off from memory, its interrupts are masked, and every capability that
        /// was handed out is revoked. Harmless where the driver does not hold it.
        6 => fn release(&self) -> Result<(), PciError>;
        /// For the supervisor: releases the device that the driver with badge `driver` holds, if it does, because that driver
        /// has died. To be answered before its memory is used again: its device may be writing there.
        7 => fn evict(&self, driver: u64) -> Result<(), PciError>;
        /// The device's `IoSpace`: it reaches only what is mapped there. Nothing is mapped when a driver gets it.
        8 => fn io_space(&self) -> Result<Capability, PciError>;
    }
}
