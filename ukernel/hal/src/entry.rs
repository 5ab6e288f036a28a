//! Between user space and the kernel: system calls, exceptions, interrupts, and the Vcpu's fast ways in and out. The code
//! itself is in `entry_paths`.
//!
//! On every entry `gs` is swapped to the per-CPU block. A system call first looks whether the thread is foreign code; only
//! then is the call number looked at (Linux numbers alias ours). Registers of an ordinary system call go to the thread's
//! context; those of foreign code go straight to its state page.
//!
//! Exceptions and interrupts from user space push into the context itself (`TSS.RSP0` is its end), so that nothing
//! is copied. From the kernel, an interrupt is only noted (in `PerCpu::pending`): it comes only in windows that the kernel
//! opens itself; an exception is a bug in the kernel.

use core::arch::asm;

use ukernel_core::Context;
use ukernel_core::lock::Taken;

use crate::apic::CALL_VECTOR;
use crate::cpu::per_cpu;
use crate::{apic, panic, remote};

/// Bytes between the stubs of two vectors.
const STUB_BYTES: u64 = 16;

/// What the kernel does about the things that happen; all run with interrupts off, on the kernel's stack, and under the big
/// lock.
pub trait Handlers {
    /// Whether events are traced now: others are to be asked in place of these.
    fn are_traced() -> bool;
    /// The running thread made a system call; whether that was all, and some thread is to be continued.
    fn fast_system_call() -> bool;
    /// The same, for what the first leaves alone.
    fn system_call();
    /// The running thread raised an exception.
    fn exception(vector: u8, error_code: u64, address: u64);
    /// An interrupt arrived, or (with the vector of calls) the running thread was taken away.
    fn interrupt(vector: u8);
}

unsafe extern "C" {
    fn banyan_syscall_entry();
    fn banyan_stubs();
    fn banyan_resume() -> !;
}

pub(crate) fn syscall_address() -> u64 {
    banyan_syscall_entry as *const () as u64
}

pub(crate) fn stub_address(vector: usize) -> u64 {
    banyan_stubs as *const () as u64 + vector as u64 * STUB_BYTES
}

/// Take the big lock, for an event that came without it.
#[inline(always)]
pub fn lock() -> Taken {
    remote::lock()
}

/// Give the big lock back and continue the running thread in user space.
#[inline(always)]
pub fn resume() -> ! {
    remote::unlock();
    go_back()
}

/// Continue the running thread in user space. The lock is not needed: whoever wants to do something to the thread calls this
/// processor first, which it hears in user space.
#[inline(always)]
fn go_back() -> ! {
    // SAFETY: the kernel has made a thread the running one; its context is complete. Nothing of the kernel's stack is needed.
    unsafe { asm!("jmp {}", sym banyan_resume, options(noreturn)) }
}

/// Wait for an interrupt, with nobody running and without the big lock.
pub fn idle() {
    remote::unlock();
    halt();
    remote::lock();
}

/// Wait for an interrupt.
pub(crate) fn halt() {
    // SAFETY: the handlers only note the interrupt; `sti` takes effect behind `hlt`'s start, so none is missed.
    unsafe { asm!("sti", "hlt", "cli", options(nostack)) };
    end_noted_calls();
}

/// Calls that were noted in a window are no news: whoever is in the kernel looks for them anyway. The next one is to arrive.
fn end_noted_calls() {
    // SAFETY: as in `look_for_interrupts`.
    let cpu = unsafe { &mut *per_cpu() };
    if cpu.noted == 0 {
        return;
    }
    let (word, bit) = (usize::from(CALL_VECTOR / 64), 1 << (CALL_VECTOR % 64));
    if cpu.pending[word] & bit != 0 {
        cpu.pending[word] &= !bit;
        cpu.noted = u64::from(cpu.pending != [0; 4]);
        apic::end_of_interrupt();
    }
}

/// Open a window for interrupts; whether one was noted.
pub fn look_for_interrupts() -> bool {
    // SAFETY: the handlers only note the interrupt.
    unsafe { asm!("sti", "nop", "cli", options(nostack)) };
    end_noted_calls();
    // SAFETY: the per-CPU block is touched only by its own processor, and interrupts are off again.
    unsafe { (*per_cpu()).noted != 0 }
}

/// The next interrupt that was noted in a window.
#[inline]
pub fn take_pending() -> Option<u8> {
    // SAFETY: as in `look_for_interrupts`.
    let noted = unsafe { (*per_cpu()).noted };
    if noted == 0 { None } else { take_noted() }
}

fn take_noted() -> Option<u8> {
    // SAFETY: as in `look_for_interrupts`.
    let cpu = unsafe { &mut *per_cpu() };
    let Some((index, word)) = cpu.pending.iter_mut().enumerate().rev().find(|(_, word)| **word != 0) else {
        cpu.noted = 0;
        return None;
    };
    let bit = 63 - word.leading_zeros();
    *word &= !(1 << bit);
    Some(index as u8 * 64 + bit as u8)
}

/// Emit the two functions that the entry code calls, for these handlers and for those to be asked while events are traced.
#[macro_export]
macro_rules! install_handlers {
    ($handlers:ty, $traced:ty) => {
        #[unsafe(no_mangle)]
        extern "C" fn banyan_handle_system_call() -> ! {
            if $crate::entry::lock() != $crate::Taken::AtOnce {
                // The fast path looks for no interrupts.
                $crate::entry::late_system_call::<$handlers, $traced>()
            }
            if <$handlers as $crate::entry::Handlers>::are_traced() {
                $crate::entry::general_system_call::<$traced>()
            }
            if <$handlers as $crate::entry::Handlers>::fast_system_call() {
                $crate::entry::resume()
            }
            $crate::entry::general_system_call::<$handlers>()
        }

        #[unsafe(no_mangle)]
        extern "C" fn banyan_handle_trap(context: &::ukernel_core::Context) -> ! {
            $crate::entry::dispatch::<$handlers, $traced>(context)
        }
    };
}

/// One that had to wait for the lock.
#[cold]
#[inline(never)]
pub fn late_system_call<H: Handlers, T: Handlers>() -> ! {
    if H::are_traced() { general_system_call::<T>() } else { general_system_call::<H>() }
}

/// Out of line, so that the fast path needs no stack.
#[inline(never)]
pub fn general_system_call<H: Handlers>() -> ! {
    H::system_call();
    resume()
}

/// Tell exceptions from interrupts, and calls from both.
#[inline(always)]
pub fn dispatch<H: Handlers, T: Handlers>(context: &Context) -> ! {
    let vector = (context.resume.0 - 1) as u8;
    if vector == CALL_VECTOR {
        remote::serve();
        apic::end_of_interrupt();
        if !crate::cpu::is_unloaded() {
            go_back();
        }
    }
    let (error_code, address) = (context.error_code, crate::cpu::fault_address());
    remote::lock();
    if H::are_traced() {
        handle_trap::<T>(vector, error_code, address)
    } else {
        handle_trap::<H>(vector, error_code, address)
    }
}

#[inline(always)]
fn handle_trap<H: Handlers>(vector: u8, error_code: u64, address: u64) -> ! {
    if vector < 32 {
        H::exception(vector, error_code, address);
    } else {
        H::interrupt(vector);
    }
    resume()
}

/// An exception in the kernel: a bug.
#[unsafe(no_mangle)]
extern "C" fn banyan_kernel_exception(frame: &[u64; 7], rbp: u64) -> ! {
    let [vector, error_code, rip, cs, flags, rsp, _] = *frame;
    let address = crate::cpu::fault_address();
    crate::log_line!(
        "panic: exception {} error {error_code:#x} address {address:#x} in the kernel, cs {cs:#x} flags {flags:#x} rsp {rsp:#x}",
        vector - 1
    );
    crate::log_line!("  at {rip:#x}");
    panic::trace(rbp);
    panic::stop()
}
