//! Making a plain directory of one with a hash tree.
//!
//! The tree's root lies in the first block, in the room of `..`, its inner nodes in blocks that look like one empty entry.
//! Without the flag that is what they are; only their sums have to move to the block's end.

use interfaces::FsError;

use super::{entry, sums};
use crate::Result;
use crate::buffers::Kind;
use crate::inode::{Inode, flag};
use crate::volume::Volume;

impl Volume {
    /// Takes the index away. The directory's record is to be put back by the caller.
    pub(crate) fn remove_index(&mut self, directory: &mut Inode) -> Result<()> {
        let kind = Kind::Directory(directory.owner());
        for (index, block) in self.directory_blocks(directory)?.into_iter().enumerate() {
            let data = self.block(block, kind)?;
            if index == 0 {
                self.remove_root(block, kind)?;
            } else if sums::index_table(&data).is_some() {
                let empty = self.empty_directory_block();
                self.change_block(block, kind)?.copy_from_slice(&empty);
            }
        }
        // What were blocks of the tree has room now.
        self.names.forget(directory.number);
        directory.set_flags(directory.flags() & !flag::INDEX);
        Ok(())
    }

    fn remove_root(&mut self, block: u64, kind: Kind) -> Result<()> {
        let data = self.block(block, kind)?;
        let parent = entry::read(&data, 12)?.filter(|entry| entry.name == b"..").ok_or(FsError::Corrupt)?;
        if sums::index_table(&data) != Some(32) {
            return Ok(());
        }
        let (target, length) = ((parent.inode, parent.kind), self.entries_bytes());
        let has_sums = self.geometry.has_block_sums();
        let data = self.change_block(block, kind)?;
        data.get_mut(24..).into_iter().for_each(|rest| rest.fill(0));
        entry::write(data, 12, length - 12, target, b"..");
        if has_sums {
            entry::write_tail(data);
        }
        Ok(())
    }
}
