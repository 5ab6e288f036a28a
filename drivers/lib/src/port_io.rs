//! I/O ports.
//!
//! [`PortIo`] is what a driver of a port device is written against: on the target it is the task's `IoPorts`
//! capability, on the host [`crate::fake`].

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
