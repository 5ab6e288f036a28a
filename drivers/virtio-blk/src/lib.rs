//! The driver of a virtio block device (virtio 1.2, 5.2): the contract `BlockDevice`, blocking, for any number of threads.
//!
//! * [`device`]: registers, queue, request headers; knows nothing of threads
//! * [`disk`]: callers, their regions, and what they wait for; the contract
//! * [`driver`]: a disk on PCI: from the pci server's hands and back into them
//! * [`injection`]: a bug that can be switched on
//!
//! Where it runs, as a task or linked into another one, it does not know. It keeps nothing that is not the device's or its
//! callers': when it is gone, the next incarnation serves the same requests again.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod device;
pub mod disk;
pub mod driver;
pub mod injection;
mod limits;

pub use disk::{Disk, DiskClient};
pub use driver::Driver;
pub use injection::Injection;
