//! A task: one thread of a legacy program.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering};

use guest_memory::fpu::FpuState;
use linux_abi::{Errno, Result};
use mm::AddressSpace;
use rt::sync::Mutex;
use vfs::{Credentials, FdTable, FsContext};

use crate::exit::VforkGate;
use crate::signal::{Pending, SigInfo, SigSet, Signal};
use crate::{ExitStatus, Pid, Process, Seat, Usage};

/// The stack that `SA_ONSTACK` handlers run on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AlternateStack {
    /// Lowest address.
    pub start: u64,
    /// Bytes; 0 is none.
    pub bytes: u64,
    /// `SS_AUTODISARM`.
    pub disarms: bool,
}

impl AlternateStack {
    /// Whether a stack pointer is in it.
    pub fn holds(&self, pointer: u64) -> bool {
        !self.disarms && self.bytes > 0 && pointer > self.start && pointer - self.start <= self.bytes
    }
}

/// Signals of a thread.
#[derive(Default)]
pub struct TaskSignals {
    /// Sent to this thread.
    pub pending: Pending,
    /// Blocked.
    pub blocked: SigSet,
    /// Blocked, but waited for by sigtimedwait(2).
    pub waited: SigSet,
    /// The mask to go back to, while a call has set another one.
    pub saved: Option<SigSet>,
    /// The alternate stack.
    pub stack: AlternateStack,
}

/// What a thread may share with others.
#[derive(Clone)]
pub struct Resources {
    /// Descriptors.
    pub files: Arc<FdTable>,
    /// Root, working directory, umask.
    pub fs: Arc<FsContext>,
    /// Who it is.
    pub credentials: Arc<Credentials>,
    /// Its memory.
    pub space: Arc<AddressSpace>,
}

/// A thread.
pub struct Task {
    tid: AtomicI32,
    /// The process it is of.
    pub process: Arc<Process>,
    /// Where it sits.
    pub seat: Arc<Seat>,
    /// Something is to be attended to before its program runs on.
    work: AtomicBool,
    /// `None` once it has ended.
    resources: Mutex<Option<Resources>>,
    /// Its signals.
    pub signals: Mutex<TaskSignals>,
    /// Its name, filled with zeros.
    pub name: Mutex<[u8; 16]>,
    /// Cleared and woken at its end.
    pub clear_child_tid: AtomicU64,
    /// Head of its list of robust futexes.
    pub robust_list: AtomicU64,
    /// `PR_SET_PDEATHSIG`.
    pub parent_death_signal: AtomicU32,
    /// `PR_SET_NO_NEW_PRIVS`.
    pub no_new_privileges: AtomicBool,
    /// Opened when it no longer uses its parent's memory.
    pub(crate) vfork: Mutex<Option<Arc<VforkGate>>>,
    /// Floating-point state to start with.
    pub(crate) start_fpu: Mutex<Option<Box<FpuState>>>,
    /// What restart_syscall(2) does: the deadline of the sleep that was interrupted, and where its rest goes.
    pub sleep_restart: Mutex<Option<crate::timer::SleepRestart>>,
    /// It called exit(2).
    exiting: Mutex<Option<ExitStatus>>,
    /// When it started, monotonic.
    pub start_ns: u64,
    /// The waiter's blocked time when it started: seats are reused.
    blocked_before_ns: u64,
    /// Page faults.
    pub faults: AtomicU64,
}

impl Task {
    /// A thread that is not in the tree yet.
    pub fn new(tid: Pid, process: Arc<Process>, seat: Arc<Seat>, resources: Resources) -> Self {
        Self {
            tid: AtomicI32::new(tid),
            process,
            blocked_before_ns: seat.waiter.blocked_ns(),
            seat,
            work: AtomicBool::new(false),
            resources: Mutex::new(Some(resources)),
            signals: Mutex::new(TaskSignals::default()),
            name: Mutex::new([0; 16]),
            clear_child_tid: AtomicU64::new(0),
            robust_list: AtomicU64::new(0),
            parent_death_signal: AtomicU32::new(0),
            no_new_privileges: AtomicBool::new(false),
            vfork: Mutex::new(None),
            start_fpu: Mutex::new(None),
            sleep_restart: Mutex::new(None),
            exiting: Mutex::new(None),
            start_ns: rt::time::now_ns(),
            faults: AtomicU64::new(0),
        }
    }

    /// Its number.
    pub fn tid(&self) -> Pid {
        self.tid.load(Ordering::Relaxed)
    }

    /// The number of its process.
    pub fn pid(&self) -> Pid {
        self.process.pid
    }

    pub(crate) fn set_tid(&self, tid: Pid) {
        self.tid.store(tid, Ordering::Relaxed);
    }

    fn with_resources<T>(&self, f: impl FnOnce(&mut Resources) -> T) -> T {
        f(self.resources.lock().as_mut().expect("a thread that makes calls has its resources"))
    }

    /// Its descriptors. Only for the thread itself, as are the other accessors without `try_`.
    pub fn files(&self) -> Arc<FdTable> {
        self.with_resources(|r| r.files.clone())
    }

    /// Its root, working directory and umask.
    pub fn fs(&self) -> Arc<FsContext> {
        self.with_resources(|r| r.fs.clone())
    }

    /// Who it is.
    pub fn credentials(&self) -> Arc<Credentials> {
        self.with_resources(|r| r.credentials.clone())
    }

    /// Its memory.
    pub fn address_space(&self) -> Arc<AddressSpace> {
        self.with_resources(|r| r.space.clone())
    }

    /// All of them, unless it has ended.
    pub fn try_resources(&self) -> Option<Resources> {
        self.resources.lock().clone()
    }

    /// Becomes somebody else.
    pub fn set_credentials(&self, credentials: Credentials) {
        let old = self.with_resources(|r| core::mem::replace(&mut r.credentials, Arc::new(credentials)));
        drop(old);
    }

    /// Stops sharing its descriptors: `CLONE_FILES` undone.
    pub fn unshare_files(&self) {
        let files = self.files();
        if Arc::strong_count(&files) > 2 {
            let own = Arc::new(files.duplicate());
            self.with_resources(|r| r.files = own);
        }
    }

    /// Stops sharing root, working directory and umask.
    pub fn unshare_fs(&self) {
        let own = Arc::new(self.fs().duplicate());
        self.with_resources(|r| r.fs = own);
    }

    /// Takes another address space; returns the old one.
    pub(crate) fn replace_space(&self, space: Arc<AddressSpace>) -> Arc<AddressSpace> {
        self.with_resources(|r| core::mem::replace(&mut r.space, space))
    }

    /// Gives everything up, at its end.
    pub(crate) fn take_resources(&self) -> Option<Resources> {
        self.resources.lock().take()
    }

    /// A soft limit; infinity is `u64::MAX`.
    pub fn soft_limit(&self, which: u32) -> u64 {
        self.process.limits.lock().get(which).map_or(u64::MAX, |(soft, _)| soft)
    }

    /// Tells it to attend to something, wherever it is.
    pub fn notify(&self) {
        self.notify_self();
        // The own program does not run now: a kick would only end its next entry.
        if sync::Waiter::current_index() != self.seat.index {
            self.seat.machine.kick();
        }
    }

    /// Makes it look up from its program, but ends no wait.
    pub(crate) fn nudge(&self) {
        self.work.store(true, Ordering::Release);
        if sync::Waiter::current_index() != self.seat.index {
            self.seat.machine.kick();
        }
    }

    /// The same as [`notify`](Self::notify), for the thread itself.
    pub fn notify_self(&self) {
        self.work.store(true, Ordering::Release);
        self.seat.waiter.interrupt();
    }

    /// Whether there is something to attend to.
    pub fn has_work(&self) -> bool {
        self.work.load(Ordering::Acquire)
    }

    /// exit(2): it ends before its program runs on.
    pub fn request_exit(&self, status: ExitStatus) {
        *self.exiting.lock() = Some(status);
        self.notify_self();
    }

    /// What the thread asked for by [`request_exit`](Self::request_exit).
    pub fn requested_exit(&self) -> Option<ExitStatus> {
        *self.exiting.lock()
    }

    /// The floating-point state that it is to start with, once.
    pub fn take_start_fpu(&self) -> Option<Box<FpuState>> {
        self.start_fpu.lock().take()
    }

    pub(crate) fn begin_attending(&self) {
        self.work.store(false, Ordering::Release);
        self.seat.waiter.clear_interrupt();
    }

    /// Sends itself a signal, as from the kernel: `SIGPIPE`, `SIGXFSZ`.
    pub fn raise_signal(&self, number: u32) {
        if let Ok(signal) = Signal::new(number.into()) {
            self.raise(SigInfo::user(signal, self.pid(), 0));
        }
    }

    /// Sends itself a signal.
    pub fn raise(&self, info: SigInfo) {
        let limit = self.process.signal_limit();
        self.signals.lock().pending.raise(info, limit);
        self.notify_self();
    }

    /// Blocks other signals until the call ends: ppoll, pselect, sigsuspend.
    pub fn set_temporary_signal_mask(&self, mask: u64) {
        let mut signals = self.signals.lock();
        let old = core::mem::replace(&mut signals.blocked, SigSet(mask).without(SigSet::UNBLOCKABLE));
        signals.saved.get_or_insert(old);
        drop(signals);
        self.check_pending();
    }

    /// Takes that back.
    pub fn restore_signal_mask(&self) {
        let mut signals = self.signals.lock();
        if let Some(saved) = signals.saved.take() {
            signals.blocked = saved;
        }
        drop(signals);
        self.check_pending();
    }

    /// Changes the mask for good.
    pub fn set_blocked(&self, mask: SigSet) {
        self.signals.lock().blocked = mask.without(SigSet::UNBLOCKABLE);
        self.check_pending();
    }

    /// Looks whether a pending signal is not blocked (any more).
    pub fn check_pending(&self) {
        let shared = self.process.pending.lock().set();
        let signals = self.signals.lock();
        let ready =
            !signals.pending.set().without(signals.blocked).is_empty() || !shared.without(signals.blocked).is_empty();
        drop(signals);
        if ready {
            self.notify_self();
        }
    }

    /// What it has used.
    pub fn usage(&self) -> Usage {
        let lived = rt::time::now_ns().saturating_sub(self.start_ns);
        let blocked = self.seat.waiter.blocked_ns().saturating_sub(self.blocked_before_ns);
        let rss = self.resources.lock().as_ref().map_or(0, |r| r.space.resident_pages().0 * 4);
        Usage {
            user_ns: lived.saturating_sub(blocked),
            system_ns: 0,
            max_rss_kib: rss,
            minor_faults: self.faults.load(Ordering::Relaxed),
            voluntary_switches: 0,
        }
    }

    /// Takes a name of at most 15 bytes.
    pub fn set_name(&self, name: &[u8]) {
        let mut bytes = [0; 16];
        let count = name.len().min(15);
        bytes[..count].copy_from_slice(&name[..count]);
        *self.name.lock() = bytes;
    }

    /// Whether the thread may send signals to another process (kill(2)).
    ///
    /// # Errors
    /// `EPERM`.
    pub fn require_kill(&self, target: &Credentials) -> Result<()> {
        let own = self.credentials();
        let same = [own.uid, own.euid].iter().any(|id| *id == target.uid || *id == target.suid);
        if same || own.has(vfs::Capability::Kill) { Ok(()) } else { Err(Errno::EPERM) }
    }
}
