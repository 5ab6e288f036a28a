//! Numbers in blocks: little-endian those of ext4, big-endian those of its journal.
//!
//! Offsets into a block are constants of the format or were checked; were one wrong all the same, reading gives 0 and
//! writing does nothing: no panic.

/// The bytes from `at` on as an array.
fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let part = at.checked_add(N).and_then(|end| bytes.get(at..end));
    part.and_then(|part| part.try_into().ok()).unwrap_or([0; N])
}

/// Overwrites the bytes from `at` on.
pub(crate) fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    let part = at.checked_add(value.len()).and_then(|end| bytes.get_mut(at..end));
    part.into_iter().for_each(|part| part.copy_from_slice(value));
}

pub(crate) fn le16(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array(bytes, at))
}

pub(crate) fn le32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}

pub(crate) fn le64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array(bytes, at))
}

pub(crate) fn be16(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes(array(bytes, at))
}

pub(crate) fn be32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(array(bytes, at))
}

pub(crate) fn put_le16(bytes: &mut [u8], at: usize, value: u16) {
    put(bytes, at, &value.to_le_bytes());
}

pub(crate) fn put_le32(bytes: &mut [u8], at: usize, value: u32) {
    put(bytes, at, &value.to_le_bytes());
}

pub(crate) fn put_le64(bytes: &mut [u8], at: usize, value: u64) {
    put(bytes, at, &value.to_le_bytes());
}

pub(crate) fn put_be32(bytes: &mut [u8], at: usize, value: u32) {
    put(bytes, at, &value.to_be_bytes());
}

/// The low half of a number that is stored in two places.
pub(crate) const fn low16(value: u32) -> u16 {
    (value & 0xffff) as u16
}

/// Its high half.
pub(crate) const fn high16(value: u32) -> u16 {
    (value >> 16) as u16
}

/// Low and high half of a 64-bit number.
pub(crate) const fn halves(value: u64) -> (u32, u32) {
    (value as u32, (value >> 32) as u32)
}

/// A 64-bit number from its halves.
pub(crate) const fn join(low: u32, high: u32) -> u64 {
    low as u64 | (high as u64) << 32
}
