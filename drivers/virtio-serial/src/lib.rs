//! The driver of the virtio console device: one named port of it is the byte stream to the host tool.
//!
//! * [`control`]: messages of the control queues
//! * [`buffers`]: fixed buffers in DMA memory, and which of them the device has
//! * [`device`]: the device, its queues and the one port
//! * [`server`]: the contract over that port
#![no_std]

extern crate alloc;

pub mod buffers;
pub mod control;
pub mod device;
pub mod server;
