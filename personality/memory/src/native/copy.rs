//! The instructions that touch the served process's memory.
//!
//! A page fault (or, for an address that is not canonical, a general protection fault) of a listed instruction goes on
//! at its fix-up, with the registers as they were: string instructions count down `rcx` as they go, so `rcx` says how
//! much is left. The direction flag is clear by the calling convention.

use core::arch::global_asm;

global_asm!(
    ".pushsection .text.user_copy, \"ax\", @progbits",
    // rdi: to, rsi: from, rdx: bytes; returns the bytes left in rax.
    ".global banyan_user_copy",
    "banyan_user_copy:",
    "mov rcx, rdx",
    "shr rcx, 3",
    "and edx, 7",
    ".global banyan_user_copy_words",
    "banyan_user_copy_words:",
    "rep movsq",
    ".global banyan_user_copy_words_end",
    "banyan_user_copy_words_end:",
    "mov ecx, edx",
    ".global banyan_user_copy_tail",
    "banyan_user_copy_tail:",
    "rep movsb",
    ".global banyan_user_copy_tail_end",
    "banyan_user_copy_tail_end:",
    "xor eax, eax",
    "ret",
    ".global banyan_user_copy_words_fixup",
    "banyan_user_copy_words_fixup:",
    "lea rax, [rdx + rcx * 8]",
    "ret",
    ".global banyan_user_copy_tail_fixup",
    "banyan_user_copy_tail_fixup:",
    "mov rax, rcx",
    "ret",
    // rdi: address; returns the word, or all ones.
    ".global banyan_user_load",
    "banyan_user_load:",
    "mov eax, [rdi]",
    ".global banyan_user_load_end",
    "banyan_user_load_end:",
    "ret",
    // rdi: address, esi: expected, edx: new; returns the word found, or all ones.
    ".global banyan_user_exchange",
    "banyan_user_exchange:",
    "mov eax, esi",
    ".global banyan_user_exchange_access",
    "banyan_user_exchange_access:",
    "lock cmpxchg [rdi], edx",
    ".global banyan_user_exchange_end",
    "banyan_user_exchange_end:",
    "mov eax, eax",
    "ret",
    ".global banyan_user_word_fixup",
    "banyan_user_word_fixup:",
    "mov rax, -1",
    "ret",
    ".popsection",
);

unsafe extern "sysv64" {
    fn banyan_user_copy(to: u64, from: u64, bytes: usize) -> usize;
    fn banyan_user_load(addr: u64) -> u64;
    fn banyan_user_exchange(addr: u64, expected: u32, new: u32) -> u64;
    static banyan_user_copy_words: u8;
    static banyan_user_copy_words_end: u8;
    static banyan_user_copy_words_fixup: u8;
    static banyan_user_copy_tail: u8;
    static banyan_user_copy_tail_end: u8;
    static banyan_user_copy_tail_fixup: u8;
    static banyan_user_load_end: u8;
    static banyan_user_exchange_access: u8;
    static banyan_user_exchange_end: u8;
    static banyan_user_word_fixup: u8;
}

/// A fix-up as `Vcpu::SET_FIXUPS` takes it: an access at `start <= rip < end` that faults goes on at `target`.
pub type Fixup = (u64, u64, u64);

/// All fix-ups; every Vcpu needs them before its master touches user memory.
#[must_use]
pub fn fixups() -> [Fixup; 4] {
    macro_rules! address {
        ($symbol:expr) => {
            (&raw const $symbol) as u64
        };
    }
    [
        (
            address!(banyan_user_copy_words),
            address!(banyan_user_copy_words_end),
            address!(banyan_user_copy_words_fixup),
        ),
        (address!(banyan_user_copy_tail), address!(banyan_user_copy_tail_end), address!(banyan_user_copy_tail_fixup)),
        (banyan_user_load as *const () as u64, address!(banyan_user_load_end), address!(banyan_user_word_fixup)),
        (address!(banyan_user_exchange_access), address!(banyan_user_exchange_end), address!(banyan_user_word_fixup)),
    ]
}

/// Copies from the process; returns how many bytes were left.
///
/// # Safety
/// `to` must be writable for `bytes` bytes; `addr` and what follows must be in the lower half.
pub(crate) unsafe fn copy_in(to: *mut u8, addr: u64, bytes: usize) -> usize {
    // SAFETY: the caller's promise; accesses of the lower half that fault are fixed up.
    unsafe { banyan_user_copy(to as u64, addr, bytes) }
}

/// Copies to the process; returns how many bytes were left.
///
/// # Safety
/// `from` must be readable for `bytes` bytes; `addr` and what follows must be in the lower half.
pub(crate) unsafe fn copy_out(addr: u64, from: *const u8, bytes: usize) -> usize {
    // SAFETY: the caller's promise; accesses of the lower half that fault are fixed up.
    unsafe { banyan_user_copy(addr, from as u64, bytes) }
}

/// Loads a word, unless it faults.
///
/// # Safety
/// `addr` must be aligned and in the lower half.
pub(crate) unsafe fn load_u32(addr: u64) -> Option<u32> {
    // SAFETY: the caller's promise.
    u32::try_from(unsafe { banyan_user_load(addr) }).ok()
}

/// Stores `new` where `expected` is; the word found, unless it faults.
///
/// # Safety
/// `addr` must be aligned and in the lower half.
pub(crate) unsafe fn compare_exchange_u32(addr: u64, expected: u32, new: u32) -> Option<u32> {
    // SAFETY: the caller's promise.
    u32::try_from(unsafe { banyan_user_exchange(addr, expected, new) }).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_of_all_lengths_are_exact() {
        let from: [u8; 64] = core::array::from_fn(|n| n as u8 + 1);
        for count in 0..=64 {
            let mut to = [0; 65];
            // SAFETY: both arrays have `count` bytes; the "process" is this one.
            assert_eq!(unsafe { copy_in(to.as_mut_ptr(), from.as_ptr() as u64, count) }, 0);
            assert_eq!((&to[..count], to[count]), (&from[..count], 0));
            let mut back = [0; 65];
            // SAFETY: as above.
            assert_eq!(unsafe { copy_out(back.as_mut_ptr() as u64, to.as_ptr(), count) }, 0);
            assert_eq!(back, to);
        }
    }

    #[test]
    fn words_are_loaded_and_exchanged() {
        let mut word = u32::MAX;
        let addr = &raw mut word as u64;
        // SAFETY: an aligned word of this process.
        assert_eq!(unsafe { load_u32(addr) }, Some(u32::MAX));
        // SAFETY: as above.
        assert_eq!(unsafe { compare_exchange_u32(addr, 1, 2) }, Some(u32::MAX));
        // SAFETY: as above.
        assert_eq!(unsafe { compare_exchange_u32(addr, u32::MAX, 2) }, Some(u32::MAX));
        // SAFETY: as above.
        assert_eq!(unsafe { load_u32(addr) }, Some(2));
    }

    #[test]
    fn fixups_are_short_ranges_of_code() {
        for (start, end, target) in fixups() {
            assert!(start < end && end - start <= 8 && !(start..end).contains(&target));
        }
    }
}
