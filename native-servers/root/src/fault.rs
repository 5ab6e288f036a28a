//! What is said about a fault.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use ukernel_abi::fault;

/// Bit of the badges of fault endpoints; the rest is the task's number.
pub const FAULT_BADGE: u64 = 1 << 62;
/// With [`FAULT_BADGE`]: bit of the badges of the supervisor's callers; the rest is the task's number.
pub const SUPERVISOR_BADGE: u64 = 1 << 61;
/// Most frames of a stack trace.
const MAX_FRAMES: usize = 32;

/// A fault, as the kernel describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Vector, or [`fault::BAD_CALL`].
    pub vector: u64,
    /// The processor's error code.
    pub error_code: u64,
    /// Faulting address, or number of the bad call.
    pub address: u64,
    /// Instruction pointer.
    pub ip: u64,
    /// Stack pointer.
    pub sp: u64,
    /// Frame pointer.
    pub fp: u64,
}

impl Fault {
    /// From a message; `None` where it is not a fault's. A task can send such messages itself: they are only ever believed
    /// about that task.
    #[must_use]
    pub fn from_message(label: u32, words: &[u64]) -> Option<Self> {
        if label != fault::LABEL || words.len() < fault::WORDS {
            return None;
        }
        Some(Self {
            vector: words[fault::WORD_VECTOR],
            error_code: words[fault::WORD_ERROR_CODE],
            address: words[fault::WORD_ADDRESS],
            ip: words[fault::WORD_IP],
            sp: words[fault::WORD_SP],
            fp: words[fault::WORD_FP],
        })
    }

    /// The line for the log.
    #[must_use]
    pub fn describe(&self, task: &str) -> String {
        let Self { vector, error_code, address, ip, sp, .. } = self;
        let name = vector_name(*vector);
        format!(
            "[{task}] fault: vector {vector} ({name}) error {error_code:#x} address {address:#x} ip 0x{ip:x} sp {sp:#x}"
        )
    }
}

/// Names of the exceptions that user code can cause (Intel SDM 3A, table 6-1).
fn vector_name(vector: u64) -> &'static str {
    match vector {
        0 => "divide error",
        1 => "debug",
        3 => "breakpoint",
        4 => "overflow",
        5 => "bound",
        6 => "invalid instruction",
        7 => "no FPU",
        12 => "stack",
        13 => "general protection",
        14 => "page fault",
        16 => "FPU error",
        17 => "alignment",
        19 => "SIMD error",
        fault::BAD_CALL => "unknown system call",
        _ => "other",
    }
}

/// The return addresses on a stack, innermost first: `stack` is its memory from address `low` on, `fp` the frame pointer.
/// Whatever the stack holds, the walk stays inside it and ends.
#[must_use]
pub fn stack_trace(stack: &[u8], low: u64, fp: u64) -> Vec<u64> {
    let word = |address: u64| {
        let start = usize::try_from(address.checked_sub(low)?).ok()?;
        let bytes = stack.get(start..start.checked_add(8)?)?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    };
    let mut addresses = Vec::new();
    let mut frame = fp;
    while addresses.len() < MAX_FRAMES {
        let (Some(next), Some(address)) = (word(frame), frame.checked_add(8).and_then(word)) else { break };
        if address == 0 {
            break;
        }
        addresses.push(address);
        if next <= frame {
            break;
        }
        frame = next;
    }
    addresses
}
