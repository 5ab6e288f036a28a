//! Virtio 1.2 devices: start-up, the split virtqueue, and the PCI transport.
//!
//! * [`Transport`]: what a driver asks of its device, whatever bus it is on
//! * [`queue`]: split virtqueues (section 2.7)
//! * [`pci`]: the modern PCI transport (section 4.1)
//!
//! Only modern devices (`VIRTIO_F_VERSION_1`) are driven.

#[cfg(not(target_os = "none"))]
pub mod fake;
pub mod pci;
pub mod queue;

use crate::io_space::DmaSpace;
pub use queue::{Buffer, Queue, Used};

/// Why a virtio device cannot be used, or can no longer be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// There is no device, or it cannot be reached.
    NoDevice,
    /// The device did not finish its reset.
    NoReset,
    /// The device is not a modern one.
    NotModern,
    /// The device would go past the IOMMU, with addresses that mean nothing there.
    NotIsolated,
    /// The device refuses the features we need.
    FeaturesRefused,
    /// The device has no queue of this number, or refuses our vector for it.
    NoQueue(u16),
    /// A capability of the device is missing or points outside of its ranges.
    BadCapability,
    /// All descriptors are in use; try again after a completion.
    QueueFull,
    /// A chain is empty, or a buffer that the device writes comes before one that it reads.
    BadChain,
    /// The device says that it used a chain which it was not given.
    BadUsedId(u32),
    /// The device says that it used more chains than it was given.
    BadUsedIndex(u16),
}

/// The device asks for a reset (`DEVICE_NEEDS_RESET`), and the other bits of its status (section 2.1).
pub mod status {
    /// We saw the device.
    pub const ACKNOWLEDGE: u8 = 1;
    /// We know how to drive it.
    pub const DRIVER: u8 = 2;
    /// We are set up.
    pub const DRIVER_OK: u8 = 4;
    /// The features are agreed.
    pub const FEATURES_OK: u8 = 8;
    /// The device met an error that it cannot recover from.
    pub const NEEDS_RESET: u8 = 64;
    /// We gave up.
    pub const FAILED: u8 = 128;
}

/// Feature bit: the device conforms to version 1 of the specification.
pub const FEATURE_VERSION_1: u64 = 1 << 32;

/// Feature bit `VIRTIO_F_ACCESS_PLATFORM`: the device reaches memory as the platform lets it, by the IOMMU where there is one.
/// One without it goes past any IOMMU.
pub const FEATURE_ACCESS_PLATFORM: u64 = 1 << 33;

/// What a driver asks of its device. Methods touch hardware; values returned are the device's and hostile.
pub trait Transport {
    /// The features that the device offers.
    fn read_features(&mut self) -> u64;
    /// Accept features.
    fn write_features(&mut self, features: u64);
    /// The device's status.
    fn read_status(&mut self) -> u8;
    /// Set the device's status; 0 resets it.
    fn write_status(&mut self, status: u8);
    /// Most descriptors of a queue; 0 where there is no such queue.
    fn read_queue_limit(&mut self, queue: u16) -> u16;
    /// Tell the device where a queue is and which interrupt vector it has, and enable it. Says whether the device took it.
    fn enable_queue(&mut self, queue: &Queue, vector: u16) -> bool;
    /// The interrupt vector for changes of the configuration. Says whether the device took it.
    fn write_config_vector(&mut self, vector: u16) -> bool;
    /// Tell the device that a queue has new buffers.
    fn notify(&mut self, queue: u16);
    /// Read 32 bits of the device's own configuration at a multiple of 4; 0 past its end.
    fn read_config(&mut self, offset: usize) -> u32;
}

/// Reads of the status that a reset may take. Reset is the one thing a virtio device does not interrupt for.
const RESET_READS: usize = 100_000;

/// Reset the device: it forgets its queues, and what it was doing with memory has ended.
///
/// # Errors
/// [`Error::NoReset`]: it may still be reading and writing memory.
pub fn reset(transport: &mut impl Transport) -> Result<(), Error> {
    transport.write_status(0);
    let is_done = (0..RESET_READS).any(|_| transport.read_status() == 0);
    if is_done { Ok(()) } else { Err(Error::NoReset) }
}

/// Reset the device and agree on `wanted` of its features, with `FEATURE_VERSION_1` and `FEATURE_ACCESS_PLATFORM`. What it
/// lacks of them is missing in the result. `space` is how it is to reach memory. The driver then sets its queues up and calls
/// [`start`].
///
/// # Errors
/// [`Error::NoReset`], [`Error::NotModern`], [`Error::FeaturesRefused`]; [`Error::NotIsolated`].
pub fn negotiate(transport: &mut impl Transport, wanted: u64, space: &DmaSpace) -> Result<u64, Error> {
    reset(transport)?;
    transport.write_status(status::ACKNOWLEDGE);
    transport.write_status(status::ACKNOWLEDGE | status::DRIVER);
    let offered = transport.read_features();
    if offered & FEATURE_VERSION_1 == 0 {
        transport.write_status(status::FAILED);
        return Err(Error::NotModern);
    }
    if space.is_isolated() && offered & FEATURE_ACCESS_PLATFORM == 0 {
        transport.write_status(status::FAILED);
        return Err(Error::NotIsolated);
    }
    let agreed = offered & (wanted | FEATURE_VERSION_1 | FEATURE_ACCESS_PLATFORM);
    transport.write_features(agreed);
    transport.write_status(status::ACKNOWLEDGE | status::DRIVER | status::FEATURES_OK);
    if transport.read_status() & status::FEATURES_OK == 0 {
        transport.write_status(status::FAILED);
        return Err(Error::FeaturesRefused);
    }
    Ok(agreed)
}

/// Let the device go, with its queues set up.
pub fn start(transport: &mut impl Transport) {
    transport.write_status(status::ACKNOWLEDGE | status::DRIVER | status::FEATURES_OK | status::DRIVER_OK);
}

#[cfg(test)]
mod tests {
    use super::fake::FakeTransport;
    use super::*;

    #[test]
    fn features_are_those_that_both_know() {
        let mut device = FakeTransport::new(FEATURE_VERSION_1 | 0b110, &[]);
        assert_eq!(negotiate(&mut device, 0b011, &DmaSpace::physical()), Ok(FEATURE_VERSION_1 | 0b010));
        start(&mut device);
        assert_eq!(device.read_status(), 15);
    }

    #[test]
    fn a_device_that_may_be_behind_an_iommu_is_told_that_it_is() {
        let mut device = FakeTransport::new(FEATURE_VERSION_1 | FEATURE_ACCESS_PLATFORM, &[]);
        let agreed = negotiate(&mut device, 0, &DmaSpace::physical());
        assert_eq!(agreed, Ok(FEATURE_VERSION_1 | FEATURE_ACCESS_PLATFORM));
    }

    #[test]
    fn a_legacy_device_is_refused() {
        let mut device = FakeTransport::new(0b110, &[]);
        assert_eq!(negotiate(&mut device, 0b010, &DmaSpace::physical()), Err(Error::NotModern));
        assert_eq!(device.read_status(), status::FAILED);
    }

    #[test]
    fn a_device_that_refuses_the_features_is_given_up() {
        let mut device = FakeTransport::new(FEATURE_VERSION_1, &[]);
        device.refuses_features = true;
        assert_eq!(negotiate(&mut device, 0, &DmaSpace::physical()), Err(Error::FeaturesRefused));
    }
}
