//! Records of a ledger: whoever finds one knows how far its writer had come.

/// Bytes of a record: a disk's sector, so that none is ever torn.
pub const RECORD_BYTES: usize = 512;
/// The ledger's name in the worker's folder.
pub const LEDGER: &str = "ledger";

/// What every record begins with.
const MAGIC: u64 = u64::from_le_bytes(*b"promised");

/// The record that says that the worker with `seed` has done `number` steps.
#[must_use]
pub fn record(seed: u64, number: u64) -> [u8; RECORD_BYTES] {
    let mut bytes = [b'.'; RECORD_BYTES];
    for (place, word) in bytes.chunks_exact_mut(8).zip([MAGIC, seed, number, sum(seed, number)]) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

/// Seed and number of a record; `None`: it is none.
#[must_use]
pub fn read_record(bytes: &[u8]) -> Option<(u64, u64)> {
    let (words, rest) = bytes.get(..RECORD_BYTES)?.split_at(32);
    let mut words = words.chunks_exact(8).filter_map(|word| word.try_into().ok()).map(u64::from_le_bytes);
    let (magic, seed, number, found) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let is_whole = magic == MAGIC && found == sum(seed, number) && rest.iter().all(|byte| *byte == b'.');
    is_whole.then_some((seed, number))
}

fn sum(seed: u64, number: u64) -> u64 {
    (seed ^ number.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ MAGIC
}
