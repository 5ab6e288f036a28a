//! The attacker's code: makes the system calls of a script, whatever they are.

use core::arch::global_asm;

use ukernel_abi::Call;

use crate::attack::script::{RECORD_BYTES, RESULTS};

/// Where the attacker sees the script.
pub const SCRIPT: u64 = 0x50_0000;
/// The number of a system call that does not exist: the script is at its end.
pub const END: u64 = 999;

global_asm!(
    // The script's first word is the address of the next record, its second the end. Nothing is kept in registers, since
    // some calls lose all but rsp. A record: rax rdi rsi rdx r8 r9 r10 r12 r13 r14 r15.
    ".global kernel_test_attack",
    "kernel_test_attack:",
    "2:",
    "movabs rbx, {script}",
    "mov rax, [rbx]",
    "cmp rax, [rbx + 8]",
    "jae 3f",
    "lea rcx, [rax + {record}]",
    "mov [rbx], rcx",
    "mov rdi, [rax + 8]",
    "mov rsi, [rax + 16]",
    "mov rdx, [rax + 24]",
    "mov r8, [rax + 32]",
    "mov r9, [rax + 40]",
    "mov r10, [rax + 48]",
    "mov r12, [rax + 56]",
    "mov r13, [rax + 64]",
    "mov r14, [rax + 72]",
    "mov r15, [rax + 80]",
    "mov rax, [rax]",
    "syscall",
    // Count the results.
    "movabs rbx, {script}",
    "and eax, 15",
    "inc qword ptr [rbx + rax * 8 + {results}]",
    "jmp 2b",
    "3:",
    "mov eax, {end}",
    "syscall",
    "jmp 2b",
    ".global kernel_test_attack_end",
    "kernel_test_attack_end:",
    // Executes `call` upon its own stack, over and over: rsp below the stack's page sooner or later.
    ".global kernel_test_overflow",
    "kernel_test_overflow:",
    "call kernel_test_overflow",
    ".global kernel_test_overflow_end",
    "kernel_test_overflow_end:",
    script = const SCRIPT,
    record = const RECORD_BYTES,
    results = const RESULTS,
    end = const END,
);

unsafe extern "C" {
    fn kernel_test_attack();
    fn kernel_test_attack_end();
    fn kernel_test_overflow();
    fn kernel_test_overflow_end();
}

/// The attacker's code: runs anywhere.
pub fn attack_code() -> &'static [u8] {
    super::code(kernel_test_attack, kernel_test_attack_end)
}

/// Code that overflows its stack: runs anywhere.
pub fn overflow_code() -> &'static [u8] {
    super::code(kernel_test_overflow, kernel_test_overflow_end)
}

const _: () = assert!(Call::from_number(END).is_none());
