//! What goes into a socket and what comes out.

use alloc::sync::Arc;
use alloc::vec::Vec;

use guest_memory::{Sink, Source};
use linux_abi::raw::net;
use linux_abi::{Errno, Result};
use sync::{WaitError, WaitQueue};
use vfs::{Caller, OpenFile};

use crate::address::Address;
use crate::identity::Identity;

bitflags::bitflags! {
    /// Flags of messages, by the bits of `send(2)` and `recv(2)`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct MessageFlags: u32 {
        /// Out-of-band data: no family here has it.
        const OOB = net::MSG_OOB;
        /// Look, and leave it there.
        const PEEK = net::MSG_PEEK;
        /// Some ancillary data was lost.
        const CTRUNC = net::MSG_CTRUNC;
        /// A part of the message was lost; asked for, the result is the message's whole length.
        const TRUNC = net::MSG_TRUNC;
        /// Do not wait.
        const DONTWAIT = net::MSG_DONTWAIT;
        /// The end of a record.
        const EOR = net::MSG_EOR;
        /// Wait for all that was asked for.
        const WAITALL = net::MSG_WAITALL;
        /// The queue of errors: always empty here.
        const ERRQUEUE = net::MSG_ERRQUEUE;
        /// No signal if nobody reads.
        const NOSIGNAL = net::MSG_NOSIGNAL;
        /// More follows: of no consequence without packets.
        const MORE = net::MSG_MORE;
        /// Descriptors that come close on exec.
        const CMSG_CLOEXEC = net::MSG_CMSG_CLOEXEC;
    }
}

/// How long a call waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Not at all.
    None,
    /// Until a time of the monotonic clock.
    Until(u64),
    /// For ever.
    Endless,
}

impl Patience {
    /// Does it now, or when it can be done.
    ///
    /// # Errors
    /// `EAGAIN` once there is no more time; `ERESTARTSYS`, or `EINTR` where the time is limited, if a signal comes first.
    pub fn wait<T>(self, queue: &WaitQueue, mut attempt: impl FnMut() -> Option<T>) -> Result<T> {
        let (deadline, interrupted) = match self {
            Patience::None => return attempt().ok_or(Errno::EAGAIN),
            Patience::Until(deadline) => (Some(deadline), Errno::EINTR),
            Patience::Endless => (None, Errno::ERESTARTSYS),
        };
        queue.wait(deadline, attempt).map_err(|error| match error {
            WaitError::TimedOut => Errno::EAGAIN,
            WaitError::Interrupted => interrupted,
        })
    }
}

/// A message to be sent.
pub struct Outgoing<'a> {
    /// The bytes.
    pub source: &'a mut dyn Source,
    /// To whom, where the message says so.
    pub to: Option<&'a Address>,
    /// What names mean; none for a mere write.
    pub caller: Option<Caller<'a>>,
    /// Descriptions that go with it.
    pub files: Vec<Arc<OpenFile>>,
    /// Most descriptions that the sender's user may have under way.
    pub files_limit: u64,
    /// Credentials that the sender claims and may claim.
    pub identity: Option<Identity>,
    /// Flags.
    pub flags: MessageFlags,
    /// How long it may take.
    pub patience: Patience,
}

impl<'a> Outgoing<'a> {
    /// A message of bytes alone, to the peer.
    pub fn plain(source: &'a mut dyn Source, flags: MessageFlags, patience: Patience) -> Outgoing<'a> {
        let files = Vec::new();
        Outgoing { source, to: None, caller: None, files, files_limit: 0, identity: None, flags, patience }
    }
}

/// A wish to receive.
pub struct Incoming<'a> {
    /// Takes the bytes.
    pub sink: &'a mut dyn Sink,
    /// Flags.
    pub flags: MessageFlags,
    /// How long it may take.
    pub patience: Patience,
    /// Whose data it is matters: different writers' data is not joined (`SO_PASSCRED`).
    pub wants_identity: bool,
}

/// What came.
#[derive(Default)]
pub struct Received {
    /// Bytes that count as the result.
    pub bytes: usize,
    /// Whether a part was lost.
    pub flags: u32,
    /// From whom, where the sender has an address.
    pub from: Option<Address>,
    /// Descriptions that came with it.
    pub files: Vec<Arc<OpenFile>>,
    /// Whose message it is.
    pub identity: Option<Identity>,
}
