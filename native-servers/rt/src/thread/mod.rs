//! Threads and parking, the same on the target and on the host.
//!
//! Whether a thread may go on is always said by an atomic flag (the park permit, or a lock's `woken`); the kernel's
//! notification (on the host: the standard library's parking) only says "look again". So a stray or stale signal is
//! harmless, and a wake-up meant for a lock is never taken for an `unpark`.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use core::marker::PhantomData;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ukernel_user::{Cap, Notification, SchedContext, Thread};

use crate::os::{self, Sleeper};
use crate::sync::SpinLock;
use crate::{Error, time};

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// A thread, as others see it.
#[derive(Clone)]
pub struct ThreadHandle(Arc<Shared>);

/// What a thread shares with those that hold its handle.
struct Shared {
    id: u64,
    name: String,
    permit: AtomicBool,
    /// The thread sleeps or is about to: whoever sets one of its flags must wake it.
    asleep: AtomicBool,
    ended: AtomicBool,
    joiner: SpinLock<Option<ThreadHandle>>,
    sleeper: Sleeper,
}

/// The right to wait for a thread's end.
#[derive(Debug)]
pub struct JoinHandle(ThreadHandle);

/// Starts a thread.
///
/// # Errors
/// [`Error::OutOfMemory`] where there is no memory (or no slot) for its stack and kernel objects.
pub fn spawn(name: &str, stack_bytes: usize, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle, Error> {
    let handle = os::spawn(name, stack_bytes, Box::new(body), 0)?;
    Ok(JoinHandle(handle))
}

/// As [`spawn`], a thread that is [raised](raise) from its first instruction until whoever joins it was told of its end. (One that
/// raises itself has to wait for its turn before it does; one that lowers itself, before its end is told.)
///
/// # Errors
/// As [`spawn`].
pub fn spawn_raised(name: &str, stack_bytes: usize, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle, Error> {
    let handle = os::spawn(name, stack_bytes, Box::new(body), 1)?;
    Ok(JoinHandle(handle))
}

/// The calling thread.
#[must_use]
pub fn current() -> ThreadHandle {
    os::with_current(ThreadHandle::clone)
}

/// Waits until somebody calls [`ThreadHandle::unpark`] for this thread, or did since the last park.
pub fn park() {
    os::with_current(|thread| {
        thread.sleep_until_set(&thread.0.permit, None);
        thread.0.permit.store(false, Ordering::SeqCst);
    });
}

/// As [`park`], but at most until the monotonic time `deadline_ns`; whether it was unparked.
pub fn park_until(deadline_ns: u64) -> bool {
    os::with_current(|thread| {
        thread.sleep_until_set(&thread.0.permit, Some(deadline_ns));
        thread.0.permit.swap(false, Ordering::SeqCst)
    })
}

/// Waits until the monotonic time `deadline_ns`.
pub fn sleep_until(deadline_ns: u64) {
    let never = AtomicBool::new(false);
    os::with_current(|thread| thread.sleep_until_set(&never, Some(deadline_ns)));
}

/// Lets other threads of the task's priority run.
pub fn yield_now() {
    os::yield_now();
}

/// A raised priority, until it is dropped; not to be given to another thread.
#[derive(Debug)]
#[must_use = "the priority is lowered at once when this is not kept"]
pub struct Raised(PhantomData<*const ()>);

/// Puts the calling thread before all others of its task: for what those wait for, and what does not take long itself. Locks
/// work as ever (see [`SpinLock`]).
pub fn raise() -> Raised {
    os::raise();
    Raised(PhantomData)
}

impl Drop for Raised {
    fn drop(&mut self) {
        os::lower();
    }
}

/// The word of thread-local storage that belongs to the server; 0 at first.
#[must_use]
pub fn local() -> usize {
    os::local()
}

/// Sets the word of thread-local storage that belongs to the server.
pub fn set_local(value: usize) {
    os::set_local(value);
}

/// The kernel objects of a thread; on the host all are [`Cap::NULL`].
#[derive(Clone, Copy, Debug)]
pub struct RawThread {
    /// The thread.
    pub thread: Cap<Thread>,
    /// Its processor time.
    pub sched_context: Cap<SchedContext>,
    /// What it parks on.
    pub notification: Cap<Notification>,
}

/// The calling thread's kernel objects: to bind a Vcpu, change its VSpace, declare FPU state.
#[must_use]
pub fn raw() -> RawThread {
    os::raw()
}

/// The priority of the task's threads; on the host 0.
#[must_use]
pub fn priority() -> u8 {
    os::priority()
}

impl ThreadHandle {
    /// A handle for a thread that `sleeper` can wake.
    pub(crate) fn new(name: &str, sleeper: Sleeper) -> Self {
        Self(Arc::new(Shared {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            name: name.into(),
            permit: AtomicBool::new(false),
            asleep: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            joiner: SpinLock::new(None),
            sleeper,
        }))
    }

    /// Lets the thread's next (or current) [`park`] return; several calls before it count as one.
    pub fn unpark(&self) {
        self.0.permit.store(true, Ordering::SeqCst);
        self.wake();
    }

    /// A number that no other thread of this task ever has.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.0.id
    }

    /// The name given at the start.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Whether the thread's body has returned.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.0.ended.load(Ordering::SeqCst)
    }

    /// Makes the thread look at its flags again, if it sleeps.
    pub(crate) fn wake(&self) {
        if self.0.asleep.load(Ordering::SeqCst) {
            self.0.sleeper.wake();
        }
    }

    /// Sleeps until `flag` is set or the deadline is over; whether it is set. Only for the thread itself.
    pub(crate) fn sleep_until_set(&self, flag: &AtomicBool, deadline_ns: Option<u64>) -> bool {
        // `asleep` before the flag is looked at, the flag before `asleep` is looked at (in `wake`): one of us sees the
        // other.
        self.0.asleep.store(true, Ordering::SeqCst);
        let set = loop {
            if flag.load(Ordering::SeqCst) {
                break true;
            }
            if deadline_ns.is_some_and(|deadline| time::now_ns() >= deadline) {
                break false;
            }
            self.0.sleeper.sleep(deadline_ns);
        };
        self.0.asleep.store(false, Ordering::SeqCst);
        set
    }

    /// Says that the thread's body has returned; its last act as a thread with a handle.
    pub(crate) fn end(&self) {
        self.0.ended.store(true, Ordering::SeqCst);
        let joiner = self.0.joiner.lock().take();
        if let Some(joiner) = joiner {
            joiner.wake();
        }
    }
}

impl JoinHandle {
    /// Waits for the thread's end.
    pub fn join(self) {
        let me = current();
        *self.0.0.joiner.lock() = Some(me.clone());
        me.sleep_until_set(&self.0.0.ended, None);
    }

    /// The thread.
    #[must_use]
    pub fn thread(&self) -> &ThreadHandle {
        &self.0
    }
}

impl fmt::Debug for ThreadHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "thread {} \"{}\"", self.0.id, self.0.name)
    }
}

impl PartialEq for ThreadHandle {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for ThreadHandle {}
