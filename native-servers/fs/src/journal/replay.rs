//! Replay: the committed transactions of a journal are written to where they belong.
//!
//! Three walks over the ring: to its end, for revoked blocks, and to write. A block is written unless the same or a later
//! transaction revokes it. Walking ends after one round, whatever the blocks say.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use interfaces::FsError;

use super::format::{Tag, kind, kind_in};
use super::log::Log;
use crate::Result;
use crate::bytes::put;
use crate::volume::Volume;

/// Blocks that are read and written at a time.
const BATCH: usize = 64;

/// What a walk meets, and in which transaction.
enum Met<'a> {
    /// Blocks of the transaction, and where in the ring they start.
    Blocks(&'a [Tag], u32),
    Revoked(&'a [u8]),
}

impl Volume {
    /// Replays `log`, and makes it empty in memory: the next transaction comes after all that were ever begun.
    ///
    /// # Errors
    /// `Corrupt`: a committed block is damaged.
    pub(crate) fn replay(&mut self, log: &mut Log) -> Result<()> {
        let end = self.walk(log, None, |_, _| Ok(()))?;
        let mut revoked: BTreeMap<u64, u32> = BTreeMap::new();
        let style = log.style;
        self.walk(log, Some(end), |sequence, met| {
            if let Met::Revoked(block) = met {
                for block in style.revoked(block)? {
                    // Later transactions come later.
                    revoked.insert(block, sequence);
                }
            }
            Ok(())
        })?;
        self.walk(log, Some(end), |sequence, met| match met {
            Met::Blocks(tags, position) => self.replay_blocks(log, (sequence, position), tags, &revoked),
            Met::Revoked(_) => Ok(()),
        })?;
        self.disk.flush()?;
        // One that was not committed may have left its number in the ring.
        log.sequence = end.wrapping_add(1);
        Ok(())
    }

    /// Whether a log that is in use has nothing: nobody began to write a transaction since it was emptied.
    ///
    /// # Errors
    /// `Disk`, `Corrupt`.
    pub(crate) fn is_log_empty(&self, log: &Log) -> Result<bool> {
        if log.start() == 0 {
            return Ok(false);
        }
        let mut block = alloc::vec![0; self.geometry.block_bytes];
        self.disk.read(self.address(log.physical(log.start())?), &mut block)?;
        Ok(kind_in(&block, log.sequence).is_none())
    }

    /// Walks over the transactions from the log's start to `end` (`None`: to the last committed one): the number behind.
    fn walk(&self, log: &Log, end: Option<u32>, mut meet: impl FnMut(u32, Met<'_>) -> Result<()>) -> Result<u32> {
        let (mut sequence, mut position) = (log.sequence, log.start());
        let mut left = if position == 0 { 0 } else { log.ring() };
        let mut block = alloc::vec![0; self.geometry.block_bytes];
        while left > 0 && end != Some(sequence) {
            self.disk.read(self.address(log.physical(position)?), &mut block)?;
            let mut passed = 1;
            match kind_in(&block, sequence) {
                Some(kind::DESCRIPTOR) => {
                    let Ok(tags) = log.style.tags(&block) else { break };
                    meet(sequence, Met::Blocks(&tags, log.after(position, 1)))?;
                    passed += tags.len() as u32;
                }
                Some(kind::REVOKE) => meet(sequence, Met::Revoked(&block))?,
                Some(kind::COMMIT) if log.style.is_commit_sound(&block) => sequence = sequence.wrapping_add(1),
                _ => break,
            }
            left = left.saturating_sub(passed);
            position = log.after(position, passed.min(log.ring()));
        }
        match end {
            Some(end) if end != sequence => Err(FsError::Corrupt),
            _ => Ok(sequence),
        }
    }

    fn replay_blocks(
        &self,
        log: &Log,
        (sequence, mut position): (u32, u32),
        tags: &[Tag],
        revoked: &BTreeMap<u64, u32>,
    ) -> Result<()> {
        for batch in tags.chunks(BATCH) {
            let mut blocks: Vec<(u64, Arc<Vec<u8>>)> = Vec::new();
            for tag in batch {
                // Numbers wrap around: the difference counts.
                let is_revoked = revoked.get(&tag.block).is_some_and(|by| by.wrapping_sub(sequence).cast_signed() >= 0);
                if !is_revoked {
                    blocks.push((tag.block, Arc::new(self.replayed(log, (sequence, position), tag)?)));
                }
                position = log.after(position, 1);
            }
            blocks.sort_by_key(|(block, _)| *block);
            self.write_blocks(&blocks)?;
        }
        Ok(())
    }

    /// A block as it belongs on the disk.
    fn replayed(&self, log: &Log, (sequence, position): (u32, u32), tag: &Tag) -> Result<Vec<u8>> {
        let mut data = alloc::vec![0; self.geometry.block_bytes];
        self.disk.read(self.address(log.physical(position)?), &mut data)?;
        let is_inside = tag.block >= self.geometry.first_data_block && tag.block < self.geometry.blocks;
        if !is_inside || !log.style.is_tagged(tag, sequence, &data) {
            return Err(FsError::Corrupt);
        }
        if tag.is_escaped {
            put(&mut data, 0, &super::format::MAGIC.to_be_bytes());
        }
        Ok(data)
    }

    /// Writes blocks; those that lie together in one request.
    pub(crate) fn write_blocks(&self, blocks: &[(u64, Arc<Vec<u8>>)]) -> Result<()> {
        for run in blocks.chunk_by(|(first, _), (second, _)| first + 1 == *second) {
            let Some((start, _)) = run.first() else { continue };
            self.disk.write(self.address(*start), run.iter().map(|(_, data)| data.as_slice()))?;
        }
        Ok(())
    }
}
