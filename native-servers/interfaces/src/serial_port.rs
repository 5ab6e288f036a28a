//! A serial line; served by the driver of its chip.

use alloc::vec::Vec;

ipc::errors! {
    /// Why a serial line failed.
    pub enum SerialError {
        /// The device does not respond.
        Gone = 1,
        /// Too many readers wait already.
        Busy = 2,
    }
}

ipc::interface! {
    /// A serial line.
    pub trait SerialPort(client SerialPortClient, handler SerialPortHandler, dispatcher SerialPortDispatcher) = 3 {
        /// Sends all of `bytes` (at most [`ipc::MAX_BYTES`]); returns when the chip or the driver's buffer has them.
        1 => fn write(&self, bytes: &[u8]) -> Result<(), SerialError>;
        /// Waits until bytes have come in, takes at most `max` of them (at least one).
        2 => fn read(&self, max: u32) -> Result<Vec<u8>, SerialError>;
    }
}
