//! The one kernel. The entry code runs on one processor with interrupts off, so nobody else uses it meanwhile.

use core::mem::MaybeUninit;

use ukernel_core::Kernel;
use ukernel_hal::Hardware;

static mut KERNEL: MaybeUninit<Kernel<Hardware>> = MaybeUninit::uninit();

/// Store the kernel. Once, before the first thread runs.
pub fn set(kernel: Kernel<Hardware>) -> &'static mut Kernel<Hardware> {
    // SAFETY: called once, before any thread runs, so no other reference exists.
    unsafe { (*(&raw mut KERNEL)).write(kernel) }
}

/// The kernel, for the event that is being handled.
pub fn kernel() -> &'static mut Kernel<Hardware> {
    // SAFETY: `set` was called before the first thread could cause an event; each event's handler runs to its end with
    // interrupts off on the only processor, and takes the reference once.
    unsafe { (*(&raw mut KERNEL)).assume_init_mut() }
}
