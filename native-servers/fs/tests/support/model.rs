//! What a file system does, in memory: the measure for the real one. And changes as values, drawn at random.

use std::collections::{BTreeMap, BTreeSet};

use fs_server::Ext4;
use interfaces::file_system::{Attributes, Change, NewAttributes, Target, Time, set};
use interfaces::{FileSystem, FsError};

use super::Client;
use super::client::{DIRECTORY, FILE, ROOT, SYMLINK, node, size_of};

/// Files are at most so large.
const MOST_BYTES: u64 = 300_000;

/// How many runs a test makes: `runs`, or so many times more as FS_TEST_FACTOR says.
pub fn seeds(runs: u64) -> u64 {
    let factor = std::env::var("FS_TEST_FACTOR").ok().and_then(|text| text.parse().ok());
    runs * factor.unwrap_or(1)
}

/// A source of numbers that look random (xorshift64*).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn pick<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize].clone()
    }
}

/// A change.
#[derive(Clone, Debug)]
pub enum Operation {
    Create { directory: u64, name: String, mode: u32, target: String, inode: u64 },
    CreateUnnamed { inode: u64 },
    Write { inode: u64, offset: u64, bytes: u64, seed: u8 },
    Resize { inode: u64, size: u64 },
    SetMode { inode: u64, mode: u32, uid: u32 },
    Punch { inode: u64, offset: u64, bytes: u64 },
    Link { inode: u64, directory: u64, name: String },
    Unlink { directory: u64, name: String },
    RemoveDirectory { directory: u64, name: String },
    Rename { directories: (u64, u64), name: String, new_name: String, target: Target },
    Forget { inode: u64 },
}

impl Operation {
    /// Asks for it. The inode that the answer is about.
    pub fn send(&self, client: &Client, change: Change) -> Result<Attributes, FsError> {
        let fs: &Ext4 = &client.fs;
        let changed = match self {
            Self::Create { directory, name, mode, target, inode } => {
                let new = interfaces::file_system::NewNode { inode: *inode, ..node(*mode) };
                fs.create(change, *directory, name.as_bytes(), new, target.as_bytes())
            }
            Self::CreateUnnamed { inode } => {
                fs.create_unnamed(change, interfaces::file_system::NewNode { inode: *inode, ..node(FILE) })
            }
            Self::Write { inode, offset, bytes, seed } => {
                client.write_as(change, *inode, *offset, &contents(*bytes, *seed))
            }
            Self::Resize { inode, size } => fs.set_attributes(change, *inode, size_of(*size)),
            Self::SetMode { inode, mode, uid } => {
                let new = NewAttributes { set: set::MODE | set::UID, mode: *mode, uid: *uid, ..size_of(0) };
                fs.set_attributes(change, *inode, new)
            }
            Self::Punch { inode, offset, bytes } => fs.punch_hole(change, *inode, *offset, *bytes),
            Self::Link { inode, directory, name } => fs.link(change, *inode, *directory, name.as_bytes()),
            Self::Unlink { directory, name } => fs.unlink(change, *directory, name.as_bytes()),
            Self::RemoveDirectory { directory, name } => fs.remove_directory(change, *directory, name.as_bytes()),
            Self::Rename { directories, name, new_name, target } => {
                fs.rename(change, *directories, name.as_bytes(), new_name.as_bytes(), *target)
            }
            Self::Forget { inode } => fs.forget(change, *inode),
        };
        changed.map(|changed| changed.attributes)
    }

    /// Notes the inode number that was chosen.
    pub fn settle(&mut self, chosen: u64) {
        if let Self::Create { inode, .. } | Self::CreateUnnamed { inode } = self {
            *inode = chosen;
        }
    }

    /// The pages of a file whose contents it changes in place.
    pub fn touches(&self, sizes: impl Fn(u64) -> u64) -> Option<(u64, u64, u64)> {
        let page = |offset: u64| offset / 4096;
        match self {
            Self::Write { inode, offset, bytes, .. } => {
                let size = sizes(*inode);
                Some((*inode, page(*offset.min(&size)), page(offset + bytes) + 1))
            }
            Self::Resize { inode, size } => {
                let old = sizes(*inode);
                Some((*inode, page(old.min(*size)), page(old.max(*size)) + 1))
            }
            Self::Punch { inode, offset, bytes } => Some((*inode, page(*offset), page(offset + bytes) + 1)),
            _ => None,
        }
    }
}

pub fn contents(bytes: u64, seed: u8) -> Vec<u8> {
    (0..bytes).map(|index| (index as u8).wrapping_mul(7).wrapping_add(seed) ^ (index >> 8) as u8).collect()
}

/// An inode.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub mode: u32,
    pub uid: u32,
    pub links: u32,
    pub modified: Time,
    pub changed: Time,
    pub body: Body,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    File(Vec<u8>),
    Directory { names: BTreeMap<String, u64>, parent: u64 },
    Link(String),
    Other,
}

/// A file system.
#[derive(Clone, Debug)]
pub struct Model {
    pub nodes: BTreeMap<u64, Node>,
}

impl Model {
    /// What `client` sees, where there are only directories.
    pub fn of(client: &Client) -> Self {
        let mut model = Self { nodes: BTreeMap::new() };
        let mut rest = vec![(ROOT, ROOT)];
        while let Some((inode, parent)) = rest.pop() {
            let found = client.fs.attributes(inode).expect("it is there");
            let names: BTreeMap<_, _> = client
                .list(inode)
                .expect("it is a directory")
                .into_iter()
                .map(|(name, inode, _)| (name, inode))
                .collect();
            rest.extend(names.values().map(|below| (*below, inode)));
            let body = Body::Directory { names, parent };
            let (modified, changed) = (found.modified, found.changed);
            model
                .nodes
                .insert(inode, Node { mode: found.mode, uid: found.uid, links: found.links, modified, changed, body });
        }
        model
    }

    fn names(&mut self, directory: u64) -> Result<&mut BTreeMap<String, u64>, FsError> {
        let node = self.nodes.get_mut(&directory).ok_or(FsError::NotFound)?;
        let links = node.links;
        match &mut node.body {
            Body::Directory { names, .. } if links > 0 => Ok(names),
            Body::Directory { .. } => Err(FsError::NotFound),
            _ => Err(FsError::NotDirectory),
        }
    }

    fn file(&mut self, inode: u64) -> Result<&mut Vec<u8>, FsError> {
        match &mut self.nodes.get_mut(&inode).ok_or(FsError::NotFound)?.body {
            Body::File(bytes) => Ok(bytes),
            Body::Directory { .. } => Err(FsError::IsDirectory),
            _ => Err(FsError::Invalid),
        }
    }

    fn node(&mut self, inode: u64) -> Result<&mut Node, FsError> {
        self.nodes.get_mut(&inode).ok_or(FsError::NotFound)
    }

    fn touch(&mut self, inode: u64, now: &Time) {
        if let Some(node) = self.nodes.get_mut(&inode) {
            (node.modified, node.changed) = (now.clone(), now.clone());
        }
    }

    fn is_directory(&self, inode: u64) -> bool {
        matches!(self.nodes[&inode].body, Body::Directory { .. })
    }

    pub fn size(&self, inode: u64) -> u64 {
        match self.nodes.get(&inode).map(|node| &node.body) {
            Some(Body::File(bytes)) => bytes.len() as u64,
            _ => 0,
        }
    }

    fn is_inside(&self, mut directory: u64, of: u64) -> bool {
        loop {
            if directory == of {
                return true;
            }
            match &self.nodes[&directory].body {
                Body::Directory { parent, .. } if *parent != directory => directory = *parent,
                _ => return false,
            }
        }
    }

    /// Does a change as it should be done: the inode that the answer is about (0: none).
    pub fn apply(&mut self, operation: &Operation, chosen: u64, now: &Time) -> Result<u64, FsError> {
        match operation {
            Operation::Create { directory, name, mode, target, .. } => {
                if self.names(*directory)?.contains_key(name) {
                    return Err(FsError::Exists);
                }
                self.names(*directory)?.insert(name.clone(), chosen);
                let is_directory = *mode == DIRECTORY;
                let body = match *mode {
                    FILE => Body::File(Vec::new()),
                    DIRECTORY => Body::Directory { names: BTreeMap::new(), parent: *directory },
                    SYMLINK => Body::Link(target.clone()),
                    _ => Body::Other,
                };
                self.make(chosen, *mode, if is_directory { 2 } else { 1 }, body, now)?;
                self.node(*directory)?.links += u32::from(is_directory);
                self.touch(*directory, now);
                Ok(chosen)
            }
            Operation::CreateUnnamed { .. } => self.make(chosen, FILE, 0, Body::File(Vec::new()), now),
            Operation::Write { inode, offset, bytes, seed } => {
                let end = (offset + bytes) as usize;
                let file = self.file(*inode)?;
                file.resize(file.len().max(end), 0);
                file[*offset as usize..end].copy_from_slice(&contents(*bytes, *seed));
                self.touch(*inode, now);
                Ok(*inode)
            }
            Operation::Resize { inode, size } => {
                self.file(*inode)?.resize(*size as usize, 0);
                self.touch(*inode, now);
                Ok(*inode)
            }
            Operation::SetMode { inode, mode, uid } => {
                let node = self.node(*inode)?;
                node.mode = node.mode & 0o170_000 | mode;
                node.uid = *uid;
                node.changed = now.clone();
                Ok(*inode)
            }
            Operation::Punch { inode, offset, bytes } => {
                let file = self.file(*inode)?;
                let end = ((offset + bytes) as usize).min(file.len());
                file.get_mut(*offset as usize..end).into_iter().for_each(|part| part.fill(0));
                self.touch(*inode, now);
                Ok(*inode)
            }
            Operation::Link { inode, directory, name } => self.link(*inode, *directory, name, now),
            Operation::Unlink { directory, name } => self.remove(*directory, name, false, now),
            Operation::RemoveDirectory { directory, name } => self.remove(*directory, name, true, now),
            Operation::Rename { directories, name, new_name, target } => {
                self.rename(*directories, (name, new_name), *target, now)
            }
            Operation::Forget { inode } => {
                if self.node(*inode)?.links > 0 {
                    return Err(FsError::Invalid);
                }
                self.nodes.remove(inode);
                Ok(*inode)
            }
        }
    }

    fn make(&mut self, inode: u64, mode: u32, links: u32, body: Body, now: &Time) -> Result<u64, FsError> {
        let node = Node { mode, uid: 1000, links, modified: now.clone(), changed: now.clone(), body };
        assert!(self.nodes.insert(inode, node).is_none(), "inode {inode} was in use");
        Ok(inode)
    }

    fn link(&mut self, inode: u64, directory: u64, name: &str, now: &Time) -> Result<u64, FsError> {
        if self.names(directory)?.contains_key(name) {
            return Err(FsError::Exists);
        }
        self.node(inode)?;
        if self.is_directory(inode) {
            return Err(FsError::IsDirectory);
        }
        self.names(directory)?.insert(name.into(), inode);
        let node = self.node(inode)?;
        (node.links, node.changed) = (node.links + 1, now.clone());
        self.touch(directory, now);
        Ok(inode)
    }

    fn lose(&mut self, inode: u64, parent: u64, now: &Time) -> Result<(), FsError> {
        if self.is_directory(inode) {
            self.node(inode)?.links = 0;
            self.node(parent)?.links -= 1;
        } else {
            self.node(inode)?.links -= 1;
        }
        self.node(inode)?.changed = now.clone();
        Ok(())
    }

    fn remove(&mut self, directory: u64, name: &str, wants_directory: bool, now: &Time) -> Result<u64, FsError> {
        let inode = *self.names(directory)?.get(name).ok_or(FsError::NotFound)?;
        match (wants_directory, self.is_directory(inode)) {
            (true, false) => return Err(FsError::NotDirectory),
            (false, true) => return Err(FsError::IsDirectory),
            (true, true) if !self.names(inode)?.is_empty() => return Err(FsError::NotEmpty),
            _ => {}
        }
        self.names(directory)?.remove(name);
        self.lose(inode, directory, now)?;
        self.touch(directory, now);
        Ok(inode)
    }

    fn rename(
        &mut self,
        (from, to): (u64, u64),
        (name, new_name): (&str, &str),
        target: Target,
        now: &Time,
    ) -> Result<u64, FsError> {
        self.names(from)?;
        self.names(to)?;
        let inode = *self.names(from)?.get(name).ok_or(FsError::NotFound)?;
        let there = self.names(to)?.get(new_name).copied();
        if self.is_directory(inode) && self.is_inside(to, inode) {
            return Err(FsError::Loop);
        }
        let victim = match (target, there) {
            (Target::Exchange, None) => return Err(FsError::NotFound),
            (_, Some(there)) if there == inode => return Ok(0),
            (Target::Exchange, Some(there)) => {
                if self.is_directory(there) && self.is_inside(from, there) {
                    return Err(FsError::Loop);
                }
                self.names(from)?.insert(name.into(), there);
                self.arrive(there, to, from, now)?;
                0
            }
            (Target::Replace, there) => {
                if let Some(there) = there {
                    match (self.is_directory(inode), self.is_directory(there)) {
                        (true, false) => return Err(FsError::NotDirectory),
                        (false, true) => return Err(FsError::IsDirectory),
                        (true, true) if !self.names(there)?.is_empty() => return Err(FsError::NotEmpty),
                        _ => {}
                    }
                    self.lose(there, to, now)?;
                }
                self.names(from)?.remove(name);
                there.unwrap_or(0)
            }
        };
        self.names(to)?.insert(new_name.into(), inode);
        self.arrive(inode, from, to, now)?;
        self.touch(from, now);
        self.touch(to, now);
        Ok(victim)
    }

    fn arrive(&mut self, inode: u64, from: u64, to: u64, now: &Time) -> Result<(), FsError> {
        if self.is_directory(inode) && from != to {
            self.node(from)?.links -= 1;
            self.node(to)?.links += 1;
        }
        let node = self.node(inode)?;
        node.changed = now.clone();
        if let Body::Directory { parent, .. } = &mut node.body {
            *parent = to;
        }
        Ok(())
    }

    /// Draws a change that is likely to be possible.
    pub fn draw(&self, random: &mut Random) -> Operation {
        let all: Vec<u64> = self.nodes.keys().copied().filter(|inode| *inode != 11).collect();
        let of = |wanted: fn(&Node) -> bool| -> Vec<u64> {
            let nodes = self.nodes.iter().filter(|(inode, node)| **inode != 11 && wanted(node));
            nodes.map(|(inode, _)| *inode).collect()
        };
        let directories = of(|node| matches!(node.body, Body::Directory { .. }) && node.links > 0);
        let (files, gone) = (of(|node| matches!(node.body, Body::File(_))), of(|node| node.links == 0));
        let directory = random.pick(&directories);
        let name = format!("{}{}", "n".repeat(1 + random.below(30) as usize % 3 * 40), random.below(12));
        let file = if files.is_empty() { ROOT } else { random.pick(&files) };
        let offset = random.below(MOST_BYTES) / 4096 * 4096;
        match random.below(40) {
            0..8 => Operation::Create { directory, name, mode: FILE, target: String::new(), inode: 0 },
            8..11 => Operation::Create { directory, name, mode: DIRECTORY, target: String::new(), inode: 0 },
            11 => {
                let target = "t/".repeat(1 + random.below(60) as usize);
                Operation::Create { directory, name, mode: SYMLINK, target, inode: 0 }
            }
            12 => Operation::Create { directory, name, mode: 0o010_600, target: String::new(), inode: 0 },
            13 => Operation::CreateUnnamed { inode: 0 },
            14..22 => {
                let most = if random.below(3) == 0 { 60_000 } else { 9000 };
                let bytes = 1 + random.below(most);
                Operation::Write { inode: file, offset, bytes, seed: random.next() as u8 }
            }
            22..24 => Operation::Resize { inode: file, size: random.below(MOST_BYTES) },
            24 => Operation::Resize { inode: file, size: self.size(file) / 2 },
            25 => Operation::SetMode { inode: random.pick(&all), mode: 0o600 + random.below(64) as u32, uid: 70_000 },
            26..28 => {
                Operation::Punch { inode: file, offset: offset + random.below(4096), bytes: random.below(50_000) }
            }
            28 => Operation::Link { inode: random.pick(&all), directory, name },
            29..32 => Operation::Unlink { directory, name: self.some_name(directory, random) },
            32 => Operation::RemoveDirectory { directory, name: self.some_name(directory, random) },
            33..37 => {
                let (second, old) = (random.pick(&directories), self.some_name(directory, random));
                let taken = random.below(2) == 0;
                let new_name = if taken { self.some_name(second, random) } else { name };
                let target = if random.below(3) == 0 { Target::Exchange } else { Target::Replace };
                Operation::Rename { directories: (directory, second), name: old, new_name, target }
            }
            _ => Operation::Forget { inode: if gone.is_empty() { file } else { random.pick(&gone) } },
        }
    }

    fn some_name(&self, directory: u64, random: &mut Random) -> String {
        match &self.nodes[&directory].body {
            Body::Directory { names, .. } => {
                let names: Vec<_> = names.keys().filter(|name| *name != "lost+found").cloned().collect();
                if names.is_empty() { "nothing".into() } else { random.pick(&names) }
            }
            _ => "nothing".into(),
        }
    }

    /// Checks that `client` sees the same, but for the contents of some pages, and for inodes without names if `named`.
    pub fn compare(&self, client: &Client, free_pages: &BTreeSet<(u64, u64)>, named: Named) {
        for (inode, node) in &self.nodes {
            if node.links == 0 && named == Named::Only {
                continue;
            }
            let found = client.fs.attributes(*inode).unwrap_or_else(|error| panic!("inode {inode}: {error:?}"));
            let seen = (found.mode, found.uid, found.links, found.modified, found.changed);
            let expected = (node.mode, node.uid, node.links, node.modified.clone(), node.changed.clone());
            assert_eq!(seen, expected, "inode {inode}");
            match &node.body {
                Body::File(bytes) => {
                    assert_eq!(found.size, bytes.len() as u64, "size of inode {inode}");
                    let read = client.read(*inode).expect("it can be read");
                    for (page, (read, expected)) in read.chunks(4096).zip(bytes.chunks(4096)).enumerate() {
                        let is_free = free_pages.contains(&(*inode, page as u64));
                        assert!(is_free || read == expected, "page {page} of inode {inode}");
                    }
                }
                Body::Directory { names, parent } => {
                    let listed = client.list(*inode).expect("it can be listed");
                    let seen: BTreeMap<_, _> = listed.iter().map(|(name, below, _)| (name.clone(), *below)).collect();
                    assert_eq!((seen.len(), &seen), (listed.len(), names), "names in inode {inode}");
                    assert_eq!(client.lookup(*inode, "..").map(|up| up.inode), Ok(*parent));
                    for (name, below) in names {
                        assert_eq!(client.lookup(*inode, name).map(|found| found.inode), Ok(*below));
                    }
                }
                Body::Link(target) => {
                    assert_eq!(client.fs.read_link(*inode), Ok(target.clone().into_bytes()));
                }
                Body::Other => {}
            }
        }
    }
}

/// Which inodes are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    Only,
    OrNot,
}
