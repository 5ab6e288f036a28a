//! The host back end: threads, parking and time of the standard library, so that everything above `rt` is tested on the
//! host. There is no kernel: no grants, and no capabilities but the invented ones of shared memory.

pub(crate) mod memory;

use alloc::boxed::Box;
use std::cell::{Cell, OnceCell};
use std::sync::LazyLock;
use std::thread_local;
use std::time::{Duration, Instant};

use ukernel_user::Cap;

use crate::Error;
use crate::thread::{RawThread, ThreadHandle};

thread_local! {
    static CURRENT: OnceCell<ThreadHandle> = const { OnceCell::new() };
    static LOCAL: Cell<usize> = const { Cell::new(0) };
}

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Makes a host thread sleep and wakes it.
pub(crate) struct Sleeper(std::thread::Thread);

impl Sleeper {
    pub(crate) fn sleep(&self, deadline_ns: Option<u64>) {
        match deadline_ns {
            None => std::thread::park(),
            Some(deadline) => std::thread::park_timeout(Duration::from_nanos(deadline.saturating_sub(now_ns()))),
        }
    }

    pub(crate) fn wake(&self) {
        self.0.unpark();
    }
}

pub(crate) fn with_current<R>(f: impl FnOnce(&ThreadHandle) -> R) -> R {
    CURRENT.with(|current| f(current.get_or_init(adopt)))
}

/// A handle for a thread that `rt` did not start: the test's own.
fn adopt() -> ThreadHandle {
    let thread = std::thread::current();
    ThreadHandle::new(thread.name().unwrap_or("host"), Sleeper(thread.clone()))
}

pub(crate) fn spawn(
    name: &str,
    stack_bytes: usize,
    body: Box<dyn FnOnce() + Send + 'static>,
    _raised: u32,
) -> Result<ThreadHandle, Error> {
    let (sender, receiver) = std::sync::mpsc::channel::<ThreadHandle>();
    // Unoptimised host code needs deeper stacks than the target's.
    let builder = std::thread::Builder::new().name(name.into()).stack_size(stack_bytes.max(1 << 20));
    let started = builder.spawn(move || {
        // The spawner sends at once; it cannot have gone without.
        let Ok(me) = receiver.recv() else { return };
        CURRENT.with(|current| current.set(me.clone())).expect("a fresh thread has no handle yet");
        let end = EndOnDrop(me);
        body();
        drop(end);
    });
    let thread = started.map_err(|_| Error::OutOfMemory)?.thread().clone();
    let handle = ThreadHandle::new(name, Sleeper(thread));
    sender.send(handle.clone()).expect("the new thread waits for its handle");
    Ok(handle)
}

/// Marks the thread as ended even when a test's assertion unwinds it.
struct EndOnDrop(ThreadHandle);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.end();
    }
}

pub(crate) const fn raise() {}

pub(crate) const fn lower() {}

pub(crate) fn yield_now() {
    std::thread::yield_now();
}

pub(crate) fn raw() -> RawThread {
    RawThread { thread: Cap::NULL, sched_context: Cap::NULL, notification: Cap::NULL }
}

pub(crate) fn priority() -> u8 {
    0
}

pub(crate) fn local() -> usize {
    LOCAL.get()
}

pub(crate) fn set_local(value: usize) {
    LOCAL.set(value);
}

pub(crate) fn now_ns() -> u64 {
    START.elapsed().as_nanos() as u64
}

pub(crate) const fn idle_ns() -> u64 {
    0
}

pub(crate) fn cpus() -> u32 {
    1
}

pub(crate) fn cpu() -> u32 {
    0
}

pub(crate) fn tsc_hz() -> u64 {
    1_000_000_000
}
