//! Panics: message and stack trace to the log, then a fault, so that the fault handler sees the task die.

use core::arch::asm;
use core::fmt::Write;
use core::sync::atomic::{AtomicBool, Ordering};

use super::local::Local;
use crate::{logger, own};

/// Most frames of a stack trace.
const MAX_FRAMES: usize = 32;

static PANICKING: AtomicBool = AtomicBool::new(false);

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    // A panic while panicking: no more words.
    if !PANICKING.swap(true, Ordering::SeqCst) {
        let mut line = logger::Line::new();
        // On one line, unlike the message's own form.
        let _ = match info.location() {
            Some(at) => write!(line, "panicked at {}:{}: {}", at.file(), at.line(), info.message()),
            None => write!(line, "panicked: {}", info.message()),
        };
        line.flush();
        trace();
    }
    fault()
}

/// Writes the return addresses of the calling thread's stack to the log.
fn trace() {
    let (low, high) = Local::current().stack;
    let mut frame: u64;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, rbp", out(reg) frame, options(nostack, nomem, preserves_flags)) };
    for _ in 0..MAX_FRAMES {
        if frame < low || frame.checked_add(16).is_none_or(|end| end > high) || !frame.is_multiple_of(8) {
            return;
        }
        // SAFETY: aligned and within this thread's stack, as just checked.
        let [next, address] = unsafe { *(frame as *const [u64; 2]) };
        if address == 0 || next <= frame {
            return;
        }
        let mut line = logger::Line::new();
        let _ = write!(line, "  at 0x{address:x}");
        line.flush();
        frame = next;
    }
}

/// Ends the task by an invalid instruction.
fn fault() -> ! {
    loop {
        // SAFETY: raises a fault, which ends this thread.
        unsafe { asm!("ud2", options(nostack, nomem)) };
    }
}

/// What the main thread does when `main` has returned: nothing, for good; other threads go on.
pub(super) fn finish() -> ! {
    loop {
        if own::cap_table().is_null() || super::raw().thread.suspend().is_err() {
            fault();
        }
    }
}
