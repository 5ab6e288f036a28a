//! epoll(7): a set of files of which somebody wants to know when they are ready.
//!
//! Each [`Item`] is a file under a descriptor's number. It listens at the file's queues for as long as it is in the set;
//! what it hears puts it on the *ready list*, and who waits asks only the files that are on it. So a wait costs what is
//! ready, not what is watched. An item knows its file weakly: when the last descriptor of a description is closed, its
//! items are dead and thrown out when they are met.
//!
//! An epoll can watch another one, to a depth that is limited, and never itself (`nesting`).
//!
//! Lock order: the lock of nesting, the set, an item's state, the ready list. Files are asked and user memory is touched
//! with none of them held: what hears of a wake-up locks the ready list alone.

mod item;
mod nesting;
#[cfg(test)]
mod tests;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use linux_abi::raw::general as raw;
use linux_abi::{Errno, Result};
use rt::sync::Mutex;
use sync::{WaitError, WaitQueue};

use crate::file::{File, Positioning};
use crate::open_file::OpenFile;
use crate::poll::{PollEvents, PollTable};
use item::{Item, Key, Taken};
use nesting::Nesting;

/// Watched files of the whole system, and how many there may be.
static WATCH_COUNT: AtomicU64 = AtomicU64::new(0);
static WATCH_LIMIT: AtomicU64 = AtomicU64::new(65536);

/// Sets how many files all epolls together may watch; derived from the RAM at start-up.
pub fn set_watch_limit(limit: u64) {
    WATCH_LIMIT.store(limit, Ordering::Relaxed);
}

bitflags::bitflags! {
    /// How a file is watched: the upper bits of `epoll_event.events`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Watching: u32 {
        /// Report changes, not states.
        const EDGE = raw::EPOLLET;
        /// Report once, until told again.
        const ONE_SHOT = raw::EPOLLONESHOT;
        /// Keep the machine awake: without effect, as on a Linux that does not suspend.
        const WAKE_UP = raw::EPOLLWAKEUP;
        /// Wake few of those who wait: accepted, all are woken.
        const EXCLUSIVE = raw::EPOLLEXCLUSIVE;
    }
}

/// What is wanted of a file, and what to say when it comes: `struct epoll_event`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interest {
    /// Events.
    pub events: PollEvents,
    /// How.
    pub watching: Watching,
    /// The program's own.
    pub data: u64,
}

impl Interest {
    /// Reads the two members of `struct epoll_event`; unknown bits are ignored, as on Linux.
    #[must_use]
    pub const fn new(bits: u32, data: u64) -> Interest {
        let events = PollEvents::from_bits_truncate(bits).union(PollEvents::ALWAYS);
        Interest { events, watching: Watching::from_bits_truncate(bits), data }
    }
}

/// An epoll.
#[derive(Default)]
pub struct Epoll {
    items: Mutex<BTreeMap<Key, Arc<Item>>>,
    ready: Mutex<VecDeque<Arc<Item>>>,
    /// Those in epoll_wait(2).
    waiters: WaitQueue,
    /// Those who poll the epoll itself.
    pollers: WaitQueue,
    nesting: Nesting,
    /// The set is looked through for dead items when it has this many.
    purge_at: AtomicUsize,
}

impl Epoll {
    /// Makes an epoll that watches nothing.
    #[must_use]
    pub fn new() -> Arc<Epoll> {
        Arc::new(Epoll::default())
    }

    /// Adds a file under a descriptor's number.
    ///
    /// # Errors
    /// `EEXIST` if it is there, `EPERM` if the file is always ready, `ELOOP` if epolls would watch each other or too
    /// deep, `EINVAL` for an exclusive watch of an epoll or one with events that go not together, `ENOSPC` for too many.
    pub fn add(self: &Arc<Self>, fd: i32, file: &Arc<OpenFile>, interest: Interest) -> Result<()> {
        check_exclusive(file, interest)?;
        let key = (fd, file.id());
        let inner = file.file_as::<Epoll>();
        let _nesting = match &inner {
            Some(inner) => Some(nesting::enter(self, inner)?),
            None => None,
        };
        let item = {
            let mut items = self.items.lock();
            self.purge(&mut items);
            if items.contains_key(&key) {
                return Err(Errno::EEXIST);
            }
            let item = Item::new(self, key, file, interest)?;
            items.insert(key, item.clone());
            item
        };
        if let Some(inner) = &inner {
            inner.nesting.add_outer(self);
        }
        item.listen();
        Ok(())
    }

    /// Changes what is wanted of a file, and wants it again if it was wanted once.
    ///
    /// # Errors
    /// `ENOENT` if the file is not watched, `EINVAL` if it is exclusively or shall be.
    pub fn modify(&self, fd: i32, file: &Arc<OpenFile>, interest: Interest) -> Result<()> {
        if interest.watching.contains(Watching::EXCLUSIVE) {
            return Err(Errno::EINVAL);
        }
        let item = self.items.lock().get(&(fd, file.id())).cloned().ok_or(Errno::ENOENT)?;
        item.set_interest(interest)?;
        item.listen();
        Ok(())
    }

    /// Watches a file no longer.
    ///
    /// # Errors
    /// `ENOENT` if the file is not watched.
    pub fn remove(&self, fd: i32, file: &Arc<OpenFile>) -> Result<()> {
        let item = self.items.lock().remove(&(fd, file.id())).ok_or(Errno::ENOENT)?;
        self.forget(&item);
        Ok(())
    }

    fn forget(&self, item: &Arc<Item>) {
        item.disable();
        self.ready.lock().retain(|other| !Arc::ptr_eq(other, item));
    }

    /// Throws out the items of files that are closed, once in a while.
    fn purge(&self, items: &mut BTreeMap<Key, Arc<Item>>) {
        const FIRST: usize = 16;
        if items.len() < self.purge_at.load(Ordering::Relaxed).max(FIRST) {
            return;
        }
        items.retain(|_, item| item.is_alive());
        self.purge_at.store(items.len() * 2, Ordering::Relaxed);
    }

    /// Puts an item on the ready list, unless it is there, and tells those who wait. Called by whoever woke the file.
    ///
    /// Those who poll the epoll itself hear of new items only: so a wake-up does not multiply on its way through epolls
    /// that watch each other crosswise. None is lost, since asking the epoll takes off the list what is not ready.
    fn mark_ready(&self, item: &Arc<Item>) {
        let is_new = item.enter_ready_list();
        if is_new {
            self.ready.lock().push_back(item.clone());
        }
        self.waiters.wake_all();
        if is_new {
            self.pollers.wake_all();
        }
    }

    /// Waits until something is ready, and hands up to `limit` events to `emit`, one each: events and the program's data.
    /// Returns how many; 0 once `deadline_ns` (monotonic) has passed.
    ///
    /// # Errors
    /// `ERESTARTNOHAND` if a signal came first; what `emit` finds with the first event, which stays to be reported.
    pub fn wait(
        &self,
        limit: usize,
        deadline_ns: Option<u64>,
        emit: &mut dyn FnMut(PollEvents, u64) -> Result<()>,
    ) -> Result<usize> {
        let now_over = |deadline| rt::time::now_ns() >= deadline;
        loop {
            let count = self.report(limit, emit)?;
            if count > 0 || deadline_ns.is_some_and(now_over) {
                return Ok(count);
            }
            let listed = || (!self.ready.lock().is_empty()).then_some(());
            match self.waiters.wait(deadline_ns, listed) {
                Ok(()) | Err(WaitError::TimedOut) => {}
                Err(WaitError::Interrupted) => return Err(Errno::ERESTARTNOHAND),
            }
        }
    }

    /// Asks each file that is on the ready list now, once.
    fn report(&self, limit: usize, emit: &mut dyn FnMut(PollEvents, u64) -> Result<()>) -> Result<usize> {
        let listed = self.ready.lock().len();
        let mut again = VecDeque::new();
        let mut count = 0;
        let mut failure = None;
        for _ in 0..listed {
            let Some(item) = self.take_listed() else { break };
            let taken = item.take(emit);
            count += usize::from(matches!(taken, Taken::Last | Taken::More));
            match taken {
                Taken::Nothing | Taken::Last => {}
                Taken::More => again.push_back(item),
                Taken::Failed(error) => {
                    again.push_back(item);
                    failure = Some(error);
                }
                Taken::Dead => drop(self.items.lock().remove(&item.key())),
            }
            if count == limit || failure.is_some() {
                break;
            }
        }
        self.put_back(again);
        match failure {
            Some(error) if count == 0 => Err(error),
            _ => Ok(count),
        }
    }

    fn take_listed(&self) -> Option<Arc<Item>> {
        let item = self.ready.lock().pop_front()?;
        item.leave_ready_list();
        Some(item)
    }

    /// Puts what is still ready, as far as was seen, behind what has come meanwhile.
    fn put_back(&self, mut items: VecDeque<Arc<Item>>) {
        if items.is_empty() {
            return;
        }
        items.retain(|item| item.enter_ready_list());
        self.ready.lock().append(&mut items);
        // Others may have found the list empty. Nothing has changed for who polls the epoll.
        self.waiters.wake_all();
    }
}

/// Checks what epoll_ctl(2) says of `EPOLLEXCLUSIVE`, and that a file can be watched at all.
fn check_exclusive(file: &OpenFile, interest: Interest) -> Result<()> {
    if !is_watchable(file) {
        return Err(Errno::EPERM);
    }
    if !interest.watching.contains(Watching::EXCLUSIVE) {
        return Ok(());
    }
    let allowed = PollEvents::IN | PollEvents::OUT | PollEvents::ALWAYS;
    let fits = allowed.contains(interest.events) && !interest.watching.contains(Watching::ONE_SHOT);
    if fits && file.downcast::<Epoll>().is_none() { Ok(()) } else { Err(Errno::EINVAL) }
}

/// Whether a file's readiness can change: regular files, directories and devices like the null device are always ready.
#[must_use]
pub fn is_watchable(file: &OpenFile) -> bool {
    file.file().positioning() == Positioning::Stream && !file.path().dentry.is_directory()
}

impl File for Epoll {
    /// Ready to read when a wait would report something.
    fn poll<'a>(&'a self, table: &mut PollTable<'a>) -> PollEvents {
        table.add(&self.pollers);
        let listed = self.ready.lock().len();
        for _ in 0..listed {
            let Some(item) = self.take_listed() else { break };
            if item.is_ready() {
                if item.enter_ready_list() {
                    self.ready.lock().push_front(item);
                }
                return PollEvents::READABLE;
            }
        }
        PollEvents::empty()
    }
}
