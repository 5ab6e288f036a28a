//! The console server: the terminal's byte streams, over the serial driver.
//!
//! * [`buffers`]: what waits in each direction, and for whom
//! * [`pump`]: the two threads that move bytes between buffers and serial line
//!
//! Clients never wait for the line itself, only for room or bytes in a buffer; a client that goes away leaves nothing
//! behind but the bytes that it wrote. What comes in stays until somebody reads it; while the input buffer is full the
//! line is not read, which holds up the sender.
#![no_std]

extern crate alloc;

pub mod buffers;
pub mod pump;
