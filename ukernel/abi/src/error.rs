//! Errors of system calls and invocations.

/// Why a system call failed; returned in `rax`. 0 is success and no member of this type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Error {
    /// The slot is outside the CapTable, empty, or holds a capability to another type of object.
    InvalidCapability = 1,
    /// The capability lacks a right that the operation needs.
    InsufficientRights = 2,
    /// No such system call, or no such method of this object.
    InvalidMethod = 3,
    /// An argument is out of its range or not aligned.
    InvalidArgument = 4,
    /// The message is too short for the method, or longer than its sender's page allows.
    InvalidMessage = 5,
    /// The destination slot already holds a capability.
    SlotOccupied = 6,
    /// The untyped memory is used up.
    OutOfMemory = 7,
    /// The VSpace's pool of page-table pages is used up; donate and repeat. Word 0 counts what was done.
    OutOfTables = 8,
    /// The address is already mapped (by any attachment), or the number of attachments is used up.
    AlreadyMapped = 9,
    /// No mapping of this attachment is at the address. No call gives it.
    NotMapped = 10,
    /// A non-blocking operation would have to wait.
    WouldBlock = 11,
    /// The server ended (or the endpoint was destroyed) before it answered.
    ServerDied = 12,
    /// The object is not in a state that allows the operation (running, bound already, not bound, not configured).
    InvalidState = 13,
    /// The untyped still has children. No call gives it.
    HasChildren = 14,
}

impl Error {
    /// The error with this code, if there is one.
    pub const fn from_code(code: u64) -> Option<Self> {
        Some(match code {
            1 => Self::InvalidCapability,
            2 => Self::InsufficientRights,
            3 => Self::InvalidMethod,
            4 => Self::InvalidArgument,
            5 => Self::InvalidMessage,
            6 => Self::SlotOccupied,
            7 => Self::OutOfMemory,
            8 => Self::OutOfTables,
            9 => Self::AlreadyMapped,
            10 => Self::NotMapped,
            11 => Self::WouldBlock,
            12 => Self::ServerDied,
            13 => Self::InvalidState,
            14 => Self::HasChildren,
            _ => return None,
        })
    }
}
