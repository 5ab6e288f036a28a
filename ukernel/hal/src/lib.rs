//! The hardware below the kernel: x86-64 processors, xAPIC, I/O APIC, PC ports. All of the kernel's unsafe code is here.
//!
//! [`Hardware`] implements `ukernel_core::Machine`. What the modules own:
//!
//! * `object_store`: the direct map, through which all physical memory, and so every object, is reached
//! * `cpu`: control registers, descriptor tables, the per-CPU block that `gs` points to
//! * `entry`: what is between user space and the kernel; `entry_paths`: its assembly, the Vcpu's ways in and out included
//! * `fpu`: floating-point state, kept for those who declared it
//! * `apic`: local APIC (timer, end of interrupt) and I/O APICs
//! * `vtd`: the IOMMU, where there is one
//! * `clock`: the time-stamp counter and its frequency
//! * `processors`: how the others are started; `remote`: the big lock, and what one processor has another do
//! * `port`, `log`: I/O ports, the debug console
//! * `panic`: a stack trace and the end
//!
//! Interrupts are off in the kernel, but for the windows that `entry` opens ([`entry::take_pending`], idling): an interrupt
//! there is only noted and handled by the code that opened the window.
#![no_std]
#![deny(unsafe_op_in_unsafe_fn)]

#[expect(unsafe_code, reason = "device registers")]
pub mod apic;
#[expect(unsafe_code, reason = "the time-stamp counter, and ports")]
pub mod clock;
#[expect(unsafe_code, reason = "control registers, descriptor tables")]
#[expect(clippy::multiple_unsafe_ops_per_block, reason = "registers and tables are valid only as a whole sequence")]
pub mod cpu;
#[expect(unsafe_code, reason = "the way in and out of the kernel")]
pub mod entry;
#[expect(unsafe_code, reason = "the code of that way")]
mod entry_paths;
#[expect(unsafe_code, reason = "FPU instructions")]
mod fpu;
mod hardware;
pub mod log;
#[expect(unsafe_code, reason = "raw memory becomes objects")]
mod object_store;
#[expect(unsafe_code, reason = "the stack of the code that failed")]
pub mod panic;
#[expect(unsafe_code, reason = "I/O instructions")]
pub mod port;
#[expect(unsafe_code, reason = "the first code of a processor")]
mod processors;
mod remote;
#[expect(unsafe_code, reason = "device registers")]
pub mod vtd;

pub use hardware::Hardware;
pub use object_store::{DIRECT_MAP, physical_to_virtual, read_physical};
pub use ukernel_core::lock::Taken;
