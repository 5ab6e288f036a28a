//! Between user space and the kernel: system calls, exceptions, interrupts, and the Vcpu's fast ways in and out.
//!
//! On every entry `gs` is swapped to the per-CPU block. A system call first looks whether the thread is foreign code; only
//! then is the call number looked at (Linux numbers alias ours). Registers of an ordinary system call go to the thread's
//! context; those of foreign code go straight to its state page.
//!
//! Exceptions and interrupts from user space push into the context itself (`TSS.RSP0` is its end), so that nothing
//! is copied. From the kernel, an interrupt is only noted (in `PerCpu::pending`): it comes only in windows that the kernel
//! opens itself; an exception is a bug in the kernel.

use core::arch::{asm, global_asm};
use core::mem::offset_of;

use ukernel_abi::vcpu::{ExitReason, State};
use ukernel_abi::{Call, USER_END};
use ukernel_core::{Context, Vcpu};

use crate::apic::CALL_VECTOR;
use crate::cpu::{PerCpu, USER_CODE, USER_DATA, per_cpu};
use crate::{panic, remote};

/// Flags that the fast way into foreign code takes over; any other sends it the general way.
/// CF, the bit that is one, PF, AF, ZF, SF, IF, DF, OF, AC, ID.
const FAST_FLAGS: u64 = 0x24_0ed7;
/// Bytes between the stubs of two vectors.
const STUB_BYTES: u64 = 16;

/// What the kernel does about the things that happen; all run with interrupts off, on the kernel's stack, and under the big
/// lock.
pub trait Handlers {
    /// The running thread made a system call; whether that was all, and some thread is to be continued.
    fn fast_system_call() -> bool;
    /// The same, for what the first leaves alone.
    fn system_call();
    /// The running thread raised an exception.
    fn exception(vector: u8, error_code: u64, address: u64);
    /// An interrupt arrived.
    fn interrupt(vector: u8);
}

unsafe extern "C" {
    fn banyan_syscall_entry();
    fn banyan_stubs();
    fn banyan_resume(context: *const Context) -> !;
}

pub(crate) fn syscall_address() -> u64 {
    banyan_syscall_entry as *const () as u64
}

pub(crate) fn stub_address(vector: usize) -> u64 {
    banyan_stubs as *const () as u64 + vector as u64 * STUB_BYTES
}

/// Take the big lock, for an event that came without it.
#[inline(always)]
pub fn lock() {
    remote::lock();
}

/// Give the big lock back and continue the running thread in user space.
#[inline(always)]
pub fn resume() -> ! {
    remote::unlock();
    go_back()
}

/// Continue the running thread in user space. The lock is not needed: whoever wants to do something to the thread calls this
/// processor first, which it hears in user space.
#[inline(always)]
fn go_back() -> ! {
    // SAFETY: the per-CPU block is touched only by its own processor, with interrupts off.
    let context = unsafe { (*per_cpu()).context };
    // SAFETY: the kernel has made a thread the running one; its context is complete.
    unsafe { banyan_resume(context) }
}

/// Wait for an interrupt, with nobody running and without the big lock.
pub fn idle() {
    remote::unlock();
    // SAFETY: the handlers only note the interrupt; `sti` takes effect behind `hlt`'s start, so none is missed.
    unsafe { asm!("sti", "hlt", "cli", options(nostack)) };
    remote::lock();
}

/// Open a window for interrupts; whether one was noted.
pub fn look_for_interrupts() -> bool {
    // SAFETY: the handlers only note the interrupt.
    unsafe { asm!("sti", "nop", "cli", options(nostack)) };
    // SAFETY: the per-CPU block is touched only by its own processor, and interrupts are off again.
    unsafe { (*per_cpu()).noted != 0 }
}

/// The next interrupt that was noted in a window.
#[inline]
pub fn take_pending() -> Option<u8> {
    // SAFETY: as in `look_for_interrupts`.
    let noted = unsafe { (*per_cpu()).noted };
    if noted == 0 { None } else { take_noted() }
}

fn take_noted() -> Option<u8> {
    // SAFETY: as in `look_for_interrupts`.
    let cpu = unsafe { &mut *per_cpu() };
    let Some((index, word)) = cpu.pending.iter_mut().enumerate().rev().find(|(_, word)| **word != 0) else {
        cpu.noted = 0;
        return None;
    };
    let bit = 63 - word.leading_zeros();
    *word &= !(1 << bit);
    Some(index as u8 * 64 + bit as u8)
}

/// Emit the two functions that the entry code calls, for these handlers.
#[macro_export]
macro_rules! install_handlers {
    ($handlers:ty) => {
        #[unsafe(no_mangle)]
        extern "C" fn banyan_handle_system_call() -> ! {
            $crate::entry::lock();
            if !<$handlers as $crate::entry::Handlers>::fast_system_call() {
                general_system_call();
            }
            $crate::entry::resume()
        }

        // Out of line, so that the fast path above needs no stack.
        #[inline(never)]
        fn general_system_call() {
            <$handlers as $crate::entry::Handlers>::system_call();
        }

        #[unsafe(no_mangle)]
        extern "C" fn banyan_handle_trap(context: &::ukernel_core::Context) {
            $crate::entry::dispatch::<$handlers>(context)
        }
    };
}

/// Tell exceptions from interrupts, and calls from both.
pub fn dispatch<H: Handlers>(context: &Context) -> ! {
    let vector = (context.resume.0 - 1) as u8;
    if vector == CALL_VECTOR {
        remote::serve();
        if !crate::cpu::is_unloaded() {
            crate::apic::end_of_interrupt();
            go_back();
        }
    }
    let (error_code, address) = (context.error_code, crate::cpu::fault_address());
    remote::lock();
    if vector < 32 {
        H::exception(vector, error_code, address);
    } else {
        H::interrupt(vector);
    }
    resume()
}

/// An exception in the kernel: a bug.
#[unsafe(no_mangle)]
extern "C" fn banyan_kernel_exception(frame: &[u64; 7], rbp: u64) -> ! {
    let [vector, error_code, rip, cs, flags, rsp, _] = *frame;
    let address = crate::cpu::fault_address();
    crate::log_line!(
        "panic: exception {} error {error_code:#x} address {address:#x} in the kernel, cs {cs:#x} flags {flags:#x} rsp {rsp:#x}",
        vector - 1
    );
    crate::log_line!("  at {rip:#x}");
    panic::trace(rbp);
    panic::stop()
}

global_asm!(
    ".global banyan_syscall_entry",
    "banyan_syscall_entry:",
    "swapgs",
    "mov gs:[{USER_RSP}], rsp",
    "mov rsp, gs:[{VCPU}]",
    "cmp qword ptr [rsp + {FOREIGN}], 0",
    "jne banyan_foreign_exit",
    "cmp rax, {VCPU_ENTER}",
    "je banyan_vcpu_enter",
    // An ordinary system call: save all registers that user space keeps or passes.
    "banyan_ordinary_call:",
    "mov rsp, gs:[{CONTEXT}]",
    "mov [rsp + {WORDS}], rdx",
    "mov [rsp + {WORDS} + 8], r8",
    "mov [rsp + {WORDS} + 16], r9",
    "mov [rsp + {WORDS} + 24], r10",
    "mov [rsp + {WORDS} + 32], r12",
    "mov [rsp + {WORDS} + 40], r13",
    "mov [rsp + {RDI}], rdi",
    "mov [rsp + {RSI}], rsi",
    "mov [rsp + {RAX}], rax",
    "mov [rsp + {R14}], r14",
    "mov [rsp + {R15}], r15",
    "mov [rsp + {RBX}], rbx",
    "mov [rsp + {RBP}], rbp",
    "mov [rsp + {RIP}], rcx",
    "mov [rsp + {RFLAGS}], r11",
    "mov rcx, gs:[{USER_RSP}]",
    "mov [rsp + {RSP}], rcx",
    "mov qword ptr [rsp + {RESUME}], 0",
    "mov rsp, gs:[{STACK_TOP}]",
    "xor ebp, ebp",
    "call banyan_handle_system_call",
    "ud2",
    // Foreign code made a system call: its registers go to the state page, its master goes on.
    // rsp = Vcpu.
    "banyan_foreign_exit:",
    ".if {CAN_TRACE}",
    "cmp qword ptr gs:[{TRACING}], 0",
    "jne banyan_ordinary_call",
    ".endif",
    "mov gs:[{SPARE}], rax",
    "mov rax, [rsp + {STATE}]",
    "mov [rax + {S_RBX}], rbx",
    "mov [rax + {S_RCX}], rcx",
    "mov [rax + {S_RIP}], rcx",
    "mov [rax + {S_R11}], r11",
    "mov [rax + {S_RFLAGS}], r11",
    "mov [rax + {S_RDX}], rdx",
    "mov [rax + {S_RSI}], rsi",
    "mov [rax + {S_RDI}], rdi",
    "mov [rax + {S_RBP}], rbp",
    "mov [rax + {S_R8}], r8",
    "mov [rax + {S_R9}], r9",
    "mov [rax + {S_R10}], r10",
    "mov [rax + {S_R12}], r12",
    "mov [rax + {S_R13}], r13",
    "mov [rax + {S_R14}], r14",
    "mov [rax + {S_R15}], r15",
    "mov rbx, gs:[{USER_RSP}]",
    "mov [rax + {S_RSP}], rbx",
    "mov rbx, gs:[{SPARE}]",
    "mov [rax + {S_RAX}], rbx",
    "rdfsbase rbx",
    "mov [rax + {S_FS}], rbx",
    "mov rdx, [rsp + {MASTER_GS}]",
    "inc qword ptr gs:[{FAST_ENTRIES}]",
    "swapgs",
    "rdgsbase rbx",
    "wrgsbase rdx",
    "mov [rax + {S_GS}], rbx",
    "mov edi, {EXIT_SYSCALL}",
    "mov [rax + {S_EXIT}], rdi",
    "mov rbx, [rsp + {MASTER_ROOT}]",
    "mov cr3, rbx",
    "mov rbx, [rsp + {MASTER_FS}]",
    "wrfsbase rbx",
    "mov rcx, [rsp + {MASTER_RIP}]",
    "mov qword ptr [rsp + {FOREIGN}], 0",
    "mov rsp, [rsp + {MASTER_RSP}]",
    "mov r11d, 0x202",
    "xor eax, eax",
    "xor ebx, ebx",
    "xor edx, edx",
    "xor esi, esi",
    "xor ebp, ebp",
    "xor r8d, r8d",
    "xor r9d, r9d",
    "xor r10d, r10d",
    "xor r12d, r12d",
    "xor r13d, r13d",
    "xor r14d, r14d",
    "xor r15d, r15d",
    "sysretq",
    // VcpuEnter where `sysret` will do: no kick, nothing odd in the state page. Each value that is checked is read once.
    // rsp = Vcpu; the master's registers but rsp, rcx (rip), r11 (flags) are lost anyway.
    "banyan_vcpu_enter:",
    // Without a Vcpu it may be a foreign thread, which loses no register.
    "cmp qword ptr [rsp + {STATE}], 0",
    "je banyan_ordinary_call",
    ".if {CAN_TRACE}",
    "cmp qword ptr gs:[{TRACING}], 0",
    "jne banyan_ordinary_call",
    ".endif",
    "mov rbx, [rsp + {STATE}]",
    "cmp qword ptr [rsp + {KICKED}], 0",
    "jne banyan_ordinary_call",
    "mov rdx, [rsp + {LEGACY_ROOT}]",
    "test rdx, rdx",
    "jz banyan_ordinary_call",
    "mov r8, [rbx + {S_RIP}]",
    "cmp r8, [rbx + {S_RCX}]",
    "jne banyan_ordinary_call",
    "mov r9, [rbx + {S_RFLAGS}]",
    "cmp r9, [rbx + {S_R11}]",
    "jne banyan_ordinary_call",
    "mov r10, [rbx + {S_FS}]",
    "mov r12, [rbx + {S_GS}]",
    "mov r13, r8",
    "or r13, r10",
    "or r13, r12",
    "shr r13, {USER_BITS}",
    "jnz banyan_ordinary_call",
    "test r9, {SLOW_FLAGS}",
    "jnz banyan_ordinary_call",
    "bt r9, 9",
    "jnc banyan_ordinary_call",
    "mov [rsp + {MASTER_RIP}], rcx",
    "mov rcx, gs:[{USER_RSP}]",
    "mov [rsp + {MASTER_RSP}], rcx",
    "rdfsbase rcx",
    "mov [rsp + {MASTER_FS}], rcx",
    "wrfsbase r10",
    "inc qword ptr gs:[{FAST_ENTRIES}]",
    "swapgs",
    "rdgsbase rcx",
    "wrgsbase r12",
    "mov [rsp + {MASTER_GS}], rcx",
    "mov qword ptr [rsp + {FOREIGN}], 1",
    "mov cr3, rdx",
    "mov rcx, r8",
    "mov r11, r9",
    "mov rax, [rbx + {S_RAX}]",
    "mov rdx, [rbx + {S_RDX}]",
    "mov rsi, [rbx + {S_RSI}]",
    "mov rdi, [rbx + {S_RDI}]",
    "mov rbp, [rbx + {S_RBP}]",
    "mov rsp, [rbx + {S_RSP}]",
    "mov r8, [rbx + {S_R8}]",
    "mov r9, [rbx + {S_R9}]",
    "mov r10, [rbx + {S_R10}]",
    "mov r12, [rbx + {S_R12}]",
    "mov r13, [rbx + {S_R13}]",
    "mov r14, [rbx + {S_R14}]",
    "mov r15, [rbx + {S_R15}]",
    "mov rbx, [rbx + {S_RBX}]",
    "sysretq",
    // Back to user space; rdi = context.
    ".global banyan_resume",
    "banyan_resume:",
    "mov rsp, rdi",
    "cmp qword ptr [rsp + {RESUME}], 0",
    "jne 2f",
    "mov rdx, [rsp + {WORDS}]",
    "mov r8, [rsp + {WORDS} + 8]",
    "mov r9, [rsp + {WORDS} + 16]",
    "mov r10, [rsp + {WORDS} + 24]",
    "mov r12, [rsp + {WORDS} + 32]",
    "mov r13, [rsp + {WORDS} + 40]",
    "mov rdi, [rsp + {RDI}]",
    "mov rsi, [rsp + {RSI}]",
    "mov rax, [rsp + {RAX}]",
    "mov r14, [rsp + {R14}]",
    "mov r15, [rsp + {R15}]",
    "mov rbx, [rsp + {RBX}]",
    "mov rbp, [rsp + {RBP}]",
    "mov rcx, [rsp + {RIP}]",
    "mov r11, [rsp + {RFLAGS}]",
    "mov rsp, [rsp + {RSP}]",
    "swapgs",
    "sysretq",
    "2:",
    "mov qword ptr [rsp + {CS}], {USER_CODE}",
    "mov qword ptr [rsp + {SS}], {USER_DATA}",
    "pop rdx",
    "pop r8",
    "pop r9",
    "pop r10",
    "pop r12",
    "pop r13",
    "pop rdi",
    "pop rsi",
    "pop rax",
    "pop r14",
    "pop r15",
    "pop rbx",
    "pop rbp",
    "pop rcx",
    "pop r11",
    "add rsp, 16",
    "swapgs",
    "iretq",
    // An exception or interrupt: the stub has pushed its vector plus one, above an error code.
    "banyan_trap:",
    "test byte ptr [rsp + 24], 3",
    "jz 3f",
    "push r11",
    "push rcx",
    "push rbp",
    "push rbx",
    "push r15",
    "push r14",
    "push rax",
    "push rsi",
    "push rdi",
    "push r13",
    "push r12",
    "push r10",
    "push r9",
    "push r8",
    "push rdx",
    "cld",
    "swapgs",
    "mov rdi, rsp",
    "mov rsp, gs:[{STACK_TOP}]",
    "xor ebp, ebp",
    "call banyan_handle_trap",
    "ud2",
    // In the kernel.
    "3:",
    "cmp qword ptr [rsp], 32",
    "jbe 4f",
    "push rax",
    "mov rax, [rsp + 8]",
    "dec rax",
    "bts qword ptr gs:[{PENDING}], rax",
    "mov qword ptr gs:[{NOTED}], 1",
    "pop rax",
    "add rsp, 16",
    "iretq",
    "4:",
    "mov rdi, rsp",
    "mov rsi, rbp",
    "and rsp, -16",
    "call banyan_kernel_exception",
    "ud2",
    USER_RSP = const offset_of!(PerCpu, user_rsp),
    SPARE = const offset_of!(PerCpu, spare),
    STACK_TOP = const offset_of!(PerCpu, stack_top),
    CONTEXT = const offset_of!(PerCpu, context),
    VCPU = const offset_of!(PerCpu, vcpu),
    PENDING = const offset_of!(PerCpu, pending),
    NOTED = const offset_of!(PerCpu, noted),
    TRACING = const offset_of!(PerCpu, tracing),
    CAN_TRACE = const ukernel_core::CAN_TRACE as u8,
    FAST_ENTRIES = const offset_of!(PerCpu, fast_entries),
    WORDS = const offset_of!(Context, words),
    RDI = const offset_of!(Context, rdi),
    RSI = const offset_of!(Context, rsi),
    RAX = const offset_of!(Context, rax),
    R14 = const offset_of!(Context, r14),
    R15 = const offset_of!(Context, r15),
    RBX = const offset_of!(Context, rbx),
    RBP = const offset_of!(Context, rbp),
    RESUME = const offset_of!(Context, resume),
    RIP = const offset_of!(Context, rip),
    CS = const offset_of!(Context, cs),
    RFLAGS = const offset_of!(Context, rflags),
    RSP = const offset_of!(Context, rsp),
    SS = const offset_of!(Context, ss),
    FOREIGN = const offset_of!(Vcpu, foreign),
    KICKED = const offset_of!(Vcpu, kicked),
    STATE = const offset_of!(Vcpu, state),
    LEGACY_ROOT = const offset_of!(Vcpu, legacy_root),
    MASTER_ROOT = const offset_of!(Vcpu, master_root),
    MASTER_RSP = const offset_of!(Vcpu, master_rsp),
    MASTER_RIP = const offset_of!(Vcpu, master_rip),
    MASTER_FS = const offset_of!(Vcpu, master_fs),
    MASTER_GS = const offset_of!(Vcpu, master_gs),
    S_RAX = const offset_of!(State, rax),
    S_RBX = const offset_of!(State, rbx),
    S_RCX = const offset_of!(State, rcx),
    S_RDX = const offset_of!(State, rdx),
    S_RSI = const offset_of!(State, rsi),
    S_RDI = const offset_of!(State, rdi),
    S_RBP = const offset_of!(State, rbp),
    S_RSP = const offset_of!(State, rsp),
    S_R8 = const offset_of!(State, r8),
    S_R9 = const offset_of!(State, r9),
    S_R10 = const offset_of!(State, r10),
    S_R11 = const offset_of!(State, r11),
    S_R12 = const offset_of!(State, r12),
    S_R13 = const offset_of!(State, r13),
    S_R14 = const offset_of!(State, r14),
    S_R15 = const offset_of!(State, r15),
    S_RIP = const offset_of!(State, rip),
    S_RFLAGS = const offset_of!(State, rflags),
    S_FS = const offset_of!(State, fs_base),
    S_GS = const offset_of!(State, gs_base),
    S_EXIT = const offset_of!(State, exit_reason),
    EXIT_SYSCALL = const ExitReason::Syscall as u64,
    VCPU_ENTER = const Call::VcpuEnter as u64,
    USER_BITS = const USER_END.trailing_zeros(),
    SLOW_FLAGS = const !FAST_FLAGS as i32,
    USER_CODE = const USER_CODE,
    USER_DATA = const USER_DATA,
);

// One stub of 16 bytes for each vector. Vectors 8, 10 to 14, 17, 21, 29 and 30 come with an error code (Intel SDM 3A, 6.13;
// AMD APM 2, 8.2); the others get a zero in its place.
global_asm!(
    ".balign 16",
    "banyan_stubs:",
    ".set vector, 0",
    ".rept 256",
    ".balign 16",
    ".if (vector == 8) || (vector == 17) || (vector == 21) || (vector == 29) || (vector == 30)",
    ".elseif (vector >= 10) && (vector <= 14)",
    ".else",
    "pushq $0",
    ".endif",
    ".byte 0x68",
    ".long vector + 1",
    "jmp banyan_trap",
    ".set vector, vector + 1",
    ".endr",
    options(att_syntax),
);
