//! Committing the running transaction, and bringing committed blocks home.
//!
//! Order on the disk: file contents were written when they came; then descriptors, revokes, blocks, and zeros where the commit
//! block will be; flush; the commit block's first sector, which has all of it that is not zero; flush. So a power cut leaves a
//! commit block whole or none, whatever the ring held there: a torn one has a wrong sum, at which other implementations give
//! the file system up. Committed blocks are written home when the ring or the memory fills up, right after a commit, when buffers
//! hold nothing newer; flush; the journal's superblock; flush; then the ring's room is used again.

use alloc::sync::Arc;
use alloc::vec::Vec;

use interfaces::FsError;
use interfaces::block_device::SECTOR_BYTES;

use super::format::MAGIC;
use super::log::HasBegun;
use crate::Result;
use crate::blocks::Freed;
use crate::bytes::{be32, put_be32};
use crate::volume::Volume;

/// Committed blocks that are kept in memory: more are brought home.
const MOST_COMMITTED: usize = 768;

/// After so many commits nobody has taken over, and nobody will.
const COMMITS_BEFORE_END: u32 = 16;

type Block = (u64, Arc<Vec<u8>>);

impl Volume {
    /// Commits everything: the number of the last change.
    ///
    /// # Errors
    /// `Disk`: it failed. From then on everything fails: nobody knows what is on the disk, until the journal is replayed.
    pub(crate) fn commit(&mut self) -> Result<u64> {
        if self.failed {
            return Err(FsError::Disk);
        }
        if self.journal.is_none() || (self.buffers.running_count() == 0 && self.last == self.committed) {
            return Ok(self.committed);
        }
        let result = self.commit_running();
        self.failed = result.is_err();
        result.map(|()| self.committed)
    }

    /// Commits, and leaves nothing in the journal, now and after each of the next commits.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub(crate) fn settle(&mut self) -> Result<()> {
        self.commits_before_end = COMMITS_BEFORE_END;
        self.commit()?;
        self.is_half_done = false;
        let used = self.journal.as_ref().map_or(0, |journal| journal.used);
        if used > 0 { self.bring_home() } else { Ok(()) }
    }

    /// Commits if the running transaction has become large.
    pub(crate) fn commit_if_large(&mut self) -> Result<()> {
        let limit = self.journal.as_ref().map_or(usize::MAX, super::Journal::running_limit);
        if self.buffers.running_count() < limit {
            return Ok(());
        }
        self.is_half_done = true;
        self.commit().map(drop)
    }

    fn commit_running(&mut self) -> Result<()> {
        self.seal()?;
        self.keep_changes();
        let (blocks, (place, commit)) = self.transaction()?;
        self.write_blocks(&blocks)?;
        self.disk.flush()?;
        self.disk.write(self.address(place), commit.get(..SECTOR_BYTES as usize))?;
        self.disk.flush()?;
        let count = blocks.len() as u32;
        let journal = self.journal.as_mut().ok_or(FsError::ReadOnly)?;
        journal.head = journal.after(journal.head, count);
        journal.used += count;
        journal.sequence = journal.sequence.wrapping_add(1);
        let is_full = self.commits_before_end > 0 || journal.used > journal.ring() / 2;
        self.commits_before_end = self.commits_before_end.saturating_sub(1);
        self.buffers.set_committed();
        // Whoever still reads what was freed ends first.
        drop(self.moving.write());
        self.freed = Freed::default();
        // Whoever repeats what follows has none: it must find room for it in the same places.
        self.hints.clear();
        self.committed = self.last;
        self.zero_cut_ends()?;
        if is_full || self.buffers.committed_count() > MOST_COMMITTED { self.bring_home() } else { Ok(()) }
    }

    /// The running transaction as blocks of the journal, with the places where they go, and the commit block, where these have
    /// a block of zeros.
    fn transaction(&self) -> Result<(Vec<Block>, Block)> {
        let journal = self.journal.as_ref().ok_or(FsError::ReadOnly)?;
        let (style, sequence, bytes) = (journal.style, journal.sequence, self.geometry.block_bytes);
        let mut parts: Vec<Arc<Vec<u8>>> = Vec::new();
        let revoked: Vec<u64> = self.freed.revoked().iter().copied().collect();
        for some in revoked.chunks(style.revokes_in(bytes)) {
            parts.push(Arc::new(style.revoke(bytes, sequence, some)));
        }
        let contents = self.buffers.running_contents();
        for some in contents.chunks(style.tags_in(bytes)) {
            let escaped: Vec<_> = some.iter().map(|(block, data)| escape(*block, data)).collect();
            let tagged = escaped.iter().map(|(block, data, is_escaped)| (*block, data.as_slice(), *is_escaped));
            parts.push(Arc::new(style.descriptor(bytes, sequence, tagged, &journal.uuid)));
            parts.extend(escaped.into_iter().map(|(_, data, _)| data));
        }
        parts.push(Arc::new(alloc::vec![0; bytes]));
        if parts.len() as u32 > journal.ring() - journal.used {
            log::error!("a transaction of {} blocks does not fit into the journal", parts.len());
            return Err(FsError::Disk);
        }
        let mut blocks = Vec::with_capacity(parts.len());
        for (index, data) in parts.into_iter().enumerate() {
            blocks.push((journal.physical(journal.after(journal.head, index as u32))?, data));
        }
        let (place, _) = blocks.last().ok_or(FsError::Corrupt)?;
        let commit = (*place, Arc::new(style.commit(bytes, sequence)));
        Ok((blocks, commit))
    }

    /// Writes all committed blocks to where they belong, and empties the journal. Only right after a commit.
    pub(crate) fn bring_home(&mut self) -> Result<()> {
        self.write_blocks(&self.buffers.committed())?;
        self.disk.flush()?;
        self.buffers.set_clean();
        self.journal.as_mut().ok_or(FsError::ReadOnly)?.used = 0;
        self.write_log_start(HasBegun::Yes)
    }
}

/// A block as it goes into the journal, where only the journal's own blocks start with its magic number.
fn escape(block: u64, data: &Arc<Vec<u8>>) -> (u64, Arc<Vec<u8>>, bool) {
    if be32(data, 0) != MAGIC {
        return (block, data.clone(), false);
    }
    let mut escaped = data.to_vec();
    put_be32(&mut escaped, 0, 0);
    (block, Arc::new(escaped), true)
}
