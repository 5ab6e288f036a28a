//! Where names are, in memory: for directories that are asked for often or are large.
//!
//! The blocks of a directory stay where they are and so do its entries, so that a place once noted is good until the entry is
//! removed. All of it is a cache: whatever is not sure is dropped, and made again from the blocks.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::entry;
use super::search::Found;
use crate::Result;
use crate::buffers::{Kind, Owner};
use crate::inode::Inode;
use crate::volume::Volume;

/// Most names of all directories together.
const MOST_NAMES: usize = 32 << 10;
/// A directory of one block gets an index when it was searched so often.
const SEARCHES: u32 = 4;
/// Room of a block that was not looked at: any.
const ANY: usize = usize::MAX;

/// What is noted of one directory.
#[derive(Debug, Default)]
struct Index {
    generation: u32,
    /// Hash, block, and where in it.
    places: BTreeSet<(u32, u64, usize)>,
    /// Blocks in order, and the most room that an entry of each may have.
    rooms: Vec<(u64, usize)>,
}

/// What is noted of all.
#[derive(Debug, Default)]
pub(crate) struct Names {
    by_directory: BTreeMap<u32, Index>,
    /// Searches of directories that have no index.
    searches: BTreeMap<u32, u32>,
    /// Names in all of them.
    count: usize,
    /// Directories whose entries the running operation has changed.
    touched: Vec<u32>,
}

impl Names {
    /// The running operation is complete.
    pub(crate) fn keep(&mut self) {
        self.touched.clear();
    }

    /// The running operation did not happen: what it noted is not so.
    pub(crate) fn undo(&mut self) {
        for directory in core::mem::take(&mut self.touched) {
            self.forget(directory);
        }
    }

    /// Forgets a directory.
    pub(crate) fn forget(&mut self, directory: u32) {
        self.searches.remove(&directory);
        if let Some(index) = self.by_directory.remove(&directory) {
            self.count -= index.places.len();
        }
    }

    fn get(&self, owner: Owner) -> Option<&Index> {
        self.by_directory.get(&owner.inode).filter(|index| index.generation == owner.generation)
    }

    fn change(&mut self, owner: Owner) -> Option<&mut Index> {
        self.touched.push(owner.inode);
        self.by_directory.get_mut(&owner.inode).filter(|index| index.generation == owner.generation)
    }

    fn insert(&mut self, owner: Owner, index: Index) {
        if self.count + index.places.len() > MOST_NAMES {
            *self = Self { touched: core::mem::take(&mut self.touched), ..Self::default() };
        }
        self.forget(owner.inode);
        self.count += index.places.len();
        self.by_directory.insert(owner.inode, index);
    }

    /// Whether it is time for an index, at one more search without.
    fn is_due(&mut self, directory: u32, blocks: usize) -> bool {
        let searches = self.searches.entry(directory).or_default();
        *searches += 1;
        let is_due = blocks > 1 || *searches >= SEARCHES;
        if self.searches.len() > MOST_NAMES / 16 {
            self.searches.clear();
        }
        is_due
    }

    /// An entry is there now. It took room of its block, which stays noted as the most that there may be.
    pub(super) fn added(&mut self, owner: Owner, name: &[u8], (block, at): (u64, usize)) {
        if let Some(index) = self.change(owner)
            && index.places.insert((hash(name), block, at))
        {
            self.count += 1;
        }
        if self.count > MOST_NAMES {
            self.forget(owner.inode);
        }
    }

    /// A block is there now.
    pub(super) fn extended(&mut self, owner: Owner, block: u64) {
        self.change(owner).into_iter().for_each(|index| index.rooms.push((block, ANY)));
    }

    /// An entry is there no more.
    pub(super) fn removed(&mut self, owner: Owner, name: &[u8], (block, at): (u64, usize)) {
        let Some(index) = self.change(owner) else { return };
        let was_there = index.places.remove(&(hash(name), block, at));
        index.rooms.iter_mut().filter(|room| room.0 == block).for_each(|room| room.1 = ANY);
        self.count -= usize::from(was_there);
    }

    /// A block was searched for so much room in vain.
    pub(super) fn is_full(&mut self, owner: Owner, block: u64, needed: usize) {
        let index = self.by_directory.get_mut(&owner.inode).filter(|index| index.generation == owner.generation);
        let rooms = index.into_iter().flat_map(|index| index.rooms.iter_mut());
        rooms.filter(|room| room.0 == block).for_each(|room| room.1 = room.1.min(needed - 1));
    }

    /// Blocks that may have so much room, when that is known.
    pub(super) fn candidates(&self, owner: Owner, needed: usize) -> Option<Vec<u64>> {
        let rooms = &self.get(owner)?.rooms;
        Some(rooms.iter().filter(|room| room.1 >= needed).map(|room| room.0).collect())
    }
}

impl Volume {
    /// Looks a name up by the index, if there is one: `None` if there is not.
    pub(super) fn find_by_index(&mut self, directory: &Inode, name: &[u8]) -> Result<Option<Option<Found>>> {
        let (owner, hash) = (directory.owner(), hash(name));
        let Some(index) = self.names.get(owner) else { return Ok(None) };
        let range = index.places.range((hash, 0, 0)..=(hash, u64::MAX, usize::MAX));
        let places: Vec<_> = range.map(|place| (place.1, place.2)).collect();
        for (block, at) in places {
            let data = self.block(block, Kind::Directory(owner))?;
            let found = entry::read(&data, at)?.filter(|entry| entry.inode != 0 && entry.name == name);
            if let Some(entry) = found {
                return Ok(Some(Some(Found { block, at, inode: entry.inode, kind: entry.kind })));
            }
        }
        Ok(Some(None))
    }

    /// Makes an index if it is time for one; whether there is one now.
    pub(super) fn index_if_due(&mut self, directory: &Inode, blocks: &[u64]) -> Result<bool> {
        let owner = directory.owner();
        // Not more than a part of all: a directory larger than that is searched as it is.
        let is_small = blocks.len() * self.geometry.block_bytes / entry::needs(1) <= 2 * MOST_NAMES;
        if !is_small || !self.names.is_due(owner.inode, blocks.len()) {
            return Ok(false);
        }
        let mut index = Index { generation: owner.generation, ..Index::default() };
        for block in blocks {
            let data = self.block(*block, Kind::Directory(owner))?;
            for entry in entry::all(&data) {
                let entry = entry?;
                if entry.inode != 0 {
                    index.places.insert((hash(entry.name), *block, entry.at));
                }
            }
            index.rooms.push((*block, ANY));
        }
        if index.places.len() > MOST_NAMES {
            return Ok(false);
        }
        self.names.insert(owner, index);
        Ok(true)
    }
}

/// FNV-1a (Fowler, Noll, Vo): names whose hashes are equal are compared, nothing worse.
fn hash(name: &[u8]) -> u32 {
    name.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}
