//! Epolls that watch epolls: no loops, and not too deep.
//!
//! Waking goes from the innermost to the outermost, and asking the other way, each by a call within a call; so the depth
//! is limited (`EP_MAX_NESTS` of Linux's fs/eventpoll.c). Links are made under one lock for all epolls.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use linux_abi::{Errno, Result};
use rt::sync::{Mutex, MutexGuard};

use super::Epoll;

/// Most epolls above or below one another, the first aside.
const DEPTH: usize = 5;

static LINKING: Mutex<()> = Mutex::new(());

/// The epolls that watch this one.
#[derive(Default)]
pub(super) struct Nesting {
    outer: Mutex<Vec<Weak<Epoll>>>,
}

impl Nesting {
    /// Notes that `outer` watches it (or did: what is noted too much makes a chain look longer at most).
    pub(super) fn add_outer(&self, outer: &Arc<Epoll>) {
        let mut list = self.outer.lock();
        list.retain(|other| other.strong_count() > 0 && !core::ptr::eq(other.as_ptr(), Arc::as_ptr(outer)));
        list.push(Arc::downgrade(outer));
    }
}

/// Checks that `outer` may watch `inner`; links may be made while the guard is held.
///
/// # Errors
/// `ELOOP`.
pub(super) fn enter(outer: &Arc<Epoll>, inner: &Arc<Epoll>) -> Result<MutexGuard<'static, ()>> {
    let guard = LINKING.lock();
    let above = height(outer, |_| false, watchers_of)?;
    let below = height(inner, |epoll| Arc::ptr_eq(epoll, outer), watched_by)?;
    if above + below < DEPTH { Ok(guard) } else { Err(Errno::ELOOP) }
}

/// How many steps the longest way from an epoll has. Level by level, each epoll once in a level: there may be very many
/// ways.
fn height(
    start: &Arc<Epoll>,
    is_forbidden: impl Fn(&Arc<Epoll>) -> bool,
    next: impl Fn(&Arc<Epoll>) -> Vec<Arc<Epoll>>,
) -> Result<usize> {
    let mut level = alloc::vec![start.clone()];
    for steps in 0..=DEPTH {
        if level.iter().any(&is_forbidden) {
            return Err(Errno::ELOOP);
        }
        level = level.iter().flat_map(&next).collect();
        level.sort_unstable_by_key(Arc::as_ptr);
        level.dedup_by(|a, b| Arc::ptr_eq(a, b));
        if level.is_empty() {
            return Ok(steps);
        }
    }
    Err(Errno::ELOOP)
}

fn watchers_of(epoll: &Arc<Epoll>) -> Vec<Arc<Epoll>> {
    let outer: Vec<_> = epoll.nesting.outer.lock().iter().filter_map(Weak::upgrade).collect();
    let watches = |outer: &Arc<Epoll>| watched_by(outer).iter().any(|one| Arc::ptr_eq(one, epoll));
    outer.into_iter().filter(watches).collect()
}

fn watched_by(epoll: &Arc<Epoll>) -> Vec<Arc<Epoll>> {
    let files: Vec<_> = epoll.items.lock().values().filter_map(|item| item.file()).collect();
    files.iter().filter_map(|file| file.file_as::<Epoll>()).collect()
}
