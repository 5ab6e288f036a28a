//! The trace ring: what the kernel writes while tracing is on.
//!
//! The holder of the `Trace` capability gives a Memory ([`trace::START`](crate::invoke::trace::START)). Its first record is the
//! [header](header), the others are events, oldest to newest, wrapping around at the end. The kernel counts an event in the header
//! after it has written it; a reader that was overtaken by a whole ring has lost what it did not read. Nothing in it is
//! read by the kernel.

/// Bytes of a record.
pub const RECORD_BYTES: u64 = 64;
/// Words of a record.
pub const RECORD_WORDS: usize = 8;
/// Bytes of a thread's name.
pub const NAME_BYTES: usize = 24;
/// Where the processor's number begins in the word that it shares with `object`.
const CPU_SHIFT: u32 = 56;
const OBJECT_MASK: u64 = (1 << CPU_SHIFT) - 1;

/// Words of the header.
pub mod header {
    /// [`MAGIC`].
    pub const WORD_MAGIC: usize = 0;
    /// Events written since the start.
    pub const WORD_WRITTEN: usize = 1;
    /// Events that the ring holds.
    pub const WORD_CAPACITY: usize = 2;
    /// What the first word is.
    pub const MAGIC: u64 = u64::from_le_bytes(*b"BANYANTR");
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// `thread` runs from now on (0: nobody), in place of `other`.
    Schedule = 1,
    /// `thread` sends to the endpoint `object`; `value` is the badge, `label` and `length` are the message's. A fault is one, too.
    Send = 2,
    /// `thread` receives from `other`: a message (badge, label, length) or an answer.
    Receive = 3,
    /// `thread` answers `other`.
    Reply = 4,
    /// The notification `object` is signalled with the bits `value`, by `thread` or by an interrupt or timer while that runs;
    /// `other` waited for them.
    Signal = 5,
    /// The interrupt with vector `detail` arrived while `thread` ran.
    Interrupt = 6,
    /// `thread` raised exception `detail`, at the address `value` (of a page fault).
    Fault = 7,
    /// `thread` becomes foreign code, by its Vcpu.
    VcpuEnter = 8,
    /// `thread` is its own master again; `detail` is the exit's reason, `value` its vector and `label` nothing.
    VcpuExit = 9,
    /// Time passed: the timer's interrupt.
    Timer = 10,
}

impl Kind {
    /// The kind with this number, if there is one.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Schedule,
            2 => Self::Send,
            3 => Self::Receive,
            4 => Self::Reply,
            5 => Self::Signal,
            6 => Self::Interrupt,
            7 => Self::Fault,
            8 => Self::VcpuEnter,
            9 => Self::VcpuExit,
            10 => Self::Timer,
            _ => return None,
        })
    }
}

/// An event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Time-stamp counter.
    pub time: u64,
    /// What happened.
    pub kind: Kind,
    /// As the kind says.
    pub detail: u8,
    /// Length of a message, in words, and number of its capabilities, as the lower half of its header has them.
    pub length: u16,
    /// Label of a message.
    pub label: u32,
    /// Number of the thread, from 1; 0: none.
    pub thread: u32,
    /// Number of the other thread, likewise.
    pub other: u32,
    /// As the kind says.
    pub value: u64,
    /// What names the endpoint or notification, or 0: below 2^56.
    pub object: u64,
    /// Number of the processor on which it happened.
    pub cpu: u8,
    /// Name of `thread`: UTF-8, filled with zeros.
    pub name: [u64; NAME_BYTES / 8],
}

impl Record {
    /// As the ring has it.
    #[must_use]
    pub const fn to_words(&self) -> [u64; RECORD_WORDS] {
        let what =
            self.kind as u64 | (self.detail as u64) << 8 | (self.length as u64) << 16 | (self.label as u64) << 32;
        let threads = self.thread as u64 | (self.other as u64) << 32;
        let [first, second, third] = self.name;
        let place = self.object & OBJECT_MASK | (self.cpu as u64) << CPU_SHIFT;
        [self.time, what, threads, self.value, place, first, second, third]
    }

    /// The event in these words of a ring. `None`: that is none.
    #[must_use]
    pub const fn from_words(words: &[u64; RECORD_WORDS]) -> Option<Self> {
        let [time, what, threads, value, place, first, second, third] = *words;
        let Some(kind) = Kind::from_number(what as u8) else { return None };
        Some(Self {
            time,
            kind,
            detail: (what >> 8) as u8,
            length: (what >> 16) as u16,
            label: (what >> 32) as u32,
            thread: threads as u32,
            other: (threads >> 32) as u32,
            value,
            object: place & OBJECT_MASK,
            cpu: (place >> CPU_SHIFT) as u8,
            name: [first, second, third],
        })
    }

    /// The bytes of the name.
    #[must_use]
    pub fn name_bytes(&self) -> [u8; NAME_BYTES] {
        let mut bytes = [0; NAME_BYTES];
        for (place, word) in bytes.chunks_exact_mut(8).zip(self.name) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }
}
