//! The big lock, and calls from one processor to another: what `ukernel_core::lock` describes, with this hardware.
//!
//! A processor gets here by [`CALL_VECTOR`](crate::apic::CALL_VECTOR) out of user space or an idle wait, or waits for the lock anyway. What it
//! does then is its own business only (registers, translations) and its running thread's object, which the caller leaves
//! alone until the call has ended.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use ukernel_core::lock::{BigLock, Calls, Taken, Waiting};
use ukernel_core::{PhysAddr, Ref, RemoteCall, Thread};

use crate::apic::{self, CALL_VECTOR};
use crate::hardware::keeps_gs;
use crate::{cpu, entry, object_store};

static LOCK: BigLock = BigLock::new(AtomicU64::new(0));
static CALLS: Calls = Calls::new(AtomicU32::new(0), AtomicU32::new(0), AtomicU64::new(0));
static KERNEL_ROOT: AtomicU64 = AtomicU64::new(0);

pub(crate) fn set_kernel_root(root: PhysAddr) {
    KERNEL_ROOT.store(root.0, Ordering::Relaxed);
}

/// Take the big lock: from here on the kernel's state is this processor's. Where it had to wait, interrupts may have been
/// noted.
#[inline(always)]
pub(crate) fn lock() -> Taken {
    LOCK.acquire(Here)
}

/// Whether other processors wait for the big lock, which this one has.
pub(crate) fn is_lock_wanted() -> bool {
    LOCK.is_wanted()
}

/// Give the big lock back.
#[inline(always)]
pub(crate) fn unlock() {
    LOCK.release(Here, |cpu| apic::interrupt(cpu as usize, CALL_VECTOR));
}

/// This processor.
struct Here;

impl Waiting for Here {
    const LOOKS: u32 = 100;

    fn cpu(&self) -> u32 {
        cpu::index() as u32
    }

    fn let_pass(&self) {
        core::hint::spin_loop();
    }

    fn pause(&mut self) {
        serve();
        self.let_pass();
    }

    fn sleep(&mut self) {
        entry::halt();
    }
}

/// Start a call.
pub(crate) fn begin(cpus: u32, what: RemoteCall) {
    CALLS.begin(cpus, what);
}

/// Wait for its end.
pub(crate) fn wait() {
    while !CALLS.ended() {
        core::hint::spin_loop();
    }
}

/// Do what another processor asks for, if one does.
pub(crate) fn serve() {
    CALLS.serve(cpu::index() as u32, |call| match call {
        RemoteCall::Unload(thread) => unload(thread),
        RemoteCall::Invalidate(address) => {
            x86_64::instructions::tlb::flush(x86_64::VirtAddr::new_truncate(address));
        }
        RemoteCall::InvalidateAll => cpu::set_root(cpu::root()),
        RemoteCall::RetireRoot => cpu::set_root(PhysAddr(KERNEL_ROOT.load(Ordering::Relaxed))),
    });
}

/// Its registers are in its object since the kernel was entered; the rest follows.
fn unload(thread: Ref<Thread>) {
    let thread = object_store::get_mut(thread);
    thread.context.fs_base = cpu::fs_base();
    if keeps_gs(thread) {
        thread.context.gs_base = cpu::gs_base();
        cpu::set_gs_base(0);
    }
    cpu::fpu().store();
    cpu::note_unloaded();
}
