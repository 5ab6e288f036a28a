//! What every driver needs, as safe types: device registers, I/O ports, DMA memory, PCI configuration, virtio.
//!
//! This is the one place where drivers' unsafe code lives; a driver itself is safe code over [`mmio::Registers`],
//! [`port_io::PortIo`], [`dma::Dma`] and [`virtio::Transport`], each of which has a fake for tests on the host
//! ([`fake`]).
//!
//! Invariants: whatever a device delivers (register values, ring indices, lengths, capability lists) is hostile: it is
//! checked before it is used, loops over it are bounded. Nothing here polls for completion: devices interrupt.
#![no_std]

extern crate alloc;

#[expect(unsafe_code, reason = "memory shared with a device is raw memory")]
pub mod dma;
#[cfg(not(target_os = "none"))]
pub mod fake;
pub mod io_space;
#[expect(unsafe_code, reason = "device registers are raw memory")]
pub mod mmio;
pub mod pci;
pub mod port_io;
pub mod stream;
pub mod virtio;
