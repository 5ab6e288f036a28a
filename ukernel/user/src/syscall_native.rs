//! The `syscall` instructions, with the register convention of [`ukernel_abi::call`].

use core::arch::asm;

use ukernel_abi::message::MAX_CAPS;
use ukernel_abi::vcpu::ExitReason;
use ukernel_abi::{Call, Error, MessageInfo, MessagePage};

use crate::message::{Incoming, Registers, TLS_MESSAGE_PAGE};

/// Makes a call that sends and may receive. `reply` and `endpoint` go to `r14` and `r15`.
#[inline]
pub(crate) fn transfer(
    call: Call,
    cap: u64,
    info: MessageInfo,
    words: &Registers,
    reply: u64,
    endpoint: u64,
) -> (u64, Incoming) {
    let [mut w0, mut w1, mut w2, mut w3, mut w4, mut w5] = *words;
    let (mut code, mut badge, mut header) = (call as u64, cap, info.0);
    // SAFETY: the kernel keeps every register that is not named, and touches no memory of ours but the message page.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") code, inlateout("rdi") badge, inlateout("rsi") header,
            inlateout("rdx") w0, inlateout("r8") w1, inlateout("r9") w2,
            inlateout("r10") w3, inlateout("r12") w4, inlateout("r13") w5,
            in("r14") reply, in("r15") endpoint,
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    (code, Incoming { badge, info: MessageInfo(header), words: [w0, w1, w2, w3, w4, w5] })
}

/// Makes a call that has only a capability and returns at most bits.
#[inline]
pub(crate) fn simple(call: Call, cap: u64) -> (u64, u64) {
    let (mut code, mut bits) = (call as u64, cap);
    // SAFETY: as in `transfer`; the message registers may be changed, so they are listed.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") code, inlateout("rdi") bits,
            inlateout("rsi") 0u64 => _, lateout("rdx") _, lateout("r8") _, lateout("r9") _, lateout("r10") _,
            lateout("r12") _, lateout("r13") _, lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    (code, bits)
}

/// Becomes foreign code, as the state page of the thread's Vcpu says, until it stops.
///
/// # Errors
/// [`Error::InvalidState`]: the thread has no Vcpu, or that has no state page.
#[inline]
pub fn vcpu_enter() -> Result<ExitReason, Error> {
    let code: u64;
    let reason: u64;
    // SAFETY: all registers but the stack pointer come back zero; the two that cannot be named as lost are saved here,
    // the rest is the compiler's, which keeps only what lives. `fs` base is the kernel's to keep.
    unsafe {
        asm!(
            "push rbx", "push rbp", "syscall", "pop rbp", "pop rbx",
            inlateout("rax") Call::VcpuEnter as u64 => code, lateout("rdi") reason,
            lateout("rsi") _, lateout("rdx") _, lateout("rcx") _,
            lateout("r8") _, lateout("r9") _, lateout("r10") _, lateout("r11") _,
            lateout("r12") _, lateout("r13") _, lateout("r14") _, lateout("r15") _,
        );
    }
    if code != 0 {
        return Err(Error::from_code(code).unwrap_or(Error::InvalidMethod));
    }
    ExitReason::from_number(reason).ok_or(Error::InvalidState)
}

/// Lets other threads of the same priority run.
#[inline]
pub fn yield_now() {
    // It has no error to report.
    let _ = simple(Call::Yield, 0);
}

/// The calling thread's message page, as its thread-local block says.
#[inline]
fn message_page() -> *mut MessagePage {
    let page: *mut MessagePage;
    // SAFETY: `rt` points `fs` to the thread-local block before any thread gets here; only that word is read.
    unsafe {
        asm!("mov {}, fs:[{}]", out(reg) page, const TLS_MESSAGE_PAGE, options(nostack, preserves_flags, readonly));
    }
    page
}

/// Writes word `index` (6 or more) of the message to send; past the page's end: nothing.
#[inline]
pub(crate) fn write_word(index: usize, word: u64) {
    if let Some(place) = page().words.get_mut(index) {
        *place = word;
    }
}

/// Reads word `index` (6 or more) of the message received; past the page's end: 0.
#[inline]
pub(crate) fn read_word(index: usize) -> u64 {
    page().words.get(index).copied().unwrap_or(0)
}

/// Sets the slots of the capabilities to send.
pub(crate) fn write_send_caps(slots: &[u64]) {
    let count = slots.len().min(MAX_CAPS);
    page().send_caps[..count].copy_from_slice(&slots[..count]);
}

/// Sets the empty slots that take the capabilities of the next message.
pub(crate) fn write_receive_caps(slots: &[u64; MAX_CAPS]) {
    page().receive_caps = *slots;
}

/// A short borrow of the message page; no two are alive at a time, as none leaves the functions above.
#[inline]
fn page() -> &'static mut MessagePage {
    // SAFETY: mapped for as long as the thread lives, used by this thread alone, by the kernel only in system calls.
    unsafe { &mut *message_page() }
}
