//! What a program's exceptions become: pages, or the signals that Linux sends (arch/x86's traps).

use guest_memory::State;
use guest_memory::fpu::FpuState;
use linux_abi::raw::general as raw;
use mm::{Access, FaultError};
use task::signal::{SigInfo, Signal};
use task::{Task, force_signal};

use crate::oom;

/// Exception vectors (Intel SDM 3A, 6.3.1).
mod vector {
    pub(super) const DIVIDE: u64 = 0;
    pub(super) const DEBUG: u64 = 1;
    pub(super) const BREAKPOINT: u64 = 3;
    pub(super) const INVALID_OPCODE: u64 = 6;
    pub(super) const NOT_PRESENT: u64 = 11;
    pub(super) const STACK: u64 = 12;
    pub(super) const PAGE_FAULT: u64 = 14;
    pub(super) const X87: u64 = 16;
    pub(super) const ALIGNMENT: u64 = 17;
    pub(super) const SIMD: u64 = 19;
}

/// Deals with the exception that stopped a task's program.
pub(crate) fn handle(task: &Task) {
    let state = task.seat.state.snapshot();
    if state.vector == vector::PAGE_FAULT {
        return handle_page_fault(task, &state);
    }
    force_signal(task, signal_for(&state));
}

fn handle_page_fault(task: &Task, state: &State) {
    task.faults.fetch_add(1, core::sync::atomic::Ordering::Relaxed);
    let access = Access::from_error_code(state.error_code);
    let address = state.fault_address;
    let Err(error) = task.address_space().handle_fault(address, access) else { return };
    let info = match error {
        FaultError::NotMapped => SigInfo::fault(Signal::SIGSEGV, raw::SEGV_MAPERR, address),
        FaultError::NotAllowed => SigInfo::fault(Signal::SIGSEGV, raw::SEGV_ACCERR, address),
        FaultError::Bus => SigInfo::fault(Signal::SIGBUS, raw::BUS_ADRERR, address),
        FaultError::OutOfMemory => {
            // The instruction is tried again, or the task is on its way out.
            oom::relieve(task);
            return;
        }
    };
    force_signal(task, info);
}

fn signal_for(state: &State) -> SigInfo {
    let at = state.rip;
    match state.vector {
        vector::DIVIDE => SigInfo::fault(Signal::SIGFPE, raw::FPE_INTDIV, at),
        vector::DEBUG => SigInfo::fault(Signal::SIGTRAP, raw::TRAP_TRACE, at),
        vector::BREAKPOINT => SigInfo::kernel(Signal::SIGTRAP),
        vector::INVALID_OPCODE => SigInfo::fault(Signal::SIGILL, raw::ILL_ILLOPN, at),
        vector::NOT_PRESENT | vector::STACK => SigInfo::kernel(Signal::SIGBUS),
        vector::X87 => SigInfo::fault(Signal::SIGFPE, x87_code(), at),
        vector::SIMD => SigInfo::fault(Signal::SIGFPE, simd_code(), at),
        vector::ALIGNMENT => SigInfo::fault(Signal::SIGBUS, raw::BUS_ADRALN, 0),
        _ => SigInfo::kernel(Signal::SIGSEGV),
    }
}

/// The unmasked exceptions of the x87 registers, which the thread still has.
fn x87_code() -> u32 {
    let state = FpuState::save();
    let half = |at: usize| state.legacy_bytes().get(at..at + 2).map_or(0, |b| u16::from_le_bytes([b[0], b[1]]));
    let (control, status) = (half(0), half(2));
    float_code(status & !control)
}

/// The unmasked exceptions of `MXCSR`.
fn simd_code() -> u32 {
    const MXCSR_AT: usize = 24;
    let state = FpuState::save();
    let bytes = state.legacy_bytes().get(MXCSR_AT..MXCSR_AT + 2).map_or([0, 0], |b| [b[0], b[1]]);
    let mxcsr = u16::from_le_bytes(bytes);
    float_code(mxcsr & !(mxcsr >> 7))
}

/// The code for exception bits (Intel SDM 1, 8.1.3): invalid, denormal, zero-divide, overflow, underflow, precision.
fn float_code(bits: u16) -> u32 {
    match bits {
        bits if bits & 0x01 != 0 => raw::FPE_FLTINV,
        bits if bits & 0x04 != 0 => raw::FPE_FLTDIV,
        bits if bits & 0x08 != 0 => raw::FPE_FLTOVF,
        bits if bits & 0x12 != 0 => raw::FPE_FLTUND,
        bits if bits & 0x20 != 0 => raw::FPE_FLTRES,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceptions_become_linux_signals() {
        let signal = |vector| signal_for(&State { vector, rip: 5, ..State::default() });
        assert_eq!(signal(0), SigInfo::fault(Signal::SIGFPE, raw::FPE_INTDIV, 5));
        assert_eq!(signal(13), SigInfo::kernel(Signal::SIGSEGV));
        assert_eq!(signal(6).signal, Signal::SIGILL);
        assert_eq!(float_code(0x04), raw::FPE_FLTDIV);
        assert_eq!(float_code(0x21), raw::FPE_FLTINV);
    }
}
