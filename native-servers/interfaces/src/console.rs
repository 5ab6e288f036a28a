//! The terminal that a person sits at: bytes out, bytes in. Line discipline is its user's business.

use alloc::vec::Vec;

ipc::errors! {
    /// Why console input or output failed.
    pub enum ConsoleError {
        /// The device behind it failed or is gone.
        Gone = 1,
        /// Too many readers wait already.
        Busy = 2,
    }
}

ipc::interface! {
    /// A terminal's two byte streams.
    pub trait Console(client ConsoleClient, handler ConsoleHandler, dispatcher ConsoleDispatcher) = 2 {
        /// Writes all of `bytes` (at most [`ipc::MAX_BYTES`]); returns when they are on their way.
        1 => fn write(&self, bytes: &[u8]) -> Result<(), ConsoleError>;
        /// Waits until there is input, takes at most `max` bytes of it (at least one).
        2 => fn read(&self, max: u32) -> Result<Vec<u8>, ConsoleError>;
        /// The client starts: requests that an earlier incarnation of it waited in are forgotten, so that no input goes to the
        /// dead.
        3 => fn begin(&self) -> Result<(), ConsoleError>;
    }
}
