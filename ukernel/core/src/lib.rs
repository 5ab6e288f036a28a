//! The kernel's logic: objects, capabilities, scheduling, messages, address spaces.
//!
//! Everything here is safe, portable Rust, generic over a [`Machine`]: the hardware (in `ukernel-hal`) or a simulated one
//! (in the tests). The same code boots and is tested. There is no heap and no global: a [`Kernel`] owns the machine, and
//! objects live in memory that was retyped from Untypeds, reached by [`Ref`]s.
//!
//! The kernel is event-driven: it is entered by a system call, an exception or an interrupt of the thread that runs, changes
//! state, and leaves through [`Kernel::settle`], which picks the thread to run. It never blocks and keeps no stack in between.
#![no_std]
#![forbid(unsafe_code)]

mod attachment;
mod balance;
mod boot;
mod budget;
mod call;
mod capability;
mod captable;
mod context;
mod cpu;
mod device_methods;
mod donation;
mod fastpath;
mod fault;
mod foreign;
mod heap;
mod interrupt;
mod invocation;
mod io_faults;
mod io_mapping;
mod io_methods;
mod io_space;
mod io_table;
mod ipc;
mod kernel;
mod lending;
mod lifetime;
pub mod lock;
mod machine;
mod mapping;
mod memory_methods;
mod notification;
mod page_table;
mod preemption;
mod refills;
mod retype;
mod run_queue;
mod scheduler;
mod seeded;
mod tables;
mod thread;
mod thread_calls;
mod thread_methods;
mod timer;
mod trace;
mod transfer;
mod vcpu;
mod vspace;
mod watch;

pub use attachment::Attachment;
pub use boot::BootPlan;
pub use budget::SchedContext;
pub use capability::{Cap, Slot, SlotRef};
pub use captable::CapTable;
pub use context::{Context, Resume};
pub use cpu::{Cpu, MAX_CPUS};
pub use interrupt::{Irq, IrqSource};
pub use io_faults::{Faults, IoFault};
pub use io_mapping::IoMapping;
pub use io_space::{IoSpace, IoView, Source};
pub use io_table::IoTables;
pub use ipc::{Endpoint, Reply};
pub use kernel::{Counters, Kernel};
pub use machine::{LineMask, Machine, Object, PhysAddr, Ref, RemoteCall};
pub use notification::Notification;
pub use page_table::Leaf;
pub use thread::{Content, Fpu, State, Thread, Work};
pub use timer::Timer;
pub use trace::CAN_TRACE;
pub use vcpu::Vcpu;
pub use vspace::VSpace;

/// Memory of a [`Thread`] object: where its FPU state is, in bytes from its start (64-byte aligned).
pub const THREAD_FPU_OFFSET: u64 = 896;
/// Bytes that the FPU state may take.
pub const THREAD_FPU_BYTES: u64 = 2048 - THREAD_FPU_OFFSET;

/// For `lock`, which tests build with another module in this one's place.
mod atomic {
    pub(crate) use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
}

#[cfg(any(test, feature = "checks"))]
extern crate std;
#[cfg(any(test, feature = "checks"))]
pub mod checks;
#[cfg(test)]
mod tests;
