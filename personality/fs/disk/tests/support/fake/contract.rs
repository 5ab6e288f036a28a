//! The contract, on the fake disk.

use std::sync::Arc;

use interfaces::file_system::*;
use interfaces::{FileSystem, FsError};
use ipc::Capability;
use rt::memory::Owned;

use super::disk::nobody;
use super::{Answer, Call, DEAD, Fake, PAGE, ROOT};

impl FileSystem for Fake {
    fn begin(&self, orphans: Orphans) -> Answer<FsInfo> {
        let mut state = self.0.lock();
        let odds = state.odds;
        if state.dice.one_in(odds.death) {
            state.die();
            return Err(DEAD);
        }
        if state.retired {
            return Err(FsError::Retired);
        }
        state.begun = true;
        if orphans == Orphans::Free {
            state.running.inodes.retain(|_, inode| inode.attributes.links > 0);
            state.commit();
        }
        Ok(FsInfo {
            root: ROOT,
            block_bytes: 4096,
            incarnation: state.incarnation,
            committed: state.committed.last,
            read_only: false,
        })
    }

    fn attach(&self, memory: Capability, bytes: u64) -> Answer<u64> {
        let window = Owned::copy_of(memory.0).and_then(|memory| memory.map(bytes)).map_err(|_| FsError::Invalid)?;
        self.ask(|state| {
            let region = state.regions.len() as u64 + 100 * state.incarnation;
            state.regions.insert(region, Arc::new(window));
            Ok(region)
        })
    }

    fn detach(&self, region: u64) -> Answer<()> {
        self.ask(|state| state.regions.remove(&region).map(drop).ok_or(FsError::NoRegion))
    }

    fn statistics(&self) -> Answer<FsStatistics> {
        self.ask(|state| {
            let free = state.capacity_pages.saturating_sub(state.running.used_pages()) as u64;
            Ok(FsStatistics {
                blocks: state.capacity_pages as u64,
                free_blocks: free,
                available_blocks: free,
                inodes: 1000,
                free_inodes: 1000 - state.running.inodes.len() as u64,
                id: 7,
            })
        })
    }

    fn lookup(&self, directory: u64, name: &[u8]) -> Answer<Attributes> {
        self.ask(|state| {
            let inode = state.running.find(directory, name)?;
            Ok(state.running.get(inode)?.attributes.clone())
        })
    }

    fn attributes(&self, inode: u64) -> Answer<Attributes> {
        self.ask(|state| Ok(state.running.get(inode)?.attributes.clone()))
    }

    fn list(&self, directory: u64, cookie: u64) -> Answer<Listing> {
        self.ask(|state| {
            let mut found: Vec<(u64, Vec<u8>, u64)> = Vec::new();
            for (name, (inode, at)) in &state.running.directory(directory)?.entries {
                found.push((*at, name.clone(), *inode));
            }
            found.sort();
            let mut entries = Vec::new();
            // Few at a time, so that listings go over several calls.
            for (at, name, inode) in found.into_iter().filter(|(at, ..)| *at > cookie).take(3) {
                entries.extend(inode.to_le_bytes());
                entries.extend(at.to_le_bytes());
                entries.extend([(state.running.get(inode)?.attributes.mode >> 12) as u8, name.len() as u8]);
                entries.extend(name);
            }
            Ok(Listing { entries })
        })
    }

    fn read_link(&self, inode: u64) -> Answer<Vec<u8>> {
        self.ask(|state| Ok(state.running.get(inode)?.target.clone()))
    }

    fn read(&self, inode: u64, piece: Piece) -> Answer<u32> {
        let answer = self.ask(|state| {
            let window = state.regions.get(&piece.region).cloned().ok_or(FsError::NoRegion)?;
            let data = &state.running.get(inode)?.data;
            let start = (piece.offset as usize).min(data.len());
            let end = (start + piece.bytes as usize).min(data.len());
            let mut bytes = data[start..end].to_vec();
            bytes.resize((end - start).next_multiple_of(PAGE), 0);
            window.copy_in(piece.at as usize, &bytes).map_err(|_| FsError::Invalid)?;
            Ok((end - start) as u32)
        });
        self.let_happen(Call::Read);
        answer
    }

    fn seek(&self, inode: u64, offset: u64, hole: bool) -> Answer<u64> {
        self.ask(|state| {
            let inode = state.running.get(inode)?;
            let size = inode.attributes.size;
            let pages = offset / PAGE as u64..size.div_ceil(PAGE as u64);
            let found = pages.into_iter().find(|page| inode.blocks.contains(page) != hole);
            Ok(found.map_or(size, |page| (page * PAGE as u64).max(offset)))
        })
    }

    fn set_attributes(&self, change: Change, inode: u64, new: NewAttributes) -> Answer<Changed> {
        self.change(&change, |state| {
            let inode = state.running.get(inode)?;
            let has = |bit| new.set & bit != 0;
            let attributes = &mut inode.attributes;
            attributes.mode = if has(set::MODE) { attributes.mode & !0o7777 | new.mode } else { attributes.mode };
            attributes.uid = if has(set::UID) { new.uid } else { attributes.uid };
            attributes.gid = if has(set::GID) { new.gid } else { attributes.gid };
            attributes.changed = change.now.clone();
            if has(set::SIZE) {
                attributes.modified = change.now.clone();
                inode.resize(new.size as usize);
            }
            let attributes = &mut inode.attributes;
            attributes.accessed = if has(set::ACCESSED) { new.accessed } else { attributes.accessed.clone() };
            attributes.modified = if has(set::MODIFIED) { new.modified } else { attributes.modified.clone() };
            Ok(attributes.clone())
        })
    }

    fn write(&self, change: Change, inode: u64, pieces: Pieces) -> Answer<Changed> {
        let answer = self.change(&change, |state| {
            let free = state.capacity_pages.saturating_sub(state.running.used_pages());
            let blocks = &state.running.get(inode)?.blocks;
            let pages = |piece: &Piece| {
                piece.offset / PAGE as u64..(piece.offset + u64::from(piece.bytes)).div_ceil(PAGE as u64)
            };
            if pieces.0.iter().flat_map(pages).filter(|page| !blocks.contains(page)).count() > free {
                return Err(FsError::NoSpace);
            }
            for piece in &pieces.0 {
                let window = state.regions.get(&piece.region).cloned().ok_or(FsError::NoRegion)?;
                let mut bytes = vec![0; piece.bytes as usize];
                window.copy_out(piece.at as usize, &mut bytes).map_err(|_| FsError::Invalid)?;
                let inode = state.running.get(inode)?;
                let (start, end) = (piece.offset as usize, piece.offset as usize + bytes.len());
                inode.resize(inode.data.len().max(end));
                inode.data[start..end].copy_from_slice(&bytes);
                inode.blocks.extend(pages(piece));
            }
            let inode = state.running.get(inode)?;
            inode.attributes.sectors = inode.blocks.len() as u64 * 8;
            (inode.attributes.modified, inode.attributes.changed) = (change.now.clone(), change.now.clone());
            Ok(inode.attributes.clone())
        });
        self.let_happen(Call::Write);
        answer
    }

    fn create(&self, change: Change, directory: u64, name: &[u8], node: NewNode, target: &[u8]) -> Answer<Changed> {
        self.change(&change, |state| {
            if state.running.find(directory, name).is_ok() {
                return Err(FsError::Exists);
            }
            let inode = state.running.allocate(&node, &change.now)?;
            state.running.get(inode)?.target = target.to_vec();
            state.running.enter(directory, name, inode, &change.now)?;
            Ok(state.running.get(inode)?.attributes.clone())
        })
    }

    fn create_unnamed(&self, change: Change, node: NewNode) -> Answer<Changed> {
        self.change(&change, |state| {
            let inode = state.running.allocate(&node, &change.now)?;
            state.running.get(inode)?.attributes.links = 0;
            Ok(state.running.get(inode)?.attributes.clone())
        })
    }

    fn link(&self, change: Change, inode: u64, directory: u64, name: &[u8]) -> Answer<Changed> {
        self.change(&change, |state| {
            if state.running.find(directory, name).is_ok() {
                return Err(FsError::Exists);
            }
            state.running.get(inode)?.attributes.links += 1;
            state.running.get(inode)?.attributes.changed = change.now.clone();
            state.running.enter(directory, name, inode, &change.now)?;
            Ok(state.running.get(inode)?.attributes.clone())
        })
    }

    fn unlink(&self, change: Change, directory: u64, name: &[u8]) -> Answer<Changed> {
        self.change(&change, |state| {
            let inode = state.running.leave(directory, name, &change.now)?;
            state.running.drop_name(inode)
        })
    }

    fn remove_directory(&self, change: Change, directory: u64, name: &[u8]) -> Answer<Changed> {
        self.change(&change, |state| {
            let inode = state.running.find(directory, name)?;
            if !state.running.directory(inode)?.entries.is_empty() {
                return Err(FsError::NotEmpty);
            }
            state.running.leave(directory, name, &change.now)?;
            state.running.drop_name(inode)
        })
    }

    fn rename(
        &self,
        change: Change,
        directories: (u64, u64),
        name: &[u8],
        new_name: &[u8],
        target: Target,
    ) -> Answer<Changed> {
        self.change(&change, |state| {
            let (old, new, now) = (directories.0, directories.1, &change.now);
            let replaced = state.running.find(new, new_name).ok();
            if target == Target::Exchange {
                let first = state.running.leave(old, name, now)?;
                let second = state.running.leave(new, new_name, now)?;
                state.running.enter(old, name, second, now)?;
                state.running.enter(new, new_name, first, now)?;
                return Ok(nobody());
            }
            let mut lost = nobody();
            if let Some(replaced) = replaced {
                if !state.running.get(replaced)?.entries.is_empty() {
                    return Err(FsError::NotEmpty);
                }
                state.running.leave(new, new_name, now)?;
                lost = state.running.drop_name(replaced)?;
            }
            let source = state.running.leave(old, name, now)?;
            state.running.enter(new, new_name, source, now)?;
            Ok(lost)
        })
    }

    fn punch_hole(&self, change: Change, inode: u64, offset: u64, bytes: u64) -> Answer<Changed> {
        self.change(&change, |state| {
            let inode = state.running.get(inode)?;
            let (start, end) = (offset as usize, (offset + bytes) as usize);
            let length = inode.data.len();
            inode.data.get_mut(start.min(length)..end.min(length)).into_iter().flatten().for_each(|byte| *byte = 0);
            inode.blocks.retain(|block| (*block as usize) * PAGE < start || (*block as usize + 1) * PAGE > end);
            inode.attributes.sectors = inode.blocks.len() as u64 * 8;
            (inode.attributes.modified, inode.attributes.changed) = (change.now.clone(), change.now.clone());
            Ok(inode.attributes.clone())
        })
    }

    fn forget(&self, change: Change, inode: u64) -> Answer<Changed> {
        self.change(&change, |state| {
            if state.running.get(inode)?.attributes.links != 0 {
                return Err(FsError::Invalid);
            }
            state.running.inodes.remove(&inode);
            Ok(nobody())
        })
    }

    fn commit(&self) -> Answer<u64> {
        self.ask(|state| {
            state.commit();
            Ok(state.committed.last)
        })
    }

    fn retire(&self) -> Answer<u64> {
        self.ask(|state| {
            state.commit();
            state.retired = true;
            Ok(state.committed.last)
        })
    }

    fn settle(&self) -> Answer<()> {
        self.commit().map(drop)
    }

    fn hand_over(&self) -> Answer<HandOver> {
        self.ask(|state| {
            state.retired = true;
            Ok(HandOver { sequence: 0, start: 0, change: 0 })
        })
    }

    fn open(&self, _: HandOver) -> Answer<()> {
        Ok(())
    }

    fn is_settled(&self) -> Answer<bool> {
        self.ask(|_| Ok(false))
    }

    fn prepare(&self) -> Answer<()> {
        Ok(())
    }
}
