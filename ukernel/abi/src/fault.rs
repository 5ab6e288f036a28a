//! Fault messages.
//!
//! A fault is a call that the kernel makes for the faulting thread, to its fault endpoint, with label
//! [`LABEL`] and [`WORDS`] words. The thread stays blocked until the handler answers: label [`RESUME`] repeats the
//! faulting instruction, anything else leaves the thread suspended. So does a handler that receives without a Reply object,
//! or deletes it: its registers stay as they are. Without a fault endpoint the thread is suspended and the kernel's log says so.

/// Label of a fault message.
pub const LABEL: u32 = 0xffff_fa01;
/// Words of a fault message, by index: the constants below.
pub const WORDS: usize = 6;
/// Word 0: the processor's vector (Intel SDM 3A, table 6-1); 14 is a page fault, [`BAD_CALL`] an unknown system call.
pub const WORD_VECTOR: usize = 0;
/// Word 1: the processor's error code, or 0.
pub const WORD_ERROR_CODE: usize = 1;
/// Word 2: the faulting address (`CR2`) of a page fault; the call number of a [`BAD_CALL`].
pub const WORD_ADDRESS: usize = 2;
/// Word 3: instruction pointer.
pub const WORD_IP: usize = 3;
/// Word 4: stack pointer.
pub const WORD_SP: usize = 4;
/// Word 5: frame pointer (`rbp`), from which a handler that can read the task's memory walks the stack.
pub const WORD_FP: usize = 5;
/// "Vector" of a system call with an unknown number.
pub const BAD_CALL: u64 = 256;
/// Label of the answer that resumes the thread.
pub const RESUME: u32 = 0;

/// Label of the message that a thread's time is used up ([`thread::SET_TIMEOUT`](crate::invoke::thread::SET_TIMEOUT)), with
/// [`TIMEOUT_WORDS`] words. Like a fault it is answered with label [`RESUME`], upon which the thread goes on when it has
/// time, or another, which leaves it suspended. The message lends no time: its receiver needs some of its own.
pub const TIMEOUT: u32 = 0xffff_fa03;
/// Words of a timeout message, by index: the constants below.
pub const TIMEOUT_WORDS: usize = 2;
/// Word 0 of a timeout message: the scheduling context's data word, which tells whose time it is.
pub const WORD_DATA: usize = 0;
/// Word 1 of a timeout message: nanoseconds used since the last such message, `CONSUMED` or `CONFIGURE`.
pub const WORD_CONSUMED_NS: usize = 1;

/// Label of the message that a trap of a foreign thread is ([`thread::MAKE_FOREIGN`](crate::invoke::thread::MAKE_FOREIGN)):
/// the first [`TRAP_WORDS`](crate::vcpu::TRAP_WORDS) words of [`vcpu::State`](crate::vcpu::State), in its order: all registers,
/// then the reason (an [`ExitReason`](crate::vcpu::ExitReason)) and what belongs to it. A receiver without message page gets
/// the first six only. The answer with label [`RESUME`] lets the thread go on, with as many of the registers, in the same
/// order, as the answer is long; the others stay as they are.
pub const FOREIGN: u32 = 0xffff_fa02;
