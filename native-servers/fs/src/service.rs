//! The contract, over a volume.
//!
//! Lock order: the volume's lock, then a region's, then the lock of contents that move (`Volume::moving`), then the stage's.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use interfaces::file_system::{
    Attributes, Change, Changed, FsInfo, FsStatistics, HandOver, Listing, NewAttributes, NewNode, Orphans, Piece,
    Pieces, Target,
};
use interfaces::{BlockDevice, FileSystem, FsError};
use ipc::Capability;
use rt::sync::Mutex;

use crate::Result;
use crate::bytes::{le32, le64};
use crate::geometry::field;
use crate::inodes::ROOT;
use crate::mount;
use crate::names::Wanted;
use crate::regions::Regions;
use crate::volume::Volume;

/// Longest target of a symbolic link: what a message carries.
const TARGET_BYTES: usize = ipc::MAX_BYTES;

/// An ext4 file system as a service.
pub struct Ext4 {
    device: Arc<dyn BlockDevice>,
    regions: Regions,
    incarnation: u64,
    phase: Mutex<Phase>,
}

enum Phase {
    /// Nobody has called `begin`.
    Waiting,
    /// The same, and what stays as it is was read.
    Prepared(Box<Volume>),
    /// The disk is ready, its client is not.
    Opened(Box<Volume>),
    Serving(Box<Volume>),
    Retired,
}

impl Phase {
    /// The volume, for the client.
    fn volume(&mut self) -> Result<&mut Volume> {
        match self {
            Self::Waiting | Self::Prepared(_) | Self::Opened(_) => Err(FsError::NotBegun),
            Self::Serving(volume) => Ok(volume),
            Self::Retired => Err(FsError::Retired),
        }
    }

    /// Lets the client in, if it was opened.
    fn serve(&mut self) {
        *self = match core::mem::replace(self, Self::Retired) {
            Self::Opened(volume) => Self::Serving(volume),
            other => other,
        };
    }
}

impl Ext4 {
    /// A service for the file system on `device`, which it does not touch before [`FileSystem::begin`].
    #[must_use]
    pub fn new(device: Arc<dyn BlockDevice>) -> Self {
        // Later incarnations start later: neither their number nor those of their regions are used twice.
        let incarnation = rt::time::now_ns().max(1);
        let regions = Regions::new(device.clone(), incarnation);
        Self { device, regions, incarnation, phase: Mutex::new(Phase::Waiting) }
    }

    /// Runs `work` on the volume.
    pub(crate) fn with_volume<T>(&self, work: impl FnOnce(&mut Volume) -> Result<T>) -> Result<T> {
        work(self.phase.lock().volume()?)
    }
}

impl FileSystem for Ext4 {
    fn begin(&self, orphans: Orphans) -> Result<FsInfo> {
        let mut phase = self.phase.lock();
        if matches!(*phase, Phase::Waiting | Phase::Prepared(_)) {
            *phase = Phase::Serving(Box::new(Volume::open(self.device.clone(), orphans)?));
        }
        phase.serve();
        let volume = phase.volume()?;
        if orphans == Orphans::Free && volume.journal.is_some() {
            volume.process_orphans(orphans)?;
        }
        Ok(FsInfo {
            root: u64::from(ROOT),
            block_bytes: volume.geometry.block_bytes as u32,
            incarnation: self.incarnation,
            committed: volume.committed,
            read_only: volume.journal.is_none(),
        })
    }

    fn attach(&self, memory: Capability, bytes: u64) -> Result<u64> {
        self.with_volume(|_| self.regions.attach(memory, bytes))
    }

    fn detach(&self, region: u64) -> Result<()> {
        self.regions.detach(region)
    }

    fn statistics(&self) -> Result<FsStatistics> {
        self.with_volume(|volume| {
            let (sb, free_blocks) = (volume.superblock()?, volume.free_blocks()?);
            let geometry = &volume.geometry;
            Ok(FsStatistics {
                blocks: geometry.blocks,
                free_blocks,
                available_blocks: free_blocks.saturating_sub(geometry.reserved_blocks),
                inodes: u64::from(geometry.inodes),
                free_inodes: u64::from(le32(&sb, field::FREE_INODES)),
                id: le64(&geometry.uuid, 0) ^ le64(&geometry.uuid, 8),
            })
        })
    }

    fn lookup(&self, directory: u64, name: &[u8]) -> Result<Attributes> {
        self.with_volume(|volume| {
            let directory = volume.inode(directory)?;
            let found = volume.find_existing(&directory, name)?;
            let inode = volume.inode(u64::from(found.inode)).map_err(|_| FsError::Corrupt)?;
            Ok(volume.attributes_of(&inode))
        })
    }

    fn attributes(&self, inode: u64) -> Result<Attributes> {
        self.with_volume(|volume| volume.inode(inode).map(|inode| volume.attributes_of(&inode)))
    }

    fn list(&self, directory: u64, cookie: u64) -> Result<Listing> {
        self.with_volume(|volume| {
            let directory = volume.inode(directory)?;
            Ok(Listing { entries: volume.listing(&directory, cookie)? })
        })
    }

    fn read_link(&self, inode: u64) -> Result<Vec<u8>> {
        let target = self.with_volume(|volume| volume.read_link(inode))?;
        if target.len() > TARGET_BYTES { Err(FsError::NameTooLong) } else { Ok(target) }
    }

    fn read(&self, inode: u64, piece: Piece) -> Result<u32> {
        let region = self.regions.get(piece.region)?;
        let _used = region.used();
        let mut phase = self.phase.lock();
        let volume = phase.volume()?;
        let transfer = volume.plan_read(inode, &piece, &region)?;
        let moving = volume.moving.clone();
        let _moving = moving.read();
        drop(phase);
        transfer.run(&region)?;
        Ok(transfer.bytes)
    }

    fn seek(&self, inode: u64, offset: u64, hole: bool) -> Result<u64> {
        self.with_volume(|volume| volume.seek(inode, offset, hole))
    }

    fn set_attributes(&self, change: Change, inode: u64, new: NewAttributes) -> Result<Changed> {
        self.change_in_steps(&change, |volume| volume.set_attributes(inode, &new, &change.now).map(Some))
    }

    fn write(&self, change: Change, inode: u64, pieces: Pieces) -> Result<Changed> {
        let number = pieces.0.first().map_or(0, |piece| piece.region);
        if pieces.0.iter().any(|piece| piece.region != number) {
            return Err(FsError::Invalid);
        }
        let region = self.regions.get(number)?;
        let _used = region.used();
        self.change(&change, |volume| volume.write(inode, &pieces.0, &region, &change.now))
    }

    fn create(&self, change: Change, directory: u64, name: &[u8], node: NewNode, target: &[u8]) -> Result<Changed> {
        self.change(&change, |volume| volume.create(directory, name, &node, target, &change.now))
    }

    fn create_unnamed(&self, change: Change, node: NewNode) -> Result<Changed> {
        self.change(&change, |volume| volume.create_unnamed(&node, &change.now))
    }

    fn link(&self, change: Change, inode: u64, directory: u64, name: &[u8]) -> Result<Changed> {
        self.change(&change, |volume| volume.link(inode, directory, name, &change.now))
    }

    fn unlink(&self, change: Change, directory: u64, name: &[u8]) -> Result<Changed> {
        self.change(&change, |volume| volume.remove_name(directory, name, Wanted::Other, &change.now))
    }

    fn remove_directory(&self, change: Change, directory: u64, name: &[u8]) -> Result<Changed> {
        self.change(&change, |volume| volume.remove_name(directory, name, Wanted::Directory, &change.now))
    }

    fn rename(
        &self,
        change: Change,
        directories: (u64, u64),
        name: &[u8],
        new_name: &[u8],
        target: Target,
    ) -> Result<Changed> {
        self.change_in_steps(&change, |volume| {
            volume.operation(|volume| volume.rename(directories, (name, new_name), target, &change.now))
        })
    }

    fn punch_hole(&self, change: Change, inode: u64, offset: u64, bytes: u64) -> Result<Changed> {
        self.change_in_steps(&change, |volume| volume.punch_hole(inode, offset, bytes, &change.now).map(Some))
    }

    fn forget(&self, change: Change, inode: u64) -> Result<Changed> {
        self.change_in_steps(&change, |volume| {
            let mut gone = volume.inode(inode)?;
            if gone.links() > 0 || !volume.is_orphan(gone.number)? {
                return Err(FsError::Invalid);
            }
            volume.release(gone.number)?;
            gone.set_size(0);
            Ok(Some(gone))
        })
    }

    fn commit(&self) -> Result<u64> {
        self.with_volume(Volume::commit)
    }

    fn retire(&self) -> Result<u64> {
        let mut phase = self.phase.lock();
        // Where it is not begun, its client may have changes to repeat first.
        let last = phase.volume()?.close()?;
        *phase = Phase::Retired;
        drop(phase);
        self.regions.clear();
        Ok(last)
    }

    fn settle(&self) -> Result<()> {
        self.with_volume(Volume::settle)
    }

    fn hand_over(&self) -> Result<HandOver> {
        let mut phase = self.phase.lock();
        if let Phase::Serving(volume) = &*phase {
            // Whoever still reads or writes contents ends first.
            drop(volume.moving.write());
        }
        let last = core::mem::replace(&mut *phase, Phase::Retired);
        drop(phase);
        self.regions.clear();
        match last {
            Phase::Retired => Err(FsError::Retired),
            Phase::Serving(volume) => Ok(volume.left()),
            Phase::Waiting | Phase::Prepared(_) | Phase::Opened(_) => Ok(mount::UNKNOWN),
        }
    }

    fn open(&self, left: HandOver) -> Result<()> {
        let mut phase = self.phase.lock();
        let prepared = match core::mem::replace(&mut *phase, Phase::Waiting) {
            Phase::Waiting => None,
            Phase::Prepared(volume) => volume.take_over(&left),
            other => {
                *phase = other;
                return if matches!(*phase, Phase::Retired) { Err(FsError::Retired) } else { Ok(()) };
            }
        };
        let volume = match prepared {
            Some(volume) => volume,
            None => Box::new(Volume::open(self.device.clone(), Orphans::Keep)?),
        };
        *phase = Phase::Opened(volume);
        Ok(())
    }

    fn is_settled(&self) -> Result<bool> {
        self.with_volume(|volume| Ok(volume.is_settled()))
    }

    fn prepare(&self) -> Result<()> {
        let mut phase = self.phase.lock();
        if matches!(*phase, Phase::Waiting)
            && let Some(volume) = Volume::prepare(self.device.clone())?
        {
            *phase = Phase::Prepared(Box::new(volume));
        }
        Ok(())
    }
}
