//! The boot archive and what the root task starts with.
//!
//! The boot archive is the one RAM disk. Everything in it starts at a page boundary, so that each piece can be mapped
//! where it lies:
//!
//! ```text
//! Header | Entry * entries | (page) data | (page) data ...
//! ```
//!
//! A program's segments are placed and relocated by the image tool; whoever starts it only maps or copies them.

/// First eight bytes of an archive.
pub const MAGIC: [u8; 8] = *b"BANYAN01";
/// Most segments of a program.
pub const MAX_SEGMENTS: usize = 6;

/// Start of the archive. All numbers are little-endian.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Header {
    /// [`MAGIC`].
    pub magic: [u8; 8],
    /// Bytes of the whole archive, a multiple of a page.
    pub bytes: u64,
    /// Number of [`Entry`]s that follow.
    pub entries: u64,
    /// Index of the root task's entry.
    pub root: u64,
}

/// One thing in the archive: 512 bytes.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Entry {
    /// Name, UTF-8, filled with zeros.
    pub name: [u8; 48],
    /// [`KIND_PROGRAM`] or [`KIND_DATA`].
    pub kind: u64,
    /// Offset of the data from the archive's start, page-aligned.
    pub offset: u64,
    /// Bytes of the data.
    pub bytes: u64,
    /// Programs: entry point.
    pub entry_point: u64,
    /// Programs: number of valid `segments`.
    pub segment_count: u64,
    /// Programs: the segments, in ascending order of address, none sharing a page.
    pub segments: [Segment; MAX_SEGMENTS],
    /// Zero.
    pub reserved: [u64; 23],
}

const _: () = assert!(size_of::<Entry>() == 512);

/// An entry that is a program.
pub const KIND_PROGRAM: u64 = 1;
/// An entry that is plain data.
pub const KIND_DATA: u64 = 2;

/// A program's segment.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Segment {
    /// Page-aligned address.
    pub address: u64,
    /// Offset of its bytes from the archive's start, page-aligned.
    pub offset: u64,
    /// Bytes in the archive.
    pub file_bytes: u64,
    /// Bytes in memory, at least `file_bytes`; the rest is zero.
    pub memory_bytes: u64,
    /// [`Rights`](crate::Rights) bits: READ, WRITE, EXECUTE; never WRITE and EXECUTE together.
    pub rights: u64,
}

/// Slots of the root task's CapTable that the kernel fills.
pub mod slot {
    /// Its own CapTable (4,096 slots).
    pub const CAP_TABLE: u64 = 1;
    /// Its own VSpace.
    pub const VSPACE: u64 = 2;
    /// Its own Thread.
    pub const THREAD: u64 = 3;
    /// Its own SchedContext.
    pub const SCHED_CONTEXT: u64 = 4;
    /// The right to issue interrupts.
    pub const IRQ_CONTROL: u64 = 5;
    /// All I/O ports.
    pub const IO_PORTS: u64 = 6;
    /// The kernel's log.
    pub const LOG: u64 = 7;
    /// The boot archive, as Memory: READ, EXECUTE and GRANT.
    pub const ARCHIVE: u64 = 8;
    /// Firmware tables (ACPI), as one read-only device Memory, or empty.
    pub const FIRMWARE: u64 = 9;
    /// The right to trace.
    pub const TRACE: u64 = 10;
    /// The right to give devices their IoSpaces; empty where the machine has no IOMMU.
    pub const IO_CONTROL: u64 = 11;
    /// First Untyped; as many as [`RootInfo::untyped_count`](super::RootInfo::untyped_count) follow.
    pub const UNTYPED_FIRST: u64 = 32;
    /// First device Memory; as many as [`RootInfo::device_count`](super::RootInfo::device_count) follow.
    pub const DEVICE_FIRST: u64 = 96;
    /// First slot that is free.
    pub const FREE_FIRST: u64 = 128;
}

/// Most Untypeds, and most device ranges, that the root task is given.
pub const MAX_RANGES: usize = 32;
/// Where the kernel maps the root task's [`RootInfo`] page (read-only); `rdi` of the root task holds it too.
pub const ROOT_INFO_ADDRESS: u64 = 0x7fff_0000_0000;
/// Where the kernel maps the root task's message page.
pub const ROOT_MESSAGE_PAGE: u64 = 0x7fff_0000_1000;
/// Where the kernel maps the archive (read-only), for the root task to read.
pub const ROOT_ARCHIVE_ADDRESS: u64 = 0x6000_0000_0000;
/// Lowest address and bytes of the root task's stack.
pub const ROOT_STACK_ADDRESS: u64 = 0x7ffe_0000_0000;
/// Bytes of the root task's stack.
pub const ROOT_STACK_BYTES: u64 = 64 << 10;

/// A range of physical memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct PhysicalRange {
    /// First byte.
    pub start: u64,
    /// Bytes.
    pub bytes: u64,
}

/// What the kernel tells the root task, in a read-only page at [`ROOT_INFO_ADDRESS`].
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct RootInfo {
    /// Bytes of the archive, mapped at [`ROOT_ARCHIVE_ADDRESS`].
    pub archive_bytes: u64,
    /// Frequency of the time-stamp counter, in Hz; it runs from boot and never stops.
    pub tsc_hz: u64,
    /// Number of Untypeds from [`slot::UNTYPED_FIRST`] on.
    pub untyped_count: u64,
    /// Number of device Memories from [`slot::DEVICE_FIRST`] on.
    pub device_count: u64,
    /// Physical address of the ACPI root pointer (RSDP), or 0.
    pub rsdp: u64,
    /// Bytes of RAM in all.
    pub ram_bytes: u64,
    /// Number of processors.
    pub cpus: u64,
    /// The untypeds, in slot order.
    pub untypeds: [PhysicalRange; MAX_RANGES],
    /// The device memories, in slot order.
    pub devices: [PhysicalRange; MAX_RANGES],
}
