//! A disk; served by a block driver, from wherever it runs.
//!
//! Data moves through *regions*: memory of the client that it has attached, into which the device writes and from which it
//! reads by itself. The server never looks at the bytes. A region belongs to the badge that attached it and ends with the
//! server's incarnation: a call that names an unknown region gets [`BlockError::NoRegion`], and the client attaches again
//! (all requests can be repeated: reading and writing the same sectors twice changes nothing). Numbers of regions are never
//! used again, not by a later incarnation either: [`Reattaching`](crate::Reattaching) relies on that and does the rest.
//!
//! Reads and writes that were answered may be in the device's cache until [`BlockDevice::flush`] is answered.

use ipc::{Capability, List};

/// Bytes of a sector: the unit of addresses and lengths on the disk (virtio 1.2, 5.2.2).
pub const SECTOR_BYTES: u64 = 512;

/// Most pieces that one call writes.
pub const MAX_PIECES: usize = 64;
/// What one call writes.
pub type Pieces = List<Sectors, MAX_PIECES>;

/// The badge of the supervisor: the first that a manifest cannot give.
pub const SUPERVISOR: u64 = 1 << 62;

ipc::errors! {
    /// Why a request failed.
    pub enum BlockError {
        /// The server does not know the region (any more).
        NoRegion = 1,
        /// Sectors or bytes outside of the disk or of the region, or not whole sectors.
        OutOfRange = 2,
        /// The device reports an error, or broke its rules and was given up.
        Device = 3,
        /// The disk cannot be written.
        ReadOnly = 4,
        /// No room for another region or request.
        Busy = 5,
        /// The service is being moved, or has stopped; it does not serve from here any more.
        Stopped = 6,
        /// Not for this caller.
        Refused = 7,
    }
}

ipc::record! {
    /// A disk.
    pub struct BlockInfo {
        /// Size, in sectors.
        pub sectors: u64,
        /// Most bytes of one request, a multiple of 4,096.
        pub max_bytes: u32,
        /// Whether writing is refused.
        pub read_only: bool,
        /// Different for each start of the service: when it changes, all regions are gone.
        pub incarnation: u64,
    }
}

ipc::record! {
    /// Whole sectors, and where their bytes are.
    pub struct Sectors {
        /// The first byte's place in the region.
        pub at: u64,
        /// The first sector.
        pub sector: u64,
        /// Bytes: whole sectors, at most [`BlockInfo::max_bytes`].
        pub bytes: u32,
    }
}

ipc::interface! {
    /// A disk.
    pub trait BlockDevice(
        client BlockDeviceClient, handler BlockDeviceHandler, dispatcher BlockDeviceDispatcher
    ) = 8 {
        /// What kind of disk it is.
        1 => fn info(&self) -> Result<BlockInfo, BlockError>;
        /// Makes the first `bytes` of `memory` (which needs READ, WRITE and PHYSICAL) a region; its number.
        2 => fn attach(&self, memory: Capability, bytes: u64) -> Result<u64, BlockError>;
        /// Ends a region, once no request of it is under way any more.
        3 => fn detach(&self, region: u64) -> Result<(), BlockError>;
        /// Reads `bytes` (whole sectors, at most `max_bytes`) from `sector` on to byte `at` of the region.
        4 => fn read(&self, region: u64, at: u64, sector: u64, bytes: u32) -> Result<(), BlockError>;
        /// Writes `bytes` from byte `at` of the region to the disk, from `sector` on.
        5 => fn write(&self, region: u64, at: u64, sector: u64, bytes: u32) -> Result<(), BlockError>;
        /// Makes all writes that were answered before durable.
        6 => fn flush(&self) -> Result<(), BlockError>;
        /// For the supervisor alone ([`SUPERVISOR`]): the client with this badge has died. Its regions end, and the answer comes
        /// when no request of it is under way any more: the device reaches into none of its memory. What still arrives from it
        /// fails with [`BlockError::Stopped`], until [`admit_client`](Self::admit_client).
        7 => fn end_client(&self, badge: u64) -> Result<(), BlockError>;
        /// For the supervisor alone: everything of the dead client is gone, and whoever has this badge now is another one.
        8 => fn admit_client(&self, badge: u64) -> Result<(), BlockError>;
        /// Writes several pieces of a region, which the device has all at once: in no order, and where one fails the others
        /// may have been written.
        9 => fn write_pieces(&self, region: u64, pieces: Pieces) -> Result<(), BlockError>;
    }
}
