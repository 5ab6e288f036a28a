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
    /// Errors: InvalidArgument (a type that cannot be retyped, a size that it cannot have, 0 or more than 1,024
    /// objects), SlotOccupied (one of the slots), OutOfMemory (not that much is left), InvalidCapability (slots that
    /// the table does not have), InsufficientRights (a SchedContext, by a thread that has forgone that). Nothing is made
    /// then, unless somebody took one of the slots or the memory while the call was preempted.
    /// Cost: with DELETE: retype_delete_endpoint, retype_delete_thread, retype_delete_vspace,
    /// retype_delete_cap_table_16, retype_delete_page; interrupts are off at most irqs_off_max_retype, while memory
    /// is cleared irqs_off_max_clear
    pub const RETYPE: u32 = 0x101;
    /// `w0` = bytes left, `w1` = bytes in all.
    /// Errors: none.
    pub const INFO: u32 = 0x102;
}

/// `CapTable`. The invoked table is the destination; `w1` names the source table (a slot, 0: the caller's own).
pub mod cap_table {
    /// Copy the capability in slot `w2` of the source table to slot `w0`, with rights reduced to `w3`. The copy is a
    /// child of the original.
    /// Errors: InvalidCapability (an empty source), SlotOccupied (the destination), InvalidArgument (an Untyped).
    /// Cost: with DELETE: capability_copy_delete
    pub const COPY: u32 = 0x201;
    /// As COPY, with badge `w4`. Endpoints and Notifications whose own badge is 0 only.
    /// Errors: as COPY, and InvalidArgument (an object without badges, or a badge that is there already).
    /// Cost: with DELETE: capability_mint_delete
    pub const MINT: u32 = 0x202;
    /// Move the capability in slot `w2` of the source table to slot `w0`. While its children follow, the source slot holds
    /// a capability that gives no right to anything; with a caller that is stopped meanwhile it stays, and DELETE takes it away.
    /// Errors: InvalidCapability (an empty source), SlotOccupied (the destination).
    /// Cost: capability_move; interrupts are off at most irqs_off_max_move
    pub const MOVE: u32 = 0x203;
    /// Delete the capability in slot `w0` of the invoked table; its children become its parent's. The object goes with
    /// its last capability. While this goes on, an Untyped has no memory left to give, and an Attachment's window closes
    /// from below; other calls go on with what a caller that is stopped has left.
    /// Errors: InvalidCapability (a slot that the table does not have). An empty slot stays empty.
    /// Cost: with COPY: capability_copy_delete; interrupts are off at most irqs_off_max_delete_parent, of a table
    /// irqs_off_max_delete_table, of a VSpace irqs_off_max_delete_vspace
    pub const DELETE: u32 = 0x204;
    /// Delete all descendants of the capability in slot `w0` of the invoked table, as DELETE does.
    /// Errors: InvalidCapability (a slot that the table does not have).
    /// Cost: of 16 copies: capability_revoke_16; interrupts are off at most irqs_off_max_revoke, in a chain of copies
    /// irqs_off_max_revoke_chain
    pub const REVOKE: u32 = 0x205;
}

/// `Thread`.
pub mod thread {
    /// `w0` CapTable slot, `w1` VSpace slot, `w2` fault endpoint slot (0: none), `w3` Memory slot of the message page
    /// (0: none), `w4` the page's byte offset in that Memory.
    /// Errors: InvalidState (the thread is not stopped; the VSpace is ending), InsufficientRights (the endpoint without
    /// SEND, the Memory without READ or WRITE), InvalidArgument (the page is a device's, not aligned or outside).
    /// Arguments before the failing one are set.
    pub const CONFIGURE: u32 = 0x301;
    /// Set `rip` = `w0`, `rsp` = `w1`, `rdi` = `w2`, `rsi` = `w3`, `fs` base = `w4`; all else zero. The thread must not
    /// run: InvalidState.
    /// Errors: InvalidState (it is not stopped, or in foreign code), InvalidArgument (`rip` or `fs` base is no address
    /// of user space).
    pub const WRITE_REGISTERS: u32 = 0x302;
    /// Start or go on.
    /// Errors: none; a thread that is not stopped stays as it is.
    pub const RESUME: u32 = 0x303;
    /// Stop; what it was blocked in is cancelled and repeats when it goes on.
    /// Errors: none.
    pub const SUSPEND: u32 = 0x304;
    /// Priority `w0` (0 to 255, higher runs first).
    /// Errors: InvalidArgument (above 255), InsufficientRights (above the caller's own maximum controlled priority).
    /// Cost: thread_set_priority_self
    pub const SET_PRIORITY: u32 = 0x305;
    /// Bind the Notification in slot `w0` (0: unbind): its signals reach `Recv` as messages of length 0 with the bits
    /// as badge. Bits that it has already reach a thread that receives. One of the two is bound already: InvalidState.
    /// Errors: InsufficientRights (no RECEIVE), InvalidState (one of the two is bound already).
    pub const BIND_NOTIFICATION: u32 = 0x306;
    /// Use the VSpace in slot `w0` from now on; a thread may do this to itself.
    /// Errors: InvalidState (the VSpace is ending).
    pub const SET_VSPACE: u32 = 0x307;
    /// FPU declaration `w0`: [`FPU_NONE`] or [`FPU_EAGER`]. A thread starts as `FPU_NONE`.
    /// Errors: InvalidArgument (another declaration).
    pub const SET_FPU: u32 = 0x308;
    /// `w0` = rip, `w1` = rsp, `w2` = rbp, `w3` = rax, `w4` = rflags, `w5` = state (0 stopped, 1 ready, 2 blocked) of
    /// the thread's current execution.
    /// Errors: none.
    /// Cost: thread_read_registers
    pub const READ_REGISTERS: u32 = 0x309;
    /// Bind the Vcpu in slot `w0` to the thread as its foreign execution context.
    /// Errors: InvalidState (one of the two is bound already; a foreign thread).
    pub const BIND_VCPU: u32 = 0x30a;
    /// The thread becomes foreign code, for good: it runs in the legacy view of its VSpace (and not at all while that has none),
    /// the kernel's system calls do not exist for it, and each of its traps (`syscall`, exception, page fault, kick) is a
    /// message to its fault endpoint: [`fault::FOREIGN`](crate::fault::FOREIGN). It uses the FPU state of the Thread in slot
    /// `w0`, which serves it (0: as declared). It must be stopped and without Vcpu, the other without such a user: InvalidState.
    /// Errors: InvalidState (it is not stopped, has a Vcpu or is foreign already; the other is itself, is foreign or
    /// serves another).
    /// Cost: a trap and its answer: exception_ipc_round_trip
    pub const MAKE_FOREIGN: u32 = 0x30b;
    /// Trap now, or, where the foreign thread does not run, when it is to go on. Not foreign: InvalidState.
    /// Errors: InvalidState (it is not foreign).
    pub const KICK: u32 = 0x30c;
    /// Name the thread for whoever traces: 24 bytes of UTF-8, filled with zeros, little-endian in `w0` to `w2`.
    /// Errors: none.
    pub const SET_NAME: u32 = 0x30d;
    /// Where a message goes when the thread's time is used up: the Endpoint in slot `w0`, sent to with that capability's badge (0:
    /// nowhere, it waits for the refill). A server that works on its callers' time is told with its own.
    /// Errors: InsufficientRights (no SEND).
    pub const SET_TIMEOUT: u32 = 0x30e;
    /// Maximum controlled priority `w0`: the highest that the thread may give to any, as priority or as this. A new
    /// thread has that of the thread that made it.
    /// Errors: InvalidArgument (above 255), InsufficientRights (above the caller's own).
    pub const SET_MAX_PRIORITY: u32 = 0x30f;
    /// The thread, and each that it makes from now on, neither makes nor configures SchedContexts any more. It keeps to the time that it
    /// was given; for good.
    /// Errors: none.
    pub const FORGO_TIME: u32 = 0x310;
    /// An FPU instruction is a fault.
    pub const FPU_NONE: u64 = 0;
    /// FPU state is kept across thread switches; at first that of `FINIT` with `MXCSR` 0x1f80.
    pub const FPU_EAGER: u64 = 1;
}

/// `VSpace`.
pub mod vspace {
    /// Take `w1` pages from the Untyped in slot `w0` into the pool of page tables.
    /// Errors: InvalidArgument (0 or more than 4,096 pages), OutOfMemory (the untyped), InvalidState (more untypeds
    /// have given to it already than it can note).
    /// Cost: interrupts are off at most irqs_off_max_donate
    pub const DONATE: u32 = 0x401;
    /// Give the VSpace its two views: slot 256 of the VSpace in slot `w0` is shared into its master view. Takes one page
    /// from the pool. Threads in it run in the master view, foreign code in the legacy view. Only on a fresh VSpace. When the
    /// other one loses its tables this one does too.
    /// Errors: InvalidState (it is not fresh; the other is legacy, the same one, or has nothing in slot 256), OutOfTables (the
    /// pool is empty).
    pub const MAKE_LEGACY: u32 = 0x402;
    /// `w0` = pages left in the pool.
    /// Errors: none.
    pub const POOL: u32 = 0x403;
}

/// `Memory`.
pub mod memory {
    /// Attach to the VSpace in slot `w0`, for addresses from `w1` (page-aligned) for `w2` bytes, rights at most `w3`
    /// and the capability's; into the Attachment object in slot `w4`, whose capability becomes a child of this one.
    /// Errors: InvalidState (the Attachment is in use), InvalidArgument (the window is empty, not aligned, outside of
    /// user space), AlreadyMapped (all 1,023 numbers are in use).
    /// Cost: with DETACH: attach_detach
    pub const ATTACH: u32 = 0x501;
    /// A capability, child of this one, to `w1` bytes from byte offset `w0` on, with rights reduced to `w3`, in slot `w2`.
    /// Errors: InvalidArgument (empty, not aligned, outside), SlotOccupied.
    pub const SUB: u32 = 0x502;
    /// `w0` = physical address (needs PHYSICAL), `w1` = bytes.
    /// Errors: InsufficientRights (no PHYSICAL).
    pub const PHYSICAL: u32 = 0x503;
    /// `w0` = bytes.
    /// Errors: none.
    pub const SIZE: u32 = 0x504;
}

/// `Attachment`. The arguments are a list of pairs of words, up to [`MAX_PAIRS`](attachment::MAX_PAIRS); on return `w0`
/// is the number of pairs done (with an error: before the one that failed; pages of the failing pair that come before
/// the failing page are done).
pub mod attachment {
    /// Pairs: address-rights word; page index in the Memory (bits 0 to 39) and number of pages less one (bits 40 to 63).
    /// Pages that are mapped already by this attachment are replaced.
    /// Errors: InvalidState (not attached), InvalidArgument (outside of window or Memory, not aligned, no rights,
    /// writable and executable outside of a legacy VSpace), InsufficientRights (more than the attachment's),
    /// OutOfTables (the pool is empty: donate and repeat), AlreadyMapped (another attachment's page is there),
    /// InvalidMessage (an odd number of words, or too many pairs).
    /// Cost: with UNMAP: page_map_unmap, of 16 pages: page_map_unmap_16; by the handler of a page fault, from the fault
    /// on: fault_page_map_resume; interrupts are off at most irqs_off_max_map
    pub const MAP: u32 = 0x601;
    /// Pairs: address-rights word; number of pages. Changes the rights of those pages of the range that are mapped.
    /// Errors: as MAP, without OutOfTables and AlreadyMapped; InvalidArgument also where a 2 MiB page is not wholly in
    /// the range.
    /// Cost: interrupts are off at most irqs_off_max_protect
    pub const PROTECT: u32 = 0x602;
    /// Pairs: address; number of pages. Unmaps those pages of the range that are mapped.
    /// Errors: InvalidState (not attached), InvalidArgument (outside of the window, not aligned, part of a 2 MiB page),
    /// InvalidMessage (as MAP).
    /// Cost: with MAP: page_map_unmap; interrupts are off at most irqs_off_max_unmap
    pub const UNMAP: u32 = 0x603;
    /// Unmap all.
    /// Errors: InvalidState (not attached).
    pub const UNMAP_ALL: u32 = 0x604;
    /// Undo the attachment; its object can be attached again. While this goes on the window closes from below.
    /// Errors: InvalidState (not attached).
    /// Cost: with ATTACH: attach_detach; interrupts are off at most irqs_off_max_detach
    pub const DETACH: u32 = 0x605;
    /// Most pairs of one invocation.
    pub const MAX_PAIRS: usize = 240;
}

/// `SchedContext`.
pub mod sched_context {
    /// Budget `w0` and period `w1` in nanoseconds, at most `w2` refills at once, data word `w3` for timeout messages. The
    /// context starts afresh with a full budget. What is used comes back a period after it was used, in at most so many
    /// pieces; with no time left its thread waits, or is stopped by a timeout message. 0, 0: unlimited, as a new context is, and not
    /// counted.
    /// Errors: InvalidArgument (but for 0, 0: not [`MIN_BUDGET_NS`] <= budget <= period <= [`MAX_PERIOD_NS`], or not
    /// [`MIN_REFILLS`] to [`MAX_REFILLS`] refills), InsufficientRights (the caller has forgone that).
    pub const CONFIGURE: u32 = 0x701;
    /// Bind to the Thread in slot `w0`.
    /// Errors: InvalidState (one of the two is bound already).
    pub const BIND: u32 = 0x702;
    /// Unbind.
    /// Errors: none.
    pub const UNBIND: u32 = 0x703;
    /// Make it time of processor `w0`; whoever uses it runs there from now on. With [`ANY_CPU`](sched_context::ANY_CPU), as
    /// it is made: of any processor, as the kernel finds one idle. Limited time stays where it is in either case.
    /// Errors: InvalidArgument (there is no such processor).
    pub const SET_CPU: u32 = 0x704;
    /// In place of a processor's number.
    pub const ANY_CPU: u64 = u64::MAX;
    /// `w0` = nanoseconds used since the last CONSUMED, timeout message or CONFIGURE (of a thread that runs on another
    /// processor: up to when it was last in the kernel).
    /// Errors: InvalidState (the time is unlimited, and not counted).
    pub const CONSUMED: u32 = 0x705;
    /// Let the thread that uses this context be the next of its priority; it runs at once where that is the caller's.
    /// Errors: InvalidState (it cannot run, runs already, is the caller, or there is none).
    pub const YIELD_TO: u32 = 0x706;
    /// Least budget, in nanoseconds.
    pub const MIN_BUDGET_NS: u64 = 10_000;
    /// Longest period, in nanoseconds: an hour.
    pub const MAX_PERIOD_NS: u64 = 3_600_000_000_000;
    /// Fewest refills.
    pub const MIN_REFILLS: usize = 2;
    /// Most refills.
    pub const MAX_REFILLS: usize = 8;
}

/// `IrqControl`.
pub mod irq_control {
    /// Make the Irq object in slot `w0` that of I/O APIC line (global system interrupt) `w1`, with flags `w2`:
    /// [`LEVEL`], [`ACTIVE_LOW`].
    /// Errors: InvalidState (the line or the object is in use), InvalidArgument (there is no such line), OutOfMemory
    /// (no vector is free).
    pub const IOAPIC: u32 = 0x801;
    /// Make the Irq object in slot `w0` a message-signalled one of the device with source number `w1` (bus, device and
    /// function in bits 8 to 15, 3 to 7, 0 to 2); `w0` = address, `w1` = data to program. Where the machine has an IOMMU, no
    /// other device can raise it.
    /// Errors: InvalidState (the object is in use), OutOfMemory (no vector is free), InvalidArgument (a source number
    /// above 65,535).
    pub const MSI: u32 = 0x802;
    /// Level-triggered (else edge).
    pub const LEVEL: u64 = 1;
    /// Active low (else high).
    pub const ACTIVE_LOW: u64 = 2;
}

/// `Irq`.
pub mod irq {
    /// Signal the Notification in slot `w0` (with that capability's badge) at each interrupt.
    /// Errors: InsufficientRights (no SEND).
    pub const BIND: u32 = 0x901;
    /// Allow the next interrupt (I/O APIC lines stay masked from an interrupt until this).
    /// Errors: none.
    /// Cost: interrupt_acknowledge
    pub const ACK: u32 = 0x902;
    /// Stop signalling.
    /// Errors: none.
    pub const UNBIND: u32 = 0x903;
}

/// `IoPorts`.
pub mod io_ports {
    /// A capability, child of this one, to ports `w0` to `w1` inclusive, in slot `w2`.
    /// Errors: InvalidArgument (outside of the range, or none), SlotOccupied.
    pub const SUB: u32 = 0xa01;
    /// `w0` = value read from port `w0` with `w1` bytes (1, 2, 4).
    /// Errors: InvalidArgument (outside of the range, another width).
    pub const IN: u32 = 0xa02;
    /// Write value `w2` to port `w0` with `w1` bytes (1, 2, 4).
    /// Errors: InvalidArgument (outside of the range, another width).
    pub const OUT: u32 = 0xa03;
    /// Write `w1` bytes (at most 32) to 8-bit port `w0`, little-endian from `w2` to `w5`.
    /// Errors: InvalidArgument (outside of the range, too many bytes).
    pub const OUT_BYTES: u32 = 0xa04;
    /// Read up to `w1` bytes (at most 32) from 8-bit port `w0` for as long as port `w2` has a bit of mask `w3` set;
    /// `w0` = number read, bytes little-endian in `w1` to `w4`.
    /// Errors: InvalidArgument (one of the ports is outside of the range).
    pub const IN_BYTES_WHILE: u32 = 0xa05;
}

/// `IoControl`. The root task has it where the machine has an IOMMU.
pub mod io_control {
    /// Let the device with source number `w1` (bus, device and function in bits 8 to 15, 3 to 7, 0 to 2) reach what the
    /// IoSpace in slot `w0` maps.
    /// Errors: InvalidState (one of the two is bound already), InvalidArgument (a source number above 65,535),
    /// OutOfMemory (255 devices are bound, or those of 32 buses).
    pub const BIND: u32 = 0xf01;
    /// `w0` = faults of devices that have no IoSpace, so far; `w1`, `w2`, `w3` = the last one, as `io_space::FAULT` gives it,
    /// and `w4` = its device's source number.
    /// Errors: none.
    pub const STRAY_FAULTS: u32 = 0xf02;
}

/// `IoSpace`.
pub mod io_space {
    /// Take `w1` pages from the Untyped in slot `w0` into the pool of tables.
    /// Errors: InvalidArgument (0 or more than 4,096 pages), OutOfMemory (the Untyped has not so many), InvalidState (four
    /// other Untypeds gave pages; or there is no IOMMU).
    pub const DONATE: u32 = 0x1001;
    /// Map all of the Memory in slot `w0` from I/O address `w1` on, for the device to read and write as rights `w2` say; into
    /// the IoMapping object in slot `w3`. The mapping ends with the Memory's capability or with that object.
    /// Errors: InvalidArgument (an address that is not page-aligned, makes interrupts (0xfee00000 to 0xfeefffff) or lies
    /// past the IOMMU's width; no rights, or others than READ and WRITE; memory of devices), InsufficientRights (the Memory
    /// lacks one of them), InvalidState (the storage is in use; or there is no IOMMU), AlreadyMapped (a part of the range),
    /// OutOfTables (donate and repeat). Nothing is mapped then.
    /// Cost: interrupts are off at most irqs_off_max_io_map, while it is unmapped irqs_off_max_io_unmap
    pub const MAP: u32 = 0x1002;
    /// End all mappings, give up the pool's pages, and stop signalling faults. The device stays bound.
    /// Errors: none.
    pub const CLEAR: u32 = 0x1003;
    /// Signal the Notification in slot `w0` (with that capability's badge) when the device is refused something.
    /// Errors: InsufficientRights (the Notification without SEND).
    pub const BIND_FAULTS: u32 = 0x1004;
    /// What the device was refused last: `w0` = number of faults since the last time, `w1` = address (of an interrupt: its
    /// index), `w2` = [`WRITE`] or [`INTERRUPT`] or 0 for a read, `w3` = the IOMMU's reason (Intel VT-d, appendix A). Further
    /// faults are noticed from here on: a device that goes on with what it may not do makes one at a time.
    /// Errors: none.
    pub const FAULT: u32 = 0x1005;
    /// `w0` = pages left in the pool of tables, `w1` = the I/O addresses' width in bits.
    /// Errors: none.
    pub const POOL: u32 = 0x1006;
    /// In `FAULT`: it wanted to write.
    pub const WRITE: u64 = 1;
    /// In `FAULT`: it wanted to interrupt.
    pub const INTERRUPT: u64 = 2;
}

/// `IoMapping`.
pub mod io_mapping {
    /// End the mapping; the device reaches the memory no more when this returns. The object can be used again.
    /// Errors: InvalidState (it maps nothing).
    pub const UNMAP: u32 = 0x1101;
}

/// `Timer`.
pub mod timer {
    /// Signal the Notification in slot `w0` (with that capability's badge) at the deadline.
    /// Errors: InsufficientRights (no SEND).
    pub const BIND: u32 = 0xb01;
    /// Deadline: time-stamp counter `w0`; replaces an earlier one. In the past: signals at once.
    /// Errors: InvalidState (not bound).
    /// Cost: with CANCEL: timer_arm_cancel, among 256 irqs_off_max_timer_arm; from the deadline until a waiter of higher priority runs: timer_to_waiter
    pub const ARM: u32 = 0xb02;
    /// Forget the deadline.
    /// Errors: none.
    pub const CANCEL: u32 = 0xb03;
}

/// `Vcpu`.
pub mod vcpu {
    /// State page: byte offset `w1` of the Memory in slot `w0`.
    /// Errors: InvalidState (it is in foreign code), InsufficientRights (no READ or WRITE), InvalidArgument (the page
    /// is a device's, not aligned or outside).
    pub const SET_STATE: u32 = 0xc01;
    /// Fix-ups: triples of words (start, end, target), at most [`MAX_FIXUPS`](crate::vcpu::MAX_FIXUPS): a page fault or
    /// general protection fault of the *master* at start <= rip < end on an address of the lower half (or a
    /// non-canonical one) resumes at target, with address and error in the state page.
    /// Errors: InvalidMessage (no triples, or too many), InvalidArgument (a target outside of user space).
    pub const SET_FIXUPS: u32 = 0xc02;
    /// Force an exit now, or make the next entry return at once.
    /// Errors: none.
    pub const KICK: u32 = 0xc03;
}

/// `Log`.
pub mod log {
    /// Append `w0` bytes (at most 3,792) of the message, little-endian from `w1` on, as one line.
    /// Errors: none.
    pub const WRITE: u32 = 0xd01;
    /// The kernel's counters since boot: `w0` system calls (Vcpu entries aside), `w1` thread switches, `w2` interrupts, `w3`
    /// faults, `w4` writes of CR3, `w5` entries: changes from user space to the kernel, for any of these or at a Vcpu's exit or entry;
    /// each is followed by one change back.
    /// Errors: none.
    pub const COUNTERS: u32 = 0xd02;
    /// How long processors had nobody to run since boot: `w0` in ticks of the time-stamp counter, all processors together. A
    /// processor is halted then; where an emulator's clock counts instructions, the clock jumps meanwhile, and the clock less
    /// this is what was executed.
    /// Errors: none.
    pub const IDLE: u32 = 0xd03;
}

/// `Trace`.
pub mod trace {
    /// Write events to the Memory in slot `w0` from now on, as [`trace`](crate::trace) says: RAM that the capability may
    /// read and write. Tracing ends with that Memory. On already: InvalidState.
    /// Errors: InvalidState (on already), InsufficientRights (no READ or WRITE), InvalidArgument (a device's memory).
    pub const START: u32 = 0xe01;
    /// Stop.
    /// Errors: none.
    pub const STOP: u32 = 0xe02;
    /// The thread with the lowest number from `w0` on: `w0` = its number (bits 0 to 31), priority (32 to 39), state (40 to 47: 0
    /// stopped, 1 ready, 2 blocked) and limit (48 on: thousandths of a processor's time; 0: none), `w1` ticks of the time-stamp counter that it ran (as timer interrupts found it), `w2` messages and
    /// answers that it received, `w3` to `w5` its name.
    /// Errors: InvalidArgument (there is none).
    pub const THREAD: u32 = 0xe03;
    /// Words of that answer.
    pub const THREAD_WORDS: usize = 6;
}
