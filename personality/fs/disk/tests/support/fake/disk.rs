//! What is on the fake disk: inodes with their bytes, found by number.

use std::collections::{BTreeMap, BTreeSet};

use interfaces::FsError;
use interfaces::file_system::{Attributes, NewNode, Time};

use super::{Answer, PAGE};

/// An inode on the fake disk.
#[derive(Clone)]
pub struct Inode {
    pub attributes: Attributes,
    pub data: Vec<u8>,
    /// Pages that have blocks.
    pub(super) blocks: BTreeSet<u64>,
    pub entries: BTreeMap<Vec<u8>, (u64, u64)>,
    pub(super) target: Vec<u8>,
}

/// What is on the fake disk.
#[derive(Clone)]
pub struct Disk {
    pub inodes: BTreeMap<u64, Inode>,
    pub(super) next_cookie: u64,
    pub(super) last: u64,
}

pub(super) fn time(seconds: u64) -> Time {
    Time { seconds, nanoseconds: 0 }
}

pub(super) fn nobody() -> Attributes {
    let none = NewNode { mode: 0, uid: 0, gid: 0, rdev: 0, inode: 0 };
    Attributes { inode: 0, ..Inode::new(0, &none, &time(0)).attributes }
}

impl Inode {
    pub(super) fn new(number: u64, node: &NewNode, now: &Time) -> Self {
        let is_directory = node.mode >> 12 == 4;
        let attributes = Attributes {
            inode: number,
            mode: node.mode,
            links: if is_directory { 2 } else { 1 },
            uid: node.uid,
            gid: node.gid,
            rdev: node.rdev,
            size: if is_directory { 4096 } else { 0 },
            sectors: 0,
            accessed: now.clone(),
            modified: now.clone(),
            changed: now.clone(),
            born: now.clone(),
        };
        Self { attributes, data: Vec::new(), blocks: BTreeSet::new(), entries: BTreeMap::new(), target: Vec::new() }
    }

    pub(super) fn is_directory(&self) -> bool {
        self.attributes.mode >> 12 == 4
    }

    pub(super) fn resize(&mut self, size: usize) {
        self.data.resize(size, 0);
        self.blocks.retain(|block| (*block as usize) * PAGE < size);
        self.attributes.size = size as u64;
        self.attributes.sectors = self.blocks.len() as u64 * 8;
    }
}

impl Disk {
    pub(super) fn get(&mut self, number: u64) -> Answer<&mut Inode> {
        self.inodes.get_mut(&number).ok_or(FsError::NotFound)
    }

    pub(super) fn directory(&mut self, number: u64) -> Answer<&mut Inode> {
        let inode = self.get(number)?;
        if inode.is_directory() { Ok(inode) } else { Err(FsError::NotDirectory) }
    }

    pub(super) fn find(&mut self, directory: u64, name: &[u8]) -> Answer<u64> {
        self.directory(directory)?.entries.get(name).map(|(inode, _)| *inode).ok_or(FsError::NotFound)
    }

    /// The lowest free number, so that numbers are used again as soon as possible.
    pub(super) fn allocate(&mut self, node: &NewNode, now: &Time) -> Answer<u64> {
        let number = if node.inode != 0 {
            node.inode
        } else {
            (11..).find(|number| !self.inodes.contains_key(number)).expect("numbers without end")
        };
        if self.inodes.contains_key(&number) {
            return Err(FsError::Corrupt);
        }
        self.inodes.insert(number, Inode::new(number, node, now));
        Ok(number)
    }

    pub(super) fn enter(&mut self, directory: u64, name: &[u8], inode: u64, now: &Time) -> Answer<()> {
        let is_directory = self.get(inode)?.is_directory();
        self.next_cookie += 1;
        let cookie = self.next_cookie;
        let parent = self.directory(directory)?;
        parent.entries.insert(name.to_vec(), (inode, cookie));
        parent.attributes.links += u32::from(is_directory);
        (parent.attributes.modified, parent.attributes.changed) = (now.clone(), now.clone());
        Ok(())
    }

    pub(super) fn leave(&mut self, directory: u64, name: &[u8], now: &Time) -> Answer<u64> {
        let inode = self.find(directory, name)?;
        let is_directory = self.get(inode)?.is_directory();
        let parent = self.directory(directory)?;
        parent.entries.remove(name);
        parent.attributes.links -= u32::from(is_directory);
        (parent.attributes.modified, parent.attributes.changed) = (now.clone(), now.clone());
        self.get(inode)?.attributes.changed = now.clone();
        Ok(inode)
    }

    pub(super) fn drop_name(&mut self, inode: u64) -> Answer<Attributes> {
        let inode = self.get(inode)?;
        inode.attributes.links = if inode.is_directory() { 0 } else { inode.attributes.links - 1 };
        Ok(inode.attributes.clone())
    }

    pub(super) fn used_pages(&self) -> usize {
        self.inodes.values().map(|inode| inode.blocks.len()).sum()
    }
}
