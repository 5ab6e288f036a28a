//! The six arguments of a call.

use guest_memory::UserAddr;
use linux_abi::Result;
use task::Task;

/// What a handler returns: the value for `rax`.
pub type SysResult = Result<u64>;

/// A system call's code.
pub type Handler = fn(&Task, &Args) -> SysResult;

/// The arguments as the registers held them. Each accessor takes an index from 0 to 5; there are no others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Args(pub [u64; 6]);

impl Args {
    /// The whole register.
    #[inline]
    pub const fn raw(&self, index: usize) -> u64 {
        self.0[index]
    }

    /// A C `int`.
    #[inline]
    pub const fn int(&self, index: usize) -> i32 {
        self.0[index] as i32
    }

    /// A C `unsigned int`.
    #[inline]
    pub const fn uint(&self, index: usize) -> u32 {
        self.0[index] as u32
    }

    /// A `size_t`.
    #[inline]
    pub const fn size(&self, index: usize) -> usize {
        self.0[index] as usize
    }

    /// A pointer.
    #[inline]
    pub const fn addr(&self, index: usize) -> UserAddr {
        UserAddr::new(self.0[index])
    }
}
