//! `/dev/vda`: the sectors of the disk, to be read. What waits in memory to be written is not in them.

use alloc::sync::Arc;
use alloc::vec::Vec;

use guest_memory::{Frame, Sink, UserAddr, Window, write_value};
use interfaces::block_device::SECTOR_BYTES;
use interfaces::{BlockDevice, Reattaching};
use ipc::Capability;
use linux_abi::{Errno, Result};
use rt::sync::Mutex;
use services::DiskHandle;
use vfs::device::{CharDevice, Opened};
use vfs::{BLOCK_DEVICES, DeviceNumber, File, FileKind, Inode, NewInode, OpenFlags, Positioning};

use crate::disk;

/// Pages that one request reads at most.
const WINDOW_PAGES: usize = 16;
const PAGE: u64 = 4096;

/// Commands of a block device (include/uapi/linux/fs.h).
const BLKROGET: u32 = 0x125e;
const BLKGETSIZE: u32 = 0x1260;
const BLKSSZGET: u32 = 0x1268;
const BLKGETSIZE64: u32 = 0x8008_1272;

/// The disk's view of its own.
struct RawDisk {
    disk: Reattaching<DiskHandle>,
    window: Window,
    region: u64,
    bytes: u64,
    /// Who reads has the window.
    reading: Mutex<()>,
}

/// Opens the disk by its number.
struct Opener(Arc<RawDisk>);

impl CharDevice for Opener {
    fn open(&self, _device: DeviceNumber, flags: OpenFlags) -> Result<Opened> {
        if flags.is_writable() {
            return Err(Errno::EROFS);
        }
        let file: Arc<dyn File> = self.0.clone();
        Ok(file.into())
    }
}

/// Adds the node to `/dev`, if there is a disk.
///
/// # Errors
/// `EIO` if the disk does not answer; `ENOMEM`, `ENOSPC`.
pub(crate) fn add_node(dev: &Arc<dyn Inode>) -> Result<()> {
    let Some(services) = disk::services() else { return Ok(()) };
    let raw = RawDisk::new(DiskHandle(services.block().clone()))?;
    BLOCK_DEVICES.register(disk::DEVICE.major(), disk::DEVICE.minor(), 1, Arc::new(Opener(Arc::new(raw))));
    let mut node = NewInode::new(FileKind::BlockDevice, 0o660);
    node.rdev = disk::DEVICE;
    dev.create(b"vda", &node).map(drop)
}

impl RawDisk {
    fn new(disk: DiskHandle) -> Result<Self> {
        let disk = Reattaching::new(disk);
        let window = Window::new(WINDOW_PAGES)?;
        let region = disk.attach(Capability(window.capability()), window.bytes() as u64).map_err(|_| Errno::EIO)?;
        let bytes = disk.info().map_err(|_| Errno::EIO)?.sectors * SECTOR_BYTES;
        Ok(Self { disk, window, region, bytes, reading: Mutex::new(()) })
    }

    /// The pages from the one in which `offset` lies on, as many as one request brings and as hold `wanted` bytes.
    fn pages(&self, offset: u64, wanted: u64) -> Result<Vec<Frame>> {
        let start = offset / PAGE * PAGE;
        let most = (WINDOW_PAGES as u64 * PAGE).min(self.bytes - start);
        let length = (offset - start).saturating_add(wanted).next_multiple_of(SECTOR_BYTES).min(most);
        let _reading = self.reading.lock();
        let length = u32::try_from(length).map_err(|_| Errno::EIO)?;
        self.disk.read(self.region, 0, start / SECTOR_BYTES, length).map_err(|_| Errno::EIO)?;
        (0..u64::from(length).div_ceil(PAGE) as usize).map(|index| self.window.page_to_frame(index)).collect()
    }
}

impl File for RawDisk {
    fn positioning(&self) -> Positioning {
        Positioning::Seekable
    }

    fn read(&self, offset: u64, sink: &mut dyn Sink, _flags: OpenFlags) -> Result<usize> {
        let mut position = offset;
        while sink.remaining() > 0 && position < self.bytes {
            let frames = match self.pages(position, sink.remaining() as u64) {
                Ok(frames) => frames,
                Err(error) if position == offset => return Err(error),
                Err(_) => break,
            };
            for frame in frames {
                let at = position % PAGE;
                let wanted = (PAGE - at).min(self.bytes - position).min(sink.remaining() as u64);
                match frame.read_to(at as usize, wanted as usize, sink) {
                    Ok(count) => position += count as u64,
                    Err(error) if position == offset => return Err(error),
                    Err(_) => return Ok((position - offset) as usize),
                }
            }
        }
        Ok((position - offset) as usize)
    }

    fn size(&self) -> Result<u64> {
        Ok(self.bytes)
    }

    fn ioctl(&self, command: u32, argument: u64) -> Result<u64> {
        let address = UserAddr(argument);
        match command {
            BLKGETSIZE64 => write_value(address, &self.bytes)?,
            BLKGETSIZE => write_value(address, &(self.bytes / SECTOR_BYTES))?,
            BLKSSZGET => write_value(address, &(SECTOR_BYTES as u32))?,
            BLKROGET => write_value(address, &1u32)?,
            _ => return Err(Errno::ENOTTY),
        }
        Ok(0)
    }

    fn sync(&self) -> Result<()> {
        self.disk.flush().map_err(|_| Errno::EIO)
    }
}
