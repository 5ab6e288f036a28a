//! Beginning and ending: replay, the mark that the journal is in use, the number of the last change.

use alloc::boxed::Box;
use alloc::sync::Arc;

use interfaces::file_system::{HandOver, Orphans};
use interfaces::{BlockDevice, FsError};

use crate::Result;
use crate::buffers::Buffers;
use crate::bytes::{le16, le32, put_le16, put_le32};
use crate::checksum::crc32c;
use crate::disk::Disk;
use crate::geometry::{Geometry, SUPERBLOCK_AT, SUPERBLOCK_BYTES, feature, field};
use crate::journal::log::HasBegun;
use crate::volume::Volume;

/// Handed over by one that does not know: the disk tells.
pub(crate) const UNKNOWN: HandOver = HandOver { sequence: 0, start: 0, change: 0 };

/// "Cleanly unmounted", in the superblock's state.
const STATE_VALID: u16 = 1;

impl Volume {
    /// Opens the file system on `device`: replays its journal, and makes it ready to be changed, if it may be.
    ///
    /// # Errors
    /// `Corrupt`, `Unsupported`, `Disk`; `ReadOnly`: there is something to replay, and the disk cannot be written.
    pub(crate) fn open(device: Arc<dyn BlockDevice>, orphans: Orphans) -> Result<Self> {
        let disk = Disk::open(device)?;
        let geometry = read_geometry(&disk, |sb| needs_replay(sb) || is_mark_torn(sb))?;
        let mut volume = Self::new(disk, geometry);
        volume.start_journal()?;
        volume.last = volume.stored_change()?;
        volume.committed = volume.last;
        if volume.journal.is_some() {
            volume.operation(Self::correct_counts)?;
            volume.process_orphans(orphans)?;
        }
        Ok(volume)
    }

    /// Reads what stays as it is while another incarnation has the disk; `None`: that is not so.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(crate) fn prepare(device: Arc<dyn BlockDevice>) -> Result<Option<Self>> {
        let disk = Disk::open(device)?;
        let geometry = read_geometry(&disk, |_| false)?;
        let mut volume = Self::new(disk, geometry);
        let geometry = &volume.geometry;
        let is_in_use = geometry.compatible & feature::COMPAT_JOURNAL != 0
            && geometry.incompatible & feature::INCOMPAT_RECOVER != 0
            && !geometry.must_not_be_written()
            && !volume.disk.is_read_only();
        if !is_in_use {
            return Ok(None);
        }
        let log = volume.open_log()?;
        // All else that was read on the way may change.
        volume.buffers = Buffers::new(volume.buffers.limit());
        let is_ready = log.is_as_written_here();
        volume.journal = Some(log);
        Ok(is_ready.then_some(volume))
    }

    /// Takes over from the incarnation that left this, without a look at the disk; `None` where that is not enough.
    pub(crate) fn take_over(mut self: Box<Self>, left: &HandOver) -> Option<Box<Self>> {
        let log = self.journal.as_mut().filter(|log| (log.first..log.length).contains(&left.start))?;
        (log.sequence, log.head) = (left.sequence, left.start);
        (self.last, self.committed) = (left.change, left.change);
        Some(self)
    }

    /// What the next incarnation is told, so that it needs no look at the disk. That would be needed if there was something to
    /// replay, or a change was half done (in one of several transactions). What is not committed was not written.
    pub(crate) fn left(&self) -> HandOver {
        let journal = self.journal.as_ref().filter(|log| log.used == 0 && !self.failed && !self.is_half_done);
        journal.map_or(UNKNOWN, |log| HandOver { sequence: log.sequence, start: log.head, change: self.committed })
    }

    /// Whether everything is committed, and the journal empty.
    pub(crate) fn is_settled(&self) -> bool {
        let is_empty = self.journal.as_ref().is_none_or(|log| log.used == 0);
        is_empty && !self.failed && self.buffers.running_count() == 0 && self.last == self.committed
    }

    fn start_journal(&mut self) -> Result<()> {
        let needs_replay = self.geometry.incompatible & feature::INCOMPAT_RECOVER != 0;
        if self.geometry.compatible & feature::COMPAT_JOURNAL == 0 {
            return if needs_replay { Err(FsError::Corrupt) } else { Ok(()) };
        }
        let mut log = self.open_log()?;
        let is_read_only = self.disk.is_read_only() || self.geometry.must_not_be_written();
        if needs_replay && !is_read_only && log.is_as_written_here() && self.is_log_empty(&log)? {
            // As the incarnation before left it when it handed over: there is nothing to do.
            log.head = log.start();
            self.journal = Some(log);
            return Ok(());
        }
        if needs_replay {
            if self.disk.is_read_only() {
                return Err(FsError::ReadOnly);
            }
            self.replay(&mut log)?;
            self.buffers = Buffers::new(self.buffers.limit());
            self.geometry = read_geometry(&self.disk, is_mark_torn)?;
        }
        if self.disk.is_read_only() || self.geometry.must_not_be_written() {
            if needs_replay {
                self.journal = Some(log);
                self.write_log_start(HasBegun::No)?;
                self.write_superblock(|sb| set_needs_replay(sb, false))?;
                self.journal = None;
            }
            return Ok(());
        }
        log.style.features = log.wanted_features();
        log.head = log.first;
        self.journal = Some(log);
        // The mark first: without it nobody looks into the journal.
        self.write_superblock(|sb| set_needs_replay(sb, true))?;
        self.write_log_start(HasBegun::Yes)
    }

    /// Commits, brings everything home, and leaves the disk as if nobody had ever been there.
    ///
    /// # Errors
    /// `Disk`.
    pub(crate) fn close(&mut self) -> Result<u64> {
        if self.journal.is_none() {
            return Ok(self.committed);
        }
        let last = self.commit()?;
        self.bring_home()?;
        self.write_log_start(HasBegun::No)?;
        self.write_superblock(|sb| set_needs_replay(sb, false))?;
        self.journal = None;
        Ok(last)
    }

    /// Changes the superblock on the disk at once. It must not be part of a transaction.
    fn write_superblock(&mut self, change: impl FnOnce(&mut [u8])) -> Result<()> {
        let has_sums = self.geometry.has_block_sums();
        self.change_superblock(|sb| {
            change(sb);
            if has_sums {
                put_sum(sb);
            }
        })?;
        let (block, at) = self.geometry.superblock();
        let sb = self.superblock()?;
        self.disk.write(self.address(block) + at as u64, [sb.as_slice()])?;
        self.disk.flush()?;
        self.buffers.forget(block);
        self.keep_changes();
        Ok(())
    }
}

/// Reads the superblock. A power cut may have left its first half and its second, with the sum, of different age: where
/// `may_be_torn` says that this explains a wrong sum, the rest has to be right.
fn read_geometry(disk: &Disk, may_be_torn: impl Fn(&[u8]) -> bool) -> Result<Geometry> {
    let mut sb = [0; SUPERBLOCK_BYTES];
    disk.read(SUPERBLOCK_AT, &mut sb)?;
    match Geometry::parse(&sb, disk.bytes()) {
        Err(FsError::Corrupt) if may_be_torn(&sb) => {
            put_sum(&mut sb);
            Geometry::parse(&sb, disk.bytes())
        }
        result => result,
    }
}

/// Whether the journal is in use: it has the whole superblock, or this one was not changed since.
fn needs_replay(sb: &[u8]) -> bool {
    le32(sb, field::INCOMPATIBLE) & feature::INCOMPAT_RECOVER != 0
}

/// Whether the sum is right but for the mark that the journal is in use, which is written without the journal.
fn is_mark_torn(sb: &[u8]) -> bool {
    let mut other = sb.to_vec();
    let incompatible = le32(sb, field::INCOMPATIBLE) ^ feature::INCOMPAT_RECOVER;
    put_le32(&mut other, field::INCOMPATIBLE, incompatible);
    le32(sb, field::CHECKSUM) == crc32c(!0, other.get(..field::CHECKSUM).unwrap_or_default())
}

fn put_sum(sb: &mut [u8]) {
    let sum = crc32c(!0, sb.get(..field::CHECKSUM).unwrap_or_default());
    put_le32(sb, field::CHECKSUM, sum);
}

fn set_needs_replay(sb: &mut [u8], needs_replay: bool) {
    let incompatible = le32(sb, field::INCOMPATIBLE) & !feature::INCOMPAT_RECOVER;
    put_le32(
        sb,
        field::INCOMPATIBLE,
        if needs_replay { incompatible | feature::INCOMPAT_RECOVER } else { incompatible },
    );
    let state = le16(sb, field::STATE) | STATE_VALID;
    put_le16(sb, field::STATE, state);
}
