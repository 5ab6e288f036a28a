//! Bytes as words and words as bytes, without copying.

/// The bytes of `words`, in memory order (little-endian on this processor).
#[must_use]
pub fn as_bytes(words: &[u64]) -> &[u8] {
    // SAFETY: the same memory; every byte is initialised and u8 has no alignment.
    unsafe { core::slice::from_raw_parts(words.as_ptr().cast(), size_of_val(words)) }
}

/// The bytes of `words`, to write.
#[must_use]
pub fn as_bytes_mut(words: &mut [u64]) -> &mut [u8] {
    // SAFETY: as above, and every byte pattern is a valid u64; the borrow is exclusive.
    unsafe { core::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), size_of_val(words)) }
}

/// Up to eight bytes as one little-endian word, filled with zeros.
#[must_use]
pub fn pack(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    let count = bytes.len().min(8);
    word[..count].copy_from_slice(&bytes[..count]);
    u64::from_le_bytes(word)
}
