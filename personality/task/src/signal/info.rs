//! What accompanies a signal: `siginfo_t`.

use super::Signal;
use linux_abi::raw::general as raw;

/// Bytes of `siginfo_t`.
pub const SIGINFO_BYTES: usize = raw::SI_MAX_SIZE as usize;

/// A signal with its cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigInfo {
    /// Which signal.
    pub signal: Signal,
    /// `si_errno`.
    pub errno: i32,
    /// `si_code`.
    pub code: i32,
    /// The rest.
    pub fields: Fields,
}

/// The part of `siginfo_t` that depends on the cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fields {
    /// Sent by a process (0, 0: by the kernel), perhaps with a value.
    Sender {
        /// `si_pid`.
        pid: i32,
        /// `si_uid`.
        uid: u32,
        /// `si_value`.
        value: u64,
    },
    /// A POSIX timer expired.
    Timer {
        /// `si_tid`.
        id: i32,
        /// `si_overrun`.
        overrun: i32,
        /// `si_value`.
        value: u64,
    },
    /// A child changed state.
    Child {
        /// `si_pid`.
        pid: i32,
        /// `si_uid`.
        uid: u32,
        /// `si_status`.
        status: i32,
        /// `si_utime`, in clock ticks.
        user_ticks: i64,
        /// `si_stime`, in clock ticks.
        system_ticks: i64,
    },
    /// A fault at an address.
    Fault {
        /// `si_addr`.
        address: u64,
    },
    /// As the sender composed it (rt_sigqueueinfo(2)): bytes 16 to 47.
    Raw([u8; 32]),
}

impl SigInfo {
    /// Sent by the kernel for no process.
    pub fn kernel(signal: Signal) -> Self {
        Self::with_code(signal, raw::SI_KERNEL as i32)
    }

    /// Without a sender, with this code.
    pub fn with_code(signal: Signal, code: i32) -> Self {
        Self { signal, errno: 0, code, fields: Fields::Sender { pid: 0, uid: 0, value: 0 } }
    }

    /// Sent by kill(2).
    pub fn user(signal: Signal, pid: i32, uid: u32) -> Self {
        Self { signal, errno: 0, code: raw::SI_USER as i32, fields: Fields::Sender { pid, uid, value: 0 } }
    }

    /// Sent by tkill(2) or tgkill(2).
    pub fn thread(signal: Signal, pid: i32, uid: u32) -> Self {
        Self { code: raw::SI_TKILL, ..Self::user(signal, pid, uid) }
    }

    /// Raised by a fault.
    pub fn fault(signal: Signal, code: u32, address: u64) -> Self {
        Self { signal, errno: 0, code: code as i32, fields: Fields::Fault { address } }
    }

    /// Reads what rt_sigqueueinfo(2) was given, for `signal`.
    pub fn from_bytes(signal: Signal, bytes: &[u8; SIGINFO_BYTES]) -> Self {
        let mut fields = [0; 32];
        fields.copy_from_slice(&bytes[16..48]);
        let word = |at: usize| i32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        Self { signal, errno: word(4), code: word(8), fields: Fields::Raw(fields) }
    }

    /// The structure as programs see it.
    pub fn to_bytes(&self) -> [u8; SIGINFO_BYTES] {
        let mut bytes = [0; SIGINFO_BYTES];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(0, &i32::from(self.signal.number()).to_le_bytes());
        put(4, &self.errno.to_le_bytes());
        put(8, &self.code.to_le_bytes());
        match &self.fields {
            Fields::Sender { pid, uid, value } => {
                put(16, &pid.to_le_bytes());
                put(20, &uid.to_le_bytes());
                put(24, &value.to_le_bytes());
            }
            Fields::Timer { id, overrun, value } => {
                put(16, &id.to_le_bytes());
                put(20, &overrun.to_le_bytes());
                put(24, &value.to_le_bytes());
            }
            Fields::Child { pid, uid, status, user_ticks, system_ticks } => {
                put(16, &pid.to_le_bytes());
                put(20, &uid.to_le_bytes());
                put(24, &status.to_le_bytes());
                put(32, &user_ticks.to_le_bytes());
                put(40, &system_ticks.to_le_bytes());
            }
            Fields::Fault { address } => put(16, &address.to_le_bytes()),
            Fields::Raw(raw) => put(16, raw),
        }
        bytes
    }
}
