//! The one kernel. Events are handled under the big lock, with interrupts off, so nobody else uses it meanwhile.

use core::mem::MaybeUninit;

use ukernel_core::Kernel;
use ukernel_hal::Hardware;

static mut KERNEL: MaybeUninit<Kernel<Hardware>> = MaybeUninit::uninit();

/// Store the kernel. Once, before the first thread runs.
pub fn set(kernel: Kernel<Hardware>) -> &'static mut Kernel<Hardware> {
    let place = &raw mut KERNEL;
    // SAFETY: called once, before any thread runs, so no other reference exists.
    let place = unsafe { &mut *place };
    place.write(kernel)
}

/// The kernel, for the event that is being handled, as the one that traces or the other.
#[inline(always)]
pub fn kernel<const TRACES: bool>() -> &'static mut Kernel<Hardware<TRACES>> {
    let place = (&raw mut KERNEL).cast::<MaybeUninit<Kernel<Hardware<TRACES>>>>();
    // SAFETY: each event's handler runs with interrupts off and under the big lock, and takes the reference anew after it was
    // without. Both are laid out as C would lay out the same fields.
    let place = unsafe { &mut *place };
    // SAFETY: `set` was called before the first thread could cause an event.
    unsafe { place.assume_init_mut() }
}
