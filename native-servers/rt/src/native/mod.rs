//! The back end on the kernel: threads, parking and time from kernel objects.
//!
//! * [`start`]: from a StartInfo to `main`; [`root`]: the same for the root task
//! * [`local`]: the thread-local block; [`stack`]: stacks and message pages
//! * [`memory`]: what shared memory is made of
//! * [`heap`], [`clock`], [`panic`]

mod clock;
pub mod heap;
mod local;
pub(crate) mod memory;
mod panic;
mod root;
mod stack;
mod start;
mod time;

use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;

use ukernel_user::object::StartRegisters;
use ukernel_user::{Cap, Error, Notification, Rights, Thread, Timer};

use crate::sync::SpinLock;
use crate::thread::{RawThread, ThreadHandle};
use crate::{cap, object, own};

pub(crate) use clock::{cpu, cpus, idle_ns, now_ns, tsc_hz};
use local::{LOCAL_BYTES, Local};
pub use root::{boot_archive, root_info, start_root};
use stack::Stack;
pub use start::start;

/// Badge of the timer's signals on a thread's notification.
const TIMER_BADGE: u64 = 2;
/// Badge of others' signals.
const WAKE_BADGE: u64 = 1;
const PAGE: u64 = ukernel_abi::PAGE_BYTES;

/// How long a thread with a raised priority lets others run when it yields, in nanoseconds.
const NAP_NS: u64 = 20_000;

type Body = Box<dyn FnOnce() + Send + 'static>;

/// Makes a thread sleep and wakes it, through its notification.
#[derive(Clone, Copy)]
pub(crate) struct Sleeper {
    notification: Cap<Notification>,
    wake: Cap<Notification>,
    timer: Cap<Timer>,
}

impl Sleeper {
    /// A sleeper for a thread that has `notification`: the notification itself has badge 0, which signals nothing.
    fn new(notification: Cap<Notification>) -> Result<Self, Error> {
        let wake = cap::mint(notification, Rights::SEND, WAKE_BADGE)?;
        let alarm = cap::mint(notification, Rights::SEND, TIMER_BADGE)?;
        let timer = object::create::<Timer>(0)?;
        timer.bind(alarm)?;
        Ok(Self { notification, wake, timer })
    }

    /// Sleeps until woken or until about the deadline; perhaps for no reason at all.
    pub(crate) fn sleep(&self, deadline_ns: Option<u64>) {
        if let Some(deadline) = deadline_ns {
            self.timer.arm(clock::ticks_at(deadline)).expect("the timer is bound");
        }
        self.notification.wait().expect("the notification is this thread's own");
        if deadline_ns.is_some() {
            // A signal that it has sent already only makes the next sleep short.
            self.timer.cancel().expect("the timer is this thread's own");
        }
    }

    pub(crate) fn wake(&self) {
        self.wake.signal().expect("threads' notifications are never deleted");
    }
}

/// The kernel objects of a thread that has ended, to be used for the next one.
#[derive(Clone, Copy)]
struct Record {
    raw: RawThread,
    sleeper: Sleeper,
    stack: Stack,
}

/// Records of ended threads. Their kernel threads may still be on their last instructions: they are stopped before reuse.
static ENDED: SpinLock<Vec<Record>> = SpinLock::new(Vec::new());
/// Settings that new threads inherit.
static DEFAULTS: SpinLock<Defaults> = SpinLock::new(Defaults { priority: 0, fpu: false });

/// The task's name, which its threads have in traces in front of their own.
static TASK: SpinLock<&'static str> = SpinLock::new("");

#[derive(Clone, Copy)]
struct Defaults {
    priority: u8,
    fpu: bool,
}

/// What a new thread starts with, at the top of its stack below the thread-local block.
struct Start {
    body: Body,
    record: Record,
}

pub(crate) fn with_current<R>(f: impl FnOnce(&ThreadHandle) -> R) -> R {
    f(Local::current().handle.borrow().as_ref().expect("a thread has its handle from its start to its end"))
}

pub(crate) fn priority() -> u8 {
    DEFAULTS.lock().priority
}

/// Starts a thread whose priority is raised already, so many times.
pub(crate) fn spawn(name: &str, stack_bytes: usize, body: Body, raised: u32) -> Result<ThreadHandle, Error> {
    let pages = (stack_bytes as u64 + LOCAL_BYTES).div_ceil(PAGE).max(2);
    let record = match take_ended(pages) {
        Some(record) => record,
        None => make_record(pages)?,
    };
    let Record { raw, sleeper, stack } = record;
    raw.thread.configure(own::cap_table(), own::vspace(), own::fault_endpoint(), stack.memory, stack.message_offset)?;
    let defaults = *DEFAULTS.lock();
    raw.thread.set_priority(if raised == 0 { defaults.priority } else { raised_priority() })?;
    raw.thread.set_fpu(defaults.fpu)?;
    raw.thread.set_name(format!("{}/{name}", *TASK.lock()).as_bytes())?;

    let local = (stack.high() - LOCAL_BYTES) as *mut Local;
    // SAFETY: the stack is mapped, no thread runs on it, and its top is set aside for the block.
    unsafe { Local::write(local, stack.high(), raw, (stack.low, stack.high())) };
    let handle = ThreadHandle::new(name, sleeper);
    // SAFETY: just written; the thread does not run yet.
    let local_block = unsafe { &*local };
    *local_block.handle.borrow_mut() = Some(handle.clone());
    local_block.sleeper.set(Some(sleeper));
    local_block.raised.set(raised);

    let start = Box::into_raw(Box::new(Start { body, record }));
    // As if called: a return address that ends stack traces, and the alignment that the ABI wants at a function's start.
    let registers = StartRegisters {
        rip: thread_main as *const () as u64,
        rsp: local as u64 - 8,
        rdi: start as u64,
        rsi: 0,
        fs_base: local as u64,
    };
    raw.thread.write_registers(&registers)?;
    raw.thread.resume()?;
    Ok(handle)
}

fn take_ended(pages: u64) -> Option<Record> {
    let record = {
        let mut ended = ENDED.lock();
        let index = ended.iter().position(|record| record.stack.pages == pages)?;
        ended.swap_remove(index)
    };
    record.raw.thread.suspend().expect("an ended thread is still there");
    // Stale bits would only make the new thread look at its flags once.
    Some(record)
}

fn make_record(pages: u64) -> Result<Record, Error> {
    let stack = Stack::allocate(pages)?;
    let notification = object::create::<Notification>(0)?;
    let sleeper = Sleeper::new(notification)?;
    let thread = object::create::<Thread>(0)?;
    let sched_context = time::take()?;
    sched_context.bind(thread)?;
    Ok(Record { raw: RawThread { thread, sched_context, notification }, sleeper, stack })
}

/// Where threads start.
extern "C" fn thread_main(start: *mut Start) -> ! {
    // SAFETY: `spawn` made it with `Box::into_raw` and gave it to this thread alone.
    let Start { body, record } = *unsafe { Box::from_raw(start) };
    body();
    end(record)
}

/// Ends the calling thread. From the moment that its record is in [`ENDED`] it may be stopped at any instruction.
fn end(record: Record) -> ! {
    // A master may have left its own VSpace; the next thread must not depend on a dead process's.
    let _ = record.raw.thread.set_vspace(own::vspace());
    // Out of its cell first: what follows may have to wait for a spin lock.
    let handle = Local::current().handle.take();
    if let Some(handle) = handle {
        handle.end();
    }
    ENDED.lock().push(record);
    loop {
        // It works, so the loop runs once.
        let _ = record.raw.thread.suspend();
    }
}

pub(crate) fn raw() -> RawThread {
    Local::current().raw
}

pub(crate) fn yield_now() {
    let local = Local::current();
    match local.sleeper.get() {
        // Whoever is waited for may be below.
        Some(sleeper) if local.raised.get() > 0 => sleeper.sleep(Some(now_ns() + NAP_NS)),
        _ => ukernel_user::yield_now(),
    }
}

pub(crate) fn raise() {
    let local = Local::current();
    local.raised.set(local.raised.get() + 1);
    set_own_priority(raised_priority());
}

fn raised_priority() -> u8 {
    priority().saturating_add(1)
}

pub(crate) fn lower() {
    let local = Local::current();
    let left = local.raised.get().saturating_sub(1);
    if left == 0 {
        // Counted as raised until it is not: one that spins above the others and yields would never let them run.
        set_own_priority(priority());
    }
    local.raised.set(left);
}

fn set_own_priority(priority: u8) {
    raw().thread.set_priority(priority).expect("a thread may always set its own priority");
}

pub(crate) fn local() -> usize {
    Local::current().word.get()
}

pub(crate) fn set_local(value: usize) {
    Local::current().word.set(value);
}
