//! The end: a message, a stack trace by frame pointers, and off.

use core::fmt::Write as _;
use core::panic::PanicInfo;

use crate::log::Log;
use crate::port;

const DEBUG_EXIT: u16 = 0xf4;
/// The emulator's exit status becomes twice this plus one.
const FAILED: u32 = 0x10;
/// Most frames of a trace.
const MAX_FRAMES: usize = 32;

/// Report a panic of the kernel, and stop the machine.
pub fn report(info: &PanicInfo) -> ! {
    let _ = writeln!(Log, "[ukernel] panic: {info}");
    let frame: u64;
    // SAFETY: reading rbp has no effect.
    unsafe { core::arch::asm!("mov {}, rbp", out(reg) frame, options(nomem, nostack, preserves_flags)) };
    trace(frame);
    stop()
}

/// Print return addresses, from this frame upwards.
pub fn trace(mut frame: u64) {
    for _ in 0..MAX_FRAMES {
        if frame < crate::DIRECT_MAP || !frame.is_multiple_of(8) {
            return;
        }
        // SAFETY: the kernel is compiled with frame pointers, so `frame` points to the caller's frame pointer and the return
        // address on a mapped kernel stack; the outermost frame's is zero.
        let [next, address] = unsafe { (frame as *const [u64; 2]).read_volatile() };
        if address == 0 {
            return;
        }
        let _ = writeln!(Log, "[ukernel]   at {address:#x}");
        if next <= frame {
            return;
        }
        frame = next;
    }
}

/// Stop the machine, as failed.
pub fn stop() -> ! {
    port::write(DEBUG_EXIT, 4, FAILED);
    loop {
        // SAFETY: interrupts are off: this halts for good.
        unsafe { core::arch::asm!("cli", "hlt") };
    }
}
