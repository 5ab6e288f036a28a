//! Devices by number. A device node only names a number; who serves it registers here.

use alloc::sync::Arc;
use alloc::vec::Vec;

use linux_abi::{Errno, Result};
use rt::sync::RwLock;

use crate::file::File;
use crate::flags::OpenFlags;
use crate::metadata::DeviceNumber;

/// The driver of one or more character devices.
pub trait CharDevice: Send + Sync {
    /// Opens the device with this number.
    ///
    /// # Errors
    /// `ENXIO` if there is no such device; `EBUSY`, `EIO`, ... as the device finds.
    fn open(&self, device: DeviceNumber, flags: OpenFlags) -> Result<Opened>;
}

/// What opening a device gave.
pub struct Opened {
    /// The open file.
    pub file: Arc<dyn File>,
    /// The path that the open file has instead of the node's: `/dev/pts/0` for a terminal opened as `/dev/ptmx`
    /// has its own inode, for example. `None` keeps the node's.
    pub path: Option<crate::path::Path>,
}

impl From<Arc<dyn File>> for Opened {
    fn from(file: Arc<dyn File>) -> Opened {
        Opened { file, path: None }
    }
}

struct Range {
    major: u32,
    first_minor: u32,
    count: u32,
    device: Arc<dyn CharDevice>,
}

/// All registered character devices.
#[derive(Default)]
pub struct CharDevices {
    ranges: RwLock<Vec<Range>>,
}

impl CharDevices {
    /// Makes an empty registry.
    #[must_use]
    pub const fn new() -> CharDevices {
        CharDevices { ranges: RwLock::new(Vec::new()) }
    }

    /// Registers a driver for `count` minor numbers; a later registration wins over an earlier one.
    pub fn register(&self, major: u32, first_minor: u32, count: u32, device: Arc<dyn CharDevice>) {
        self.ranges.write().insert(0, Range { major, first_minor, count, device });
    }

    /// Opens the device with this number.
    ///
    /// # Errors
    /// `ENXIO` if nobody serves the number; otherwise what the device finds.
    pub fn open(&self, number: DeviceNumber, flags: OpenFlags) -> Result<Opened> {
        let device = self.find(number).ok_or(Errno::ENXIO)?;
        device.open(number, flags)
    }

    fn find(&self, number: DeviceNumber) -> Option<Arc<dyn CharDevice>> {
        let ranges = self.ranges.read();
        let serves = |range: &&Range| {
            range.major == number.major()
                && number.minor().checked_sub(range.first_minor).is_some_and(|index| index < range.count)
        };
        ranges.iter().find(serves).map(|range| range.device.clone())
    }
}

/// The registry of this system.
pub static CHAR_DEVICES: CharDevices = CharDevices::new();

/// The block devices of the system: numbers of their own, served in the same way.
pub static BLOCK_DEVICES: CharDevices = CharDevices::new();
