//! System calls on signals: dispositions, masks, waiting, sending.

use guest_memory::{UserAddr, read_value};
use linux_abi::{Errno, Result};
use task::signal::SigSet;

pub mod action;
pub mod send;
pub mod wait;

/// Checks the size of a signal set, which all calls are told.
///
/// # Errors
/// `EINVAL`.
fn check_size(size: usize) -> Result<()> {
    if size == size_of::<u64>() { Ok(()) } else { Err(Errno::EINVAL) }
}

fn read_set(address: UserAddr) -> Result<SigSet> {
    read_value(address).map(SigSet)
}
