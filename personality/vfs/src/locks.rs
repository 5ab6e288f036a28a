//! Advisory locks: `flock`, and the record locks of `fcntl`, owned by a process or by a description.
//!
//! All locks are in one table by inode. While there are none anywhere, closing a file costs one load.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};

use hashbrown::HashMap;
use linux_abi::{Errno, Result};
use rt::sync::Mutex;
use sync::WaitQueue;

use crate::open_file::OpenFile;

/// How a lock excludes others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockKind {
    /// Others may read as well.
    Shared,
    /// Nobody else.
    Exclusive,
}

/// Whose a record lock is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockOwner {
    /// A descriptor table's, that is, a process's; the process id is only for `F_GETLK`.
    Process {
        /// The descriptor table.
        table: u64,
        /// The process id.
        pid: i32,
    },
    /// A description's.
    Description(u64),
    /// A description's, set by `flock`; these do not meet record locks.
    Flock(u64),
}

impl LockOwner {
    fn is_same(self, other: LockOwner) -> bool {
        match (self, other) {
            (LockOwner::Process { table, .. }, LockOwner::Process { table: other, .. }) => table == other,
            _ => self == other,
        }
    }

    const fn is_flock(self) -> bool {
        matches!(self, LockOwner::Flock(_))
    }
}

/// A locked range, `end` exclusive; `u64::MAX` is the end of all files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lock {
    /// First byte.
    pub start: u64,
    /// Past the last byte.
    pub end: u64,
    /// How it excludes.
    pub kind: LockKind,
    /// Whose it is.
    pub owner: LockOwner,
}

impl Lock {
    fn overlaps(&self, start: u64, end: u64) -> bool {
        self.start < end && start < self.end
    }

    fn conflicts_with(&self, wanted: &Lock) -> bool {
        self.owner.is_flock() == wanted.owner.is_flock()
            && !self.owner.is_same(wanted.owner)
            && self.overlaps(wanted.start, wanted.end)
            && (self.kind == LockKind::Exclusive || wanted.kind == LockKind::Exclusive)
    }
}

/// Whether to wait for a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Fail with `EAGAIN`.
    Never,
    /// Wait until the lock is free or a signal comes.
    ForLock,
}

type Key = (u64, u64);

static LOCKS: Mutex<Option<HashMap<Key, Vec<Lock>>>> = Mutex::new(None);
static LOCK_COUNT: AtomicUsize = AtomicUsize::new(0);
static CHANGED: WaitQueue = WaitQueue::new();
/// Locks in the whole system; more fail with `ENOLCK`.
const LOCK_LIMIT: usize = 65536;

fn key(file: &OpenFile) -> Result<Key> {
    let metadata = file.metadata()?;
    Ok((metadata.device.encoded(), metadata.inode))
}

/// Finds a lock that stands against `wanted`.
///
/// # Errors
/// What the file system finds.
pub fn find_conflict(file: &OpenFile, wanted: &Lock) -> Result<Option<Lock>> {
    let key = key(file)?;
    let all = LOCKS.lock();
    let locks = all.as_ref().and_then(|all| all.get(&key));
    Ok(locks.and_then(|locks| locks.iter().find(|lock| lock.conflicts_with(wanted))).copied())
}

/// Sets a lock; replaces what the owner had on the range.
///
/// # Errors
/// `EAGAIN` if another holds it, `ERESTARTSYS` if a signal came first, `ENOLCK` if there are too many,
/// `EDEADLK` if a process would wait for one that waits for it.
pub fn acquire(file: &Arc<OpenFile>, lock: Lock, wait: Wait) -> Result<()> {
    let key = key(file)?;
    match lock.owner {
        LockOwner::Description(_) | LockOwner::Flock(_) => file.may_hold_locks.store(true, Ordering::Relaxed),
        LockOwner::Process { .. } => {}
    }
    match try_acquire(key, lock) {
        Some(result) => result,
        None if wait == Wait::Never => Err(Errno::EAGAIN),
        None => wait_for(key, lock),
    }
}

fn try_acquire(key: Key, lock: Lock) -> Option<Result<()>> {
    let mut all = LOCKS.lock();
    let locks = all.get_or_insert_default().entry(key).or_default();
    if locks.iter().any(|other| other.conflicts_with(&lock)) {
        return None;
    }
    if LOCK_COUNT.load(Ordering::Relaxed) >= LOCK_LIMIT {
        return Some(Err(Errno::ENOLCK));
    }
    let before = locks.len();
    let weakened = cut(locks, lock.owner, lock.start, lock.end);
    insert_merged(locks, lock);
    count_change(before, locks.len());
    drop(all);
    if weakened {
        CHANGED.wake_all();
    }
    Some(Ok(()))
}

/// Who waits for whom, by descriptor table, to find deadlocks.
static WAITING: Mutex<Vec<(u64, Key, Lock)>> = Mutex::new(Vec::new());

fn wait_for(key: Key, lock: Lock) -> Result<()> {
    let LockOwner::Process { table, .. } = lock.owner else {
        return CHANGED.wait(None, || try_acquire(key, lock)).map_err(|_| Errno::ERESTARTSYS)?;
    };
    {
        let mut waiting = WAITING.lock();
        if leads_back(&waiting, table, key, &lock) {
            return Err(Errno::EDEADLK);
        }
        waiting.push((table, key, lock));
    }
    let result = CHANGED.wait(None, || try_acquire(key, lock)).map_err(|_| Errno::ERESTARTSYS);
    let mut waiting = WAITING.lock();
    if let Some(index) = waiting.iter().position(|entry| entry.0 == table && entry.2 == lock) {
        waiting.swap_remove(index);
    }
    result?
}

/// Tells whether a chain of waiting processes from those that hold `lock` ends at `table`.
fn leads_back(waiting: &[(u64, Key, Lock)], table: u64, key: Key, lock: &Lock) -> bool {
    let all = LOCKS.lock();
    let Some(all) = all.as_ref() else { return false };
    let mut wanted = Vec::from([(key, *lock)]);
    let mut seen = Vec::new();
    while let Some((key, lock)) = wanted.pop() {
        for holder in all.get(&key).into_iter().flatten().filter(|other| other.conflicts_with(&lock)) {
            let LockOwner::Process { table: holder, .. } = holder.owner else { continue };
            if holder == table {
                return true;
            }
            if !seen.contains(&holder) {
                seen.push(holder);
                wanted.extend(waiting.iter().filter(|entry| entry.0 == holder).map(|entry| (entry.1, entry.2)));
            }
        }
    }
    false
}

/// Gives a range back.
///
/// # Errors
/// What the file system finds.
pub fn release(file: &OpenFile, owner: LockOwner, start: u64, end: u64) -> Result<()> {
    release_by_key(key(file)?, |lock| lock.is_same(owner), start, end);
    Ok(())
}

/// Gives back what a description holds, when it ends.
pub(crate) fn release_description(file: &OpenFile) {
    let mine = |owner: LockOwner| match owner {
        LockOwner::Description(id) | LockOwner::Flock(id) => id == file.id(),
        LockOwner::Process { .. } => false,
    };
    if let Ok(key) = key(file) {
        release_by_key(key, mine, 0, u64::MAX);
    }
}

/// Gives back all record locks that a process holds on a file, as every `close` does.
pub(crate) fn release_owner(file: &OpenFile, table: u64) {
    if LOCK_COUNT.load(Ordering::Relaxed) == 0 {
        return;
    }
    let mine = |owner: LockOwner| matches!(owner, LockOwner::Process { table: other, .. } if other == table);
    if let Ok(key) = key(file) {
        release_by_key(key, mine, 0, u64::MAX);
    }
}

fn release_by_key(key: Key, is_mine: impl Fn(LockOwner) -> bool, start: u64, end: u64) {
    let mut all = LOCKS.lock();
    let Some(all_locks) = all.as_mut() else { return };
    let Some(locks) = all_locks.get_mut(&key) else { return };
    let before = locks.len();
    let owners: Vec<LockOwner> = locks.iter().map(|lock| lock.owner).filter(|owner| is_mine(*owner)).collect();
    for owner in owners {
        cut(locks, owner, start, end);
    }
    count_change(before, locks.len());
    if locks.is_empty() {
        all_locks.remove(&key);
    }
    drop(all);
    CHANGED.wake_all();
}

fn count_change(before: usize, after: usize) {
    if after >= before {
        LOCK_COUNT.fetch_add(after - before, Ordering::Relaxed);
    } else {
        LOCK_COUNT.fetch_sub(before - after, Ordering::Relaxed);
    }
}

/// Removes a range from an owner's locks; tells whether there was anything to remove.
fn cut(locks: &mut Vec<Lock>, owner: LockOwner, start: u64, end: u64) -> bool {
    let mut rest = Vec::new();
    let before = locks.len();
    locks.retain(|lock| {
        if !lock.owner.is_same(owner) || !lock.overlaps(start, end) {
            return true;
        }
        if lock.start < start {
            rest.push(Lock { end: start, ..*lock });
        }
        if end < lock.end {
            rest.push(Lock { start: end, ..*lock });
        }
        false
    });
    let was_cut = locks.len() != before;
    locks.append(&mut rest);
    was_cut
}

/// Adds a lock, joined with the owner's neighbours of the same kind.
fn insert_merged(locks: &mut Vec<Lock>, mut lock: Lock) {
    locks.retain(|other| {
        let joins = other.owner.is_same(lock.owner)
            && other.kind == lock.kind
            && (other.end == lock.start || lock.end == other.start);
        if joins {
            lock.start = lock.start.min(other.start);
            lock.end = lock.end.max(other.end);
        }
        !joins
    });
    locks.push(lock);
}

/// Returns all locks with device and inode, for `/proc/locks`.
#[must_use]
pub fn all() -> Vec<(u64, u64, Lock)> {
    let all = LOCKS.lock();
    let flat = |(key, locks): (&Key, &Vec<Lock>)| {
        let key = *key;
        locks.iter().map(move |lock| (key.0, key.1, *lock)).collect::<Vec<_>>()
    };
    all.iter().flatten().flat_map(flat).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn lock(start: u64, end: u64, kind: LockKind, table: u64) -> Lock {
        Lock { start, end, kind, owner: LockOwner::Process { table, pid: 1 } }
    }

    #[test]
    fn unlocking_the_middle_leaves_both_sides() {
        let mut locks = Vec::from([lock(0, 100, LockKind::Exclusive, 1)]);
        cut(&mut locks, lock(0, 0, LockKind::Shared, 1).owner, 40, 60);
        assert_eq!(locks, [lock(0, 40, LockKind::Exclusive, 1), lock(60, 100, LockKind::Exclusive, 1)]);
    }

    #[test]
    fn neighbours_of_a_kind_are_joined() {
        let mut locks = Vec::from([lock(0, 10, LockKind::Shared, 1), lock(20, 30, LockKind::Shared, 1)]);
        insert_merged(&mut locks, lock(10, 20, LockKind::Shared, 1));
        assert_eq!(locks, [lock(0, 30, LockKind::Shared, 1)]);
    }

    #[test]
    fn only_others_conflict_and_only_exclusively() {
        let shared = lock(0, 10, LockKind::Shared, 1);
        assert!(!shared.conflicts_with(&lock(5, 6, LockKind::Shared, 2)));
        assert!(shared.conflicts_with(&lock(5, 6, LockKind::Exclusive, 2)));
        assert!(!shared.conflicts_with(&lock(5, 6, LockKind::Exclusive, 1)));
        assert!(!shared.conflicts_with(&lock(10, 16, LockKind::Exclusive, 2)));
        let flock = Lock { owner: LockOwner::Flock(1), ..shared };
        assert!(!flock.conflicts_with(&lock(5, 6, LockKind::Exclusive, 2)));
    }
}
