//! Timers of processes: the three interval timers of setitimer(2) and those of timer_create(2); sleeping; alarms of
//! whoever else waits for a time ([`Alarm`]).
//!
//! One thread of the personality waits for the earliest of all deadlines. Timers that count processor time are looked
//! at when they could have expired at the earliest, and again later if they have not.
//!
//! Invariant: an armed timer has exactly one entry in the queue, and knows its key; an entry whose key no timer has is
//! stale and means nothing. Lock order: a process's expiry, its timers, the queue; signals are sent with only the first held, so that
//! whoever sets or deletes a timer waits for what it has just begun to send, and gets nothing of it later.

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};

use guest_memory::UserAddr;
use linux_abi::{Errno, Result};
use rt::sync::{Mutex, OnceCell};
use rt::thread::ThreadHandle;
use sync::{WaitError, Waiter, Woken};

use crate::futex::FutexWait;
use crate::signal::{Fields, SigInfo, Signal};
use crate::{Pid, Process, send_to_process, send_to_task, system};

/// Most timers of timer_create(2) in one process.
const MAX_POSIX_TIMERS: usize = 256;
/// Timers of processor time are looked at no more often than this.
const MIN_LOOK_NS: u64 = 1_000_000;
const STACK_BYTES: usize = 64 << 10;

/// What restart_syscall(2) goes on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SleepRestart {
    /// nanosleep(2) and clock_nanosleep(2).
    Sleep {
        /// Monotonic.
        deadline_ns: u64,
        /// Where the rest of the time is written if a signal interrupts it; may be null.
        rest: UserAddr,
    },
    /// futex(2) with a timeout.
    Futex(FutexWait),
}

/// What a timer counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimerClock {
    /// Time.
    Monotonic,
    /// Processor time of the process.
    Processor,
}

/// The interval timers of setitimer(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntervalTimer {
    /// Real time, `SIGALRM`.
    Real,
    /// Processor time in user mode, `SIGVTALRM`.
    Virtual,
    /// Processor time, `SIGPROF`.
    Profiling,
}

impl IntervalTimer {
    const fn signal(self) -> Signal {
        match self {
            Self::Real => Signal::SIGALRM,
            Self::Virtual => Signal::SIGVTALRM,
            Self::Profiling => Signal::SIGPROF,
        }
    }

    const fn clock(self) -> TimerClock {
        match self {
            Self::Real => TimerClock::Monotonic,
            Self::Virtual | Self::Profiling => TimerClock::Processor,
        }
    }
}

/// What a timer is set to: time until it expires (0: never) and between later expirations (0: none follow).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Setting {
    /// Until it expires.
    pub value_ns: u64,
    /// Afterwards.
    pub interval_ns: u64,
}

/// What happens when a timer of timer_create(2) expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The signal; `None` is `SIGEV_NONE`.
    pub signal: Option<Signal>,
    /// The thread that gets it; `None` is the process.
    pub thread: Option<Pid>,
    /// `si_value`; `None` is the timer's number.
    pub value: Option<u64>,
}

type Key = (u64, u64);

#[derive(Clone, Copy, Default)]
struct Timer {
    /// On the timer's clock; 0 is not armed.
    deadline_ns: u64,
    interval_ns: u64,
    key: Option<Key>,
}

struct PosixTimer {
    clock: TimerClock,
    notice: Notice,
    overruns: i32,
    timer: Timer,
}

/// The timers of a process.
#[derive(Default)]
pub struct ProcessTimers {
    intervals: [Timer; 3],
    posix: BTreeMap<i32, PosixTimer>,
    next_id: i32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Slot {
    Interval(IntervalTimer),
    Posix(i32),
}

impl ProcessTimers {
    fn timer(&mut self, slot: Slot) -> Option<&mut Timer> {
        match slot {
            Slot::Interval(IntervalTimer::Real) => self.intervals.first_mut(),
            Slot::Interval(IntervalTimer::Virtual) => self.intervals.get_mut(1),
            Slot::Interval(IntervalTimer::Profiling) => self.intervals.get_mut(2),
            Slot::Posix(id) => self.posix.get_mut(&id).map(|posix| &mut posix.timer),
        }
    }

    fn clock(&self, slot: Slot) -> TimerClock {
        match slot {
            Slot::Interval(which) => which.clock(),
            Slot::Posix(id) => self.posix.get(&id).map_or(TimerClock::Monotonic, |posix| posix.clock),
        }
    }
}

/// Wants to be told when a time has come.
pub trait Alarm: Send + Sync {
    /// The time has come. Called by the timers' own thread, which must not wait; nothing is locked.
    fn ring(&self);
}

/// Who is told.
#[derive(Clone)]
enum Target {
    Process(Weak<Process>, Slot),
    Alarm(Weak<dyn Alarm>),
}

/// All armed timers, by the time at which they are to be looked at.
struct Queue {
    entries: BTreeMap<Key, Target>,
    serial: u64,
}

static QUEUE: Mutex<Queue> = Mutex::new(Queue { entries: BTreeMap::new(), serial: 0 });
static THREAD: OnceCell<ThreadHandle> = OnceCell::new();

/// Starts the thread that waits for deadlines. Once, at the start.
///
/// # Errors
/// `EAGAIN` if there is no room for a thread.
pub fn start_timer_thread() -> Result<()> {
    let handle = rt::thread::spawn("timer", STACK_BYTES, run).map_err(|_| Errno::EAGAIN)?;
    let _ = THREAD.set(handle.thread().clone());
    Ok(())
}

fn run() {
    loop {
        let now = rt::time::now_ns();
        match take_due(now) {
            Ok((key, Target::Process(process, slot))) => {
                if let Some(process) = process.upgrade() {
                    expire(&process, slot, key);
                }
            }
            Ok((_, Target::Alarm(alarm))) => {
                if let Some(alarm) = alarm.upgrade() {
                    alarm.ring();
                }
            }
            Err(Some(next)) => {
                rt::thread::park_until(next);
            }
            Err(None) => rt::thread::park(),
        }
    }
}

/// Takes the first entry if it is due; else tells when the next one is.
fn take_due(now: u64) -> core::result::Result<(Key, Target), Option<u64>> {
    let mut queue = QUEUE.lock();
    match queue.entries.first_key_value() {
        Some((key, _)) if key.0 > now => Err(Some(key.0)),
        Some(_) => queue.entries.pop_first().ok_or(None),
        None => Err(None),
    }
}

fn now_on(clock: TimerClock, process: &Process) -> u64 {
    match clock {
        TimerClock::Monotonic => rt::time::now_ns(),
        TimerClock::Processor => {
            let usage = process.usage();
            usage.user_ns.saturating_add(usage.system_ns)
        }
    }
}

/// Enters a deadline on a clock that shows `now`.
fn schedule(process: &Arc<Process>, slot: Slot, clock: TimerClock, deadline_ns: u64, now: u64) -> Key {
    let at = match clock {
        TimerClock::Monotonic => deadline_ns,
        TimerClock::Processor => rt::time::now_ns().saturating_add(deadline_ns.saturating_sub(now).max(MIN_LOOK_NS)),
    };
    enqueue(at, Target::Process(Arc::downgrade(process), slot))
}

fn enqueue(at: u64, target: Target) -> Key {
    let mut queue = QUEUE.lock();
    queue.serial += 1;
    let key = (at, queue.serial);
    let is_first = queue.entries.first_key_value().is_none_or(|(first, _)| key < *first);
    queue.entries.insert(key, target);
    drop(queue);
    if is_first && let Some(thread) = THREAD.get() {
        thread.unpark();
    }
    key
}

/// An alarm that may still ring.
#[derive(Debug)]
pub struct AlarmKey(Key);

/// Lets an alarm ring at a time of the monotonic clock, or at once if that is past.
pub fn ring_at(deadline_ns: u64, alarm: Weak<dyn Alarm>) -> AlarmKey {
    AlarmKey(enqueue(deadline_ns, Target::Alarm(alarm)))
}

/// Lets an alarm not ring. It may be doing so just now.
pub fn cancel_alarm(AlarmKey(key): AlarmKey) {
    QUEUE.lock().entries.remove(&key);
}

fn unschedule(timer: &mut Timer) {
    if let Some(key) = timer.key.take() {
        QUEUE.lock().entries.remove(&key);
    }
}

/// Looks at a timer whose time may have come.
fn expire(process: &Arc<Process>, slot: Slot, key: Key) {
    let _expiry = process.expiry.lock();
    let clock = process.timers.lock().clock(slot);
    let now = now_on(clock, process);
    let mut timers = process.timers.lock();
    let Some(timer) = timers.timer(slot).filter(|timer| timer.key == Some(key)) else { return };
    if now < timer.deadline_ns {
        timer.key = Some(schedule(process, slot, clock, timer.deadline_ns, now));
        return;
    }
    let late = (now - timer.deadline_ns).checked_div(timer.interval_ns).unwrap_or(0);
    (timer.key, timer.deadline_ns) = match timer.interval_ns {
        0 => (None, 0),
        interval => {
            let next = timer.deadline_ns.saturating_add(interval.saturating_mul(late.saturating_add(1)));
            (Some(schedule(process, slot, clock, next, now)), next)
        }
    };
    let notice = match (slot, slot_id(slot).and_then(|id| timers.posix.get_mut(&id))) {
        (Slot::Posix(id), Some(posix)) => {
            posix.overruns = i32::try_from(late).unwrap_or(i32::MAX);
            posix.notice.info(id, posix.overruns).map(|info| (posix.notice.thread, info))
        }
        (Slot::Interval(which), _) => Some((None, SigInfo::kernel(which.signal()))),
        (Slot::Posix(_), None) => None,
    };
    drop(timers);
    if let Some((thread, info)) = notice {
        notify(process, thread, info);
    }
}

const fn slot_id(slot: Slot) -> Option<i32> {
    match slot {
        Slot::Posix(id) => Some(id),
        Slot::Interval(_) => None,
    }
}

impl Notice {
    fn info(&self, id: i32, overrun: i32) -> Option<SigInfo> {
        const SI_TIMER: i32 = -2;
        let value = self.value.unwrap_or(id as u64);
        self.signal.map(|signal| SigInfo {
            signal,
            errno: 0,
            code: SI_TIMER,
            fields: Fields::Timer { id, overrun, value },
        })
    }
}

fn notify(process: &Process, thread: Option<Pid>, info: SigInfo) {
    match thread {
        None => send_to_process(process, info),
        Some(tid) => {
            let task = system().tree().thread(tid).cloned();
            if let Some(task) = task.filter(|task| task.pid() == process.pid) {
                send_to_task(&task, info);
            }
        }
    }
}

impl Timer {
    fn setting(&self, now: u64) -> Setting {
        let value_ns = match self.deadline_ns {
            0 => 0,
            // A timer that is due but was not seen yet is still armed, and 0 would say that it is not.
            deadline => deadline.saturating_sub(now).max(1),
        };
        Setting { value_ns, interval_ns: self.interval_ns }
    }
}

/// Sets a timer; `absolute` makes its value a time on its clock. Returns what it was.
fn set(process: &Arc<Process>, slot: Slot, new: Setting, absolute: bool) -> Result<Setting> {
    let _expiry = process.expiry.lock();
    let clock = process.timers.lock().clock(slot);
    let now = now_on(clock, process);
    let mut timers = process.timers.lock();
    let timer = timers.timer(slot).ok_or(Errno::EINVAL)?;
    let old = timer.setting(now);
    unschedule(timer);
    *timer = Timer::default();
    if new.value_ns != 0 {
        let deadline = if absolute { new.value_ns } else { now.saturating_add(new.value_ns) };
        *timer = Timer { deadline_ns: deadline.max(1), interval_ns: new.interval_ns, key: None };
        timer.key = Some(schedule(process, slot, clock, timer.deadline_ns, now));
    }
    Ok(old)
}

fn get(process: &Arc<Process>, slot: Slot) -> Result<Setting> {
    let clock = process.timers.lock().clock(slot);
    let now = now_on(clock, process);
    process.timers.lock().timer(slot).map(|timer| timer.setting(now)).ok_or(Errno::EINVAL)
}

/// setitimer(2); returns what was set before.
pub fn set_interval(process: &Arc<Process>, which: IntervalTimer, new: Setting) -> Setting {
    set(process, Slot::Interval(which), new, false).unwrap_or_default()
}

/// getitimer(2).
pub fn interval(process: &Arc<Process>, which: IntervalTimer) -> Setting {
    get(process, Slot::Interval(which)).unwrap_or_default()
}

/// timer_create(2).
///
/// # Errors
/// `EAGAIN` if the process has too many.
pub fn create(process: &Process, clock: TimerClock, notice: Notice) -> Result<i32> {
    let mut timers = process.timers.lock();
    if timers.posix.len() >= MAX_POSIX_TIMERS {
        return Err(Errno::EAGAIN);
    }
    while timers.posix.contains_key(&timers.next_id) {
        timers.next_id = timers.next_id.wrapping_add(1) & i32::MAX;
    }
    let id = timers.next_id;
    timers.next_id = id.wrapping_add(1) & i32::MAX;
    timers.posix.insert(id, PosixTimer { clock, notice, overruns: 0, timer: Timer::default() });
    Ok(id)
}

/// timer_settime(2).
///
/// # Errors
/// `EINVAL`: no such timer.
pub fn set_timer(process: &Arc<Process>, id: i32, new: Setting, absolute: bool) -> Result<Setting> {
    set(process, Slot::Posix(id), new, absolute)
}

/// timer_gettime(2).
///
/// # Errors
/// `EINVAL`: no such timer.
pub fn timer(process: &Arc<Process>, id: i32) -> Result<Setting> {
    get(process, Slot::Posix(id))
}

/// timer_getoverrun(2).
///
/// # Errors
/// `EINVAL`: no such timer.
pub fn overruns(process: &Process, id: i32) -> Result<i32> {
    process.timers.lock().posix.get(&id).map(|posix| posix.overruns).ok_or(Errno::EINVAL)
}

/// timer_delete(2).
///
/// # Errors
/// `EINVAL`: no such timer.
pub fn delete(process: &Process, id: i32) -> Result<()> {
    let _expiry = process.expiry.lock();
    let mut removed = process.timers.lock().posix.remove(&id).ok_or(Errno::EINVAL)?;
    unschedule(&mut removed.timer);
    Ok(())
}

/// Deletes the timers of timer_create(2): execve(2) does.
pub fn delete_posix_timers(process: &Process) {
    for posix in core::mem::take(&mut process.timers.lock().posix).values_mut() {
        unschedule(&mut posix.timer);
    }
}

/// Takes all timers away: the process ends.
pub fn cancel_all(process: &Process) {
    let mut timers = core::mem::take(&mut *process.timers.lock());
    for timer in timers.intervals.iter_mut().chain(timers.posix.values_mut().map(|posix| &mut posix.timer)) {
        unschedule(timer);
    }
}

/// Sleeps until a monotonic time.
///
/// # Errors
/// [`WaitError::Interrupted`]; never `TimedOut`.
pub fn sleep_until(deadline_ns: u64) -> core::result::Result<(), WaitError> {
    let waiter = Waiter::current();
    loop {
        if rt::time::now_ns() >= deadline_ns {
            return Ok(());
        }
        if waiter.is_interrupted() {
            return Err(WaitError::Interrupted);
        }
        if waiter.park(Some(deadline_ns)) == Woken::TimedOut {
            return Ok(());
        }
    }
}

#[cfg(test)]
#[path = "timer_tests.rs"]
mod tests;
