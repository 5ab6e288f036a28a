//! The memory of the traced process, read without faulting anything in that is not there.

use alloc::vec;
use alloc::vec::Vec;

/// Longest path that is read.
const PATH_BYTES: usize = 4096;

/// The traced process's memory.
pub trait Memory {
    /// Reads from `address` into `into`; returns how many bytes could be read, from the front.
    fn read(&self, address: u64, into: &mut [u8]) -> usize;
}

/// Reads exactly `count` bytes.
pub(crate) fn bytes(memory: &dyn Memory, address: u64, count: usize) -> Option<Vec<u8>> {
    if address == 0 {
        return None;
    }
    let mut buffer = vec![0; count];
    (memory.read(address, &mut buffer) == count).then_some(buffer)
}

/// Reads a string up to its zero byte; the second value tells whether the end was found within `limit`.
pub(crate) fn c_string(memory: &dyn Memory, address: u64, limit: usize) -> Option<(Vec<u8>, bool)> {
    if address == 0 {
        return None;
    }
    let mut string = Vec::new();
    while string.len() <= limit {
        // Not over a page's end in one piece: the next page may not be there.
        let at = address.wrapping_add(string.len() as u64);
        let mut chunk = vec![0; (4096 - (at % 4096) as usize).min(limit + 1 - string.len())];
        let count = memory.read(at, &mut chunk).min(chunk.len());
        if count == 0 {
            return if string.is_empty() { None } else { Some((string, false)) };
        }
        chunk.truncate(count);
        if let Some(end) = chunk.iter().position(|&byte| byte == 0) {
            chunk.truncate(end);
            string.extend(chunk);
            return Some((string, true));
        }
        string.extend(chunk);
    }
    string.truncate(limit);
    Some((string, false))
}

/// Reads a path.
pub(crate) fn path(memory: &dyn Memory, address: u64) -> Option<Vec<u8>> {
    c_string(memory, address, PATH_BYTES).map(|(path, _)| path)
}

/// A structure's bytes with typed access by offset; what lies outside reads as zero.
pub(crate) struct Structure(Vec<u8>);

impl Structure {
    pub(crate) fn read(memory: &dyn Memory, address: u64, count: usize) -> Option<Self> {
        bytes(memory, address, count).map(Self)
    }

    /// Bytes from `at` to the end.
    pub(crate) fn from(&self, at: usize) -> &[u8] {
        self.0.get(at..).unwrap_or(&[])
    }

    /// Bytes from `at`.
    pub(crate) fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut out = [0; N];
        for (slot, byte) in out.iter_mut().zip(self.0.iter().skip(at)) {
            *slot = *byte;
        }
        out
    }

    pub(crate) fn u16(&self, at: usize) -> u16 {
        u16::from_le_bytes(self.array(at))
    }

    pub(crate) fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.array(at))
    }

    pub(crate) fn i32(&self, at: usize) -> i32 {
        i32::from_le_bytes(self.array(at))
    }

    pub(crate) fn u64(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.array(at))
    }

    pub(crate) fn i64(&self, at: usize) -> i64 {
        i64::from_le_bytes(self.array(at))
    }

    /// Zero-terminated text in a field of `size` bytes.
    pub(crate) fn text(&self, at: usize, size: usize) -> Vec<u8> {
        self.0.iter().skip(at).take(size).take_while(|&&byte| byte != 0).copied().collect()
    }
}
