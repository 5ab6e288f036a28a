//! From a number to its handler.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use linux_abi::Errno;
use task::Task;

use crate::table::{CALLS, HANDLERS};
use crate::{Args, SysResult};

/// Times that each missing call was made; numbers past the table share the last place.
static UNKNOWN: [AtomicU64; CALLS + 1] = [const { AtomicU64::new(0) }; CALLS + 1];

/// Makes a system call. Only the low half of the number counts, as on Linux; x32 numbers are past the table.
#[inline]
pub fn dispatch(task: &Task, number: u64, args: &Args) -> SysResult {
    match HANDLERS.get(number as u32 as usize) {
        Some(Some(handler)) => handler(task, args),
        _ => unknown(number),
    }
}

#[cold]
fn unknown(number: u64) -> SysResult {
    let place = (number as u32 as usize).min(CALLS);
    if let Some(count) = UNKNOWN.get(place) {
        count.fetch_add(1, Ordering::Relaxed);
    }
    Err(Errno::ENOSYS)
}

/// The missing calls that were made, and how often; the number one past the table stands for all that are higher.
pub fn unknown_calls() -> Vec<(u32, u64)> {
    let counts = UNKNOWN.iter().enumerate().map(|(number, count)| (number as u32, count.load(Ordering::Relaxed)));
    counts.filter(|(_, count)| *count > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_calls_are_counted_and_so_are_those_past_the_table() {
        assert_eq!(unknown(134), Err(Errno::ENOSYS));
        assert_eq!(unknown(0x4000_0000 | 39), Err(Errno::ENOSYS));
        assert_eq!(unknown(u64::MAX), Err(Errno::ENOSYS));
        assert_eq!(unknown_calls(), [(134, 1), (CALLS as u32, 2)]);
    }
}
