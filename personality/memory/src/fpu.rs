//! Floating-point state: x87, SSE and AVX registers of the thread that runs.
//!
//! The personality is compiled without floating point, so a legacy thread's registers stay live in the processor while
//! it is served. They are saved only where somebody must see or replace them: signal frames, a new thread, `execve`,
//! debuggers. Layout: the XSAVE area in standard format (Intel SDM 1, 13.4), as in Linux's signal frames, where bytes
//! 464 to 511 and four bytes after the end say how large it is (`struct _fpx_sw_bytes` of `asm/sigcontext.h`).
//!
//! Invariant: an [`FpuState`] can be restored without a fault, whatever process supplied its bytes.

use core::arch::asm;
use core::arch::x86_64::{__cpuid, __cpuid_count};
use core::sync::atomic::{AtomicU32, Ordering};

use linux_abi::{Errno, Result};

use crate::{UserAddr, user};

/// Bytes of the legacy area and the XSAVE header and the AVX registers: all that is kept.
const AREA_BYTES: usize = 832;
/// Bytes of the legacy (FXSAVE) area.
const LEGACY_BYTES: usize = 512;
const MXCSR_AT: usize = 24;
const MXCSR_MASK_AT: usize = 28;
/// Where Linux describes the area, within the bytes that FXSAVE leaves to software.
const SOFTWARE_AT: usize = 464;
const HEADER_AT: usize = 512;
const HEADER_BYTES: usize = 64;
/// `FP_XSTATE_MAGIC1` and `FP_XSTATE_MAGIC2`.
const MAGIC1: u32 = 0x4650_5853;
const MAGIC2: u32 = 0x4650_5845;
/// Values after `FINIT` and reset (Intel SDM 1, 8.1.5 and 10.2.3.1).
const INITIAL_FCW: u16 = 0x37f;
const INITIAL_MXCSR: u32 = 0x1f80;
/// `MXCSR` bits of processors that do not say (Intel SDM 1, 11.6.6).
const DEFAULT_MXCSR_MASK: u32 = 0xffbf;
/// x87 and SSE; with AVX the third bit.
const COMPONENTS_LEGACY: u32 = 3;
const COMPONENT_AVX: u32 = 4;

/// A thread's floating-point registers.
#[derive(Clone)]
#[repr(C, align(64))]
pub struct FpuState([u8; AREA_BYTES]);

impl FpuState {
    /// What a program starts with.
    #[must_use]
    pub fn initial() -> Self {
        let mut state = Self([0; AREA_BYTES]);
        state.put(0, &INITIAL_FCW.to_le_bytes());
        state.put(MXCSR_AT, &INITIAL_MXCSR.to_le_bytes());
        state
    }

    /// The registers of the calling thread.
    #[must_use]
    pub fn save() -> Self {
        let mut state = Self([0; AREA_BYTES]);
        let area = state.0.as_mut_ptr();
        match components() {
            // SAFETY: 512 bytes, aligned to 64.
            0 => unsafe { asm!("fxsave64 [{}]", in(reg) area, options(nostack, preserves_flags)) },
            // SAFETY: large enough for the components asked for, aligned to 64, header zero.
            mask => unsafe {
                asm!("xsave64 [{}]", in(reg) area, in("eax") mask, in("edx") 0, options(nostack, preserves_flags));
            },
        }
        state
    }

    /// Loads the registers of the calling thread.
    pub fn restore(&self) {
        let area = self.0.as_ptr();
        match components() {
            // SAFETY: 512 bytes, aligned; `MXCSR` is valid by the type's invariant.
            0 => unsafe { asm!("fxrstor64 [{}]", in(reg) area, options(nostack, preserves_flags)) },
            // SAFETY: aligned; `MXCSR` and header are valid by the type's invariant.
            mask => unsafe {
                asm!("xrstor64 [{}]", in(reg) area, in("eax") mask, in("edx") 0, options(nostack, preserves_flags));
            },
        }
    }

    /// Bytes of the area in a signal frame, which starts at a multiple of 64.
    #[must_use]
    pub fn frame_bytes() -> usize {
        match components() {
            0 => LEGACY_BYTES,
            mask => area_bytes(mask) + size_of::<u32>(),
        }
    }

    /// Stores the state as part of a signal frame.
    ///
    /// # Errors
    /// `EFAULT`.
    pub fn write_frame(mut self, addr: UserAddr) -> Result<()> {
        let mask = components();
        if mask == 0 {
            return user::write_bytes(addr, self.0.get(..LEGACY_BYTES).unwrap_or_default());
        }
        let size = area_bytes(mask);
        self.put(SOFTWARE_AT, &MAGIC1.to_le_bytes());
        self.put(SOFTWARE_AT + 4, &(size as u32 + 4).to_le_bytes());
        self.put(SOFTWARE_AT + 8, &u64::from(mask).to_le_bytes());
        self.put(SOFTWARE_AT + 16, &(size as u32).to_le_bytes());
        user::write_bytes(addr, self.0.get(..size).unwrap_or_default())?;
        user::write_bytes(addr.checked_add(size as u64).ok_or(Errno::EFAULT)?, &MAGIC2.to_le_bytes())
    }

    /// Fetches the state from a signal frame; what the process put there that no processor accepts is corrected. A frame
    /// without the marks of an extended area has the legacy part only.
    ///
    /// # Errors
    /// `EFAULT`.
    pub fn read_frame(addr: UserAddr) -> Result<Self> {
        let mut state = Self([0; AREA_BYTES]);
        user::read_bytes(addr, state.0.get_mut(..LEGACY_BYTES).unwrap_or_default())?;
        let size = area_bytes(components());
        let marked = size > LEGACY_BYTES
            && state.word(SOFTWARE_AT) == MAGIC1
            && state.word(SOFTWARE_AT + 16) as usize == size
            && addr.checked_add(size as u64).and_then(|end| user::read_value::<u32>(end).ok()) == Some(MAGIC2);
        if marked {
            let rest = addr.checked_add(LEGACY_BYTES as u64).ok_or(Errno::EFAULT)?;
            user::read_bytes(rest, state.0.get_mut(LEGACY_BYTES..size).unwrap_or_default())?;
        } else {
            state.put(HEADER_AT, &u64::from(COMPONENTS_LEGACY).to_le_bytes());
        }
        state.sanitise();
        Ok(state)
    }

    /// The legacy area, as debuggers get it.
    #[must_use]
    pub fn legacy_bytes(&self) -> &[u8] {
        self.0.get(..LEGACY_BYTES).unwrap_or_default()
    }

    /// Makes any bytes restorable (Intel SDM 1, 13.8): no reserved `MXCSR` bit, no component or format that is not ours.
    fn sanitise(&mut self) {
        let mxcsr = self.word(MXCSR_AT) & mxcsr_mask();
        self.put(MXCSR_AT, &mxcsr.to_le_bytes());
        let present = u64::from(self.word(HEADER_AT) & components());
        self.put(HEADER_AT, &[0; HEADER_BYTES]);
        self.put(HEADER_AT, &present.to_le_bytes());
        self.put(SOFTWARE_AT, &[0; LEGACY_BYTES - SOFTWARE_AT]);
    }

    fn word(&self, at: usize) -> u32 {
        let bytes = self.0.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u32::from_le_bytes)
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        if let Some(to) = self.0.get_mut(at..at + bytes.len()) {
            to.copy_from_slice(bytes);
        }
    }
}

/// The XSAVE components that are kept: those of ours that the kernel enabled. 0: no XSAVE, the legacy area alone.
fn components() -> u32 {
    const UNKNOWN: u32 = u32::MAX;
    static COMPONENTS: AtomicU32 = AtomicU32::new(UNKNOWN);
    let known = COMPONENTS.load(Ordering::Relaxed);
    if known != UNKNOWN {
        return known;
    }
    let found = find_components();
    COMPONENTS.store(found, Ordering::Relaxed);
    found
}

fn find_components() -> u32 {
    const OSXSAVE: u32 = 1 << 27;
    if __cpuid(1).ecx & OSXSAVE == 0 {
        return 0;
    }
    let enabled: u32;
    // SAFETY: OSXSAVE says that XGETBV works; register 0 always exists.
    unsafe { asm!("xgetbv", in("ecx") 0, out("eax") enabled, out("edx") _, options(nomem, nostack, preserves_flags)) };
    // AVX registers lie where every processor has them so far; elsewhere they are left alone.
    let avx = __cpuid_count(0xd, 2);
    let kept = if avx.eax == 256 && avx.ebx == 576 { COMPONENTS_LEGACY | COMPONENT_AVX } else { COMPONENTS_LEGACY };
    enabled & kept
}

/// Bytes of the area with these components.
fn area_bytes(components: u32) -> usize {
    match components {
        0 => LEGACY_BYTES,
        mask if mask & COMPONENT_AVX == 0 => HEADER_AT + HEADER_BYTES,
        _ => AREA_BYTES,
    }
}

/// The `MXCSR` bits that this processor accepts.
fn mxcsr_mask() -> u32 {
    match FpuState::save().word(MXCSR_MASK_AT) {
        0 => DEFAULT_MXCSR_MASK,
        mask => mask,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::FlatMemory;

    #[test]
    fn state_survives_a_signal_frame() {
        let _memory = FlatMemory::install(0x10000, 2);
        let state = FpuState::save();
        let addr = UserAddr::new(0x10fc0);
        state.clone().write_frame(addr).expect("mapped");
        let back = FpuState::read_frame(addr).expect("mapped");
        let size = area_bytes(components());
        assert_eq!(state.0[..SOFTWARE_AT], back.0[..SOFTWARE_AT]);
        assert_eq!(state.0[HEADER_AT..size], back.0[HEADER_AT..size]);
        back.restore();
    }

    #[test]
    fn hostile_frames_restore_without_a_fault() {
        let _memory = FlatMemory::install(0x10000, 2);
        let addr = UserAddr::new(0x10000);
        let keep = FpuState::save();
        user::write_bytes(addr, &[0xff; 2048]).expect("mapped");
        FpuState::read_frame(addr).expect("mapped").restore();
        keep.clone().write_frame(addr).expect("mapped");
        user::write_bytes(addr.offset(HEADER_AT as u64), &[0xff; 64]).expect("mapped");
        user::write_bytes(addr.offset(MXCSR_AT as u64), &[0xff; 4]).expect("mapped");
        FpuState::read_frame(addr).expect("mapped").restore();
        keep.restore();
    }
}
