//! A file system server in memory that dies when its dice say so: everything since its last commit is lost then.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use interfaces::file_system::*;
use interfaces::{FileSystem, FsError};
use ipc::{Capability, Failure};
use rt::memory::{Owned, Window};
use rt::sync::Mutex;
use ukernel_abi::Error;

const PAGE: usize = 4096;
pub const ROOT: u64 = 2;

/// Random numbers (xorshift64*), the same for the same seed.
#[derive(Clone)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit.max(1)
    }

    pub fn one_in(&mut self, odds: u64) -> bool {
        odds > 0 && self.below(odds) == 0
    }
}

/// An inode on the fake disk.
#[derive(Clone)]
pub struct Inode {
    pub attributes: Attributes,
    pub data: Vec<u8>,
    /// Pages that have blocks.
    blocks: BTreeSet<u64>,
    pub entries: BTreeMap<Vec<u8>, (u64, u64)>,
    target: Vec<u8>,
}

/// What is on the fake disk.
#[derive(Clone)]
pub struct Disk {
    pub inodes: BTreeMap<u64, Inode>,
    next_cookie: u64,
    last: u64,
}

/// How often things go wrong: once in so many calls, 0 for never.
#[derive(Clone, Copy, Default)]
pub struct Odds {
    pub death: u64,
    pub commit: u64,
}

struct State {
    running: Disk,
    committed: Disk,
    begun: bool,
    retired: bool,
    incarnation: u64,
    regions: BTreeMap<u64, Arc<Window>>,
    dice: Dice,
    odds: Odds,
    deaths: u64,
    capacity_pages: usize,
}

/// The server.
pub struct Fake(Mutex<State>);

type Answer<T> = Result<T, FsError>;

const DEAD: FsError = FsError::Call(Failure::Kernel(Error::ServerDied));

fn time(seconds: u64) -> Time {
    Time { seconds, nanoseconds: 0 }
}

impl Inode {
    fn new(number: u64, node: &NewNode, now: &Time) -> Self {
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

    fn is_directory(&self) -> bool {
        self.attributes.mode >> 12 == 4
    }

    fn resize(&mut self, size: usize) {
        self.data.resize(size, 0);
        self.blocks.retain(|block| (*block as usize) * PAGE < size);
        self.attributes.size = size as u64;
        self.attributes.sectors = self.blocks.len() as u64 * 8;
    }
}

impl Disk {
    fn get(&mut self, number: u64) -> Answer<&mut Inode> {
        self.inodes.get_mut(&number).ok_or(FsError::NotFound)
    }

    fn directory(&mut self, number: u64) -> Answer<&mut Inode> {
        let inode = self.get(number)?;
        if inode.is_directory() { Ok(inode) } else { Err(FsError::NotDirectory) }
    }

    fn find(&mut self, directory: u64, name: &[u8]) -> Answer<u64> {
        self.directory(directory)?.entries.get(name).map(|(inode, _)| *inode).ok_or(FsError::NotFound)
    }

    /// The lowest free number, so that numbers are used again as soon as possible.
    fn allocate(&mut self, node: &NewNode, now: &Time) -> Answer<u64> {
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

    fn enter(&mut self, directory: u64, name: &[u8], inode: u64, now: &Time) -> Answer<()> {
        let is_directory = self.get(inode)?.is_directory();
        self.next_cookie += 1;
        let cookie = self.next_cookie;
        let parent = self.directory(directory)?;
        parent.entries.insert(name.to_vec(), (inode, cookie));
        parent.attributes.links += u32::from(is_directory);
        (parent.attributes.modified, parent.attributes.changed) = (now.clone(), now.clone());
        Ok(())
    }

    fn leave(&mut self, directory: u64, name: &[u8], now: &Time) -> Answer<u64> {
        let inode = self.find(directory, name)?;
        let is_directory = self.get(inode)?.is_directory();
        let parent = self.directory(directory)?;
        parent.entries.remove(name);
        parent.attributes.links -= u32::from(is_directory);
        (parent.attributes.modified, parent.attributes.changed) = (now.clone(), now.clone());
        self.get(inode)?.attributes.changed = now.clone();
        Ok(inode)
    }

    fn drop_name(&mut self, inode: u64) -> Answer<Attributes> {
        let inode = self.get(inode)?;
        inode.attributes.links = if inode.is_directory() { 0 } else { inode.attributes.links - 1 };
        Ok(inode.attributes.clone())
    }

    fn used_pages(&self) -> usize {
        self.inodes.values().map(|inode| inode.blocks.len()).sum()
    }
}

impl Fake {
    pub fn new(seed: u64, odds: Odds) -> Arc<Self> {
        let root = NewNode { mode: 0o40755, uid: 0, gid: 0, rdev: 0, inode: ROOT };
        let mut inodes = BTreeMap::new();
        inodes.insert(ROOT, Inode::new(ROOT, &root, &time(1)));
        let disk = Disk { inodes, next_cookie: 0, last: 0 };
        Arc::new(Self(Mutex::new(State {
            committed: disk.clone(),
            running: disk,
            begun: false,
            retired: false,
            incarnation: 1,
            regions: BTreeMap::new(),
            dice: Dice::new(seed),
            odds,
            deaths: 0,
            capacity_pages: 100_000,
        })))
    }

    pub fn set_odds(&self, odds: Odds) {
        self.0.lock().odds = odds;
    }

    pub fn set_capacity(&self, pages: usize) {
        self.0.lock().capacity_pages = pages;
    }

    pub fn deaths(&self) -> u64 {
        self.0.lock().deaths
    }

    /// What is on the disk for good.
    pub fn committed(&self) -> Disk {
        self.0.lock().committed.clone()
    }

    /// Dies now.
    pub fn die(&self) {
        self.0.lock().die();
    }

    /// Starts anew after it has retired, as after a reboot or a move.
    pub fn restart(&self) {
        self.0.lock().die();
    }

    /// Moves: commits, and another incarnation goes on, which whoever moved it has begun.
    pub fn move_on(&self) {
        let mut state = self.0.lock();
        state.commit();
        state.die();
        state.begun = true;
    }

    /// Answers a question.
    fn ask<T>(&self, answer: impl FnOnce(&mut State) -> Answer<T>) -> Answer<T> {
        let mut state = self.0.lock();
        let odds = state.odds;
        if state.dice.one_in(odds.death) {
            state.die();
            return Err(DEAD);
        }
        if state.retired {
            return Err(FsError::Retired);
        }
        if !state.begun {
            return Err(FsError::NotBegun);
        }
        let result = answer(&mut state);
        if state.dice.one_in(odds.commit) {
            state.commit();
        }
        if state.dice.one_in(odds.death) {
            state.die();
            return Err(DEAD);
        }
        result
    }

    /// Makes a change.
    fn change(&self, change: &Change, make: impl FnOnce(&mut State) -> Answer<Attributes>) -> Answer<Changed> {
        let number = change.number;
        self.ask(|state| {
            if number <= state.running.last {
                return Err(FsError::AlreadyDone);
            }
            if number != state.running.last + 1 {
                return Err(FsError::Invalid);
            }
            let before = state.running.clone();
            match make(state) {
                Ok(attributes) => {
                    state.running.last = number;
                    Ok(Changed { attributes, committed: state.committed.last })
                }
                Err(error) => {
                    state.running = before;
                    Err(error)
                }
            }
        })
    }
}

impl State {
    fn die(&mut self) {
        self.running = self.committed.clone();
        (self.begun, self.retired) = (false, false);
        self.regions.clear();
        self.incarnation += 1;
        self.deaths += 1;
    }

    fn commit(&mut self) {
        self.committed = self.running.clone();
    }
}

fn nobody() -> Attributes {
    let none = NewNode { mode: 0, uid: 0, gid: 0, rdev: 0, inode: 0 };
    Attributes { inode: 0, ..Inode::new(0, &none, &time(0)).attributes }
}

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
        self.ask(|state| {
            let window = state.regions.get(&piece.region).cloned().ok_or(FsError::NoRegion)?;
            let data = &state.running.get(inode)?.data;
            let start = (piece.offset as usize).min(data.len());
            let end = (start + piece.bytes as usize).min(data.len());
            let mut bytes = data[start..end].to_vec();
            bytes.resize((end - start).next_multiple_of(PAGE), 0);
            window.copy_in(piece.at as usize, &bytes).map_err(|_| FsError::Invalid)?;
            Ok((end - start) as u32)
        })
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

    fn write(&self, change: Change, inode: u64, piece: Piece) -> Answer<Changed> {
        self.change(&change, |state| {
            let window = state.regions.get(&piece.region).cloned().ok_or(FsError::NoRegion)?;
            let mut bytes = vec![0; piece.bytes as usize];
            window.copy_out(piece.at as usize, &mut bytes).map_err(|_| FsError::Invalid)?;
            let free = state.capacity_pages.saturating_sub(state.running.used_pages());
            let inode = state.running.get(inode)?;
            let (start, end) = (piece.offset as usize, piece.offset as usize + bytes.len());
            let pages = (start / PAGE) as u64..end.div_ceil(PAGE) as u64;
            if pages.clone().filter(|page| !inode.blocks.contains(page)).count() > free {
                return Err(FsError::NoSpace);
            }
            inode.resize(inode.data.len().max(end));
            inode.data[start..end].copy_from_slice(&bytes);
            inode.blocks.extend(pages);
            inode.attributes.sectors = inode.blocks.len() as u64 * 8;
            (inode.attributes.modified, inode.attributes.changed) = (change.now.clone(), change.now.clone());
            Ok(inode.attributes.clone())
        })
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
}
