//! System calls and their registers.
//!
//! All are made with `syscall`. `rcx` and `r11` are lost, as the instruction defines; `rbx`, `rbp`, `rsp` are kept.
//!
//! | register | in | out |
//! |---|---|---|
//! | `rax` | [`Call`] number | 0, or an [`Error`](crate::Error) code |
//! | `rdi` | capability (slot of the caller's CapTable) | badge of the sender or notification bits |
//! | `rsi` | [`MessageInfo`](crate::MessageInfo) | [`MessageInfo`](crate::MessageInfo) |
//! | `rdx r8 r9 r10 r12 r13` | message words 0 to 5 | message words 0 to 5 |
//! | `r14` | slot of the Reply object (`Recv`, `ReplyRecv`) | kept |
//! | `r15` | slot of the endpoint to receive from (`ReplyRecv`) | kept |
//!
//! Words from 6 on, and capabilities, travel in the [`MessagePage`](crate::MessagePage).
//! Message registers past the message's length are unspecified on return (the kernel never leaks another
//! task's or its own values in them: they hold what the caller had there, or zero).

/// A system call number, passed in `rax`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Call {
    /// Send to the endpoint in `rdi` and wait for the answer. Needs `SEND` and one of `GRANT`.
    /// Errors: InvalidCapability (no endpoint), InsufficientRights (no SEND), InvalidMessage (a length or a number of
    /// capabilities that no message has), ServerDied (the receiver has no Reply object, or the endpoint or the Reply
    /// object goes before the answer).
    /// Cost: ipc_call_reply_0, ipc_call_reply_6, ipc_call_reply_60; one way: ipc_call_0
    Call = 0,
    /// Answer through the Reply object in `rdi` (which may be idle: then only receive), then receive from the endpoint
    /// in `r15`, keeping the right to answer in the Reply object in `r14`. Needs `RECEIVE` on the endpoint.
    /// Errors: InvalidCapability (no endpoint, no Reply object; the endpoint goes while it waits), InsufficientRights
    /// (no RECEIVE), InvalidMessage (as `Call`), InvalidState (the Reply object in `r14` is in use). Whatever fails,
    /// but for the last, fails before the answer is sent.
    /// Cost: ipc_reply_receive_0, ipc_reply_receive_6, ipc_reply_receive_60
    ReplyRecv = 1,
    /// Receive from the endpoint in `rdi` (with the Reply object in `r14`, or none: slot 0).
    /// Errors: InvalidCapability (no endpoint, no Reply object; the endpoint goes while it waits), InsufficientRights
    /// (no RECEIVE), InvalidState (the Reply object is in use).
    Recv = 2,
    /// As `Recv`, but return [`Error::WouldBlock`](crate::Error::WouldBlock) where nothing waits.
    /// Errors: as `Recv`, and WouldBlock (neither a message nor bits of the bound notification wait).
    NbRecv = 3,
    /// Send to the endpoint in `rdi` and wait until it was received; no answer. Needs `SEND`.
    /// Errors: InvalidCapability (no endpoint), InsufficientRights (no SEND), InvalidMessage (as `Call`), ServerDied
    /// (the endpoint goes before the message is received).
    /// Cost: send_to_receiver_and_yield
    Send = 4,
    /// As `Send`, but do nothing where no receiver waits.
    /// Errors: InvalidCapability (no endpoint), InsufficientRights (no SEND), InvalidMessage (as `Call`). None where
    /// nobody waits.
    /// Cost: send_nobody_waits
    NbSend = 5,
    /// Answer through the Reply object in `rdi`; does not block.
    /// Errors: InvalidCapability (no Reply object), InvalidMessage (as `Call`), InvalidState (it holds no caller).
    Reply = 6,
    /// Set the notification's bits: its word is or-ed with the capability's badge; wakes one waiter. Needs `SEND`.
    /// Errors: InvalidCapability (no notification), InsufficientRights (no SEND).
    /// Cost: signal_nobody_waits, signal_waiter
    Signal = 7,
    /// Wait until the notification in `rdi` has bits; take and return them in `rdi`. Needs `RECEIVE`.
    /// Errors: InvalidCapability (no notification; it goes while the thread waits), InsufficientRights (no RECEIVE).
    /// Cost: wait_switch_back; with Signal, there and back: signal_wait_round_trip
    Wait = 8,
    /// Take and return the notification's bits, if any, else [`Error::WouldBlock`](crate::Error::WouldBlock).
    /// Errors: InvalidCapability (no notification), InsufficientRights (no RECEIVE), WouldBlock (no bits).
    /// Cost: poll_nothing; with Signal: signal_poll
    Poll = 9,
    /// Invoke method `label` of the kernel object in `rdi`: see [`invoke`](crate::invoke).
    /// Errors: InvalidCapability (an empty slot, or an object without methods), InvalidMethod, InvalidMessage (longer
    /// than a message can be), and the method's.
    Invoke = 10,
    /// Become foreign code as the state page of the thread's Vcpu says: see [`vcpu`](crate::vcpu).
    /// Returns with `rax` = 0 and `rdi` = [`ExitReason`](crate::vcpu::ExitReason), all other registers but
    /// `rsp` zero.
    /// Errors: InvalidState (the thread has no Vcpu, that has no state page, or the VSpace has no legacy view).
    /// Cost: with the exit: vcpu_exit_enter
    VcpuEnter = 11,
    /// Let other threads of the same priority run; of limited time, what is left until its next refill is given up.
    /// Errors: none.
    /// Cost: yield_alone, yield_switch
    Yield = 12,
}

impl Call {
    /// The call with this number, if there is one.
    pub const fn from_number(number: u64) -> Option<Self> {
        Some(match number {
            0 => Self::Call,
            1 => Self::ReplyRecv,
            2 => Self::Recv,
            3 => Self::NbRecv,
            4 => Self::Send,
            5 => Self::NbSend,
            6 => Self::Reply,
            7 => Self::Signal,
            8 => Self::Wait,
            9 => Self::Poll,
            10 => Self::Invoke,
            11 => Self::VcpuEnter,
            12 => Self::Yield,
            _ => return None,
        })
    }
}
