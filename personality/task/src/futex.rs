//! Waiting for words of memory: futex(2), and the ends of threads that other threads wait for.
//!
//! A word is known by a key: the object and offset behind a shared mapping, else address space and address. Waiters
//! stand in buckets by the key's hash. A word is compared while its bucket is locked, so that no wake-up slips between
//! the comparison and the wait; since that must not sleep, a page that is missing is brought in with the lock released.
//!
//! Invariant: an entry is in the bucket that its node names until it is woken or leaves. Two buckets are locked in the
//! order of their indices; waiters are woken with none locked.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};

use guest_memory::{UserAddr, atomic_load_u32, compare_exchange_u32, fault_in, read_value};
use guest_memory::{try_compare_exchange_u32, try_load_u32};
use linux_abi::raw::general as raw;
use linux_abi::{Errno, Result};
use mm::AddressSpace;
use rt::sync::{Mutex, MutexGuard};
use sync::{Waiter, Woken};

use crate::Task;

const BUCKETS: usize = 128;
/// Most entries of a robust list that are looked at: Linux's `ROBUST_LIST_LIMIT`.
const ROBUST_LIST_LIMIT: usize = 2048;
/// A page that was brought in this often and is missing again belongs to a process that fights itself.
const MAX_ATTEMPTS: usize = 64;

/// Whether other processes may know the word under other addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// No: `FUTEX_PRIVATE_FLAG`.
    Private,
    /// Perhaps.
    Shared,
}

/// A wait, as it is restarted after a signal without a handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FutexWait {
    /// The word.
    pub address: UserAddr,
    /// Who may know it.
    pub scope: Scope,
    /// What must be in the word.
    pub expected: u32,
    /// Which wake-ups count.
    pub bits: u32,
    /// Monotonic.
    pub deadline_ns: Option<u64>,
}

/// What identifies a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    /// Address space and address.
    Local(usize, u64),
    /// Device, inode and offset.
    Object(u64, u64, u64),
}

fn check(address: UserAddr) -> Result<()> {
    if !address.0.is_multiple_of(4) {
        return Err(Errno::EINVAL);
    }
    if address.has_room_for(4) { Ok(()) } else { Err(Errno::EFAULT) }
}

impl Key {
    fn new(space: &Arc<AddressSpace>, address: UserAddr, scope: Scope) -> Result<Self> {
        check(address)?;
        let shared = match scope {
            Scope::Private => None,
            Scope::Shared => Self::of_object(space, address.0),
        };
        Ok(shared.unwrap_or(Self::Local(Arc::as_ptr(space) as usize, address.0)))
    }

    fn of_object(space: &AddressSpace, address: u64) -> Option<Self> {
        let areas = space.report();
        let area = areas.iter().find(|area| (area.start..area.end).contains(&address)).filter(|area| area.shared)?;
        let object = area.object.as_ref()?;
        // Anonymous memory keeps no file open, and its numbers are not those of any file system.
        let device = if object.keep.is_some() { object.device } else { u64::MAX };
        Some(Self::Object(device, object.inode, area.offset.wrapping_add(address - area.start)))
    }

    const fn bucket(self) -> usize {
        let (a, b) = match self {
            Self::Local(space, address) => (space as u64 / 64, address / 4),
            Self::Object(device, inode, offset) => (device ^ inode.rotate_left(20), offset / 4),
        };
        // Multiplication by 2^64 / phi spreads neighbours over all buckets (Knuth 6.4).
        let hash = (a ^ b.rotate_left(32) ^ b).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (hash >> 32) as usize % BUCKETS
    }
}

/// A thread that waits.
struct Node {
    waiter: Arc<Waiter>,
    bits: u32,
    bucket: AtomicUsize,
    woken: AtomicBool,
}

type Bucket = Vec<(Key, Arc<Node>)>;

static TABLE: [Mutex<Bucket>; BUCKETS] = [const { Mutex::new(Vec::new()) }; BUCKETS];

/// The bucket with this index, which `Key::bucket` made.
fn bucket(index: usize) -> &'static Mutex<Bucket> {
    TABLE.get(index).expect("a bucket's index is below their number")
}

/// Two buckets, locked; the second is `None` where both are the same.
struct Pair {
    first: MutexGuard<'static, Bucket>,
    second: Option<MutexGuard<'static, Bucket>>,
}

impl Pair {
    fn lock(first: usize, second: usize) -> Self {
        match first.cmp(&second) {
            core::cmp::Ordering::Equal => Self { first: bucket(first).lock(), second: None },
            core::cmp::Ordering::Less => {
                let first = bucket(first).lock();
                Self { first, second: Some(bucket(second).lock()) }
            }
            core::cmp::Ordering::Greater => {
                let second = bucket(second).lock();
                Self { first: bucket(first).lock(), second: Some(second) }
            }
        }
    }

    fn second(&mut self) -> &mut Bucket {
        match &mut self.second {
            Some(second) => second,
            None => &mut self.first,
        }
    }
}

/// Number of threads that wait or are about to; with none, a wake-up needs neither key nor bucket.
static WAITING: AtomicUsize = AtomicUsize::new(0);

/// Counts a thread in [`WAITING`] from before it looks at the word: who changes the word first and then finds nobody
/// counted knows that later waiters will see the change.
struct Counted;

impl Counted {
    fn new() -> Self {
        WAITING.fetch_add(1, Ordering::SeqCst);
        Self
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        WAITING.fetch_sub(1, Ordering::SeqCst);
    }
}

fn nobody_waits() -> bool {
    fence(Ordering::SeqCst);
    WAITING.load(Ordering::SeqCst) == 0
}

/// Takes at most `count` waiters of a key out.
fn take(bucket: &mut Bucket, key: Key, bits: u32, count: usize) -> Vec<Arc<Node>> {
    let mut taken = Vec::new();
    if count > 0 {
        bucket.retain(|(other, node)| {
            let chosen = taken.len() < count && *other == key && node.bits & bits != 0;
            if chosen {
                taken.push(node.clone());
            }
            !chosen
        });
    }
    taken
}

fn rouse(nodes: &[Arc<Node>]) -> usize {
    for node in nodes {
        node.woken.store(true, Ordering::Release);
        node.waiter.wake();
    }
    nodes.len()
}

impl Node {
    /// Leaves the table; false if somebody took the node out to wake it.
    fn leave(self: &Arc<Self>) -> bool {
        loop {
            let index = self.bucket.load(Ordering::Acquire);
            let mut entries = bucket(index).lock();
            if self.bucket.load(Ordering::Acquire) != index {
                continue;
            }
            let place = entries.iter().position(|(_, node)| Arc::ptr_eq(node, self));
            return place.map(|place| entries.remove(place)).is_some();
        }
    }

    fn wait(self: &Arc<Self>, deadline_ns: Option<u64>) -> Result<()> {
        loop {
            if self.woken.load(Ordering::Acquire) {
                return Ok(());
            }
            let failure = if self.waiter.is_interrupted() {
                Errno::ERESTARTSYS
            } else if self.waiter.park(deadline_ns) == Woken::TimedOut {
                Errno::ETIMEDOUT
            } else {
                continue;
            };
            return if self.leave() { Err(failure) } else { Ok(()) };
        }
    }
}

/// Waits while a word holds a value.
///
/// # Errors
/// `EAGAIN`: it holds another one. `ETIMEDOUT`; `ERESTARTSYS` for a signal; `EINVAL`, `EFAULT` for the address.
pub fn wait(space: &Arc<AddressSpace>, wait: &FutexWait) -> Result<()> {
    if wait.bits == 0 {
        return Err(Errno::EINVAL);
    }
    let _counted = Counted::new();
    let key = Key::new(space, wait.address, wait.scope)?;
    let index = key.bucket();
    let node = Arc::new(Node {
        waiter: Waiter::current(),
        bits: wait.bits,
        bucket: AtomicUsize::new(index),
        woken: AtomicBool::new(false),
    });
    for _ in 0..MAX_ATTEMPTS {
        let mut entries = bucket(index).lock();
        match try_load_u32(wait.address)? {
            Some(value) if value != wait.expected => return Err(Errno::EAGAIN),
            Some(_) => {
                entries.push((key, node.clone()));
                drop(entries);
                return node.wait(wait.deadline_ns);
            }
            None => {
                drop(entries);
                fault_in(wait.address, false)?;
            }
        }
    }
    Err(Errno::EFAULT)
}

/// Wakes at most `count` threads that wait for a word, those whose bits meet `bits`; how many.
///
/// # Errors
/// `EINVAL`, `EFAULT` for the address; `EINVAL` for no bits.
pub fn wake_bits(space: &Arc<AddressSpace>, address: UserAddr, scope: Scope, bits: u32, count: usize) -> Result<usize> {
    check(address)?;
    if bits == 0 {
        return Err(Errno::EINVAL);
    }
    if nobody_waits() {
        return Ok(0);
    }
    let key = Key::new(space, address, scope)?;
    let taken = take(&mut bucket(key.bucket()).lock(), key, bits, count);
    Ok(rouse(&taken))
}

/// Wakes at most `count` threads that wait for a word which other processes may share; how many.
///
/// # Errors
/// `EINVAL`, `EFAULT` for the address.
pub fn wake(space: &Arc<AddressSpace>, address: UserAddr, count: usize) -> Result<usize> {
    wake_bits(space, address, Scope::Shared, raw::FUTEX_BITSET_MATCH_ANY, count)
}

/// Two words, for the calls that concern two.
#[derive(Clone, Copy, Debug)]
pub struct TwoWords {
    /// The first.
    pub from: UserAddr,
    /// The second.
    pub to: UserAddr,
    /// Who may know both.
    pub scope: Scope,
}

/// Wakes `wakes` waiters of the first word and lets `moves` others wait for the second; the number of both.
///
/// # Errors
/// `EAGAIN` if the first word does not hold `expected`; `EINVAL`, `EFAULT` for the addresses.
pub fn requeue(
    space: &Arc<AddressSpace>,
    words: TwoWords,
    (wakes, moves): (usize, usize),
    expected: Option<u32>,
) -> Result<(usize, usize)> {
    let from = Key::new(space, words.from, words.scope)?;
    let to = Key::new(space, words.to, words.scope)?;
    for _ in 0..MAX_ATTEMPTS {
        let mut pair = Pair::lock(from.bucket(), to.bucket());
        if let Some(expected) = expected {
            match try_load_u32(words.from)? {
                Some(value) if value != expected => return Err(Errno::EAGAIN),
                Some(_) => {}
                None => {
                    drop(pair);
                    fault_in(words.from, false)?;
                    continue;
                }
            }
        }
        let woken = take(&mut pair.first, from, u32::MAX, wakes);
        let moved = take(&mut pair.first, from, u32::MAX, moves);
        for node in &moved {
            node.bucket.store(to.bucket(), Ordering::Release);
            pair.second().push((to, node.clone()));
        }
        drop(pair);
        return Ok((rouse(&woken), moved.len()));
    }
    Err(Errno::EFAULT)
}

/// The fourth argument's meaning in `FUTEX_WAKE_OP`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Operation {
    kind: u32,
    operand: u32,
    comparison: u32,
    compared: i32,
}

impl Operation {
    fn decode(word: u32) -> Result<Self> {
        let signed_12 = |bits: u32| ((bits << 20) as i32) >> 20;
        let (kind, comparison) = (word >> 28 & 0xf, word >> 24 & 0xf);
        let (mut operand, compared) = (signed_12(word >> 12 & 0xfff) as u32, signed_12(word & 0xfff));
        if kind & raw::FUTEX_OP_OPARG_SHIFT != 0 {
            operand = 1 << (operand & 31);
        }
        let kind = kind & !raw::FUTEX_OP_OPARG_SHIFT;
        if kind > raw::FUTEX_OP_XOR || comparison > raw::FUTEX_OP_CMP_GE {
            return Err(Errno::ENOSYS);
        }
        Ok(Self { kind, operand, comparison, compared })
    }

    const fn apply(self, old: u32) -> u32 {
        match self.kind {
            raw::FUTEX_OP_SET => self.operand,
            raw::FUTEX_OP_ADD => old.wrapping_add(self.operand),
            raw::FUTEX_OP_OR => old | self.operand,
            raw::FUTEX_OP_ANDN => old & !self.operand,
            _ => old ^ self.operand,
        }
    }

    const fn holds(self, old: u32) -> bool {
        let old = old as i32;
        match self.comparison {
            raw::FUTEX_OP_CMP_EQ => old == self.compared,
            raw::FUTEX_OP_CMP_NE => old != self.compared,
            raw::FUTEX_OP_CMP_LT => old < self.compared,
            raw::FUTEX_OP_CMP_LE => old <= self.compared,
            raw::FUTEX_OP_CMP_GT => old > self.compared,
            _ => old >= self.compared,
        }
    }
}

/// Changes the second word as `operation` says, wakes `wakes` waiters of the first and, if the comparison held for the
/// second word's old value, `others` of the second; how many.
///
/// # Errors
/// `ENOSYS` for an operation that there is not; `EINVAL`, `EFAULT` for the addresses.
pub fn wake_op(
    space: &Arc<AddressSpace>,
    words: TwoWords,
    (wakes, others): (usize, usize),
    operation: u32,
) -> Result<usize> {
    let operation = Operation::decode(operation)?;
    let first = Key::new(space, words.from, words.scope)?;
    let second = Key::new(space, words.to, words.scope)?;
    for _ in 0..MAX_ATTEMPTS {
        let mut pair = Pair::lock(first.bucket(), second.bucket());
        let Some(old) = try_change(words.to, operation)? else {
            drop(pair);
            fault_in(words.to, true)?;
            continue;
        };
        let mut taken = take(&mut pair.first, first, u32::MAX, wakes);
        if operation.holds(old) {
            taken.append(&mut take(pair.second(), second, u32::MAX, others));
        }
        drop(pair);
        return Ok(rouse(&taken));
    }
    Err(Errno::EFAULT)
}

/// Changes a word; its old value, or `None` if its page is missing (or its owner keeps changing it).
fn try_change(address: UserAddr, operation: Operation) -> Result<Option<u32>> {
    let Some(mut old) = try_load_u32(address)? else { return Ok(None) };
    for _ in 0..MAX_ATTEMPTS {
        match try_compare_exchange_u32(address, old, operation.apply(old))? {
            None => return Ok(None),
            Some(found) if found == old => return Ok(Some(old)),
            Some(found) => old = found,
        }
    }
    Ok(None)
}

/// Marks the robust futexes that an ending thread still holds, and wakes a waiter of each. On the thread's own seat.
/// The list is the program's: it may be cut short, circular or senseless, which ends the walk.
pub fn end_robust_list(task: &Task) {
    let head = UserAddr(task.robust_list.swap(0, Ordering::Relaxed));
    if head.is_null() {
        return;
    }
    let Ok([first, offset, pending]) = read_value::<[u64; 3]>(head) else { return };
    let space = task.address_space();
    let tid = task.tid() as u32;
    let word_of = |entry: u64| UserAddr((entry & !1).wrapping_add(offset));
    let mut entry = first;
    for _ in 0..ROBUST_LIST_LIMIT {
        if entry & !1 == head.0 {
            break;
        }
        let next = read_value::<u64>(UserAddr(entry & !1));
        if entry & !1 != pending & !1 && mark_dead(&space, word_of(entry), tid, false).is_err() {
            break;
        }
        match next {
            Ok(next) => entry = next,
            Err(_) => break,
        }
    }
    if pending & !1 != 0 {
        let _ = mark_dead(&space, word_of(pending), tid, true);
    }
}

fn mark_dead(space: &Arc<AddressSpace>, address: UserAddr, tid: u32, is_pending: bool) -> Result<()> {
    for _ in 0..MAX_ATTEMPTS {
        let word = atomic_load_u32(address)?;
        if word == 0 && is_pending {
            // The thread released it and died before it woke anybody.
            return wake(space, address, 1).map(drop);
        }
        if word & raw::FUTEX_TID_MASK != tid {
            return Ok(());
        }
        let dead = word & raw::FUTEX_WAITERS | raw::FUTEX_OWNER_DIED;
        if compare_exchange_u32(address, word, dead)? == word {
            if word & raw::FUTEX_WAITERS != 0 {
                wake(space, address, 1)?;
            }
            return Ok(());
        }
    }
    Err(Errno::EFAULT)
}

#[cfg(test)]
#[path = "futex_tests.rs"]
mod tests;
