//! The set of states that were seen: 16 bytes of digest each.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

/// The digests are random already.
#[derive(Default)]
pub struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0 ^= u64::from_le_bytes(word);
        }
    }

    fn write_u128(&mut self, digest: u128) {
        self.0 = digest as u64;
    }
}

/// Digests.
pub type Seen = HashSet<u128, BuildHasherDefault<Identity>>;
