//! The unsafe parts: start, threads' entry, memory that the tests map, and code for other address spaces.

mod attack;
mod bench;

use core::arch::{asm, global_asm};
use core::sync::atomic::{AtomicU64, Ordering};

use ukernel_abi::Call;
use ukernel_abi::boot::{ROOT_MESSAGE_PAGE, RootInfo};
use ukernel_abi::vcpu::State;

pub use attack::{END, SCRIPT, attack_code, overflow_code};
pub use bench::{
    faulter_code, faulter_places, partner_code, receiver_code, stamper_code, toucher_code, waiter_code, yielder_code,
};

/// The thread-local block that `ukernel-user` expects: its own address, then the message page's.
#[repr(C, align(64))]
pub struct ThreadBlock {
    this: AtomicU64,
    page: AtomicU64,
}

impl ThreadBlock {
    const fn new() -> Self {
        Self { this: AtomicU64::new(0), page: AtomicU64::new(0) }
    }

    fn fill(&'static self, page: u64) -> u64 {
        let this = &raw const *self as u64;
        self.this.store(this, Ordering::Relaxed);
        self.page.store(page, Ordering::Relaxed);
        this
    }
}

static ROOT_BLOCK: ThreadBlock = ThreadBlock::new();
/// Threads that a test can use.
pub const THREADS: usize = 8;
static BLOCKS: [ThreadBlock; THREADS] = [const { ThreadBlock::new() }; THREADS];

/// Bytes of a test thread's stack.
const STACK_BYTES: usize = 16 << 10;

#[repr(align(64))]
struct Stacks([[core::sync::atomic::AtomicU8; STACK_BYTES]; THREADS]);
static STACKS: Stacks = Stacks([const { [const { core::sync::atomic::AtomicU8::new(0) }; STACK_BYTES] }; THREADS]);

global_asm!(
    ".global _start",
    "_start:",
    "xor ebp, ebp",
    "call {start}",
    "ud2",
    // Answers each call with its own message. Position-independent, uses no memory: r14 Reply, r15 endpoint.
    ".global kernel_test_echo",
    "kernel_test_echo:",
    "mov r14, rdi",
    "mov r15, rsi",
    "xor edi, edi",
    "xor esi, esi",
    "2:",
    "mov rdi, r14",
    "mov eax, {reply_recv}",
    "syscall",
    "jmp 2b",
    ".global kernel_test_echo_end",
    "kernel_test_echo_end:",
    // Foreign code: a system call with number 39, over and over.
    ".global kernel_test_foreign",
    "kernel_test_foreign:",
    "2:",
    "mov eax, 39",
    "syscall",
    "jmp 2b",
    ".global kernel_test_foreign_spin",
    "kernel_test_foreign_spin:",
    "jmp kernel_test_foreign_spin",
    // Counts in an FPU register, with a system call after each step.
    ".global kernel_test_foreign_fpu_count",
    "kernel_test_foreign_fpu_count:",
    "movq rax, xmm7",
    "inc rax",
    "movq xmm7, rax",
    "syscall",
    "jmp kernel_test_foreign_fpu_count",
    // Makes a system call when the FPU register is not what rbx is.
    ".global kernel_test_foreign_fpu_keep",
    "kernel_test_foreign_fpu_keep:",
    "movq rax, xmm7",
    "cmp rax, rbx",
    "je kernel_test_foreign_fpu_keep",
    "syscall",
    ".global kernel_test_foreign_end",
    "kernel_test_foreign_end:",
    // A master: waits for orders (rdi = notification), tells when done (rsi = notification).
    // Order 1: enter once. Order 2: load from the address in the page's word 256; word 257 becomes the value, word 258 counts
    // the fix-ups taken. Order 4: enter as many times as word 259 says. VcpuEnter keeps nothing but rsp.
    ".global kernel_test_master",
    "kernel_test_master:",
    "movabs rdx, {state}",
    "push rdx",
    "push rdi",
    "push rsi",
    "2:",
    "mov rdi, [rsp + 8]",
    "mov eax, {wait}",
    "syscall",
    "test edi, 2",
    "jnz 4f",
    "test edi, 4",
    "jnz 6f",
    "mov eax, {enter}",
    "syscall",
    "3:",
    "mov rdi, [rsp]",
    "mov eax, {signal}",
    "syscall",
    "jmp 2b",
    "4:",
    "mov rdx, [rsp + 16]",
    "mov rax, [rdx + 2048]",
    ".global kernel_test_load",
    "kernel_test_load:",
    "mov rax, [rax]",
    ".global kernel_test_loaded",
    "kernel_test_loaded:",
    "mov [rdx + 2056], rax",
    "jmp 3b",
    ".global kernel_test_load_failed",
    "kernel_test_load_failed:",
    "inc qword ptr [rdx + 2064]",
    "jmp 3b",
    "6:",
    "mov eax, {enter}",
    "syscall",
    "mov rdx, [rsp + 16]",
    "dec qword ptr [rdx + 2072]",
    "jnz 6b",
    "jmp 3b",
    ".global kernel_test_master_end",
    "kernel_test_master_end:",
    start = sym start,
    reply_recv = const Call::ReplyRecv as u64,
    state = const crate::master::MASTER_STATE,
    wait = const Call::Wait as u64,
    enter = const Call::VcpuEnter as u64,
    signal = const Call::Signal as u64,
);

unsafe extern "C" {
    fn kernel_test_echo();
    fn kernel_test_echo_end();
    fn kernel_test_foreign();
    fn kernel_test_foreign_spin();
    fn kernel_test_foreign_fpu_count();
    fn kernel_test_foreign_fpu_keep();
    fn kernel_test_foreign_end();
    fn kernel_test_master();
    fn kernel_test_master_end();
    fn kernel_test_load();
    fn kernel_test_loaded();
    fn kernel_test_load_failed();
}

extern "C" fn start(info: &'static RootInfo) -> ! {
    set_fs(ROOT_BLOCK.fill(ROOT_MESSAGE_PAGE));
    crate::main(info)
}

fn set_fs(base: u64) {
    // SAFETY: the block is static.
    unsafe { asm!("wrfsbase {}", in(reg) base, options(nostack, preserves_flags)) };
}

/// What a new thread needs: entry, stack pointer, thread-local block.
pub fn thread_start(index: usize, page: u64, main: extern "C" fn(u64) -> !) -> (u64, u64, u64) {
    let stack = &raw const STACKS.0[index] as u64 + STACK_BYTES as u64;
    (main as *const () as u64, stack - 8, BLOCKS[index].fill(page))
}

fn code(from: unsafe extern "C" fn(), to: unsafe extern "C" fn()) -> &'static [u8] {
    let (from, to) = (from as *const u8, to as *const u8);
    // SAFETY: both labels are in this program's text, in this order.
    unsafe { core::slice::from_raw_parts(from, to as usize - from as usize) }
}

/// The echo server's code: runs anywhere, rdi = Reply slot, rsi = endpoint slot.
pub fn echo_code() -> &'static [u8] {
    code(kernel_test_echo, kernel_test_echo_end)
}

/// Foreign code: system calls from its start on.
pub fn foreign_code() -> &'static [u8] {
    code(kernel_test_foreign, kernel_test_foreign_end)
}

fn foreign_offset(label: unsafe extern "C" fn()) -> u64 {
    label as *const () as u64 - kernel_test_foreign as *const () as u64
}

/// Where in the foreign code an endless loop is.
pub fn foreign_spin_offset() -> u64 {
    foreign_offset(kernel_test_foreign_spin)
}

/// Where it counts in the FPU register that `fpu_value` reads, with a system call after each step.
pub fn foreign_fpu_count_offset() -> u64 {
    foreign_offset(kernel_test_foreign_fpu_count)
}

/// Where it compares that register with rbx, and makes a system call when they differ.
pub fn foreign_fpu_keep_offset() -> u64 {
    foreign_offset(kernel_test_foreign_fpu_keep)
}

/// A master's code: runs anywhere.
pub fn master_code() -> &'static [u8] {
    code(kernel_test_master, kernel_test_master_end)
}

/// Offsets in the master's code: its load, the instruction behind it, and the fix-up.
pub fn master_fixup() -> (u64, u64, u64) {
    let offset = |label: unsafe extern "C" fn()| label as *const () as u64 - kernel_test_master as *const () as u64;
    (offset(kernel_test_load), offset(kernel_test_loaded), offset(kernel_test_load_failed))
}

/// Read a word of memory that the test has mapped.
pub fn peek(address: u64) -> u64 {
    // SAFETY: tests call this for memory that they mapped or that is to fault; no Rust object is there.
    unsafe { (address as *const u64).read_volatile() }
}

/// Read a byte likewise.
pub fn peek_byte(address: u64) -> u8 {
    // SAFETY: as in `peek`.
    unsafe { (address as *const u8).read_volatile() }
}

/// Write a word of memory that the test has mapped.
pub fn poke(address: u64, value: u64) {
    // SAFETY: as in `peek`.
    unsafe { (address as *mut u64).write_volatile(value) };
}

/// Read a state page that the test has mapped.
pub fn read_state(address: u64) -> State {
    // SAFETY: as in `peek`; every bit pattern is a state.
    unsafe { (address as *const State).read_volatile() }
}

/// Write a state page that the test has mapped.
pub fn write_state(address: u64, state: &State) {
    // SAFETY: as in `peek`.
    unsafe { (address as *mut State).write_volatile(state.clone()) };
}

/// Copy code to memory that the test has mapped.
pub fn place(code: &[u8], address: u64) {
    for (offset, byte) in code.iter().enumerate() {
        // SAFETY: as in `peek`.
        unsafe { (address as *mut u8).wrapping_add(offset).write_volatile(*byte) };
    }
}

/// Call code at an address, if the processor lets us.
pub fn jump(address: u64) {
    // SAFETY: the tests' code there returns at once, or cannot be executed and faults.
    unsafe { asm!("call {}", in(reg) address, clobber_abi("sysv64")) };
}

/// Execute an FPU instruction.
pub fn use_fpu() {
    // SAFETY: no code of this program has FPU state to lose.
    unsafe { asm!("pxor xmm0, xmm0", options(nostack, nomem)) };
}

/// Put a value into an FPU register.
pub fn set_fpu_value(value: u64) {
    // SAFETY: as in `use_fpu`.
    unsafe { asm!("movq xmm7, {}", in(reg) value, options(nostack, nomem, preserves_flags)) };
}

/// The value of that register.
pub fn fpu_value() -> u64 {
    let value;
    // SAFETY: as in `use_fpu`.
    unsafe { asm!("movq {}, xmm7", out(reg) value, options(nostack, preserves_flags)) };
    value
}

/// Set the base of `gs`, which this program does not use.
pub fn set_gs_base(base: u64) {
    // SAFETY: nothing here is reached through `gs`.
    unsafe { asm!("wrgsbase {}", in(reg) base, options(nostack, preserves_flags)) };
}

/// Read a port without having the right to.
pub fn touch_port() {
    // SAFETY: it faults.
    unsafe { asm!("in al, dx", in("dx") 0x80u16, out("al") _, options(nostack, nomem)) };
}

/// The time-stamp counter.
pub fn now() -> u64 {
    // SAFETY: reading it has no effect.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// Two words of a system call with a number that does not exist.
pub fn bad_call() {
    // SAFETY: the kernel reports it as a fault.
    unsafe { asm!("syscall", inout("rax") 999u64 => _, out("rcx") _, out("r11") _, options(nostack)) };
}
