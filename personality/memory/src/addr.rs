//! Addresses of a legacy process.

use core::fmt;

/// Bytes of a page.
pub const PAGE_BYTES: u64 = 4096;
/// First address past what a process can have: Linux's `TASK_SIZE`, the lower half without its last page.
pub const USER_END: u64 = (1 << 47) - PAGE_BYTES;

/// An address that a legacy process named: any value at all. It cannot be dereferenced, only handed to [`crate::user`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct UserAddr(pub u64);

impl UserAddr {
    /// The null pointer.
    pub const NULL: Self = Self(0);

    /// The address with this value.
    #[must_use]
    pub const fn new(value: u64) -> Self {
        Self(value)
    }

    /// The value.
    #[must_use]
    pub const fn value(self) -> u64 {
        self.0
    }

    /// Whether it is the null pointer.
    #[must_use]
    pub const fn is_null(self) -> bool {
        self.0 == 0
    }

    /// The address `bytes` on, if that does not wrap around.
    #[must_use]
    pub const fn checked_add(self, bytes: u64) -> Option<Self> {
        match self.0.checked_add(bytes) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }

    /// The address `bytes` on; wraps around (no range that wraps passes [`UserAddr::has_room_for`]).
    #[must_use]
    pub const fn offset(self, bytes: u64) -> Self {
        Self(self.0.wrapping_add(bytes))
    }

    /// Whether `bytes` bytes from here on lie in the part of the address space that a process can have.
    #[must_use]
    pub const fn has_room_for(self, bytes: u64) -> bool {
        bytes <= USER_END && self.0 <= USER_END - bytes
    }

    /// First address of its page.
    #[must_use]
    pub const fn page_start(self) -> Self {
        Self(self.0 & !(PAGE_BYTES - 1))
    }

    /// Offset within its page.
    #[must_use]
    pub const fn page_offset(self) -> usize {
        (self.0 & (PAGE_BYTES - 1)) as usize
    }
}

impl From<u64> for UserAddr {
    fn from(value: u64) -> Self {
        Self(value)
    }
}

impl fmt::Debug for UserAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}
