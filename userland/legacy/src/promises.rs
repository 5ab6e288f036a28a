//! Steps that a program makes durable one by one, and what a disk must show of them at any later time.
//!
//! A worker has a folder of its own and draws [`Step`]s from a seed ([`Plan`]). It has each step made durable (fsync(2) of
//! everything touched) before it appends a [`record`] with the step's number to its ledger, and has that made durable before
//! the next step ([`worker`]). So whoever sees record `n` anywhere, on its way to the disk for instance, knows:
//!
//! * steps 1 to `n` and records 1 to `n - 1` were durable before;
//! * nothing of step `n + 2` has happened before record `n + 1` was written.
//!
//! Which is all that [`Step::allows`] and the test of power cuts (`ci/power`) build on.

mod plan;
mod record;
pub mod worker;

use std::collections::BTreeMap;

pub use plan::Plan;
pub use record::{LEDGER, RECORD_BYTES, read_record, record};

use crate::random::Random;

/// What is below a folder, by path.
pub type Tree = BTreeMap<String, Node>;

/// A folder or a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A folder.
    Folder,
    /// A file with these contents.
    File(Vec<u8>),
}

/// Contents that repeat for the same seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// What they are drawn from.
    pub seed: u64,
    /// How many bytes.
    pub bytes: usize,
}

impl Content {
    /// The contents; no byte is zero, which is what a disk shows where nothing was written.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut random = Random::new(self.seed);
        let mut bytes = Vec::with_capacity(self.bytes + 8);
        while bytes.len() < self.bytes {
            bytes.extend((random.next_u64() | 0x0101_0101_0101_0101).to_le_bytes());
        }
        bytes.truncate(self.bytes);
        bytes
    }
}

/// One step; paths are below the worker's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A new file, or one that is emptied first.
    Write(String, Content),
    /// More at the end of a file.
    Append(String, Content),
    /// Other bytes from an offset on, within the file or beyond.
    Overwrite(String, usize, Content),
    /// Another size.
    Resize(String, usize),
    /// A file gets another name; what had that is gone.
    Rename(String, String),
    /// A file goes.
    Remove(String),
    /// A new folder.
    MakeFolder(String),
    /// An empty folder goes.
    RemoveFolder(String),
}

impl Step {
    /// Does it to a tree. Steps are drawn for the tree that they are for, so they are always possible.
    pub fn apply(&self, tree: &mut Tree) {
        match self {
            Self::Write(path, content) => drop(tree.insert(path.clone(), Node::File(content.bytes()))),
            Self::Append(path, content) => file(tree, path).extend(content.bytes()),
            Self::Overwrite(path, offset, content) => {
                let (file, end) = (file(tree, path), offset + content.bytes);
                file.resize(file.len().max(end), 0);
                file[*offset..end].copy_from_slice(&content.bytes());
            }
            Self::Resize(path, bytes) => file(tree, path).resize(*bytes, 0),
            Self::Rename(from, to) => {
                if let Some(node) = tree.remove(from) {
                    tree.insert(to.clone(), node);
                }
            }
            Self::Remove(path) | Self::RemoveFolder(path) => drop(tree.remove(path)),
            Self::MakeFolder(path) => drop(tree.insert(path.clone(), Node::Folder)),
        }
    }

    /// The paths that it changes.
    #[must_use]
    pub fn touches(&self) -> Vec<&str> {
        match self {
            Self::Write(path, _)
            | Self::Append(path, _)
            | Self::Overwrite(path, ..)
            | Self::Resize(path, _)
            | Self::Remove(path)
            | Self::MakeFolder(path)
            | Self::RemoveFolder(path) => vec![path],
            Self::Rename(from, to) => vec![from, to],
        }
    }

    /// Checks that `found` is what there may be while this step is under way from `before` to `after`: everything else as
    /// it was; names changed wholly or not at all; of contents each byte the old one, the new one, or zero.
    ///
    /// # Errors
    /// What is wrong.
    pub fn allows(&self, before: &Tree, after: &Tree, found: &Tree) -> Result<(), String> {
        let touched = self.touches();
        let is_other = |(path, _): &(&String, &Node)| !touched.contains(&path.as_str());
        same(before.iter().filter(is_other), found.iter().filter(is_other))?;
        let of = |tree: &Tree| touched.iter().map(|path| tree.get(*path).cloned()).collect::<Vec<_>>();
        let (old, new, now) = (of(before), of(after), of(found));
        if now == old || now == new {
            return Ok(());
        }
        let refused = |why: &str| Err(format!("{touched:?}, which is being changed: {why}"));
        match (self, &now[0]) {
            (Self::Write(..) | Self::Append(..) | Self::Overwrite(..) | Self::Resize(..), Some(Node::File(now))) => {
                match torn(bytes_of(&old[0]), bytes_of(&new[0]), now) {
                    None => Ok(()),
                    Some(at) => refused(&format!("of its {} bytes, number {at} was never there", now.len())),
                }
            }
            _ => refused("it is neither as before nor as after"),
        }
    }
}

/// Checks that a tree is as expected.
///
/// # Errors
/// The first difference.
pub fn is_same(expected: &Tree, found: &Tree) -> Result<(), String> {
    same(expected.iter(), found.iter())
}

fn same<'a>(
    expected: impl Iterator<Item = (&'a String, &'a Node)>,
    found: impl Iterator<Item = (&'a String, &'a Node)>,
) -> Result<(), String> {
    let (expected, found): (BTreeMap<_, _>, BTreeMap<_, _>) = (expected.collect(), found.collect());
    for (path, node) in &expected {
        match (found.get(path), node) {
            (None, _) => return Err(format!("{path} is missing")),
            (Some(Node::File(now)), Node::File(then)) if now != then => {
                let at = now.iter().zip(then).take_while(|(now, then)| now == then).count();
                return Err(format!("{path} differs from byte {at} on; it has {} of {} bytes", now.len(), then.len()));
            }
            (Some(now), then) if now != then => return Err(format!("{path} is something else")),
            _ => {}
        }
    }
    match found.keys().find(|path| !expected.contains_key(*path)) {
        Some(path) => Err(format!("{path} is there and should not be")),
        None => Ok(()),
    }
}

fn file<'a>(tree: &'a mut Tree, path: &str) -> &'a mut Vec<u8> {
    match tree.entry(path.into()).or_insert(Node::File(Vec::new())) {
        Node::File(bytes) => bytes,
        Node::Folder => panic!("{path} is a folder: the step is for another tree"),
    }
}

fn bytes_of(node: &Option<Node>) -> &[u8] {
    match node {
        Some(Node::File(bytes)) => bytes,
        _ => &[],
    }
}

/// The first byte of `now` that is neither old nor new nor zero; its end if it is longer than both.
fn torn(old: &[u8], new: &[u8], now: &[u8]) -> Option<usize> {
    let most = old.len().max(new.len());
    let is_strange = |(at, byte): &(usize, &u8)| {
        let byte = Some(*byte);
        *at >= most || byte != Some(&0) && byte != old.get(*at) && byte != new.get(*at)
    };
    now.iter().enumerate().find(is_strange).map(|(at, _)| at)
}

#[cfg(test)]
mod tests;
