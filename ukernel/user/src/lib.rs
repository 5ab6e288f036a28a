//! User space's side of the kernel's contract: typed capabilities and the only `syscall` instructions there are.
//!
//! * [`Cap`]: a slot number with the type of what it holds; copying it copies the number, not the right
//! * [`object`]: one documented method for each kernel method
//! * [`message`]: sending, receiving, and the calling thread's message page
//! * [`slots`]: which slots of the task's CapTable are free
//!
//! The thread-local block that `fs` points to starts with a pointer to itself, then the address of the thread's message
//! page (`rt` builds it; see [`message::TLS_MESSAGE_PAGE`]).
//!
//! A holder of an attachment over its own address space can unmap what it stands on, as with `/proc/self/mem` on Linux.
//! Such methods are safe functions all the same: the address space and its holder are one trust domain, and servers must
//! not need `unsafe` to manage the address spaces of others.
//!
//! On the host there is no kernel: every call fails with [`Error::InvalidMethod`].
#![no_std]

mod cap;
pub mod message;
pub mod object;
pub mod slots;
#[expect(unsafe_code, reason = "bytes and words are views of one another")]
pub mod words;

#[cfg(target_os = "none")]
#[expect(unsafe_code, reason = "the syscall instruction and the message page")]
#[path = "syscall_native.rs"]
mod syscall;
#[cfg(not(target_os = "none"))]
#[path = "syscall_host.rs"]
mod syscall;

pub use cap::Cap;
pub use object::{
    Attachment, CapTable, Endpoint, IoPorts, Irq, IrqControl, Log, Memory, Notification, Reply, SchedContext, Thread,
    Timer, Trace, Untyped, VSpace, Vcpu,
};
pub use syscall::{vcpu_enter, yield_now};
pub use ukernel_abi::{Error, MessageInfo, ObjectType, Rights};
