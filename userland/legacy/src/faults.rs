//! Instructions and addresses that the processor refuses; callers run them in children that expect to die.

use core::arch::asm;

/// Divides by zero.
pub fn divide_by_zero() {
    // SAFETY: the instruction faults; no state changes.
    unsafe { asm!("xor edx, edx", "xor ecx, ecx", "div ecx", out("eax") _, out("ecx") _, out("edx") _) }
}

/// An undefined instruction.
pub fn undefined() {
    // SAFETY: the instruction faults; no state changes.
    unsafe { asm!("ud2") }
}

/// A breakpoint.
pub fn breakpoint() {
    // SAFETY: the instruction traps; no state changes.
    unsafe { asm!("int3") }
}

/// Halts the processor, which programs may not.
pub fn halt() {
    // SAFETY: the instruction faults outside the kernel.
    unsafe { asm!("hlt") }
}

/// Turns interrupts off, which programs may not.
pub fn disable_interrupts() {
    // SAFETY: the instruction faults outside the kernel.
    unsafe { asm!("cli") }
}

/// Writes to an I/O port, which programs may not.
pub fn write_port() {
    // SAFETY: the instruction faults outside the kernel.
    unsafe { asm!("out dx, al", in("dx") 0x80_u16, in("al") 0_u8) }
}

/// Reads a control register, which programs may not.
pub fn read_control_register() {
    // SAFETY: the instruction faults outside the kernel.
    unsafe { asm!("mov {}, cr3", out(reg) _) }
}

/// Loads another page table, which programs may not.
pub fn write_control_register() {
    // SAFETY: the instruction faults outside the kernel.
    unsafe { asm!("mov cr3, {}", in(reg) 0_u64) }
}

/// Reads a model-specific register, which programs may not.
pub fn read_model_register() {
    // SAFETY: the instruction faults outside the kernel.
    unsafe { asm!("rdmsr", in("ecx") 0xc000_0080_u32, out("eax") _, out("edx") _) }
}

/// Changes an interrupt table, which programs may not.
pub fn load_interrupt_table() {
    let table = [0_u8; 10];
    // SAFETY: the instruction faults outside the kernel.
    unsafe { asm!("lidt [{}]", in(reg) &raw const table) }
}

/// A software interrupt that no kernel offers to programs.
pub fn software_interrupt() {
    // SAFETY: the instruction faults.
    unsafe { asm!("int 0x42") }
}

/// Reads a byte at any address.
pub fn read_at(address: u64) {
    // SAFETY: either the address is mapped and the byte is thrown away, or the process gets a signal.
    unsafe { asm!("mov {0:l}, [{0}]", inout(reg) address => _) }
}

/// Writes a byte at any address.
pub fn write_at(address: u64) {
    // SAFETY: none; the caller is a disposable process that ends right after.
    unsafe { asm!("mov byte ptr [{}], 1", in(reg) address) }
}

/// Jumps to any address.
pub fn jump_to(address: u64) {
    // SAFETY: none; the caller is a disposable process that expects to die.
    unsafe { asm!("call {}", in(reg) address, clobber_abi("C")) }
}

/// Sets the stack pointer to nonsense and pushes.
pub fn lose_stack() {
    // SAFETY: the process gets a signal at the push; without a stack for handlers it dies.
    unsafe { asm!("xor esp, esp", "push rax", options(noreturn)) }
}

/// Uses up the stack.
pub fn recurse_forever(depth: u64) -> u64 {
    let frame = core::hint::black_box([depth; 64]);
    if frame[0] == u64::MAX { 0 } else { recurse_forever(depth + 1) + frame[63] }
}

/// Calls the kernel the 32-bit way.
pub fn old_system_call() -> i32 {
    let result;
    // SAFETY: getpid by its 32-bit number, or a fault; no memory is touched.
    unsafe { asm!("int 0x80", inout("eax") 20 => result) }
    result
}
