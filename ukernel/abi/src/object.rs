//! Kernel objects: types, sizes, rights.

/// The type of a kernel object, as `Untyped::RETYPE` takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u64)]
pub enum ObjectType {
    /// Raw memory; size argument: bytes, a multiple of a page.
    Untyped = 1,
    /// Capability slots; size argument: log2 of their number, 2 to 16.
    CapTable = 2,
    /// A thread; size argument ignored.
    Thread = 3,
    /// An address space; size argument ignored.
    VSpace = 4,
    /// Physically contiguous pages, zeroed; size argument: bytes, a multiple of a page.
    Memory = 5,
    /// A rendezvous for messages; size argument ignored.
    Endpoint = 6,
    /// A one-shot right to answer; size argument ignored.
    Reply = 7,
    /// A word of pending bits; size argument ignored.
    Notification = 8,
    /// A right to processor time; size argument ignored.
    SchedContext = 9,
    /// A deadline that signals a notification; size argument ignored.
    Timer = 10,
    /// A foreign execution context; size argument ignored.
    Vcpu = 11,
    /// Storage for the attachment of a Memory to a VSpace: unattached until `Memory::ATTACH`; size argument ignored.
    Attachment = 12,
    /// Storage for an interrupt: unbound until `IrqControl` issues it; size argument ignored.
    Irq = 13,
    /// A range of I/O ports; not retyped, derived from the one that the root task starts with.
    IoPorts = 14,
    /// The right to issue `Irq`s; not retyped.
    IrqControl = 15,
    /// The right to append to the kernel's log; not retyped.
    Log = 16,
    /// The right to trace what the kernel and all threads do; not retyped.
    Trace = 17,
    /// What a device reaches of memory, where the machine has an IOMMU; size argument ignored.
    IoSpace = 18,
    /// Storage for a Memory's presence in an IoSpace: unmapped until `IoSpace::MAP`; size argument ignored.
    IoMapping = 19,
    /// The right to give devices their IoSpaces; not retyped.
    IoControl = 20,
}

impl ObjectType {
    /// The type with this number, if there is one.
    pub const fn from_number(number: u64) -> Option<Self> {
        Some(match number {
            1 => Self::Untyped,
            2 => Self::CapTable,
            3 => Self::Thread,
            4 => Self::VSpace,
            5 => Self::Memory,
            6 => Self::Endpoint,
            7 => Self::Reply,
            8 => Self::Notification,
            9 => Self::SchedContext,
            10 => Self::Timer,
            11 => Self::Vcpu,
            12 => Self::Attachment,
            13 => Self::Irq,
            14 => Self::IoPorts,
            15 => Self::IrqControl,
            16 => Self::Log,
            17 => Self::Trace,
            18 => Self::IoSpace,
            19 => Self::IoMapping,
            20 => Self::IoControl,
            _ => return None,
        })
    }

    /// Bytes that one object takes from its untyped (its alignment as well, up to a page), for a size argument.
    /// `None`: the type cannot be retyped or the argument is invalid.
    pub const fn bytes(self, size: u64) -> Option<u64> {
        match self {
            Self::Memory if size & MEMORY_UNCLEARED != 0 => self.bytes(size & !MEMORY_UNCLEARED),
            Self::Untyped | Self::Memory => {
                if size == 0 || !size.is_multiple_of(crate::PAGE_BYTES) || size > 1 << 46 {
                    None
                } else {
                    Some(size)
                }
            }
            Self::CapTable => {
                if size < 2 || size > 16 {
                    None
                } else {
                    Some((SLOT_BYTES << size) + SLOT_BYTES)
                }
            }
            Self::Thread => Some(2048),
            Self::VSpace | Self::Vcpu => Some(1024),
            Self::SchedContext => Some(256),
            Self::Timer | Self::Attachment | Self::Irq | Self::IoMapping => Some(128),
            Self::IoSpace => Some(512),
            Self::Endpoint | Self::Reply | Self::Notification => Some(64),
            Self::IoPorts | Self::IrqControl | Self::Log | Self::Trace | Self::IoControl => None,
        }
    }
}

/// In the size argument of [`ObjectType::Memory`]: the pages need not be zeroed, where they were never used since boot
/// (then they hold what firmware left there; pages that were ever another object's are always zeroed).
pub const MEMORY_UNCLEARED: u64 = 1;
/// Bytes of a capability slot.
pub const SLOT_BYTES: u64 = 64;
/// Most attachments of one VSpace: the number is in 10 software bits of each leaf entry, 0 means none.
pub const MAX_ATTACHMENTS: usize = 1023;

/// Rights of a capability: a set of the constants below.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Hash)]
#[repr(transparent)]
pub struct Rights(pub u8);

impl Rights {
    /// Receive from an endpoint, wait for a notification, read memory.
    pub const READ: Self = Self(1);
    /// Send to an endpoint, signal a notification, write memory.
    pub const WRITE: Self = Self(2);
    /// Send capabilities along; answer with capabilities.
    pub const GRANT: Self = Self(4);
    /// Execute memory.
    pub const EXECUTE: Self = Self(8);
    /// Learn a memory's physical address (for DMA).
    pub const PHYSICAL: Self = Self(16);
    /// Receive from an endpoint: the same bit as `READ`.
    pub const RECEIVE: Self = Self::READ;
    /// Send to an endpoint: the same bit as `WRITE`.
    pub const SEND: Self = Self::WRITE;
    /// All of them.
    pub const ALL: Self = Self(31);
    /// None.
    pub const NONE: Self = Self(0);

    /// The set from its bits; unknown bits are dropped.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits as u8 & Self::ALL.0)
    }

    /// Rights in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Rights in either.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` are here.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}
