//! Signal frames: `struct rt_sigframe` of x86-64, as programs, debuggers and unwinders know it
//! (Linux `arch/x86/include/asm/sigframe.h`, `uapi/asm/sigcontext.h`, `uapi/asm/ucontext.h`).
//!
//! ```text
//! 0 return address | 8 ucontext: flags, link, stack (24), sigcontext (256), mask (8) | 312 siginfo (128) | 440
//! ```

use guest_memory::fpu::FpuState;
use guest_memory::{State, USER_END, UserAddr, read_bytes, write_bytes};
use linux_abi::raw::general as raw;
use linux_abi::{Errno, Result};

use crate::signal::{Action, SIGINFO_BYTES, SigInfo, SigSet, Signal};
use crate::{AlternateStack, Task, force_signal};

const CONTEXT_AT: usize = 8;
const STACK_AT: usize = CONTEXT_AT + 16;
const REGISTERS_AT: usize = CONTEXT_AT + 40;
const REGISTER_WORDS: usize = 32;
const MASK_AT: usize = REGISTERS_AT + REGISTER_WORDS * 8;
const INFO_AT: usize = MASK_AT + 8;
const FRAME_BYTES: usize = INFO_AT + SIGINFO_BYTES;
/// Bytes below the stack pointer that leaf functions use (System V ABI, 3.2.2).
const RED_ZONE: u64 = 128;
/// `UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS`.
const CONTEXT_FLAGS: u64 = 7;
/// What programs expect in `cs` and `ss`.
const SEGMENTS: u64 = 0x33 | 0x2b << 48;
/// Flags that sigreturn restores: those that programs can change themselves, and `TF`, `RF`.
const FLAGS: u64 = 0x25_0dd5;
/// Flags that a handler starts without: TF, DF, RF.
const CLEARED_FLAGS: u64 = 0x1_0500;
/// `SS_AUTODISARM`.
const AUTODISARM: u32 = 1 << 31;

/// Indices of `struct sigcontext`, in words, in order.
fn registers(state: &State) -> [u64; 17] {
    [
        state.r8, state.r9, state.r10, state.r11, state.r12, state.r13, state.r14, state.r15, state.rdi, state.rsi,
        state.rbp, state.rbx, state.rdx, state.rax, state.rcx, state.rsp, state.rip,
    ]
}
const FLAGS_WORD: usize = 17;
const SEGMENTS_WORD: usize = 18;
const ERROR_WORD: usize = 19;
const TRAP_WORD: usize = 20;
const OLD_MASK_WORD: usize = 21;
const FAULT_ADDRESS_WORD: usize = 22;
const FPU_WORD: usize = 23;

/// A frame while it is put together or taken apart.
struct Frame([u8; FRAME_BYTES]);

impl Frame {
    fn put(&mut self, at: usize, bytes: &[u8]) {
        if let Some(place) = self.0.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }

    fn put_word(&mut self, at: usize, word: u64) {
        self.put(at, &word.to_le_bytes());
    }

    fn word(&self, at: usize) -> u64 {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&self.0[at..at + 8]);
        u64::from_le_bytes(bytes)
    }
}

/// Puts a frame on the task's stack and points its program to the handler.
///
/// # Errors
/// `EFAULT` if the stack does not take it.
pub fn push(task: &Task, info: &SigInfo, action: &Action, mask: SigSet, stack: AlternateStack) -> Result<()> {
    let state = task.seat.state.snapshot();
    let on_stack = stack.holds(state.rsp);
    let mut pointer = state.rsp.wrapping_sub(RED_ZONE);
    if action.has(raw::SA_ONSTACK) && stack.bytes > 0 && !on_stack {
        pointer = stack.start.wrapping_add(stack.bytes);
    }
    let fpu_at = pointer.checked_sub(FpuState::frame_bytes() as u64).ok_or(Errno::EFAULT)? & !63;
    // As after a call: the handler finds its return address at a multiple of 16, less 8.
    let at =
        (fpu_at.checked_sub(FRAME_BYTES as u64).ok_or(Errno::EFAULT)? & !15).checked_sub(8).ok_or(Errno::EFAULT)?;
    if on_stack && !stack.holds(at) {
        return Err(Errno::EFAULT);
    }
    if !action.has(raw::SA_RESTORER) {
        // Without a restorer there is nothing to return to; Linux on x86-64 refuses as well.
        return Err(Errno::EFAULT);
    }
    FpuState::save().write_frame(UserAddr(fpu_at))?;
    write_bytes(UserAddr(at), &build(&state, info, action, mask, stack, fpu_at).0)?;
    if stack.disarms && stack.bytes > 0 {
        task.signals.lock().stack = AlternateStack::default();
    }
    task.seat.state.with(|state| {
        state.rdi = info.signal.number().into();
        state.rsi = at + INFO_AT as u64;
        state.rdx = at + CONTEXT_AT as u64;
        state.rax = 0;
        state.rsp = at;
        state.rip = action.handler;
        state.rflags &= !CLEARED_FLAGS;
        // The ways back by `sysret` need these two to agree.
        state.rcx = state.rip;
        state.r11 = state.rflags;
    });
    Ok(())
}

fn build(state: &State, info: &SigInfo, action: &Action, mask: SigSet, stack: AlternateStack, fpu_at: u64) -> Frame {
    let mut frame = Frame([0; FRAME_BYTES]);
    frame.put_word(0, action.restorer);
    frame.put_word(CONTEXT_AT, CONTEXT_FLAGS);
    frame.put_word(STACK_AT, stack.start);
    frame.put(STACK_AT + 8, &stack_flags(&stack, state.rsp).to_le_bytes());
    frame.put_word(STACK_AT + 16, stack.bytes);
    let mut put = |index: usize, word: u64| frame.put_word(REGISTERS_AT + index * 8, word);
    for (index, word) in registers(state).into_iter().enumerate() {
        put(index, word);
    }
    put(FLAGS_WORD, state.rflags);
    put(SEGMENTS_WORD, SEGMENTS);
    if is_fault(info) {
        put(ERROR_WORD, state.error_code);
        put(TRAP_WORD, state.vector);
        put(FAULT_ADDRESS_WORD, state.fault_address);
    }
    put(OLD_MASK_WORD, mask.0);
    put(FPU_WORD, fpu_at);
    frame.put_word(MASK_AT, mask.0);
    frame.put(INFO_AT, &info.to_bytes());
    frame
}

fn is_fault(info: &SigInfo) -> bool {
    SigSet::SYNCHRONOUS.contains(info.signal) && info.code > 0
}

/// `ss_flags` of the alternate stack, given the stack pointer.
pub fn stack_flags(stack: &AlternateStack, pointer: u64) -> u32 {
    let disarms = if stack.disarms { AUTODISARM } else { 0 };
    if stack.bytes == 0 {
        raw::SS_DISABLE
    } else if stack.holds(pointer) {
        raw::SS_ONSTACK | disarms
    } else {
        disarms
    }
}

/// rt_sigreturn(2): takes the topmost frame off the stack. A frame that cannot be read is fatal.
///
/// # Errors
/// None that the program sees: the value is what `rax` is to be.
pub fn return_from_signal(task: &Task) -> Result<u64> {
    match restore(task) {
        Ok(rax) => Ok(rax),
        Err(_) => {
            force_signal(task, SigInfo::kernel(Signal::SIGSEGV));
            Ok(0)
        }
    }
}

fn restore(task: &Task) -> Result<u64> {
    // The handler's `ret` took the return address.
    let at = task.seat.state.with(|state| state.rsp).checked_sub(8).ok_or(Errno::EFAULT)?;
    let mut frame = Frame([0; FRAME_BYTES]);
    read_bytes(UserAddr(at), &mut frame.0)?;
    let word = |index: usize| frame.word(REGISTERS_AT + index * 8);
    if word(FPU_WORD) != 0 {
        FpuState::read_frame(UserAddr(word(FPU_WORD)))?.restore();
    } else {
        FpuState::initial().restore();
    }
    restore_stack(task, &frame);
    task.set_blocked(SigSet(frame.word(MASK_AT)));
    task.seat.state.with(|state| {
        state.r8 = word(0);
        state.r9 = word(1);
        state.r10 = word(2);
        state.r11 = word(3);
        state.r12 = word(4);
        state.r13 = word(5);
        state.r14 = word(6);
        state.r15 = word(7);
        state.rdi = word(8);
        state.rsi = word(9);
        state.rbp = word(10);
        state.rbx = word(11);
        state.rdx = word(12);
        state.rax = word(13);
        state.rcx = word(14);
        state.rsp = word(15);
        state.rip = word(16);
        state.rflags = state.rflags & !FLAGS | word(FLAGS_WORD) & FLAGS;
        Ok(state.rax)
    })
}

/// The alternate stack goes back to what it was, where that is a stack at all.
fn restore_stack(task: &Task, frame: &Frame) {
    let flags = frame.word(STACK_AT + 8) as u32;
    let (start, bytes) = (frame.word(STACK_AT), frame.word(STACK_AT + 16));
    let disabled = flags & raw::SS_DISABLE != 0;
    if !disabled && (bytes < u64::from(raw::MINSIGSTKSZ) || start.checked_add(bytes).is_none_or(|end| end > USER_END)) {
        return;
    }
    let pointer = frame.word(REGISTERS_AT + 15 * 8);
    let mut signals = task.signals.lock();
    if !signals.stack.holds(pointer) || signals.stack.bytes == 0 {
        signals.stack = if disabled {
            AlternateStack::default()
        } else {
            AlternateStack { start, bytes, disarms: flags & AUTODISARM != 0 }
        };
    }
}
