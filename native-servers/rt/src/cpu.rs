//! Processors: how many, which one, and an instruction of theirs that most programs do without.

use core::arch::asm;
use core::arch::x86_64::__cpuid;
use core::sync::atomic::{AtomicU8, Ordering};

use crate::os;

/// How many there are; on the host this says 1.
#[must_use]
pub fn count() -> u32 {
    os::cpus()
}

/// The one that the caller ran on a moment ago, counted from 0.
#[must_use]
pub fn current() -> u32 {
    os::cpu()
}

/// Continues the CRC-32C `sum` over `bytes` by the processor's own instruction, without inversion before or after;
/// `None` if it has none.
///
/// The instruction works on general registers alone, so it may be used where the vector registers are somebody else's.
#[must_use]
pub fn crc32c(sum: u32, bytes: &[u8]) -> Option<u32> {
    if !has_crc32c() {
        return None;
    }
    let (words, rest) = bytes.as_chunks::<8>();
    let sum = words.iter().fold(u64::from(sum), |mut sum, word| {
        // Intel SDM, Volume 2A, CRC32. SAFETY: the processor has it, and it changes the one register alone.
        unsafe {
            asm!("crc32 {}, {}", inout(reg) sum, in(reg) u64::from_le_bytes(*word), options(pure, nomem, nostack, preserves_flags));
        }
        sum
    });
    // With 64-bit operands the upper half of the sum is zero.
    Some(rest.iter().fold(sum as u32, |mut sum, byte| {
        // SAFETY: as above.
        unsafe {
            asm!("crc32 {:e}, {}", inout(reg) sum, in(reg_byte) *byte, options(pure, nomem, nostack, preserves_flags));
        }
        sum
    }))
}

/// Whether the processor has the instruction (Intel SDM, Volume 2A, CPUID, 01H: ECX.SSE4_2); asked once, since CPUID may
/// leave a virtual machine.
fn has_crc32c() -> bool {
    const SSE4_2: u32 = 1 << 20;
    const UNKNOWN: u8 = 2;
    static KNOWN: AtomicU8 = AtomicU8::new(UNKNOWN);
    match KNOWN.load(Ordering::Relaxed) {
        UNKNOWN => {
            let has = __cpuid(1).ecx & SSE4_2 != 0;
            KNOWN.store(u8::from(has), Ordering::Relaxed);
            has
        }
        known => known == 1,
    }
}
