//! The other sides of what is measured: position-independent code for address spaces of their own.

use core::arch::global_asm;

use ukernel_abi::Call;

use crate::world::PLAYGROUND;

global_asm!(
    // The time-stamp counter in rax; rdx is lost.
    ".macro kernel_test_stamp",
    "rdtsc",
    "shl rdx, 32",
    "or rax, rdx",
    ".endm",
    // Waits for a notification, over and over: adds up the time since somebody noted the time, counts, and notes when it waits
    // again. rdi notification; rsi four words: time noted, sum, time of the wait, count.
    ".global kernel_test_waiter",
    "kernel_test_waiter:",
    "mov r14, rdi",
    "mov r15, rsi",
    "2:",
    "mov rdi, r14",
    "mov eax, {wait}",
    "syscall",
    "kernel_test_stamp",
    "sub rax, [r15]",
    "add [r15 + 8], rax",
    "inc qword ptr [r15 + 24]",
    "kernel_test_stamp",
    "mov [r15 + 16], rax",
    "jmp 2b",
    ".global kernel_test_waiter_end",
    "kernel_test_waiter_end:",
    // Answers each call with its own message, but for the first word; adds up how long calls take to arrive, and notes when it
    // answers. rdi Reply, rsi endpoint; the words as above.
    ".global kernel_test_stamper",
    "kernel_test_stamper:",
    "mov r14, rdi",
    "mov r15, rsi",
    "movabs rbx, {notes}",
    "xor esi, esi",
    "2:",
    "mov rdi, r14",
    "mov eax, {reply_recv}",
    "syscall",
    "kernel_test_stamp",
    "sub rax, [rbx]",
    "add [rbx + 8], rax",
    "kernel_test_stamp",
    "mov [rbx + 16], rax",
    "jmp 2b",
    ".global kernel_test_stamper_end",
    "kernel_test_stamper_end:",
    // Receives what is sent. rsi endpoint.
    ".global kernel_test_receiver",
    "kernel_test_receiver:",
    "mov r15, rsi",
    "xor r14d, r14d",
    "2:",
    "mov rdi, r15",
    "mov eax, {recv}",
    "syscall",
    "jmp 2b",
    ".global kernel_test_receiver_end",
    "kernel_test_receiver_end:",
    // Waits for one notification (rdi) and signals another (rsi).
    ".global kernel_test_partner",
    "kernel_test_partner:",
    "mov r14, rdi",
    "mov r15, rsi",
    "2:",
    "mov rdi, r14",
    "mov eax, {wait}",
    "syscall",
    "mov rdi, r15",
    "mov eax, {signal}",
    "syscall",
    "jmp 2b",
    ".global kernel_test_partner_end",
    "kernel_test_partner_end:",
    // Gives way.
    ".global kernel_test_yielder",
    "kernel_test_yielder:",
    "mov eax, {yield_}",
    "syscall",
    "jmp kernel_test_yielder",
    ".global kernel_test_yielder_end",
    "kernel_test_yielder_end:",
    // Faults at one of two places, whichever is not mended; notes when it is about to, and when it went on. rsi: two words.
    ".global kernel_test_faulter",
    "kernel_test_faulter:",
    "kernel_test_stamp",
    "mov [rsi], rax",
    ".global kernel_test_faulter_first",
    "kernel_test_faulter_first:",
    "ud2",
    "kernel_test_stamp",
    "mov [rsi + 8], rax",
    "kernel_test_stamp",
    "mov [rsi], rax",
    ".global kernel_test_faulter_second",
    "kernel_test_faulter_second:",
    "nop",
    "nop",
    "kernel_test_stamp",
    "mov [rsi + 8], rax",
    "jmp kernel_test_faulter",
    ".global kernel_test_faulter_end",
    "kernel_test_faulter_end:",
    // Touches one page after the other, from rdi on, with notes likewise.
    ".global kernel_test_toucher",
    "kernel_test_toucher:",
    "kernel_test_stamp",
    "mov [rsi], rax",
    "mov rax, [rdi]",
    "kernel_test_stamp",
    "mov [rsi + 8], rax",
    "add rdi, 4096",
    "jmp kernel_test_toucher",
    ".global kernel_test_toucher_end",
    "kernel_test_toucher_end:",
    wait = const Call::Wait as u64,
    notes = const PLAYGROUND,
    reply_recv = const Call::ReplyRecv as u64,
    recv = const Call::Recv as u64,
    signal = const Call::Signal as u64,
    yield_ = const Call::Yield as u64,
);

unsafe extern "C" {
    fn kernel_test_waiter();
    fn kernel_test_waiter_end();
    fn kernel_test_stamper();
    fn kernel_test_stamper_end();
    fn kernel_test_receiver();
    fn kernel_test_receiver_end();
    fn kernel_test_partner();
    fn kernel_test_partner_end();
    fn kernel_test_yielder();
    fn kernel_test_yielder_end();
    fn kernel_test_faulter();
    fn kernel_test_faulter_first();
    fn kernel_test_faulter_second();
    fn kernel_test_faulter_end();
    fn kernel_test_toucher();
    fn kernel_test_toucher_end();
}

/// A waiter's code: rdi = Notification slot, rsi = address of four words: time noted, sum of times, when it waited, how often
/// it ran.
pub fn waiter_code() -> &'static [u8] {
    super::code(kernel_test_waiter, kernel_test_waiter_end)
}

/// An echo server's that notes times at the start of the playground, as a waiter does.
pub fn stamper_code() -> &'static [u8] {
    super::code(kernel_test_stamper, kernel_test_stamper_end)
}

/// A receiver's: rsi = endpoint slot.
pub fn receiver_code() -> &'static [u8] {
    super::code(kernel_test_receiver, kernel_test_receiver_end)
}

/// A partner's: rdi = Notification slot to wait for, rsi = Notification slot to signal.
pub fn partner_code() -> &'static [u8] {
    super::code(kernel_test_partner, kernel_test_partner_end)
}

/// That of a thread which gives way.
pub fn yielder_code() -> &'static [u8] {
    super::code(kernel_test_yielder, kernel_test_yielder_end)
}

/// That of a thread which executes invalid instructions: rsi = address of two words, when it is about to and when it went on.
pub fn faulter_code() -> &'static [u8] {
    super::code(kernel_test_faulter, kernel_test_faulter_end)
}

/// Where in it the two instructions are, each of two bytes; the first is invalid, the second not.
pub fn faulter_places() -> [u64; 2] {
    let offset = |label: unsafe extern "C" fn()| label as *const () as u64 - kernel_test_faulter as *const () as u64;
    [offset(kernel_test_faulter_first), offset(kernel_test_faulter_second)]
}

/// That of a thread which touches pages from rdi on: rsi as for a faulter.
pub fn toucher_code() -> &'static [u8] {
    super::code(kernel_test_toucher, kernel_test_toucher_end)
}
