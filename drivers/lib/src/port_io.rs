//! I/O ports.
//!
//! [`PortIo`] is what a driver of a port device is written against: on the target it is the task's `IoPorts`
//! capability, on the host [`crate::fake`].

use ukernel_user::{Cap, IoPorts};

/// Access to I/O ports. Port numbers are absolute; a port outside of what was granted reads as all ones, and writes to
/// it are lost, as on a bus where nobody answers.
pub trait PortIo {
    /// Read an 8-bit port.
    fn read_u8(&mut self, port: u16) -> u8;
    /// Read a 32-bit port.
    fn read_u32(&mut self, port: u16) -> u32;
    /// Write an 8-bit port.
    fn write_u8(&mut self, port: u16, value: u8);
    /// Write a 32-bit port.
    fn write_u32(&mut self, port: u16, value: u32);
    /// Write `bytes` one after another to an 8-bit port; at most [`MAX_BURST_BYTES`] are written, in one system call.
    fn write_burst(&mut self, port: u16, bytes: &[u8]);
    /// Read an 8-bit port into `buffer` for as long as `status_port` has a bit of `mask` set; at most
    /// [`MAX_BURST_BYTES`], in one system call. Returns the number of bytes read.
    fn read_burst_while(&mut self, port: u16, status_port: u16, mask: u8, buffer: &mut [u8]) -> usize;
}

/// Most bytes of one burst.
pub const MAX_BURST_BYTES: usize = 32;

/// The ports that a task was granted: each access is a system call.
#[derive(Clone, Copy, Debug)]
pub struct GrantedPorts(pub Cap<IoPorts>);

impl GrantedPorts {
    fn read(self, port: u16, bytes: u64) -> u32 {
        self.0.read(port, bytes).unwrap_or(u32::MAX)
    }

    fn write(self, port: u16, bytes: u64, value: u32) {
        // A port that was not granted swallows writes, as the trait says.
        let _ = self.0.write(port, bytes, value);
    }
}

impl PortIo for GrantedPorts {
    fn read_u8(&mut self, port: u16) -> u8 {
        self.read(port, 1) as u8
    }
    fn read_u32(&mut self, port: u16) -> u32 {
        self.read(port, 4)
    }
    fn write_u8(&mut self, port: u16, value: u8) {
        self.write(port, 1, value.into());
    }
    fn write_u32(&mut self, port: u16, value: u32) {
        self.write(port, 4, value);
    }
    fn write_burst(&mut self, port: u16, bytes: &[u8]) {
        let burst = bytes.get(..MAX_BURST_BYTES).unwrap_or(bytes);
        // As in `write`.
        let _ = self.0.write_bytes(port, burst);
    }
    fn read_burst_while(&mut self, port: u16, status_port: u16, mask: u8, buffer: &mut [u8]) -> usize {
        self.0.read_bytes_while(port, status_port, mask, buffer).unwrap_or(0)
    }
}
