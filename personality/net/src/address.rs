//! Addresses as programs write them: `struct sockaddr`, of any family.

use alloc::vec::Vec;

/// Bytes of `struct sockaddr_storage`: no address is longer.
pub const ADDRESS_LIMIT_BYTES: usize = 128;

/// An address: a family's number, then what that family makes of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Address(Vec<u8>);

impl Address {
    /// Takes the bytes that a program gave.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Address {
        Address(bytes.get(..bytes.len().min(ADDRESS_LIMIT_BYTES)).unwrap_or_default().to_vec())
    }

    /// Returns the bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the family (`AF_*`), if there is one.
    #[must_use]
    pub fn family(&self) -> Option<u32> {
        match self.0.get(..2) {
            Some(&[low, high]) => Some(u32::from(u16::from_le_bytes([low, high]))),
            _ => None,
        }
    }

    /// Returns `N` bytes at an offset.
    #[must_use]
    pub fn part<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.0.get(at..at.checked_add(N)?)?.try_into().ok()
    }
}
