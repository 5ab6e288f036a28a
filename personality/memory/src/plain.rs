//! Structures that are nothing but their bytes, so that they can be copied to and from a process.

use linux_abi::raw::{general, system};

/// A type of which every bit pattern is a value and whose bytes may be shown to the process.
///
/// # Safety
/// Any bytes must be a valid value; no references, no `bool`, no enums. Padding must not occur, or be zero in all
/// values that are written to a process (start from [`zeroed`]).
pub unsafe trait Plain: Sized + 'static {}

macro_rules! plain {
    ($($type:ty),* $(,)?) => {
        $(
            // SAFETY: made of integers (and raw pointers, which are never used as such) throughout.
            unsafe impl Plain for $type {}
        )*
    };
}

plain!(u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize);
plain!(
    general::__kernel_old_itimerval,
    general::__kernel_old_timespec,
    general::__kernel_old_timeval,
    general::__kernel_timespec,
    general::__kernel_itimerspec,
    general::__kernel_sock_timeval,
    general::clone_args,
    general::epoll_event,
    general::f_owner_ex,
    general::flock,
    general::itimerspec,
    general::itimerval,
    general::iovec,
    general::kernel_sigset_t,
    general::open_how,
    general::pollfd,
    general::rlimit,
    general::rlimit64,
    general::robust_list,
    general::robust_list_head,
    general::rusage,
    general::sigaltstack,
    general::stat,
    general::__user_cap_data_struct,
    general::__user_cap_header_struct,
    general::futex_waitv,
    general::statfs,
    general::statx,
    general::statx_timestamp,
    general::termio,
    general::termios,
    general::termios2,
    general::timespec,
    general::timeval,
    general::timezone,
    general::winsize,
    system::sysinfo,
    system::new_utsname,
);

// SAFETY: an array has no padding of its own.
unsafe impl<T: Plain, const N: usize> Plain for [T; N] {}

/// The value whose bytes are all zero, padding included.
#[must_use]
pub fn zeroed<T: Plain>() -> T {
    // SAFETY: all bit patterns are values of a plain type.
    unsafe { core::mem::zeroed() }
}

/// The bytes of a value.
#[must_use]
pub fn bytes_of<T: Plain>(value: &T) -> &[u8] {
    // SAFETY: the value's memory, for the value's lifetime; `Plain` promises that its bytes may be seen.
    unsafe { core::slice::from_raw_parts(core::ptr::from_ref(value).cast(), size_of::<T>()) }
}

/// The bytes of a value, to be changed.
pub fn bytes_of_mut<T: Plain>(value: &mut T) -> &mut [u8] {
    // SAFETY: the value's memory, exclusively, for the value's lifetime; any bytes are a value.
    unsafe { core::slice::from_raw_parts_mut(core::ptr::from_mut(value).cast(), size_of::<T>()) }
}
