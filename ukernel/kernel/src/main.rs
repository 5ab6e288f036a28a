//! The microkernel: start-up and the loop of events.
#![no_std]
#![no_main]

mod iommu;
mod start;

use ukernel_core::{Kernel, Machine};
use ukernel_hal::apic::{CALL_VECTOR, SPURIOUS_VECTOR, SUMMONS_VECTOR, TIMER_VECTOR};
use ukernel_hal::entry::{self, Handlers};
use ukernel_hal::vtd::FAULT_VECTOR;
use ukernel_hal::{Hardware, install_handlers};

#[expect(unsafe_code, reason = "the one kernel, reached from the entry code")]
mod global;

/// Events go to the kernel, as the one that traces or the other; after each, the thread that is to run is chosen.
struct Events<const TRACES: bool>;

impl<const TRACES: bool> Handlers for Events<TRACES> {
    #[inline(always)]
    fn are_traced() -> bool {
        global::kernel::<TRACES>().is_traced()
    }

    // No interrupt can have been noted meanwhile: the fast path opens no window for them.
    #[inline(always)]
    fn fast_system_call() -> bool {
        global::kernel::<TRACES>().fast_system_call()
    }

    #[inline(always)]
    fn system_call() {
        handle::<TRACES>(Kernel::general_system_call);
    }

    fn exception(vector: u8, error_code: u64, address: u64) {
        handle::<TRACES>(|kernel| kernel.exception(vector, error_code, address));
    }

    fn interrupt(vector: u8) {
        handle::<TRACES>(|kernel| interrupt(kernel, vector));
    }
}

install_handlers!(Events<false>, Events<true>);

fn interrupt<const TRACES: bool>(kernel: &mut Kernel<Hardware<TRACES>>, vector: u8) {
    match vector {
        TIMER_VECTOR => kernel.timer_interrupt(),
        SPURIOUS_VECTOR => {}
        FAULT_VECTOR => kernel.io_fault_interrupt(),
        // It was served already; what is left is to choose who runs.
        CALL_VECTOR => {}
        SUMMONS_VECTOR => kernel.machine.end_of_interrupt(),
        _ => kernel.interrupt(vector),
    }
}

/// Let the kernel act, then wait until some thread can run.
fn handle<const TRACES: bool>(act: impl FnOnce(&mut Kernel<Hardware<TRACES>>)) {
    act(global::kernel());
    if !choose::<TRACES>() {
        idle();
    }
}

/// Handle what was noted meanwhile and choose who runs; whether somebody does.
fn choose<const TRACES: bool>() -> bool {
    let kernel = global::kernel::<TRACES>();
    while let Some(vector) = entry::take_pending() {
        interrupt(kernel, vector);
    }
    kernel.settle().is_some()
}

/// Wait until some thread can run. Others have the kernel meanwhile, and may start or end a trace.
#[cold]
fn idle() {
    loop {
        global::kernel::<false>().begin_idle();
        entry::idle();
        global::kernel::<false>().end_idle();
        let somebody_runs = if global::kernel::<false>().is_traced() { choose::<true>() } else { choose::<false>() };
        if somebody_runs {
            return;
        }
    }
}

/// Another processor has started, and has the big lock.
extern "C" fn other_processor() -> ! {
    handle::<false>(|kernel| kernel.machine.join());
    entry::resume()
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo) -> ! {
    ukernel_hal::panic::report(info)
}
