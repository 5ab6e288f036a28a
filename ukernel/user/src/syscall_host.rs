//! The host has no kernel: every call fails, so that what compiles for the target compiles here as well.

use ukernel_abi::message::MAX_CAPS;
use ukernel_abi::vcpu::ExitReason;
use ukernel_abi::{Call, Error, MessageInfo};

use crate::message::{Incoming, Registers};

pub(crate) fn transfer(_: Call, _: u64, info: MessageInfo, words: &Registers, _: u64, _: u64) -> (u64, Incoming) {
    (Error::InvalidMethod as u64, Incoming { badge: 0, info, words: *words })
}

pub(crate) fn simple(_: Call, _: u64) -> (u64, u64) {
    (Error::InvalidMethod as u64, 0)
}

/// Becomes foreign code; on the host there is none.
///
/// # Errors
/// Always [`Error::InvalidMethod`].
pub fn vcpu_enter() -> Result<ExitReason, Error> {
    Err(Error::InvalidMethod)
}

/// Lets other threads run; on the host a hint to the processor.
pub fn yield_now() {
    core::hint::spin_loop();
}

pub(crate) fn write_word(_: usize, _: u64) {}

pub(crate) fn read_word(_: usize) -> u64 {
    0
}

pub(crate) fn write_send_caps(_: &[u64]) {}

pub(crate) fn write_receive_caps(_: &[u64; MAX_CAPS]) {}
