//! The byte stream to the host tool; served by the virtio-serial driver. What the bytes mean is
//! [`host_channel`](crate::host_channel)'s business.

use alloc::vec::Vec;

ipc::errors! {
    /// Why the link failed.
    pub enum HostLinkError {
        /// The device failed or is gone.
        Gone = 1,
        /// Too many receivers wait already.
        Busy = 2,
    }
}

ipc::interface! {
    /// A reliable byte stream to the host and back.
    pub trait HostLink(client HostLinkClient, handler HostLinkHandler, dispatcher HostLinkDispatcher) = 5 {
        /// Sends all of `bytes` (at most [`ipc::MAX_BYTES`]); returns when the driver or the device has them.
        1 => fn send(&self, bytes: &[u8]) -> Result<(), HostLinkError>;
        /// Waits until bytes have come in, takes at most `max` of them (at least one).
        2 => fn receive(&self, max: u32) -> Result<Vec<u8>, HostLinkError>;
    }
}
