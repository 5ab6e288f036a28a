//! Messages: a header, up to [`MAX_WORDS`] words, up to [`MAX_CAPS`] capabilities.

/// Words that travel in registers.
pub const REGISTER_WORDS: usize = 6;
/// Most words of a message.
pub const MAX_WORDS: usize = 480;
/// Most capabilities of a message.
pub const MAX_CAPS: usize = 4;

/// A message's header: label (bits 32 to 63), capability count (bits 12 to 15), length in words (bits 0 to 11).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(transparent)]
pub struct MessageInfo(pub u64);

impl MessageInfo {
    /// A header for `length` words and no capabilities.
    pub const fn new(label: u32, length: usize) -> Self {
        Self((label as u64) << 32 | (length as u64 & 0xfff))
    }

    /// The same header with `count` capabilities.
    pub const fn with_caps(self, count: usize) -> Self {
        Self(self.0 & !0xf000 | (count as u64 & 0xf) << 12)
    }

    /// What the message is about; the kernel reads it only in invocations.
    pub const fn label(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// Length in words; at most 4,095 as encoded, at most [`MAX_WORDS`] when valid.
    pub const fn length(self) -> usize {
        (self.0 & 0xfff) as usize
    }

    /// Number of capabilities; at most 15 as encoded, at most [`MAX_CAPS`] when valid.
    pub const fn caps(self) -> usize {
        (self.0 >> 12 & 0xf) as usize
    }
}

/// The page through which a thread sends and receives what does not fit registers.
///
/// The kernel reads it when the thread sends and writes it when the thread receives; it trusts nothing in it.
#[repr(C, align(4096))]
pub struct MessagePage {
    /// Message words by their index; 0 to 5 are not used (they are in registers).
    pub words: [u64; MAX_WORDS],
    /// Slots of the capabilities to send.
    pub send_caps: [u64; MAX_CAPS],
    /// Empty slots that are to take the capabilities of the next message received. A capability for which the slot
    /// is 0 or occupied is dropped, as are all after it; the message's header says how many arrived.
    pub receive_caps: [u64; MAX_CAPS],
    /// Not used.
    pub reserved: [u64; 24],
}

const _: () = assert!(size_of::<MessagePage>() == 4096);
