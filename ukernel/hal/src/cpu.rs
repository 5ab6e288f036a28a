//! The processor: features, descriptor tables, and the per-CPU block.

use core::arch::asm;
use core::mem::{MaybeUninit, offset_of};

use ukernel_core::{Context, Cpu, MAX_CPUS, PhysAddr, Vcpu};
use x86_64::registers::control::{Cr0, Cr0Flags, Cr3, Cr4, Cr4Flags};
use x86_64::registers::model_specific::Msr;
use x86_64::registers::xcontrol::{XCr0, XCr0Flags};

use crate::{entry, fpu};

/// Selectors; their order is what `sysret` wants (Intel SDM 2B, SYSRET).
pub const KERNEL_CODE: u16 = 0x08;
/// User stack and data.
pub const USER_DATA: u16 = 0x18 | 3;
/// User code.
pub const USER_CODE: u16 = 0x20 | 3;
const TSS_SELECTOR: u16 = 0x28;

const IA32_STAR: u32 = 0xc000_0081;
const IA32_LSTAR: u32 = 0xc000_0082;
const IA32_FMASK: u32 = 0xc000_0084;
const IA32_EFER: u32 = 0xc000_0080;
/// What `rdtscp` and `rdpid` give user space: the processor's number.
const IA32_TSC_AUX: u32 = 0xc000_0103;
const HAS_RDTSCP: u32 = 1 << 27;
const IA32_GS_BASE: u32 = 0xc000_0101;
const IA32_KERNEL_GS_BASE: u32 = 0xc000_0102;
const EFER_SCE_NXE: u64 = 1 | 1 << 11;
/// Flags that the kernel is entered without: TF IF DF IOPL NT AC.
const ENTRY_FLAG_MASK: u64 = 0x4_7700;

/// Bytes of the kernel's stack.
pub const STACK_BYTES: usize = 32 << 10;
const TRAP_STACK_BYTES: usize = 8 << 10;

/// What the entry code finds through `gs`.
#[repr(C)]
pub struct PerCpu {
    /// Where this block is.
    this: *mut PerCpu,
    /// Scratch: the user's stack pointer.
    pub(crate) user_rsp: u64,
    /// Scratch: one user register.
    pub(crate) spare: u64,
    /// Top of the kernel's stack.
    pub(crate) stack_top: u64,
    /// The running thread's context.
    pub(crate) context: *mut Context,
    /// The running thread's Vcpu, or `no_vcpu`.
    pub(crate) vcpu: *mut Vcpu,
    /// How often CR3 was written, but for the fast ways of Vcpus.
    pub(crate) root_writes: u64,
    /// How often a Vcpu was entered or left on the fast ways, each of which writes CR3.
    pub(crate) fast_entries: u64,
    /// 1 while events are traced.
    pub(crate) tracing: u64,
    /// 1 where an interrupt arrived in a window.
    pub(crate) noted: u64,
    /// Interrupts that arrived in a window, by vector.
    pub(crate) pending: [u64; 4],
    /// 1 when a call from another processor has taken the running thread away.
    pub(crate) unloaded: u64,
    /// The kernel's part.
    pub(crate) kernel: Cpu,
    /// What the FPU's registers hold.
    pub(crate) fpu: fpu::State,
    /// This processor's number.
    pub(crate) index: usize,
    no_vcpu: Vcpu,
    tss: TaskState,
    gdt: [u64; 7],
}

/// Task-state segment (Intel SDM 3A, 8.7).
#[repr(C, packed(4))]
struct TaskState {
    reserved0: u32,
    rsp: [u64; 3],
    reserved1: u64,
    ist: [u64; 7],
    reserved2: u64,
    reserved3: u16,
    io_map: u16,
}

/// A stack with a page below it that `guard` unmaps.
#[repr(C, align(4096))]
struct Stack<const N: usize> {
    guard: [u8; 4096],
    bytes: [u8; N],
}

impl<const N: usize> Stack<N> {
    const EMPTY: Self = Self { guard: [0; 4096], bytes: [0; N] };
}

/// A processor's stacks.
struct Stacks {
    kernel: Stack<STACK_BYTES>,
    double_fault: Stack<TRAP_STACK_BYTES>,
    nmi: Stack<TRAP_STACK_BYTES>,
}

impl Stacks {
    const EMPTY: Self = Self { kernel: Stack::EMPTY, double_fault: Stack::EMPTY, nmi: Stack::EMPTY };
}

static mut STACKS: [Stacks; MAX_CPUS] = [const { Stacks::EMPTY }; MAX_CPUS];
static mut IDT: [[u64; 2]; 256] = [[0; 2]; 256];
static mut CPUS: [MaybeUninit<PerCpu>; MAX_CPUS] = [const { MaybeUninit::uninit() }; MAX_CPUS];

impl PerCpu {
    fn new(index: usize, this: *mut Self, stacks: *const Stacks) -> Self {
        // SAFETY: the stacks are static; only their addresses are taken.
        let [kernel, double_fault, nmi] = unsafe {
            [
                stack_top(&raw const (*stacks).kernel),
                stack_top(&raw const (*stacks).double_fault),
                stack_top(&raw const (*stacks).nmi),
            ]
        };
        Self {
            this,
            user_rsp: 0,
            spare: 0,
            stack_top: kernel,
            context: core::ptr::null_mut(),
            vcpu: core::ptr::null_mut(),
            root_writes: 0,
            fast_entries: 0,
            tracing: 0,
            noted: 0,
            pending: [0; 4],
            unloaded: 0,
            kernel: Cpu::new(index as u8),
            fpu: fpu::State::new(),
            index,
            no_vcpu: Vcpu::new(),
            tss: TaskState {
                reserved0: 0,
                rsp: [kernel, 0, 0],
                reserved1: 0,
                ist: [double_fault, nmi, 0, 0, 0, 0, 0],
                reserved2: 0,
                reserved3: 0,
                io_map: size_of::<TaskState>() as u16,
            },
            gdt: [0, 0x00af_9b00_0000_ffff, 0x00cf_9300_0000_ffff, 0x00cf_f300_0000_ffff, 0x00af_fb00_0000_ffff, 0, 0],
        }
    }
}

/// Offset of the first byte behind a context, where exceptions from user space push.
const CONTEXT_END: u64 = (offset_of!(Context, ss) + 8) as u64;

/// The per-CPU block of this processor.
#[inline(always)]
pub(crate) fn per_cpu() -> *mut PerCpu {
    let block;
    // SAFETY: `set_up` has pointed `gs` to the block, and its first word to itself.
    unsafe { asm!("mov {}, gs:[0]", out(reg) block, options(pure, nomem, nostack, preserves_flags)) };
    block
}

/// The per-CPU block of the processor with this number.
pub(crate) fn block(index: usize) -> *mut PerCpu {
    assert!(index < MAX_CPUS, "there is no such processor");
    (&raw mut CPUS).cast::<PerCpu>().wrapping_add(index)
}

/// Top of the kernel's stack of the processor with this number.
pub(crate) fn kernel_stack(index: usize) -> u64 {
    let stacks = stacks(index);
    // SAFETY: only the address is taken.
    stack_top(unsafe { &raw const (*stacks).kernel })
}

fn stacks(index: usize) -> *const Stacks {
    assert!(index < MAX_CPUS, "there is no such processor");
    (&raw const STACKS).cast::<Stacks>().wrapping_add(index)
}

/// Set up this processor, with this number: features, descriptor tables, entry points. Interrupts stay off. Called once,
/// first.
///
/// # Panics
/// On a processor without SYSCALL, NX, FSGSBASE or XSAVE: nothing here runs without them.
pub fn set_up(index: usize) {
    enable_features();
    let cpu = block(index);
    // SAFETY: the block is this processor's own, and nobody uses it yet.
    unsafe { cpu.write(PerCpu::new(index, cpu, stacks(index))) };
    load_tables(cpu);
    // SAFETY: documented MSRs; the handlers exist, the per-CPU block is static.
    unsafe {
        let efer = Msr::new(IA32_EFER).read();
        Msr::new(IA32_EFER).write(efer | EFER_SCE_NXE);
        Msr::new(IA32_STAR).write(u64::from(KERNEL_CODE) << 32 | 0x10 << 48);
        Msr::new(IA32_LSTAR).write(entry::syscall_address());
        Msr::new(IA32_FMASK).write(ENTRY_FLAG_MASK);
        Msr::new(IA32_GS_BASE).write(cpu as u64);
        Msr::new(IA32_KERNEL_GS_BASE).write(0);
        if cpuid(0x8000_0001, 0).edx & HAS_RDTSCP != 0 {
            Msr::new(IA32_TSC_AUX).write(index as u64);
        }
    }
}

fn cpuid(leaf: u32, subleaf: u32) -> core::arch::x86_64::CpuidResult {
    core::arch::x86_64::__cpuid_count(leaf, subleaf)
}

fn enable_features() {
    let (basic, extended) = (cpuid(1, 0), cpuid(7, 0));
    assert!(extended.ebx & 1 != 0, "the processor has no FSGSBASE");
    assert!(basic.ecx & 1 << 26 != 0, "the processor has no XSAVE");
    let mut cr4 = Cr4::read();
    cr4 |=
        Cr4Flags::FSGSBASE | Cr4Flags::OSXSAVE | Cr4Flags::OSFXSR | Cr4Flags::OSXMMEXCPT_ENABLE | Cr4Flags::PAGE_GLOBAL;
    cr4.set(Cr4Flags::SUPERVISOR_MODE_EXECUTION_PROTECTION, extended.ebx & 1 << 7 != 0);
    cr4.set(Cr4Flags::SUPERVISOR_MODE_ACCESS_PREVENTION, extended.ebx & 1 << 20 != 0);
    cr4.set(Cr4Flags::USER_MODE_INSTRUCTION_PREVENTION, extended.ecx & 1 << 2 != 0);
    let mut cr0 = Cr0::read();
    cr0 |= Cr0Flags::WRITE_PROTECT | Cr0Flags::NUMERIC_ERROR | Cr0Flags::MONITOR_COPROCESSOR | Cr0Flags::TASK_SWITCHED;
    cr0 -= Cr0Flags::EMULATE_COPROCESSOR;
    let mut components = XCr0Flags::X87 | XCr0Flags::SSE;
    components.set(XCr0Flags::AVX, basic.ecx & 1 << 28 != 0);
    // SAFETY: the features are there (checked above), and none of them changes what mapped memory means to running code.
    unsafe {
        Cr4::write(cr4);
        Cr0::write(cr0);
        XCr0::write(components);
    }
}

fn load_tables(cpu: *mut PerCpu) {
    // SAFETY: called once for each processor, with its own block. All write the same to the interrupt table.
    unsafe {
        (*cpu).vcpu = &raw mut (*cpu).no_vcpu;
        let tss = &raw const (*cpu).tss as u64;
        let limit = size_of::<TaskState>() as u64 - 1;
        (*cpu).gdt[5] = limit | (tss & 0xff_ffff) << 16 | 0x89 << 40 | (tss >> 24 & 0xff) << 56;
        (*cpu).gdt[6] = tss >> 32;
        let table = &raw mut IDT;
        for vector in 0..256 {
            let ist = match vector {
                8 => 1,
                2 => 2,
                _ => 0,
            };
            (*table)[vector] = gate(entry::stub_address(vector), ist, usable_by_programs(vector));
        }
        let gdt = Pointer { limit: 7 * 8 - 1, base: &raw const (*cpu).gdt as u64 };
        let idt = Pointer { limit: 256 * 16 - 1, base: &raw const IDT as u64 };
        asm!(
            "lgdt [{gdt}]",
            "lidt [{idt}]",
            "mov ax, 0x10",
            "mov ss, ax",
            "xor eax, eax",
            "mov ds, ax",
            "mov es, ax",
            "mov fs, ax",
            "mov gs, ax",
            "push {code}",
            "lea rax, [rip + 2f]",
            "push rax",
            "retfq",
            "2:",
            "mov ax, {tss}",
            "ltr ax",
            gdt = in(reg) &raw const gdt,
            idt = in(reg) &raw const idt,
            code = const KERNEL_CODE as u64,
            tss = const TSS_SELECTOR,
            out("rax") _,
        );
    }
}

/// The operand of `lgdt` and `lidt`.
#[repr(C, packed)]
struct Pointer {
    limit: u16,
    base: u64,
}

/// Privilege that an `int` instruction needs for a gate: breakpoints (`int3`) and `into` are for programs, too.
const fn usable_by_programs(vector: usize) -> u64 {
    if vector == 3 || vector == 4 { 3 } else { 0 }
}

/// An interrupt gate (Intel SDM 3A, 6.14.1).
fn gate(handler: u64, ist: u64, privilege: u64) -> [u64; 2] {
    let kind = 0x8e | privilege << 5;
    let low = handler & 0xffff | u64::from(KERNEL_CODE) << 16 | ist << 32 | kind << 40 | (handler >> 16 & 0xffff) << 48;
    [low, handler >> 32]
}

fn stack_top<const N: usize>(stack: *const Stack<N>) -> u64 {
    stack as u64 + size_of::<Stack<N>>() as u64
}

/// Addresses of the guard pages below the stacks of so many processors, to be unmapped.
pub fn guard_pages(cpus: usize) -> impl Iterator<Item = u64> {
    (0..cpus).flat_map(|index| {
        let stacks = stacks(index);
        // SAFETY: only addresses are taken.
        unsafe {
            [
                &raw const (*stacks).kernel as u64,
                &raw const (*stacks).double_fault as u64,
                &raw const (*stacks).nmi as u64,
            ]
        }
    })
}

/// Go on in `f`, on the kernel's own stack.
pub fn on_kernel_stack(f: extern "C" fn() -> !) -> ! {
    // SAFETY: the stack is this processor's own and unused; `f` never returns.
    unsafe {
        asm!("mov rsp, {top}", "xor ebp, ebp", "call {f}", "ud2", top = in(reg) (*per_cpu()).stack_top, f = in(reg) f,
            options(noreturn));
    }
}

/// Make this context and Vcpu (or none) the ones that the entry code uses.
pub(crate) fn set_running(context: *mut Context, vcpu: Option<*mut Vcpu>) {
    // SAFETY: the per-CPU block is touched only by its own processor, with interrupts off. The kernel keeps both objects
    // alive for as long as the thread is loaded.
    unsafe {
        let cpu = per_cpu();
        (*cpu).unloaded = 0;
        (*cpu).vcpu = vcpu.unwrap_or(&raw mut (*cpu).no_vcpu);
    }
    set_context(context);
}

/// Make this context the one that the entry code uses; the Vcpu stays.
#[inline(always)]
pub(crate) fn set_context(context: *mut Context) {
    // SAFETY: as in `set_running`.
    unsafe {
        let cpu = per_cpu();
        (*cpu).context = context;
        (*cpu).tss.rsp[0] = context as u64 + CONTEXT_END;
    }
}

/// Whether this context is the one that the entry code uses.
pub(crate) fn is_running(context: *const Context) -> bool {
    // SAFETY: the per-CPU block is touched only by its own processor.
    unsafe { (*per_cpu()).context.cast_const() == context }
}

/// The kernel's part of this processor's block.
#[inline(always)]
pub(crate) fn kernel_part<'a>() -> &'a Cpu {
    // SAFETY: the block is static, and the caller's borrow of the machine limits the lifetime.
    unsafe { &(*per_cpu()).kernel }
}

/// The same, to change it.
#[inline(always)]
pub(crate) fn kernel_part_mut<'a>() -> &'a mut Cpu {
    // SAFETY: as above; the caller's exclusive borrow of the machine makes it the only reference.
    unsafe { &mut (*per_cpu()).kernel }
}

/// The same of any processor.
pub(crate) fn kernel_part_of<'a>(index: usize) -> &'a Cpu {
    // SAFETY: as in `kernel_part`; the block was set up before its processor was counted.
    unsafe { &(*block(index)).kernel }
}

/// The same, to change it.
pub(crate) fn kernel_part_of_mut<'a>(index: usize) -> &'a mut Cpu {
    // SAFETY: as in `kernel_part_mut`; other processors use it only while they hold the big lock, as the caller does now.
    unsafe { &mut (*block(index)).kernel }
}

/// This processor's FPU.
pub(crate) fn fpu<'a>() -> &'a mut fpu::State {
    // SAFETY: the block is touched only by its own processor, with interrupts off, and no caller keeps two of these.
    unsafe { &mut (*per_cpu()).fpu }
}

/// This processor's number.
pub(crate) fn index() -> usize {
    // SAFETY: as in `fpu`; it never changes.
    unsafe { (*per_cpu()).index }
}

/// The running thread was taken away from this processor.
pub(crate) fn note_unloaded() {
    // SAFETY: as in `fpu`.
    unsafe { (*per_cpu()).unloaded = 1 };
}

/// Whether it was, since a thread became the running one.
pub(crate) fn is_unloaded() -> bool {
    // SAFETY: as in `fpu`.
    unsafe { (*per_cpu()).unloaded != 0 }
}

/// The root page table in use.
pub fn root() -> PhysAddr {
    PhysAddr(Cr3::read().0.start_address().as_u64())
}

/// Translate through another root page table.
#[inline(always)]
pub(crate) fn set_root(root: PhysAddr) {
    // SAFETY: each root that the kernel makes is a page's address and has the kernel's half.
    unsafe { asm!("mov cr3, {}", in(reg) root.0, options(nostack, preserves_flags)) };
    // SAFETY: the per-CPU block is touched only by its own processor, with interrupts off.
    unsafe { (*per_cpu()).root_writes += 1 };
}

/// How often CR3 was written by this processor.
pub(crate) fn root_writes(cpu: usize) -> u64 {
    // SAFETY: plain counters; one that changes meanwhile is a little old.
    unsafe { (&raw const (*block(cpu)).root_writes).read_volatile() + fast_entries(cpu) }
}

/// How often a Vcpu was entered or left on the fast ways of this processor.
pub(crate) fn fast_entries(cpu: usize) -> u64 {
    // SAFETY: as in `root_writes`.
    unsafe { (&raw const (*block(cpu)).fast_entries).read_volatile() }
}

/// Let Vcpus be entered and left by the kernel's Rust half, or again by the entry code alone.
pub(crate) fn set_tracing(cpu: usize, on: bool) {
    // SAFETY: the entry code alone reads it, once an entry; it may do so a little late.
    unsafe { (&raw mut (*block(cpu)).tracing).write_volatile(on.into()) };
}

/// The base of `fs`.
pub(crate) fn fs_base() -> u64 {
    let base;
    // SAFETY: reading it has no effect; the feature is on.
    unsafe { asm!("rdfsbase {}", out(reg) base, options(nostack, nomem, preserves_flags)) };
    base
}

/// Set the base of `fs`; it must be canonical.
pub(crate) fn set_fs_base(base: u64) {
    // SAFETY: the kernel uses no `fs`, and checks user values for being canonical.
    unsafe { asm!("wrfsbase {}", in(reg) base, options(nostack, preserves_flags)) };
}

/// The user's base of `gs`.
pub(crate) fn gs_base() -> u64 {
    let base;
    // SAFETY: between the two swaps nothing uses `gs`.
    unsafe { asm!("swapgs", "rdgsbase {}", "swapgs", out(reg) base, options(nostack, preserves_flags)) };
    base
}

/// Set the user's base of `gs`; it must be canonical.
pub(crate) fn set_gs_base(base: u64) {
    // SAFETY: between the two swaps nothing uses `gs`; the kernel checks user values for being canonical.
    unsafe { asm!("swapgs", "wrgsbase {}", "swapgs", in(reg) base, options(nostack, preserves_flags)) };
}

/// Forbid or allow FPU instructions.
pub(crate) fn set_fpu_trap(trap: bool) {
    let mut cr0 = Cr0::read();
    cr0.set(Cr0Flags::TASK_SWITCHED, trap);
    // SAFETY: the kernel itself uses no FPU instruction but where it has allowed them.
    unsafe { Cr0::write(cr0) };
}

/// The address of the last page fault.
pub(crate) fn fault_address() -> u64 {
    let address;
    // SAFETY: reading CR2 has no effect.
    unsafe { asm!("mov {}, cr2", out(reg) address, options(nomem, nostack, preserves_flags)) };
    address
}
