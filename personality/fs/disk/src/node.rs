//! An inode of a disk: what all kinds of it have.

use alloc::boxed::Box;
use alloc::sync::{Arc, Weak};
use core::sync::atomic::Ordering;

use interfaces::file_system::Attributes;
use linux_abi::Result;
use rt::sync::{Mutex, MutexGuard, OnceCell};
use vfs::pipe::Fifo;
use vfs::{DeviceNumber, FileKind, Metadata, Timestamp, clock};

use crate::attributes::Known;
use crate::link::Done;
use crate::log::Operation;
use crate::regular::Regular;
use crate::volume::Volume;

/// An inode.
pub(crate) struct Node {
    pub(crate) volume: Arc<Volume>,
    this: Weak<Node>,
    number: u64,
    kind: FileKind,
    rdev: DeviceNumber,
    known: Mutex<Known>,
    pub(crate) body: Body,
}

/// What depends on the kind.
pub(crate) enum Body {
    Regular(Regular),
    Directory,
    /// The target, once it was asked for.
    Link(OnceCell<Box<[u8]>>),
    Fifo(Fifo),
    Device,
}

impl Node {
    /// The inode that the server describes.
    pub(crate) fn new(volume: &Arc<Volume>, kind: FileKind, attributes: &Attributes) -> Arc<Self> {
        let body = match kind {
            FileKind::Regular => Body::Regular(Regular::new(attributes.size)),
            FileKind::Directory => Body::Directory,
            FileKind::Symlink => Body::Link(OnceCell::new()),
            FileKind::Fifo => Body::Fifo(Fifo::new()),
            FileKind::CharDevice | FileKind::BlockDevice | FileKind::Socket => Body::Device,
        };
        Arc::new_cyclic(|this| Self {
            volume: volume.clone(),
            this: this.clone(),
            number: attributes.inode,
            kind,
            rdev: DeviceNumber::from_encoded(attributes.rdev),
            known: Mutex::new(Known::new(attributes)),
            body,
        })
    }

    /// Its number.
    pub(crate) const fn number(&self) -> u64 {
        self.number
    }

    /// Its kind.
    pub(crate) const fn node_kind(&self) -> FileKind {
        self.kind
    }

    /// What is known of it.
    pub(crate) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock()
    }

    /// Itself, counted.
    pub(crate) fn counted(&self) -> Option<Arc<Self>> {
        self.this.upgrade()
    }

    /// Makes a change of it, and takes over what that brought.
    ///
    /// # Errors
    /// As [`Volume::change`].
    pub(crate) fn change(&self, now: Timestamp, operation: Operation) -> Result<()> {
        let (done, number) = self.volume.change(now, operation)?;
        self.take_over(&done, number)
    }

    /// Takes over what a change of it has brought.
    ///
    /// # Errors
    /// The answer was lost, and asking again failed.
    pub(crate) fn take_over(&self, done: &Done, number: u64) -> Result<()> {
        match done {
            Done::Answered(changed) if changed.attributes.inode == self.number => {
                self.known().update(&changed.attributes, number);
            }
            Done::Answered(_) => {}
            Done::Unseen => {
                let attributes = self.volume.link.ask(|server| server.attributes(self.number))?;
                self.known().update(&attributes, number);
            }
        }
        self.settle_links();
        Ok(())
    }

    /// What stat(2) tells.
    ///
    /// # Errors
    /// What the server finds.
    pub(crate) fn describe(&self) -> Result<Metadata> {
        let known = self.fresh()?;
        let (size, pending) = match &self.body {
            Body::Regular(_) => self.size_and_pending(),
            _ => (known.size, 0),
        };
        Ok(Metadata {
            device: self.volume.device,
            inode: self.number,
            kind: self.kind,
            permissions: known.own.permissions,
            links: known.links,
            uid: known.own.uid,
            gid: known.own.gid,
            rdev: self.rdev,
            size,
            blocks: known.sectors + pending * (4096 / 512),
            block_size: self.volume.block_bytes,
            accessed: known.own.accessed,
            modified: known.own.modified,
            changed: known.own.changed,
            born: known.born,
        })
    }

    /// What is known, with nothing stale in it.
    fn fresh(&self) -> Result<Known> {
        loop {
            let known = *self.known();
            if !known.is_stale {
                return Ok(known);
            }
            let attributes = self.volume.link.ask(|server| server.attributes(self.number))?;
            let mut now = self.known();
            if now.last_change == known.last_change {
                now.refresh(&attributes);
                return Ok(*now);
            }
            // It has changed once more since the question.
        }
    }

    /// Notes a read.
    pub(crate) fn note_access(&self) {
        if self.volume.require_writable().is_err() {
            return;
        }
        let moved = self.known().note_access(clock::now());
        if moved {
            self.keep_until_written();
        }
    }

    /// Notes that names in this directory have changed: its times, size and links are the server's to tell.
    pub(crate) fn note_names(&self, now: Timestamp, number: u64) {
        let mut known = self.known();
        known.note_shared_modification(now);
        known.is_stale = true;
        known.last_change = known.last_change.max(number);
    }

    /// Keeps it in memory until what is new of it was written; not if it has no name: then it is nobody's when it leaves.
    pub(crate) fn keep_until_written(&self) {
        if self.known().links > 0
            && let Some(this) = self.counted()
        {
            self.volume.list_dirty(this);
        }
    }

    /// Draws the consequence from a number of links that has changed.
    fn settle_links(&self) {
        if self.known().links == 0 {
            self.volume.unlist_dirty(self.number);
        } else if self.has_news() {
            self.keep_until_written();
        }
    }

    /// Whether anything of it is newer than what the server has.
    pub(crate) fn has_news(&self) -> bool {
        self.known().has_news() || matches!(&self.body, Body::Regular(regular) if regular.is_dirty())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.volume.table.evict(self.number);
        if let Body::Regular(regular) = &self.body {
            let (cached, dirty) = regular.counts();
            self.volume.cached_pages.fetch_sub(cached, Ordering::Relaxed);
            self.volume.dirty_pages.fetch_sub(dirty, Ordering::Relaxed);
        }
        if self.known.get_mut().links == 0 {
            self.volume.forget_later(self.number);
        }
    }
}
