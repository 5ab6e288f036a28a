//! What all inodes of a mounted disk share: the way to the server, the inodes in memory, the lists of what is to be done.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use interfaces::FileSystem;
use interfaces::file_system::{Attributes, FsInfo, FsStatistics, Orphans};
use linux_abi::{Errno, Result};
use rt::sync::{Condvar, Mutex};
use vfs::{DeviceNumber, FileKind, Timestamp, clock};

use crate::attributes::time;
use crate::link::{Done, Link};
use crate::log::Operation;
use crate::node::Node;
use crate::table::Table;

const PAGE: u64 = 4096;

/// A file whose pages or times are newer than the disk's.
struct Dirty {
    node: Arc<Node>,
    since_ns: u64,
}

/// A mounted disk.
pub(crate) struct Volume {
    pub(crate) link: Link,
    pub(crate) device: DeviceNumber,
    pub(crate) block_bytes: u32,
    /// The server refuses changes.
    read_only: bool,
    pub(crate) table: Table,
    dirty: Mutex<BTreeMap<u64, Dirty>>,
    /// Held by whoever writes files that were taken off that list. Before all other locks.
    pub(crate) writing: Mutex<()>,
    /// Inodes without names that have left memory.
    forgotten: Mutex<Vec<u64>>,
    /// Pages of all files in memory.
    pub(crate) cached_pages: AtomicU64,
    /// Those of them that are newer than what the server has.
    pub(crate) dirty_pages: AtomicU64,
    /// Free space as last heard of, in pages.
    free_pages: AtomicU64,
    /// Where the search for pages to give back goes on.
    pub(crate) hand: AtomicUsize,
    /// What wakes the worker before its time.
    wanted: Mutex<bool>,
    wake: Condvar,
    /// Nothing is to be written any more.
    pub(crate) retired: AtomicBool,
}

/// Dirty pages from which on whoever writes has to wait for the disk: an eighth of memory.
fn dirty_limit() -> u64 {
    (guest_memory::frames::stats().total / 8).max(64)
}

impl Volume {
    /// Starts the server.
    ///
    /// # Errors
    /// As [`Link::open`].
    pub(crate) fn open(
        server: Arc<dyn FileSystem>,
        orphans: Orphans,
        device: DeviceNumber,
    ) -> Result<(Arc<Self>, FsInfo)> {
        let (link, info) = Link::open(server, orphans)?;
        let volume = Self {
            link,
            device,
            block_bytes: info.block_bytes,
            read_only: info.read_only,
            table: Table::default(),
            dirty: Mutex::default(),
            writing: Mutex::default(),
            forgotten: Mutex::default(),
            cached_pages: AtomicU64::new(0),
            dirty_pages: AtomicU64::new(0),
            free_pages: AtomicU64::new(0),
            hand: AtomicUsize::new(0),
            wanted: Mutex::new(false),
            wake: Condvar::new(),
            retired: AtomicBool::new(false),
        };
        volume.free_space()?;
        Ok((Arc::new(volume), info))
    }

    /// Checks that anything can be changed, for what is told to the server only later.
    ///
    /// # Errors
    /// `EROFS`.
    pub(crate) const fn require_writable(&self) -> Result<()> {
        if self.read_only { Err(Errno::EROFS) } else { Ok(()) }
    }

    /// The largest size of a file: a block's number in it has 32 bits.
    pub(crate) const fn size_limit(&self) -> u64 {
        u32::MAX as u64 * self.block_bytes as u64
    }

    /// Makes a change; `now` becomes the time of last change of what it concerns.
    ///
    /// # Errors
    /// What the server finds; `EIO` if it is gone for good.
    pub(crate) fn change(&self, now: Timestamp, operation: Operation) -> Result<(Done, u64)> {
        self.link.change(time(now), operation)
    }

    /// The inode that the server describes by the answer of `question`.
    ///
    /// # Errors
    /// What the server finds; `EUCLEAN` if it describes nonsense.
    pub(crate) fn find(self: &Arc<Self>, question: impl Fn() -> Result<Attributes>) -> Result<Arc<Node>> {
        loop {
            let evictions = self.table.evictions();
            let attributes = question()?;
            let kind = FileKind::from_mode(attributes.mode).ok_or(Errno::EUCLEAN)?;
            let make = || Node::new(self, kind, &attributes);
            if let Some(node) = self.table.get_or_insert(attributes.inode, evictions, make) {
                return Ok(node);
            }
        }
    }

    /// The inode with this number.
    ///
    /// # Errors
    /// As [`Volume::find`].
    pub(crate) fn inode(self: &Arc<Self>, number: u64) -> Result<Arc<Node>> {
        if let Some(node) = self.table.get(number) {
            return Ok(node);
        }
        self.find(|| self.link.ask(|server| server.attributes(number)))
    }

    /// Enters an inode that was just made on the disk.
    ///
    /// # Errors
    /// `EUCLEAN` if the server describes nonsense.
    pub(crate) fn enter(self: &Arc<Self>, attributes: &Attributes) -> Result<Arc<Node>> {
        let kind = FileKind::from_mode(attributes.mode).ok_or(Errno::EUCLEAN)?;
        let node = Node::new(self, kind, attributes);
        self.table.insert(&node);
        Ok(node)
    }

    /// Keeps a file in memory until it was written.
    pub(crate) fn list_dirty(&self, node: Arc<Node>) {
        let since_ns = rt::time::now_ns();
        self.dirty.lock().entry(node.number()).or_insert(Dirty { node, since_ns });
    }

    /// Takes a file off the list of those to be written.
    pub(crate) fn unlist_dirty(&self, number: u64) {
        let dirty = self.dirty.lock().remove(&number);
        // What leaves memory with it does so without the list's lock.
        drop(dirty);
    }

    /// Takes all files off the list that have been on it since before `before_ns`.
    pub(crate) fn take_dirty(&self, before_ns: u64) -> Vec<Arc<Node>> {
        let mut dirty = self.dirty.lock();
        let (old, young) = core::mem::take(&mut *dirty).into_iter().partition(|(_, file)| file.since_ns <= before_ns);
        *dirty = young;
        let old: BTreeMap<u64, Dirty> = old;
        old.into_values().map(|file| file.node).collect()
    }

    /// Notes that an inode without names has left memory.
    pub(crate) fn forget_later(&self, number: u64) {
        self.forgotten.lock().push(number);
        self.wake_worker();
    }

    /// Tells the server of the inodes without names that have left memory.
    ///
    /// # Errors
    /// As [`Volume::change`].
    pub(crate) fn forget_now(&self) -> Result<()> {
        let numbers = core::mem::take(&mut *self.forgotten.lock());
        // The last first: the disk's list of orphans has it in front.
        for inode in numbers.into_iter().rev() {
            match self.change(clock::now(), Operation::Forget { inode }) {
                // One whose making was lost with the server, or that it freed with the others of its kind.
                Ok(_) | Err(Errno::ENOENT) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Tells the server of all inodes without names that are in memory: nobody will use them any more.
    ///
    /// # Errors
    /// As [`Volume::change`].
    pub(crate) fn forget_nameless(&self) -> Result<()> {
        let nameless = self.table.all().into_iter().filter(|node| node.known().links == 0);
        self.forgotten.lock().extend(nameless.map(|node| node.number()));
        self.forget_now()
    }

    /// What the server says of free space, after it has got back what is free already.
    ///
    /// # Errors
    /// As [`Volume::change`].
    pub(crate) fn free_space(&self) -> Result<FsStatistics> {
        self.forget_now()?;
        let statistics = self.link.ask(|server| server.statistics())?;
        let pages = statistics.available_blocks.saturating_mul(self.block_bytes.into()) / PAGE;
        self.free_pages.store(pages, Ordering::Relaxed);
        Ok(statistics)
    }

    /// Notes that pages were written, which may have been holes before.
    pub(crate) fn note_used(&self, pages: u64) {
        // A concurrent report of free space may win; it is about as good.
        let left = self.free_pages.load(Ordering::Relaxed).saturating_sub(pages);
        self.free_pages.store(left, Ordering::Relaxed);
    }

    /// Whether dirty pages may not all find room on the disk: then whoever writes must wait for the answer.
    pub(crate) fn is_tight(&self) -> bool {
        /// Pages for what the file system itself needs.
        const SLACK: u64 = 256;
        let needed = || self.dirty_pages.load(Ordering::Relaxed) + SLACK;
        let is_short = || self.free_pages.load(Ordering::Relaxed) < needed();
        is_short() && (self.free_space().is_err() || is_short())
    }

    /// Whether there are so many dirty pages that whoever makes more has to write some.
    pub(crate) fn has_too_many_dirty(&self) -> bool {
        let dirty = self.dirty_pages.load(Ordering::Relaxed);
        if dirty > dirty_limit() / 2 {
            self.wake_worker();
        }
        dirty > dirty_limit()
    }

    /// Whether the worker should not wait for pages to become old.
    pub(crate) fn has_too_many_dirty_for_worker(&self) -> bool {
        self.dirty_pages.load(Ordering::Relaxed) > dirty_limit() / 4
    }

    /// Wakes the worker before its time.
    pub(crate) fn wake_worker(&self) {
        *self.wanted.lock() = true;
        self.wake.notify_one();
    }

    /// Waits for the worker's time, or until it is wanted.
    pub(crate) fn wait_for_work(&self, until_ns: u64) {
        let mut wanted = self.wanted.lock();
        while !*wanted {
            let (guard, notified) = self.wake.wait_until(wanted, until_ns);
            wanted = guard;
            if !notified {
                break;
            }
        }
        *wanted = false;
    }
}
