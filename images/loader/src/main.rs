//! The loader's binary: PVH front end, hand-over, and what it says when something is wrong.
#![no_std]
#![no_main]

mod console;
#[expect(unsafe_code, reason = "writes BootInfo at its final address and jumps to the kernel")]
mod handover;
#[expect(unsafe_code, reason = "I/O ports")]
mod port;
#[expect(unsafe_code, reason = "the entry in assembly, and reading physical memory where the hypervisor left records")]
mod pvh;

use core::fmt::Display;
use core::panic::PanicInfo;

/// Says what is wrong and ends the machine: QEMU's status becomes 3.
fn fail(what: &dyn Display) -> ! {
    console::print(format_args!("loader: {what}\n"));
    port::exit_qemu(1);
    loop {
        x86_64::instructions::hlt();
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    fail(info)
}
