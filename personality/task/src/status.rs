//! How a process ended, and the encodings of wait4(2) and waitid(2).

use crate::signal::Signal;
use linux_abi::raw::general as raw;

/// How a process ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExitStatus {
    /// By exit(2) with this code.
    Code(u8),
    /// By a signal. No core files are written here, so the core bit is never set.
    Signal(Signal),
}

/// What a wait reports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChildEvent {
    /// The child ended.
    Ended(ExitStatus),
    /// The child stopped by a signal.
    Stopped(Signal),
    /// The child continued.
    Continued,
}

impl ChildEvent {
    /// As wait4(2) writes it.
    pub fn wait_status(self) -> i32 {
        match self {
            Self::Ended(ExitStatus::Code(code)) => i32::from(code) << 8,
            Self::Ended(ExitStatus::Signal(signal)) => i32::from(signal.number()),
            Self::Stopped(signal) => i32::from(signal.number()) << 8 | 0x7f,
            Self::Continued => 0xffff,
        }
    }

    /// As waitid(2) and `SIGCHLD` give it: `si_code` and `si_status`.
    pub fn code_and_status(self) -> (i32, i32) {
        let (code, status) = match self {
            Self::Ended(ExitStatus::Code(code)) => (raw::CLD_EXITED, code),
            Self::Ended(ExitStatus::Signal(signal)) => (raw::CLD_KILLED, signal.number()),
            Self::Stopped(signal) => (raw::CLD_STOPPED, signal.number()),
            Self::Continued => (raw::CLD_CONTINUED, Signal::SIGCONT.number()),
        };
        (code as i32, i32::from(status))
    }
}
