//! Resource limits.

use linux_abi::raw::general as raw;
use linux_abi::{Errno, Result};

/// Number of limits.
pub const LIMIT_COUNT: usize = 16;
/// No limit.
const INFINITY: u64 = u64::MAX;
/// The first process's hard limit of descriptors, as Linux's `INR_OPEN_MAX`.
const FIRST_MAX_FILES: u64 = 4096;

/// Soft and hard limits by `RLIMIT_*` number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits(pub [(u64, u64); LIMIT_COUNT]);

impl Limits {
    /// What the first process has; at most `threads` threads.
    pub fn initial(threads: u64) -> Self {
        let mut limits = Self([(INFINITY, INFINITY); LIMIT_COUNT]);
        let mut set = |which: u32, soft, hard| limits.0[which as usize] = (soft, hard);
        set(raw::RLIMIT_STACK, 8 << 20, INFINITY);
        set(raw::RLIMIT_CORE, 0, INFINITY);
        set(raw::RLIMIT_NPROC, threads, threads);
        set(raw::RLIMIT_NOFILE, 1024, FIRST_MAX_FILES);
        set(raw::RLIMIT_MEMLOCK, 8 << 20, 8 << 20);
        set(raw::RLIMIT_SIGPENDING, threads, threads);
        set(raw::RLIMIT_MSGQUEUE, 819_200, 819_200);
        set(raw::RLIMIT_NICE, 0, 0);
        set(raw::RLIMIT_RTPRIO, 0, 0);
        limits
    }

    /// A limit.
    ///
    /// # Errors
    /// `EINVAL` for a number that is none.
    pub fn get(&self, which: u32) -> Result<(u64, u64)> {
        self.0.get(which as usize).copied().ok_or(Errno::EINVAL)
    }

    /// Changes a limit; `may_raise`: the caller has `CAP_SYS_RESOURCE`.
    ///
    /// # Errors
    /// `EINVAL`: no such limit, or soft above hard. `EPERM`: a hard limit may not be raised, or that of descriptors not
    /// that far by anybody (`/proc/sys/fs/nr_open`).
    pub fn set(&mut self, which: u32, (soft, hard): (u64, u64), may_raise: bool) -> Result<()> {
        let place = self.0.get_mut(which as usize).ok_or(Errno::EINVAL)?;
        if soft > hard {
            return Err(Errno::EINVAL);
        }
        let beyond = which == raw::RLIMIT_NOFILE && hard > vfs::open_file::table_limit();
        if beyond || hard > place.1 && !may_raise {
            return Err(Errno::EPERM);
        }
        *place = (soft, hard);
        Ok(())
    }

    /// What an address space needs to know.
    pub fn of_memory(&self) -> mm::Limits {
        let soft = |which: u32| self.0[which as usize].0;
        mm::Limits {
            address_space: soft(raw::RLIMIT_AS),
            data: soft(raw::RLIMIT_DATA),
            stack: soft(raw::RLIMIT_STACK),
            locked: soft(raw::RLIMIT_MEMLOCK),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_the_right_raises_hard_limits_but_descriptors_only_so_far() {
        let mut limits = Limits::initial(10);
        assert_eq!(limits.set(raw::RLIMIT_NOFILE, (10_032, 10_032), false), Err(Errno::EPERM));
        assert_eq!(limits.set(raw::RLIMIT_NOFILE, (10_032, 10_032), true), Ok(()));
        assert_eq!(limits.get(raw::RLIMIT_NOFILE), Ok((10_032, 10_032)));
        let beyond = vfs::open_file::table_limit() + 1;
        assert_eq!(limits.set(raw::RLIMIT_NOFILE, (1, beyond), true), Err(Errno::EPERM));
        assert_eq!(limits.set(raw::RLIMIT_NOFILE, (3, 2), true), Err(Errno::EINVAL));
        assert_eq!(limits.set(raw::RLIMIT_NOFILE, (1, 2), false), Ok(()));
    }
}
