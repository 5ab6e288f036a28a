//! What the running operation has changed, as it was before.
//!
//! A small change (a record, some bits, a field) is noted by the bytes that were there; of a block that is created, freed or
//! changed as a whole all is kept, and from then on nothing more is noted of it. So the blocks that were kept are put back
//! first, and then the parts, the latest first.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use super::{Buffer, Records, State};
use crate::bytes::put;

/// A part of a block, as it was.
struct Part {
    block: u64,
    at: usize,
    /// Where its bytes are among all that are noted.
    bytes: Range<usize>,
    state: State,
    records: Records,
}

/// All that has to be known to take the operation back.
#[derive(Default)]
pub(super) struct Undo {
    /// `None`: there was no buffer.
    wholes: BTreeMap<u64, Option<Buffer>>,
    parts: Vec<Part>,
    bytes: Vec<u8>,
}

impl Undo {
    pub(super) const fn new() -> Self {
        Self { wholes: BTreeMap::new(), parts: Vec::new(), bytes: Vec::new() }
    }

    /// A block is about to be changed in ways that are not known.
    pub(super) fn keep(&mut self, block: u64, before: impl FnOnce() -> Option<Buffer>) {
        self.wholes.entry(block).or_insert_with(before);
    }

    /// A range of a block is about to be changed; `None` if the block is shorter.
    pub(super) fn note(&mut self, block: u64, buffer: &Buffer, range: Range<usize>) -> Option<()> {
        let before = buffer.data.get(range.clone())?;
        if !self.wholes.contains_key(&block) {
            let from = self.bytes.len();
            self.bytes.extend_from_slice(before);
            let bytes = from..self.bytes.len();
            let (state, records) = (buffer.state, buffer.records);
            self.parts.push(Part { block, at: range.start, bytes, state, records });
        }
        Some(())
    }

    /// The changes are there to stay.
    pub(super) fn clear(&mut self) {
        self.wholes.clear();
        self.parts.clear();
        self.bytes.clear();
    }

    /// The blocks that were kept.
    pub(super) fn take_wholes(&mut self) -> BTreeMap<u64, Option<Buffer>> {
        core::mem::take(&mut self.wholes)
    }

    /// Puts the parts back, and tells in which blocks, and what state each has then.
    pub(super) fn put_back(&self, buffers: &mut BTreeMap<u64, Buffer>) -> Vec<(u64, State)> {
        let restore = |part: &Part| {
            let buffer = buffers.get_mut(&part.block)?;
            let data = Arc::make_mut(&mut buffer.data).as_mut_slice();
            put(data, part.at, self.bytes.get(part.bytes.clone()).unwrap_or_default());
            (buffer.state, buffer.records) = (part.state, part.records);
            Some((part.block, part.state))
        };
        self.parts.iter().rev().filter_map(restore).collect()
    }
}
