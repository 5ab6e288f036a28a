//! Capabilities and the slots that hold them.
//!
//! A slot is in a CapTable or inside an object (a thread's binding to its VSpace, say). The capabilities inside objects
//! have variants of their own that name their owner, so that revoking what they stand for undoes the binding.

use ukernel_abi::Rights;

use crate::{
    Attachment, CapTable, Endpoint, IoMapping, IoSpace, Irq, Notification, Object, PhysAddr, Ref, Reply, SchedContext,
    Thread, Timer, VSpace, Vcpu,
};

/// A reference to a slot.
pub type SlotRef = Ref<Slot>;

/// A capability.
#[expect(missing_docs, reason = "fields are named for what they are; the variants say the rest")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Cap {
    /// Nothing. The first, so that zeros are an empty slot (see `repr`).
    #[default]
    Null,
    /// Raw memory, used from its start up to `used`; `dirty` when it may hold what an earlier object left. What is not used
    /// of its first `cleared` pieces of 64 bytes is zeros nevertheless.
    Untyped { dirty: bool, cleared: u32, base: PhysAddr, bytes: u64, used: u64 },
    /// Capability slots.
    CapTable(Ref<CapTable>),
    /// A thread.
    Thread(Ref<Thread>),
    /// An address space.
    VSpace(Ref<VSpace>),
    /// Physically contiguous pages.
    Memory { base: PhysAddr, bytes: u64, rights: Rights, device: bool },
    /// A rendezvous.
    Endpoint { endpoint: Ref<Endpoint>, badge: u64, rights: Rights },
    /// A right to answer.
    Reply(Ref<Reply>),
    /// Pending bits.
    Notification { notification: Ref<Notification>, badge: u64, rights: Rights },
    /// Processor time.
    SchedContext(Ref<SchedContext>),
    /// A deadline.
    Timer(Ref<Timer>),
    /// Foreign execution.
    Vcpu(Ref<Vcpu>),
    /// A Memory's presence in a VSpace.
    Attachment(Ref<Attachment>),
    /// An interrupt.
    Irq(Ref<Irq>),
    /// Ports `first` to `last`.
    IoPorts { first: u16, last: u16 },
    /// May issue interrupts.
    IrqControl,
    /// May write the log.
    Log,
    /// May trace.
    Trace,
    /// What a device reaches of memory.
    IoSpace(Ref<IoSpace>),
    /// A Memory's presence in an IoSpace.
    IoMapping(Ref<IoMapping>),
    /// May give devices their IoSpaces.
    IoControl,
    /// What is left behind where a capability is moved from, while it still has children of that one: no right to anything.
    Husk,

    /// In an attachment: the Memory it is of.
    AttachedMemory(Ref<Attachment>),
    /// In a thread: its capability space.
    ThreadTable { thread: Ref<Thread>, table: Ref<CapTable> },
    /// In a thread: its address space.
    ThreadVSpace { thread: Ref<Thread>, vspace: Ref<VSpace> },
    /// In a thread: its message page.
    ThreadPage(Ref<Thread>),
    /// In a thread: where its faults go.
    ThreadFault { thread: Ref<Thread>, endpoint: Ref<Endpoint>, badge: u64 },
    /// In a thread: where it is told that its time is used up.
    ThreadTimeout { thread: Ref<Thread>, endpoint: Ref<Endpoint>, badge: u64 },
    /// In a VSpace: an untyped that its page tables came from.
    VSpaceTables(Ref<VSpace>),
    /// In a legacy VSpace: the one whose master slot it shares.
    VSpaceMaster { vspace: Ref<VSpace>, master: Ref<VSpace> },
    /// In a Vcpu: the memory of its state page.
    VcpuState(Ref<Vcpu>),
    /// In the kernel: the memory of the trace ring.
    TraceMemory,
    /// In a timer: whom it signals.
    TimerTarget { timer: Ref<Timer>, notification: Ref<Notification>, badge: u64 },
    /// In a mapping: the Memory it is of.
    IoMapped(Ref<IoMapping>),
    /// In an IoSpace: an untyped that its tables came from.
    IoSpaceTables(Ref<IoSpace>),
    /// In an IoSpace: whom its device's faults are told.
    IoFaultTarget { space: Ref<IoSpace>, notification: Ref<Notification>, badge: u64 },
    /// In an interrupt: whom it signals.
    IrqTarget { irq: Ref<Irq>, notification: Ref<Notification>, badge: u64 },
}

/// A capability's place, and its place in the derivation tree.
///
/// The tree: each capability's children were derived from it. `parent` is `None` for those that the kernel made at
/// boot. Siblings form a doubly linked list that starts at the parent's `first_child`.
#[derive(Clone, Debug, Default)]
#[repr(C, align(64))]
pub struct Slot {
    pub(crate) cap: Cap,
    pub(crate) parent: Option<SlotRef>,
    pub(crate) first_child: Option<SlotRef>,
    pub(crate) next: Option<SlotRef>,
    pub(crate) previous: Option<SlotRef>,
}

impl Slot {
    /// The capability here.
    pub fn cap(&self) -> Cap {
        self.cap
    }

    /// Whether anything was derived from it.
    pub fn has_children(&self) -> bool {
        self.first_child.is_some()
    }
}

impl Object for Slot {}

const _: () = assert!(size_of::<Slot>() == ukernel_abi::object::SLOT_BYTES as usize);
