//! Taking the devices of a task back before its memory returns to use: a device does not know that its driver died.

use alloc::format;
use alloc::string::String;

use interfaces::pci_bus::SUPERVISOR;
use interfaces::{PciBus, PciBusClient, PciError};
use manifest::{PCI_ENDPOINT, Task};

use crate::create::Maker;

/// The way to the pci server; none in a system without one.
#[derive(Debug)]
pub struct Devices(Option<PciBusClient>);

impl Devices {
    /// The way to the pci server of `maker`'s system.
    #[must_use]
    pub fn new(maker: &Maker) -> Self {
        Self(maker.caller_of(PCI_ENDPOINT, SUPERVISOR).ok().map(PciBusClient::new))
    }

    /// Has the devices that a task holds reset, and what it was given of them revoked. Waits for the pci server.
    ///
    /// # Errors
    /// A device may still write to memory.
    pub fn take_back(&self, task: &Task) -> Result<(), String> {
        let Some(pci) = &self.0 else { return Ok(()) };
        for call in task.calls.iter().filter(|call| call.endpoint == PCI_ENDPOINT) {
            match pci.evict(call.badge) {
                // A machine need not have every device that its manifest knows.
                Ok(()) | Err(PciError::NoDevice) => {}
                Err(error) => return Err(format!("its device {:#x} is not quiet: {error}", call.badge)),
            }
        }
        Ok(())
    }
}
