//! Methods of kernel objects, for [`Call::Invoke`](crate::Call::Invoke).
//!
//! The capability in `rdi` names the object, the message's label the method, its words the arguments (`w0`, `w1`, ...);
//! results come back in words. "slot" is a slot of the caller's own CapTable. Where a method says so it takes an
//! *address-rights word*: a page-aligned address with [`Rights`](crate::Rights) bits READ, WRITE, EXECUTE in its low bits
//! and perhaps [`UNCACHED`].

/// In an address-rights word: map as strongly uncached device memory.
pub const UNCACHED: u64 = 1 << 8;

/// `Untyped`.
pub mod untyped {
    /// Carve `w2` objects of type `w0` with size argument `w1` into consecutive empty slots from `w3` on, of the CapTable
    /// in slot `w4` (0: the caller's own). An untyped without children starts afresh.
    /// Errors: OutOfMemory, SlotOccupied, InvalidArgument.
    pub const RETYPE: u32 = 0x101;
    /// `w0` = bytes left, `w1` = bytes in all.
    pub const INFO: u32 = 0x102;
}

/// `CapTable`. The invoked table is the destination; `w1` names the source table (a slot, 0: the caller's own).
pub mod cap_table {
    /// Copy the capability in slot `w2` of the source table to slot `w0`, with rights reduced to `w3`. The copy is a
    /// child of the original.
    pub const COPY: u32 = 0x201;
    /// As COPY, with badge `w4`. Endpoints and Notifications whose own badge is 0 only.
    pub const MINT: u32 = 0x202;
    /// Move the capability in slot `w2` of the source table to slot `w0`.
    pub const MOVE: u32 = 0x203;
    /// Delete the capability in slot `w0` of the invoked table; its children become its parent's. The object goes with
    /// its last capability.
    pub const DELETE: u32 = 0x204;
    /// Delete all descendants of the capability in slot `w0` of the invoked table.
    pub const REVOKE: u32 = 0x205;
}

/// `Thread`.
pub mod thread {
    /// `w0` CapTable slot, `w1` VSpace slot, `w2` fault endpoint slot (0: none), `w3` Memory slot of the message page
    /// (0: none), `w4` the page's byte offset in that Memory.
    pub const CONFIGURE: u32 = 0x301;
    /// Set `rip` = `w0`, `rsp` = `w1`, `rdi` = `w2`, `rsi` = `w3`, `fs` base = `w4`; all else zero. The thread must not
    /// run: InvalidState.
    pub const WRITE_REGISTERS: u32 = 0x302;
    /// Start or go on.
    pub const RESUME: u32 = 0x303;
    /// Stop; what it was blocked in is cancelled and repeats when it goes on.
    pub const SUSPEND: u32 = 0x304;
    /// Priority `w0` (0 to 255, higher runs first).
    pub const SET_PRIORITY: u32 = 0x305;
    /// Bind the Notification in slot `w0` (0: unbind): its signals reach `Recv` as messages of length 0 with the bits
    /// as badge. Bits that it has already reach a thread that receives. One of the two is bound already: InvalidState.
    pub const BIND_NOTIFICATION: u32 = 0x306;
    /// Use the VSpace in slot `w0` from now on; a thread may do this to itself.
    pub const SET_VSPACE: u32 = 0x307;
    /// FPU declaration `w0`: [`FPU_NONE`] or [`FPU_EAGER`]. A thread starts as `FPU_NONE`.
    pub const SET_FPU: u32 = 0x308;
    /// `w0` = rip, `w1` = rsp, `w2` = rbp, `w3` = rax, `w4` = rflags, `w5` = state (0 stopped, 1 ready, 2 blocked) of
    /// the thread's current execution.
    pub const READ_REGISTERS: u32 = 0x309;
    /// Bind the Vcpu in slot `w0` to the thread as its foreign execution context.
    pub const BIND_VCPU: u32 = 0x30a;
    /// The thread becomes foreign code, for good: it runs in the legacy view of its VSpace (and not at all while that has none),
    /// the kernel's system calls do not exist for it, and each of its traps (`syscall`, exception, page fault, kick) is a
    /// message to its fault endpoint: [`fault::FOREIGN`](crate::fault::FOREIGN). It uses the FPU state of the Thread in slot
    /// `w0`, which serves it (0: as declared). It must be stopped and without Vcpu, the other without such a user: InvalidState.
    pub const MAKE_FOREIGN: u32 = 0x30b;
    /// Trap now, or, where the foreign thread does not run, when it is to go on. Not foreign: InvalidState.
    pub const KICK: u32 = 0x30c;
    /// Name the thread for whoever traces: 24 bytes of UTF-8, filled with zeros, little-endian in `w0` to `w2`.
    pub const SET_NAME: u32 = 0x30d;
    /// An FPU instruction is a fault.
    pub const FPU_NONE: u64 = 0;
    /// FPU state is kept across thread switches; at first that of `FINIT` with `MXCSR` 0x1f80.
    pub const FPU_EAGER: u64 = 1;
}

/// `VSpace`.
pub mod vspace {
    /// Take `w1` pages from the Untyped in slot `w0` into the pool of page tables.
    pub const DONATE: u32 = 0x401;
    /// Give the VSpace its two views: slot 256 of the VSpace in slot `w0` is shared into its master view. Takes one page
    /// from the pool. Threads in it run in the master view, foreign code in the legacy view. Only on a fresh VSpace.
    pub const MAKE_LEGACY: u32 = 0x402;
    /// `w0` = pages left in the pool.
    pub const POOL: u32 = 0x403;
}

/// `Memory`.
pub mod memory {
    /// Attach to the VSpace in slot `w0`, for addresses from `w1` (page-aligned) for `w2` bytes, rights at most `w3`
    /// and the capability's; into the Attachment object in slot `w4`, whose capability becomes a child of this one.
    pub const ATTACH: u32 = 0x501;
    /// A capability, child of this one, to `w1` bytes from byte offset `w0` on, with rights reduced to `w3`, in slot `w2`.
    pub const SUB: u32 = 0x502;
    /// `w0` = physical address (needs PHYSICAL), `w1` = bytes.
    pub const PHYSICAL: u32 = 0x503;
    /// `w0` = bytes.
    pub const SIZE: u32 = 0x504;
}

/// `Attachment`. The arguments are a list of pairs of words, up to [`MAX_PAIRS`](attachment::MAX_PAIRS); on return `w0`
/// is the number of pairs done (with an error: before the one that failed; pages of the failing pair that come before
/// the failing page are done).
pub mod attachment {
    /// Pairs: address-rights word; page index in the Memory (bits 0 to 39) and number of pages less one (bits 40 to 63).
    /// Pages that are mapped already by this attachment are replaced.
    pub const MAP: u32 = 0x601;
    /// Pairs: address-rights word; number of pages. Changes the rights of those pages of the range that are mapped.
    pub const PROTECT: u32 = 0x602;
    /// Pairs: address; number of pages. Unmaps those pages of the range that are mapped.
    pub const UNMAP: u32 = 0x603;
    /// Unmap all.
    pub const UNMAP_ALL: u32 = 0x604;
    /// Undo the attachment; its object can be attached again.
    pub const DETACH: u32 = 0x605;
    /// Most pairs of one invocation.
    pub const MAX_PAIRS: usize = 240;
}

/// `SchedContext`.
pub mod sched_context {
    /// Budget `w0` and period `w1` in nanoseconds; only 0, 0 (unlimited) so far: else InvalidArgument.
    pub const CONFIGURE: u32 = 0x701;
    /// Bind to the Thread in slot `w0`.
    pub const BIND: u32 = 0x702;
    /// Unbind.
    pub const UNBIND: u32 = 0x703;
    /// Make it time of processor `w0`; whoever uses it runs there from now on. InvalidArgument where there is none.
    pub const SET_CPU: u32 = 0x704;
}

/// `IrqControl`.
pub mod irq_control {
    /// Make the Irq object in slot `w0` that of I/O APIC line (global system interrupt) `w1`, with flags `w2`:
    /// [`LEVEL`], [`ACTIVE_LOW`].
    pub const IOAPIC: u32 = 0x801;
    /// Make the Irq object in slot `w0` a message-signalled one; `w0` = address, `w1` = data to program.
    pub const MSI: u32 = 0x802;
    /// Level-triggered (else edge).
    pub const LEVEL: u64 = 1;
    /// Active low (else high).
    pub const ACTIVE_LOW: u64 = 2;
}

/// `Irq`.
pub mod irq {
    /// Signal the Notification in slot `w0` (with that capability's badge) at each interrupt.
    pub const BIND: u32 = 0x901;
    /// Allow the next interrupt (I/O APIC lines stay masked from an interrupt until this).
    pub const ACK: u32 = 0x902;
    /// Stop signalling.
    pub const UNBIND: u32 = 0x903;
}

/// `IoPorts`.
pub mod io_ports {
    /// A capability, child of this one, to ports `w0` to `w1` inclusive, in slot `w2`.
    pub const SUB: u32 = 0xa01;
    /// `w0` = value read from port `w0` with `w1` bytes (1, 2, 4).
    pub const IN: u32 = 0xa02;
    /// Write value `w2` to port `w0` with `w1` bytes (1, 2, 4).
    pub const OUT: u32 = 0xa03;
    /// Write `w1` bytes (at most 32) to 8-bit port `w0`, little-endian from `w2` to `w5`.
    pub const OUT_BYTES: u32 = 0xa04;
    /// Read up to `w1` bytes (at most 32) from 8-bit port `w0` for as long as port `w2` has a bit of mask `w3` set;
    /// `w0` = number read, bytes little-endian in `w1` to `w4`.
    pub const IN_BYTES_WHILE: u32 = 0xa05;
}

/// `Timer`.
pub mod timer {
    /// Signal the Notification in slot `w0` (with that capability's badge) at the deadline.
    pub const BIND: u32 = 0xb01;
    /// Deadline: time-stamp counter `w0`; replaces an earlier one. In the past: signals at once.
    pub const ARM: u32 = 0xb02;
    /// Forget the deadline.
    pub const CANCEL: u32 = 0xb03;
}

/// `Vcpu`.
pub mod vcpu {
    /// State page: byte offset `w1` of the Memory in slot `w0`.
    pub const SET_STATE: u32 = 0xc01;
    /// Fix-ups: triples of words (start, end, target), at most [`MAX_FIXUPS`](crate::vcpu::MAX_FIXUPS): a page fault or
    /// general protection fault of the *master* at start <= rip < end on an address of the lower half (or a
    /// non-canonical one) resumes at target, with address and error in the state page.
    pub const SET_FIXUPS: u32 = 0xc02;
    /// Force an exit now, or make the next entry return at once.
    pub const KICK: u32 = 0xc03;
}

/// `Log`.
pub mod log {
    /// Append `w0` bytes (at most 3,792) of the message, little-endian from `w1` on, as one line.
    pub const WRITE: u32 = 0xd01;
    /// The kernel's counters since boot: `w0` system calls (Vcpu entries aside), `w1` thread switches, `w2` interrupts, `w3`
    /// faults, `w4` writes of CR3, `w5` entries: changes from user space to the kernel, for any of these or at a Vcpu's exit or entry;
    /// each is followed by one change back.
    pub const COUNTERS: u32 = 0xd02;
}

/// `Trace`.
pub mod trace {
    /// Write events to the Memory in slot `w0` from now on, as [`trace`](crate::trace) says: RAM that the capability may
    /// read and write. Tracing ends with that Memory. On already: InvalidState.
    pub const START: u32 = 0xe01;
    /// Stop.
    pub const STOP: u32 = 0xe02;
}
