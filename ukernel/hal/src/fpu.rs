//! FPU state (x87, SSE, AVX), kept for the threads that declared it.
//!
//! The registers hold the state of their `owner` for as long as only threads without FPU run in between; those find the
//! FPU switched off (`CR0.TS`).
//!
//! With several processors, a thread's state is stored each time it stops running, so that it can go on anywhere; if it goes on
//! where it last ran and nobody used the FPU there meanwhile, it need not be loaded. `Thread::fpu_cpu` says where it last ran.

use core::arch::asm;

use ukernel_core::{Ref, THREAD_FPU_BYTES, THREAD_FPU_OFFSET, Thread};

use crate::cpu;

/// x87, SSE, AVX.
const COMPONENTS: u32 = 7;
/// Offset of MXCSR in the XSAVE area, and its value after reset (Intel SDM 1, 10.2.3).
const MXCSR_OFFSET: u64 = 24;
const MXCSR_INITIAL: u32 = 0x1f80;

/// Who owns the registers' contents, and whether FPU instructions trap.
pub(crate) struct State {
    owner: Option<Ref<Thread>>,
    /// The owner's object has the same state as the registers.
    stored: bool,
    trapping: bool,
}

fn area(thread: Ref<Thread>) -> u64 {
    thread.address() + THREAD_FPU_OFFSET
}

impl State {
    pub(crate) const fn new() -> Self {
        Self { owner: None, stored: true, trapping: true }
    }

    fn trap(&mut self, trap: bool) {
        if self.trapping != trap {
            cpu::set_fpu_trap(trap);
            self.trapping = trap;
        }
    }

    /// A thread without FPU is to run.
    pub(crate) fn forbid(&mut self) {
        self.trap(true);
    }

    /// Store the registers, if a thread owns them and its object does not have their contents.
    pub(crate) fn store(&mut self) {
        let stored = core::mem::replace(&mut self.stored, true);
        if let Some(owner) = self.owner
            && !stored
        {
            // SAFETY: the area is in the owner's object, large enough and aligned (checked at compile time in core). The
            // registers can be read, since they were not stored yet: they were in use up to now, or `trap` allows it.
            unsafe {
                asm!("xsave64 [{}]", in(reg) area(owner), in("eax") COMPONENTS, in("edx") 0, options(nostack, preserves_flags));
            }
        }
    }

    /// A thread is to run with the state of `thread`: itself, or the one whose state it uses, which ran on processor `last`;
    /// this is processor `here`.
    pub(crate) fn load(&mut self, thread: Ref<Thread>, last: &mut u8, here: u8) {
        self.trap(false);
        if self.owner == Some(thread) && *last == here {
            self.stored = false;
            return;
        }
        self.store();
        self.owner = Some(thread);
        self.stored = false;
        *last = here;
        // SAFETY: the area was written by `reset` or by `xsave64`, so it is a valid image.
        unsafe {
            asm!("xrstor64 [{}]", in(reg) area(thread), in("eax") COMPONENTS, in("edx") 0, options(nostack, preserves_flags));
        }
    }

    /// Give a thread the initial state. It must be loaded again before it runs.
    pub(crate) fn reset(&mut self, thread: Ref<Thread>) {
        self.forget(thread);
        let area = area(thread);
        // SAFETY: the area is in the thread's object, which nobody refers to as anything else.
        unsafe { core::ptr::write_bytes(area as *mut u8, 0, THREAD_FPU_BYTES as usize) };
        // SAFETY: the field is inside that area, and aligned.
        unsafe { ((area + MXCSR_OFFSET) as *mut u32).write(MXCSR_INITIAL) };
    }

    /// The registers' contents are nobody's, if they were this thread's.
    pub(crate) fn forget(&mut self, thread: Ref<Thread>) {
        if self.owner == Some(thread) {
            (self.owner, self.stored) = (None, true);
        }
    }
}
