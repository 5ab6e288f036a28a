//! The log: all changes that were acknowledged and are not on the disk yet, in order.
//!
//! It is what makes the server's death harmless: the next incarnation gets them again, with the inode numbers that the
//! lost one had chosen. A write keeps its frames, not their bytes: repeated, it writes what they contain by then, which is
//! newer and would have followed anyway.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use guest_memory::{Frame, Window};
use interfaces::file_system::{Attributes, Change, Changed, NewAttributes, NewNode, Piece, Target, Time};
use interfaces::{FileSystem, FsError};
use ipc::List;

use crate::regular::PAGE;

/// A change, without its number and time.
pub(crate) enum Operation {
    SetAttributes {
        inode: u64,
        new: NewAttributes,
    },
    /// Runs of pages: where each starts and how many bytes it has; all of their frames, one run's after the other's.
    Write {
        inode: u64,
        runs: Vec<(u64, u32)>,
        frames: Vec<Frame>,
    },
    Create {
        directory: u64,
        name: Box<[u8]>,
        node: NewNode,
        target: Box<[u8]>,
    },
    CreateUnnamed {
        node: NewNode,
    },
    Link {
        inode: u64,
        directory: u64,
        name: Box<[u8]>,
    },
    Unlink {
        directory: u64,
        name: Box<[u8]>,
    },
    RemoveDirectory {
        directory: u64,
        name: Box<[u8]>,
    },
    Rename {
        directories: (u64, u64),
        name: Box<[u8]>,
        new_name: Box<[u8]>,
        target: Target,
    },
    PunchHole {
        inode: u64,
        offset: u64,
        bytes: u64,
    },
    Forget {
        inode: u64,
    },
}

/// A change as it was sent.
pub(crate) struct Entry {
    pub(crate) number: u64,
    pub(crate) now: Time,
    pub(crate) operation: Operation,
}

impl Entry {
    /// Sends it; data goes through `window`, which is the server's `region`.
    ///
    /// # Errors
    /// The server's.
    pub(crate) fn send(&self, server: &dyn FileSystem, window: &Window, region: u64) -> Result<Changed, FsError> {
        let change = Change { number: self.number, now: self.now.clone() };
        match &self.operation {
            Operation::SetAttributes { inode, new } => server.set_attributes(change, *inode, new.clone()),
            Operation::Write { inode, runs, frames } => {
                frames.iter().enumerate().for_each(|(index, frame)| window.page_from_frame(index, frame));
                let mut at = 0;
                let pieces = runs.iter().map(|&(offset, bytes)| {
                    let piece = Piece { offset, bytes, region, at };
                    at += u64::from(bytes).next_multiple_of(PAGE);
                    piece
                });
                server.write(change, *inode, List(pieces.collect()))
            }
            Operation::Create { directory, name, node, target } => {
                server.create(change, *directory, name, node.clone(), target)
            }
            Operation::CreateUnnamed { node } => server.create_unnamed(change, node.clone()),
            Operation::Link { inode, directory, name } => server.link(change, *inode, *directory, name),
            Operation::Unlink { directory, name } => server.unlink(change, *directory, name),
            Operation::RemoveDirectory { directory, name } => server.remove_directory(change, *directory, name),
            Operation::Rename { directories, name, new_name, target } => {
                server.rename(change, *directories, name, new_name, *target)
            }
            Operation::PunchHole { inode, offset, bytes } => server.punch_hole(change, *inode, *offset, *bytes),
            Operation::Forget { inode } => server.forget(change, *inode),
        }
    }

    /// Notes what the server chose, so that repeating it chooses the same.
    fn settle(&mut self, attributes: &Attributes) {
        if let Operation::Create { node, .. } | Operation::CreateUnnamed { node } = &mut self.operation {
            node.inode = attributes.inode;
        }
    }

    /// Frames that it keeps.
    fn frames(&self) -> usize {
        if let Operation::Write { frames, .. } = &self.operation { frames.len() } else { 0 }
    }
}

/// The changes above the last one that is on the disk.
pub(crate) struct Log {
    entries: VecDeque<Entry>,
    /// Number of the next change.
    next: u64,
    /// The last change that is on the disk.
    committed: u64,
    /// Frames that entries keep.
    frames: usize,
}

impl Log {
    /// The log of a file system whose last change has number `committed`.
    pub(crate) const fn new(committed: u64) -> Self {
        Self { entries: VecDeque::new(), next: committed + 1, committed, frames: 0 }
    }

    pub(crate) const fn next(&self) -> u64 {
        self.next
    }

    pub(crate) const fn committed(&self) -> u64 {
        self.committed
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) const fn frames(&self) -> usize {
        self.frames
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// Adds a change that the server has answered.
    pub(crate) fn push(&mut self, mut entry: Entry, attributes: &Attributes) {
        entry.settle(attributes);
        self.next = entry.number + 1;
        self.frames += entry.frames();
        self.entries.push_back(entry);
    }

    /// Counts a change that is on the disk although its answer was lost.
    pub(crate) const fn skip(&mut self) {
        self.next += 1;
    }

    /// Lets go of what is on the disk now.
    pub(crate) fn trim(&mut self, committed: u64) {
        self.committed = self.committed.max(committed);
        while let Some(entry) = self.entries.pop_front_if(|entry| entry.number <= committed) {
            self.frames -= entry.frames();
        }
    }
}
