//! A watched file.

use alloc::sync::{Arc, Weak};
use core::sync::atomic::{AtomicBool, Ordering};

use linux_abi::{Errno, Result};
use rt::sync::Mutex;
use sync::Listener;

use super::{Epoll, Interest, WATCH_COUNT, WATCH_LIMIT, Watching};
use crate::open_file::OpenFile;
use crate::poll::{PollEvents, PollTable};

/// Descriptor number and description: the same description can be watched under several numbers.
pub(super) type Key = (i32, u64);

pub(super) struct Item {
    key: Key,
    file: Weak<OpenFile>,
    epoll: Weak<Epoll>,
    state: Mutex<State>,
    /// On the ready list.
    listed: AtomicBool,
}

struct State {
    interest: Interest,
    /// False after a single report, and when the item was removed.
    enabled: bool,
    /// What the file's queues know. Another one takes its place when other events are wanted.
    ear: Option<Arc<Ear>>,
}

/// Hears of a file's wake-ups for an item.
struct Ear(Weak<Item>);

impl Listener for Ear {
    fn notify(&self) {
        let Some(item) = self.0.upgrade() else { return };
        let enabled = item.state.lock().enabled;
        if enabled && let Some(epoll) = item.epoll.upgrade() {
            epoll.mark_ready(&item);
        }
    }
}

/// What became of an item that was on the ready list.
pub(super) enum Taken {
    /// It was not ready any more.
    Nothing,
    /// It was reported, and will be again only after another change.
    Last,
    /// It was reported, and has to be looked at again.
    More,
    /// It could not be reported.
    Failed(Errno),
    /// Its file is closed.
    Dead,
}

impl Item {
    /// # Errors
    /// `ENOSPC` if too many files are watched.
    pub(super) fn new(epoll: &Arc<Epoll>, key: Key, file: &Arc<OpenFile>, interest: Interest) -> Result<Arc<Item>> {
        if WATCH_COUNT.fetch_add(1, Ordering::Relaxed) >= WATCH_LIMIT.load(Ordering::Relaxed) {
            WATCH_COUNT.fetch_sub(1, Ordering::Relaxed);
            return Err(Errno::ENOSPC);
        }
        Ok(Arc::new(Item {
            key,
            file: Arc::downgrade(file),
            epoll: Arc::downgrade(epoll),
            state: Mutex::new(State { interest, enabled: true, ear: None }),
            listed: AtomicBool::new(false),
        }))
    }

    pub(super) fn key(&self) -> Key {
        self.key
    }

    pub(super) fn file(&self) -> Option<Arc<OpenFile>> {
        self.file.upgrade()
    }

    pub(super) fn is_alive(&self) -> bool {
        self.file.strong_count() > 0
    }

    /// # Errors
    /// `EINVAL` if the file is watched exclusively: that cannot be changed.
    pub(super) fn set_interest(&self, interest: Interest) -> Result<()> {
        let mut state = self.state.lock();
        if state.interest.watching.contains(Watching::EXCLUSIVE) {
            return Err(Errno::EINVAL);
        }
        state.interest = interest;
        state.enabled = true;
        Ok(())
    }

    pub(super) fn disable(&self) {
        let mut state = self.state.lock();
        state.enabled = false;
        let ear = state.ear.take();
        drop(state);
        drop(ear);
    }

    /// Listens for what is wanted, and looks: what is ready already is an event too.
    pub(super) fn listen(self: &Arc<Self>) {
        let Some(file) = self.file.upgrade() else { return };
        let ear = Arc::new(Ear(Arc::downgrade(self)));
        let weak: Weak<Ear> = Arc::downgrade(&ear);
        let mut state = self.state.lock();
        let wanted = state.interest.events;
        let old = state.ear.replace(ear);
        drop(state);
        drop(old);
        let ready = file.poll(&mut PollTable::subscribing(weak, wanted)) & wanted;
        if !ready.is_empty()
            && let Some(epoll) = self.epoll.upgrade()
        {
            epoll.mark_ready(self);
        }
    }

    /// Notes that the item is put on the ready list; false if it is there.
    pub(super) fn enter_ready_list(&self) -> bool {
        !self.listed.swap(true, Ordering::AcqRel)
    }

    pub(super) fn leave_ready_list(&self) {
        self.listed.store(false, Ordering::Release);
    }

    /// Whether a wait would report it.
    pub(super) fn is_ready(&self) -> bool {
        let state = self.state.lock();
        let (wanted, enabled) = (state.interest.events, state.enabled);
        drop(state);
        let look = |file: Arc<OpenFile>| file.poll(&mut PollTable::looking()).intersects(wanted);
        enabled && self.file.upgrade().is_some_and(look)
    }

    /// Asks the file and reports what is wanted of it.
    pub(super) fn take(&self, emit: &mut dyn FnMut(PollEvents, u64) -> Result<()>) -> Taken {
        let Some(file) = self.file.upgrade() else { return Taken::Dead };
        let ready = file.poll(&mut PollTable::looking());
        let Some(interest) = self.claim(ready) else { return Taken::Nothing };
        if let Err(error) = emit(ready & interest.events, interest.data) {
            // It was not reported: a single report is still owed.
            self.state.lock().enabled = true;
            return Taken::Failed(error);
        }
        let once = interest.watching.intersects(Watching::EDGE | Watching::ONE_SHOT);
        if once { Taken::Last } else { Taken::More }
    }

    /// Decides that the caller reports, and no other thread the same single report.
    fn claim(&self, ready: PollEvents) -> Option<Interest> {
        let mut state = self.state.lock();
        if !state.enabled || !ready.intersects(state.interest.events) {
            return None;
        }
        state.enabled = !state.interest.watching.contains(Watching::ONE_SHOT);
        Some(state.interest)
    }
}

impl Drop for Item {
    fn drop(&mut self) {
        WATCH_COUNT.fetch_sub(1, Ordering::Relaxed);
    }
}
