//! What a task is told when it starts: written by the root task, read by `rt`.
//!
//! One page at [`layout::START_INFO`](crate::layout::START_INFO), read-only for the task; its address is the main
//! thread's first argument. The options' text (lines of `key=value`) follows in the pages after it.

/// Most grants of a task.
pub const MAX_GRANTS: usize = 52;
/// Longest name of a task or grant, in bytes.
pub const MAX_NAME: usize = 24;

/// Kinds of grants, and what their `extra` words hold.
pub mod kind {
    /// An endpoint to call.
    pub const ENDPOINT: u64 = 1;
    /// An endpoint to serve.
    pub const SERVED: u64 = 2;
    /// Memory; extra 0: bytes, extra 1: physical address, if known.
    pub const MEMORY: u64 = 3;
    /// Ports; extra 0: first, extra 1: last.
    pub const PORTS: u64 = 4;
    /// An interrupt; extra 0: its I/O APIC line.
    pub const IRQ: u64 = 5;
    /// An archive entry, read-only; extra 0: bytes.
    pub const DATA: u64 = 6;
    /// The right to issue interrupts.
    pub const IRQ_CONTROL: u64 = 7;
    /// Device memory; extra 0: bytes, extra 1: physical address.
    pub const DEVICE: u64 = 8;
    /// The right to give devices their IoSpaces.
    pub const IO_CONTROL: u64 = 9;
    /// The right to trace everything and to watch all threads.
    pub const TRACE: u64 = 10;
    /// A SchedContext with limited time, for a thread of the task's own.
    pub const SCHED_CONTEXT: u64 = 11;
}

/// A capability that the manifest grants, by name.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Grant {
    /// UTF-8, filled with zeros.
    pub name: [u8; MAX_NAME],
    /// One of [`kind`].
    pub kind: u64,
    /// Slot of the task's CapTable.
    pub slot: u64,
    /// As the kind says.
    pub extra: [u64; 3],
}

/// The page.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct StartInfo {
    /// The task's name, UTF-8, filled with zeros.
    pub name: [u8; MAX_NAME],
    /// Frequency of the time-stamp counter, in Hz.
    pub tsc_hz: u64,
    /// Number of processors.
    pub cpus: u64,
    /// Priority of the task's threads.
    pub priority: u64,
    /// 1: threads start with FPU state.
    pub fpu: u64,
    /// Base of the task's addresses: see [`layout`](crate::layout).
    pub base: u64,
    /// Slot of the task's own CapTable.
    pub cap_table: u64,
    /// Slot of its VSpace.
    pub vspace: u64,
    /// Slot of its main Thread.
    pub thread: u64,
    /// Slot of its main SchedContext.
    pub sched_context: u64,
    /// 1: its time is limited; it has this SchedContext and those among its grants, and makes no others.
    pub limited: u64,
    /// Slot of its Untyped.
    pub untyped: u64,
    /// Slot of the kernel's log, or 0.
    pub log: u64,
    /// Slot of the endpoint for faults of its threads, or 0.
    pub fault_endpoint: u64,
    /// First of the free slots of its CapTable.
    pub first_free_slot: u64,
    /// How many are free.
    pub free_slots: u64,
    /// Start of the heap, which is mapped.
    pub heap: u64,
    /// Bytes of the heap.
    pub heap_bytes: u64,
    /// Lower end of the main thread's stack.
    pub stack_low: u64,
    /// Upper end of the main thread's stack.
    pub stack_high: u64,
    /// The main thread's message page.
    pub message_page: u64,
    /// The main thread's thread-local block: a zeroed page.
    pub thread_local: u64,
    /// The options' text.
    pub options: u64,
    /// Bytes of the options' text.
    pub options_bytes: u64,
    /// Number of valid `grants`.
    pub grant_count: u64,
    /// The grants.
    pub grants: [Grant; MAX_GRANTS],
}

const _: () = assert!(size_of::<StartInfo>() <= 4096);
// No gaps: see `as_bytes`.
const _: () = assert!(size_of::<StartInfo>() == MAX_NAME + 24 * 8 + MAX_GRANTS * size_of::<Grant>());
const _: () = assert!(size_of::<Grant>() == MAX_NAME + 5 * 8);

impl StartInfo {
    /// A page with nothing in it.
    pub const EMPTY: Self = Self {
        name: [0; MAX_NAME],
        tsc_hz: 1_000_000_000,
        cpus: 1,
        priority: 0,
        fpu: 0,
        base: 0,
        cap_table: 0,
        vspace: 0,
        thread: 0,
        sched_context: 0,
        limited: 0,
        untyped: 0,
        log: 0,
        fault_endpoint: 0,
        first_free_slot: 0,
        free_slots: 0,
        heap: 0,
        heap_bytes: 0,
        stack_low: 0,
        stack_high: 0,
        message_page: 0,
        thread_local: 0,
        options: 0,
        options_bytes: 0,
        grant_count: 0,
        grants: [Grant { name: [0; MAX_NAME], kind: 0, slot: 0, extra: [0; 3] }; MAX_GRANTS],
    };

    /// Adds a grant; `None` where there is no room or the name is too long.
    pub fn add_grant(&mut self, name: &str, kind: u64, slot: u64, extra: [u64; 3]) -> Option<()> {
        let place = self.grants.get_mut(usize::try_from(self.grant_count).ok()?)?;
        *place = Grant { name: name_bytes(name)?, kind, slot, extra };
        self.grant_count += 1;
        Some(())
    }

    /// The page's bytes, to be written where the task will find them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        // SAFETY: words and byte arrays only, without gaps: every byte is initialised.
        unsafe { core::slice::from_raw_parts((&raw const *self).cast(), size_of::<Self>()) }
    }

    /// The valid grants.
    #[must_use]
    pub fn grants(&self) -> &[Grant] {
        let count = usize::try_from(self.grant_count).unwrap_or(MAX_GRANTS);
        &self.grants[..count.min(MAX_GRANTS)]
    }
}

impl Grant {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        name_text(&self.name)
    }
}

/// A name as it is stored; `None` where it is too long.
#[must_use]
pub fn name_bytes(name: &str) -> Option<[u8; MAX_NAME]> {
    let mut bytes = [0; MAX_NAME];
    bytes.get_mut(..name.len())?.copy_from_slice(name.as_bytes());
    Some(bytes)
}

/// A stored name.
#[must_use]
pub fn name_text(bytes: &[u8; MAX_NAME]) -> &str {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(MAX_NAME);
    core::str::from_utf8(&bytes[..end]).unwrap_or("?")
}
