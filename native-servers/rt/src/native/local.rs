//! The thread-local block: what `fs` points to.
//!
//! It starts as [`ukernel_user::message`] says: a pointer to itself, then the message page. Only its own thread uses it.

use core::arch::asm;
use core::cell::{Cell, RefCell};

use ukernel_user::message::TLS_MESSAGE_PAGE;

use super::Sleeper;
use crate::thread::{RawThread, ThreadHandle};

/// A thread's own data.
#[repr(C)]
pub(super) struct Local {
    this: *const Local,
    message_page: u64,
    /// The embedding server's word.
    pub(super) word: Cell<usize>,
    /// How often the thread's priority was raised and not lowered again.
    pub(super) raised: Cell<u32>,
    /// The thread's kernel objects.
    pub(super) raw: RawThread,
    /// The stack's bounds, for stack traces.
    pub(super) stack: (u64, u64),
    /// What the thread sleeps on, also before it has a handle and when it has none any more.
    pub(super) sleeper: Cell<Option<Sleeper>>,
    /// The thread as others see it.
    pub(super) handle: RefCell<Option<ThreadHandle>>,
}

const _: () = assert!(core::mem::offset_of!(Local, message_page) == TLS_MESSAGE_PAGE);
const _: () = assert!(size_of::<Local>() <= LOCAL_BYTES as usize);

/// Bytes to set aside for a block.
pub(super) const LOCAL_BYTES: u64 = 256;

impl Local {
    /// Writes a block at `place`.
    ///
    /// # Safety
    /// `place` is [`LOCAL_BYTES`] of aligned, writable memory that outlives the thread and that nobody else uses.
    pub(super) unsafe fn write(place: *mut Self, message_page: u64, raw: RawThread, stack: (u64, u64)) {
        let local = Self {
            this: place,
            message_page,
            word: Cell::new(0),
            raised: Cell::new(0),
            raw,
            stack,
            sleeper: Cell::new(None),
            handle: RefCell::new(None),
        };
        // SAFETY: as the caller promises.
        unsafe { place.write(local) };
    }

    /// The calling thread's block.
    pub(super) fn current() -> &'static Self {
        let this: *const Self;
        // SAFETY: `fs` points to the block from the thread's first instruction on (of the root task: from start-up on).
        unsafe { asm!("mov {}, fs:[0]", out(reg) this, options(nostack, preserves_flags, readonly, pure)) };
        // SAFETY: written before the thread started, and only changed through cells by the thread itself.
        unsafe { &*this }
    }
}

/// Points `fs` to a block: for the root task's first thread, which the kernel starts without one.
///
/// # Safety
/// `local` is a written block that outlives the thread.
pub(super) unsafe fn set_fs(local: *const Local) {
    // SAFETY: FSGSBASE is on, the kernel keeps the base across switches; the address is canonical.
    unsafe { asm!("wrfsbase {}", in(reg) local, options(nostack, preserves_flags)) };
}
