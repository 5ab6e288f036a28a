//! Buffers of metadata blocks, and which of them the running operation and the running transaction have changed.
//!
//! A buffer is *clean* (as on the disk), *committed* (in the journal, not yet at home) or *running* (changed by the running
//! transaction). Only clean ones make room for others. What an operation changes is noted as it was before (`undo`), so that
//! an operation that fails leaves nothing behind.
//!
//! Sums are checked when a block is read, and made when a transaction is committed.

mod undo;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use undo::Undo;

use crate::bytes::put;

/// The inode that a block belongs to: its sum covers these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) inode: u32,
    pub(crate) generation: u32,
}

/// What a block is: decides about its sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Protects its parts itself, or has no sum.
    Plain,
    /// The superblock's block.
    Superblock,
    /// Names.
    Directory(Owner),
    /// A node of an extent tree.
    Extents(Owner),
    /// Blocks in use, of a group.
    BlockBitmap(u32),
    /// Inodes in use, of a group.
    InodeBitmap(u32),
    /// Records with sums of their own: inodes from this number on.
    Inodes(u32),
    /// The same: descriptors of groups, from this one on.
    Descriptors(u32),
}

/// Where a record with a sum of its own is: an inode, a group's descriptor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) block: u64,
    /// What the block is.
    pub(crate) kind: Kind,
    /// Which of the block's records it is.
    pub(crate) index: usize,
    /// Where it starts in the block.
    pub(crate) at: usize,
}

/// How a buffer relates to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Clean,
    Committed,
    Running,
}

/// A block's contents.
#[derive(Clone, Debug)]
pub(crate) struct Buffer {
    pub(crate) data: Arc<Vec<u8>>,
    pub(crate) state: State,
    pub(crate) kind: Kind,
    used: bool,
    records: Records,
}

/// What is known of the sums of a block's records, a bit for each: 4 KiB have at most 128.
#[derive(Clone, Copy, Debug, Default)]
struct Records {
    /// It was found right, or the record was written by us.
    known: u128,
    /// It is to be made before the block goes to the disk.
    stale: u128,
}

impl Buffer {
    const fn new(data: Arc<Vec<u8>>, state: State, kind: Kind) -> Self {
        Self { data, state, kind, used: true, records: Records { known: 0, stale: 0 } }
    }

    /// From now on it is something else.
    pub(crate) fn set_kind(&mut self, kind: Kind) {
        self.kind = kind;
        self.records = Records::default();
    }

    /// Whether the sum of a record needs no look.
    pub(crate) const fn is_record_known(&self, index: usize) -> bool {
        self.records.known & bit(index) != 0
    }

    /// The sum of a record was found right.
    pub(crate) const fn set_record_known(&mut self, index: usize) {
        self.records.known |= bit(index);
    }

    /// A record was changed: its sum is to be made.
    pub(crate) const fn set_record_stale(&mut self, index: usize) {
        self.records.known |= bit(index);
        self.records.stale |= bit(index);
    }

    /// The records whose sums are to be made now.
    pub(crate) fn take_stale(&mut self) -> impl Iterator<Item = usize> + use<> {
        let stale = core::mem::take(&mut self.records.stale);
        (0..128).filter(move |index| stale & bit(*index) != 0)
    }
}

const fn bit(index: usize) -> u128 {
    1 << (index % 128)
}

/// All buffers.
pub(crate) struct Buffers {
    by_block: BTreeMap<u64, Buffer>,
    /// Candidates to make room, in the order of a clock's hand.
    clock: VecDeque<u64>,
    /// Blocks by state.
    running: BTreeSet<u64>,
    committed: BTreeSet<u64>,
    /// What the running operation has changed.
    undo: Undo,
    /// Most clean buffers.
    limit: usize,
}

impl Buffers {
    pub(crate) const fn new(limit: usize) -> Self {
        Self {
            by_block: BTreeMap::new(),
            clock: VecDeque::new(),
            running: BTreeSet::new(),
            committed: BTreeSet::new(),
            undo: Undo::new(),
            limit,
        }
    }

    /// Most clean buffers.
    pub(crate) const fn limit(&self) -> usize {
        self.limit
    }

    /// A block's buffer.
    pub(crate) fn get(&mut self, block: u64) -> Option<&mut Buffer> {
        let buffer = self.by_block.get_mut(&block)?;
        buffer.used = true;
        Some(buffer)
    }

    /// Keeps what was read from the disk.
    pub(crate) fn insert_clean(&mut self, block: u64, data: Vec<u8>, kind: Kind) {
        self.make_room();
        self.put(block, Buffer::new(Arc::new(data), State::Clean, kind));
    }

    /// The contents of a block that is there, to be changed by the running operation. All of it is kept as it was: where it
    /// is known what changes, [`change_part`](Self::change_part) costs less.
    pub(crate) fn change(&mut self, block: u64) -> Option<&mut [u8]> {
        let buffer = self.by_block.get_mut(&block)?;
        self.undo.keep(block, || Some(buffer.clone()));
        Some(run(buffer, block, (&mut self.running, &mut self.committed)).as_mut_slice())
    }

    /// A range of such a block; `None` also if the block is shorter.
    pub(crate) fn change_part(&mut self, block: u64, range: Range<usize>) -> Option<&mut [u8]> {
        let buffer = self.by_block.get_mut(&block)?;
        self.undo.note(block, buffer, range.clone())?;
        run(buffer, block, (&mut self.running, &mut self.committed)).get_mut(range)
    }

    /// Replaces a record; its sum is to be made.
    pub(crate) fn change_record(&mut self, place: &Place, bytes: &[u8]) -> Option<()> {
        let buffer = self.by_block.get_mut(&place.block)?;
        self.undo.note(place.block, buffer, place.at..place.at + bytes.len())?;
        put(run(buffer, place.block, (&mut self.running, &mut self.committed)), place.at, bytes);
        buffer.set_record_stale(place.index);
        Some(())
    }

    /// A new block's contents, whatever was there before.
    pub(crate) fn create(&mut self, block: u64, data: Vec<u8>, kind: Kind) {
        self.undo.keep(block, || self.by_block.get(&block).cloned());
        self.put(block, Buffer::new(Arc::new(data), State::Running, kind));
    }

    /// Forgets a block that is freed.
    pub(crate) fn forget(&mut self, block: u64) {
        if let Some(before) = self.by_block.get(&block) {
            self.undo.keep(block, || Some(before.clone()));
            self.remove(block);
        }
    }

    /// The running operation is complete.
    pub(crate) fn keep_changes(&mut self) {
        self.undo.clear();
    }

    /// Makes everything as it was before the running operation.
    pub(crate) fn undo_changes(&mut self) {
        let mut undo = core::mem::take(&mut self.undo);
        for (block, before) in undo.take_wholes() {
            match before {
                Some(buffer) => self.put(block, buffer),
                None => self.remove(block),
            }
        }
        for (block, state) in undo.put_back(&mut self.by_block) {
            self.note(block, Some(state));
        }
    }

    /// Blocks that the running transaction has changed, in order.
    pub(crate) fn running(&self) -> Vec<u64> {
        self.running.iter().copied().collect()
    }

    /// How many those are.
    pub(crate) fn running_count(&self) -> usize {
        self.running.len()
    }

    /// Blocks that are in the journal alone, in order, with their contents.
    pub(crate) fn committed(&self) -> Vec<(u64, Arc<Vec<u8>>)> {
        self.contents(self.committed.iter())
    }

    /// How many those are.
    pub(crate) fn committed_count(&self) -> usize {
        self.committed.len()
    }

    /// Contents of the running transaction's blocks.
    pub(crate) fn running_contents(&self) -> Vec<(u64, Arc<Vec<u8>>)> {
        self.contents(self.running.iter())
    }

    /// The running transaction is in the journal.
    pub(crate) fn set_committed(&mut self) {
        let running = core::mem::take(&mut self.running);
        self.set_state(&running, State::Committed);
        self.committed.extend(running);
    }

    /// Everything committed is at home.
    pub(crate) fn set_clean(&mut self) {
        let committed = core::mem::take(&mut self.committed);
        self.set_state(&committed, State::Clean);
        for _ in 0..committed.len() {
            self.make_room();
        }
    }

    fn contents<'a>(&self, blocks: impl Iterator<Item = &'a u64>) -> Vec<(u64, Arc<Vec<u8>>)> {
        blocks.filter_map(|block| Some((*block, self.by_block.get(block)?.data.clone()))).collect()
    }

    fn set_state(&mut self, blocks: &BTreeSet<u64>, state: State) {
        for block in blocks {
            self.by_block.get_mut(block).into_iter().for_each(|buffer| buffer.state = state);
        }
    }

    fn put(&mut self, block: u64, buffer: Buffer) {
        let state = buffer.state;
        if self.by_block.insert(block, buffer).is_none() {
            self.clock.push_back(block);
        }
        if self.clock.len() > 2 * self.by_block.len() + 64 {
            // Entries of removed buffers, in the main.
            self.clock = self.by_block.keys().copied().collect();
        }
        self.note(block, Some(state));
    }

    fn remove(&mut self, block: u64) {
        // The clock drops its entry when the hand comes by.
        self.by_block.remove(&block);
        self.note(block, None);
    }

    fn note(&mut self, block: u64, state: Option<State>) {
        for (set, own) in [(&mut self.running, State::Running), (&mut self.committed, State::Committed)] {
            if state == Some(own) {
                set.insert(block)
            } else {
                set.remove(&block)
            };
        }
    }

    fn clean_count(&self) -> usize {
        self.by_block.len().saturating_sub(self.running.len() + self.committed.len())
    }

    /// Drops a clean buffer that was not used for a while, if there are too many.
    fn make_room(&mut self) {
        let mut turns = 2 * self.clock.len();
        while self.clean_count() >= self.limit && turns > 0 {
            turns -= 1;
            let Some(block) = self.clock.pop_front() else { return };
            let Some(buffer) = self.by_block.get_mut(&block) else { continue };
            if buffer.state == State::Clean && !buffer.used {
                self.by_block.remove(&block);
            } else {
                buffer.used = false;
                self.clock.push_back(block);
            }
        }
    }
}

/// A buffer's contents, which the running transaction changes.
fn run<'a>(
    buffer: &'a mut Buffer,
    block: u64,
    (running, committed): (&mut BTreeSet<u64>, &mut BTreeSet<u64>),
) -> &'a mut Vec<u8> {
    buffer.used = true;
    if buffer.state != State::Running {
        buffer.state = State::Running;
        running.insert(block);
        committed.remove(&block);
    }
    Arc::make_mut(&mut buffer.data)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: u64 = 7;

    #[test]
    fn changes_are_taken_back_whatever_their_order() {
        let mut buffers = Buffers::new(4);
        buffers.insert_clean(BLOCK, alloc::vec![1; 16], Kind::Plain);
        let part = |buffers: &mut Buffers, at: usize, value| {
            buffers.change_part(BLOCK, at..at + 2).expect("the block is there").fill(value);
        };
        part(&mut buffers, 4, 2);
        part(&mut buffers, 5, 3);
        buffers.change(BLOCK).expect("the block is there").fill(4);
        part(&mut buffers, 0, 5);
        buffers.forget(BLOCK);
        buffers.create(BLOCK, alloc::vec![6; 16], Kind::Superblock);
        assert!(buffers.change_part(BLOCK, 15..17).is_none(), "a part beyond the end");
        buffers.undo_changes();
        let buffer = buffers.get(BLOCK).expect("the block is there again");
        assert_eq!(
            (buffer.data.as_slice(), buffer.kind, buffer.state),
            ([1; 16].as_slice(), Kind::Plain, State::Clean)
        );
        assert_eq!(buffers.running_count(), 0);
        part(&mut buffers, 4, 2);
        buffers.keep_changes();
        buffers.undo_changes();
        assert_eq!(
            buffers.running_contents(),
            [(BLOCK, Arc::new([[1, 1, 1, 1], [2, 2, 1, 1], [1; 4], [1; 4]].concat()))]
        );
    }
}
