//! Taking the devices of a task back before its memory returns to use: a device does not know that its driver died.

use alloc::string::String;

use manifest::PCI_ENDPOINT;

use crate::create::Maker;

/// The way to the pci server.
#[derive(Debug)]
pub struct Devices;

impl Devices {
    /// Has the devices of a task reset, and what it was given of them revoked. Waits for the pci server.
    ///
    /// # Errors
    /// A device may still write to memory.
    pub fn take_back(&self, maker: &Maker, number: usize) -> Result<(), String> {
        let task = maker.manifest.tasks.get(number).ok_or("there is no such task")?;
        match task.calls.iter().find(|call| call.endpoint == PCI_ENDPOINT) {
            Some(_) => Err("the pci server does not take devices back".into()),
            None => Ok(()),
        }
    }
}
