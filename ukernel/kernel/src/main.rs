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

/// Events go to the kernel; after each, the thread that is to run is chosen.
struct Events;

impl Handlers for Events {
    // No interrupt can have been noted meanwhile: the fast path opens no window for them.
    #[inline(always)]
    fn fast_system_call() -> bool {
        global::kernel().fast_system_call()
    }

    #[inline(always)]
    fn system_call() {
        handle(Kernel::general_system_call);
    }

    fn exception(vector: u8, error_code: u64, address: u64) {
        handle(|kernel| kernel.exception(vector, error_code, address));
    }

    fn interrupt(vector: u8) {
        handle(|kernel| interrupt(kernel, vector));
    }
}

install_handlers!(Events);

fn interrupt(kernel: &mut Kernel<Hardware>, vector: u8) {
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
fn handle(act: impl FnOnce(&mut Kernel<Hardware>)) {
    act(global::kernel());
    loop {
        // Others had it while this processor was idle.
        let kernel = global::kernel();
        while let Some(vector) = entry::take_pending() {
            interrupt(kernel, vector);
        }
        if kernel.settle().is_some() {
            return;
        }
        kernel.begin_idle();
        entry::idle();
        global::kernel().end_idle();
    }
}

/// Another processor has started, and has the big lock.
extern "C" fn other_processor() -> ! {
    handle(|kernel| kernel.machine.join());
    entry::resume()
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo) -> ! {
    ukernel_hal::panic::report(info)
}
