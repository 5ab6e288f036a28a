//! poll, ppoll, select, pselect6.
//!
//! Each round asks every file, which registers the caller at its queues, and then sleeps; the registrations end with
//! the round. A signal ends the wait with `ERESTARTNOHAND`: the program sees `EINTR` only if a handler ran.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use guest_memory::{UserAddr, read_bytes, read_value, write_bytes, write_value};
use linux_abi::raw::general as raw;
use linux_abi::{Errno, Result};
use sync::{Waiter, Woken};
use task::Task;
use vfs::{OpenFile, PollEvents, PollTable};

use crate::fs::descriptor_limit;
use crate::{Args, SysResult};

const NS_PER_SECOND: u64 = 1_000_000_000;

/// A file to ask, the events that count, and which of them came out.
struct Question {
    file: Option<Arc<OpenFile>>,
    wanted: PollEvents,
    answer: PollEvents,
}

impl Question {
    fn new(file: Option<Arc<OpenFile>>, wanted: PollEvents) -> Question {
        Question { file, wanted, answer: PollEvents::empty() }
    }

    fn ask<'a>(file: Option<&'a Arc<OpenFile>>, wanted: PollEvents, table: &mut PollTable<'a>) -> PollEvents {
        file.map_or(PollEvents::NVAL, |file| file.poll(table) & wanted)
    }
}

/// How long to wait.
#[derive(Clone, Copy)]
enum Timeout {
    /// Not at all.
    Zero,
    /// Until a time of the monotonic clock.
    Until(u64),
    /// For ever.
    Never,
}

impl Timeout {
    fn from_ns(ns: u64) -> Timeout {
        if ns == 0 { Timeout::Zero } else { Timeout::Until(rt::time::now_ns().saturating_add(ns)) }
    }

    /// Reads seconds and a fraction of `units` per second; null waits for ever.
    fn read(address: UserAddr, units: u64) -> Result<Timeout> {
        if address.is_null() {
            return Ok(Timeout::Never);
        }
        let [seconds, fraction]: [i64; 2] = read_value(address)?;
        let seconds = u64::try_from(seconds).map_err(|_| Errno::EINVAL)?;
        let fraction = u64::try_from(fraction).map_err(|_| Errno::EINVAL)?;
        // A timeval may carry whole seconds in its microseconds; a timespec may not.
        if units == NS_PER_SECOND && fraction >= units {
            return Err(Errno::EINVAL);
        }
        let ns = fraction.saturating_mul(NS_PER_SECOND / units);
        Ok(Timeout::from_ns(seconds.saturating_mul(NS_PER_SECOND).saturating_add(ns)))
    }

    /// Stores what is left; the process may have made the place read-only, which Linux ignores as well.
    fn write_rest(self, address: UserAddr, units: u64) {
        let Timeout::Until(deadline) = self else { return };
        let rest = deadline.saturating_sub(rt::time::now_ns());
        let words = [(rest / NS_PER_SECOND) as i64, (rest % NS_PER_SECOND / (NS_PER_SECOND / units)) as i64];
        let _ = write_value(address, &words);
    }
}

/// Waits until a question has an answer; returns how many have one, 0 after the timeout.
fn wait(questions: &mut [Question], timeout: Timeout) -> Result<usize> {
    let waiter = Waiter::current();
    loop {
        let files: Vec<_> = questions.iter().map(|question| question.file.clone()).collect();
        let mut table = match timeout {
            Timeout::Zero => PollTable::looking(),
            _ => PollTable::waiting(),
        };
        let mut ready = 0;
        for (question, file) in questions.iter_mut().zip(&files) {
            question.answer = Question::ask(file.as_ref(), question.wanted, &mut table);
            if !question.answer.is_empty() {
                ready += 1;
                table.stop_registering();
            }
        }
        let deadline = match timeout {
            _ if ready > 0 => return Ok(ready),
            Timeout::Zero => return Ok(0),
            Timeout::Until(deadline) => Some(deadline),
            Timeout::Never => None,
        };
        if waiter.is_interrupted() {
            return Err(Errno::ERESTARTNOHAND);
        }
        if waiter.park(deadline) == Woken::TimedOut {
            return last_look(questions);
        }
    }
}

/// After the timeout, what became ready meanwhile still counts.
fn last_look(questions: &mut [Question]) -> Result<usize> {
    wait(questions, Timeout::Zero)
}

fn poll(task: &Task, address: UserAddr, count: u64, timeout: Timeout) -> SysResult {
    if count > descriptor_limit(task) {
        return Err(Errno::EINVAL);
    }
    let mut entries = vec![[0u8; size_of::<raw::pollfd>()]; count as usize];
    read_bytes(address, entries.as_flattened_mut())?;
    let files = task.files();
    let mut questions = Vec::with_capacity(entries.len());
    let mut asked = Vec::with_capacity(entries.len());
    for (index, entry) in entries.iter().enumerate() {
        let [f0, f1, f2, f3, e0, e1, _, _] = *entry;
        let fd = i32::from_le_bytes([f0, f1, f2, f3]);
        if fd >= 0 {
            let wanted = PollEvents::from_bits_truncate(u32::from(u16::from_le_bytes([e0, e1])));
            questions.push(Question::new(files.get(fd).ok(), wanted | PollEvents::ALWAYS));
            asked.push(index);
        }
    }
    let ready = wait(&mut questions, timeout)?;
    for entry in &mut entries {
        put_answer(entry, PollEvents::empty());
    }
    for (index, question) in asked.iter().zip(&questions) {
        if let Some(entry) = entries.get_mut(*index) {
            put_answer(entry, question.answer);
        }
    }
    write_bytes(address, entries.as_flattened())?;
    Ok(ready as u64)
}

fn put_answer(entry: &mut [u8; 8], answer: PollEvents) {
    let [low, high] = (answer.bits() as u16).to_le_bytes();
    let [.., r0, r1] = entry;
    (*r0, *r1) = (low, high);
}

/// poll(2)
pub fn sys_poll(task: &Task, args: &Args) -> SysResult {
    let timeout = match u64::try_from(args.int(2)) {
        Ok(milliseconds) => Timeout::from_ns(milliseconds * 1_000_000),
        Err(_) => Timeout::Never,
    };
    poll(task, args.addr(0), u64::from(args.uint(1)), timeout)
}

/// ppoll(2)
pub fn sys_ppoll(task: &Task, args: &Args) -> SysResult {
    let timeout = Timeout::read(args.addr(2), NS_PER_SECOND)?;
    let mask = read_mask(args.addr(3), args.size(4))?;
    let result = with_mask(task, mask, || poll(task, args.addr(0), u64::from(args.uint(1)), timeout));
    timeout.write_rest(args.addr(2), NS_PER_SECOND);
    result
}

/// Reads a signal mask; null leaves the mask as is.
pub(crate) fn read_mask(address: UserAddr, size: usize) -> Result<Option<u64>> {
    if address.is_null() {
        return Ok(None);
    }
    if size != size_of::<u64>() {
        return Err(Errno::EINVAL);
    }
    read_value(address).map(Some)
}

/// Waits with another signal mask. After an interruption the old mask returns only with the handler's frame.
pub(crate) fn with_mask(task: &Task, mask: Option<u64>, wait: impl FnOnce() -> SysResult) -> SysResult {
    let Some(mask) = mask else { return wait() };
    task.set_temporary_signal_mask(mask);
    let result = wait();
    if result != Err(Errno::ERESTARTNOHAND) {
        task.restore_signal_mask();
    }
    result
}

/// The answers that count for each of the three sets of `select`.
const SETS: [PollEvents; 3] = [
    PollEvents::READABLE.union(PollEvents::RDBAND).union(PollEvents::ALWAYS),
    PollEvents::WRITABLE.union(PollEvents::WRBAND).union(PollEvents::ERR),
    PollEvents::PRI,
];

fn has_bit(set: &[u8], index: usize) -> bool {
    set.get(index / 8).is_some_and(|byte| byte & (1 << (index % 8)) != 0)
}

fn select(task: &Task, count: i32, addresses: [UserAddr; 3], timeout: Timeout) -> SysResult {
    let files = task.files();
    let count = usize::try_from(count).map_err(|_| Errno::EINVAL)?.min(files.size());
    let bytes = count.div_ceil(64) * 8;
    let mut sets: [Vec<u8>; 3] = [vec![0; bytes], vec![0; bytes], vec![0; bytes]];
    for (set, address) in sets.iter_mut().zip(addresses).filter(|(_, address)| !address.is_null()) {
        read_bytes(address, set)?;
    }
    let mut questions = Vec::new();
    let mut asked = Vec::new();
    for fd in 0..count {
        let in_set = |(set, _): &(&Vec<u8>, PollEvents)| has_bit(set, fd);
        let wanted = sets.iter().zip(SETS).filter(in_set).fold(PollEvents::empty(), |all, (_, events)| all | events);
        if !wanted.is_empty() {
            questions.push(Question::new(Some(files.get(fd as i32)?), wanted));
            asked.push(fd);
        }
    }
    wait_for_sets(&mut questions, timeout, &mut sets, &asked)?;
    let mut ready = 0;
    for (set, address) in sets.iter().zip(addresses).filter(|(_, address)| !address.is_null()) {
        ready += set.iter().map(|byte| u64::from(byte.count_ones())).sum::<u64>();
        write_bytes(address, set)?;
    }
    Ok(ready)
}

/// Waits, and leaves in the sets what is ready.
fn wait_for_sets(questions: &mut [Question], timeout: Timeout, sets: &mut [Vec<u8>; 3], asked: &[usize]) -> Result<()> {
    wait(questions, timeout)?;
    for (set, counts) in sets.iter_mut().zip(SETS) {
        let before = core::mem::replace(set, vec![0; set.len()]);
        for (&fd, question) in asked.iter().zip(questions.iter()) {
            if has_bit(&before, fd)
                && question.answer.intersects(counts)
                && let Some(byte) = set.get_mut(fd / 8)
            {
                *byte |= 1 << (fd % 8);
            }
        }
    }
    Ok(())
}

/// select(2)
pub fn sys_select(task: &Task, args: &Args) -> SysResult {
    const UNITS: u64 = 1_000_000;
    let timeout = Timeout::read(args.addr(4), UNITS)?;
    let result = select(task, args.int(0), [args.addr(1), args.addr(2), args.addr(3)], timeout);
    timeout.write_rest(args.addr(4), UNITS);
    result
}

/// pselect6(2): the sixth argument points to mask and size of the mask.
pub fn sys_pselect6(task: &Task, args: &Args) -> SysResult {
    let timeout = Timeout::read(args.addr(4), NS_PER_SECOND)?;
    let mask = match args.addr(5) {
        UserAddr::NULL => None,
        address => {
            let [mask, size]: [u64; 2] = read_value(address)?;
            read_mask(UserAddr::new(mask), size as usize)?
        }
    };
    let sets = [args.addr(1), args.addr(2), args.addr(3)];
    let result = with_mask(task, mask, || select(task, args.int(0), sets, timeout));
    timeout.write_rest(args.addr(4), NS_PER_SECOND);
    result
}
