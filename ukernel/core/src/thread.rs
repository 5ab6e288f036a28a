//! Threads.
//!
//! A Thread's memory: this structure, then from [`SLOTS_OFFSET`] the slots of its bindings, then its FPU state.

use crate::cpu::NOWHERE;
use crate::{
    CapTable, Context, Endpoint, Notification, Object, PhysAddr, Ref, Reply, SchedContext, SlotRef, VSpace, Vcpu,
};

/// Where a thread's slots are, in bytes from its start.
pub(crate) const SLOTS_OFFSET: u64 = 512;

/// The slots inside a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ThreadSlot {
    Table = 0,
    VSpace = 1,
    Page = 2,
    Fault = 3,
    Timeout = 4,
}
/// How many there are.
pub(crate) const THREAD_SLOTS: u64 = 5;

/// What a thread is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing: not started, or suspended.
    Stopped,
    /// It runs or could run.
    Ready,
    /// It waits for somebody to receive its message.
    Sending {
        /// Where it is queued.
        endpoint: Ref<Endpoint>,
        /// The badge that the receiver will see.
        badge: u64,
        /// What it sends.
        kind: SendKind,
    },
    /// It waits for a message.
    Receiving {
        /// Where it is queued.
        endpoint: Ref<Endpoint>,
        /// What is to keep the right to answer.
        reply: Option<Ref<Reply>>,
    },
    /// It waits for an answer.
    Replying {
        /// Who has the right to give it.
        reply: Ref<Reply>,
        /// What it is the answer to.
        content: Content,
    },
    /// It waits for bits.
    Waiting {
        /// Where it is queued.
        notification: Ref<Notification>,
    },
}

/// A way to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendKind {
    /// An answer is expected.
    pub call: bool,
    /// Capabilities may go along.
    pub grant: bool,
    /// What is sent.
    pub content: Content,
}

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// What the sender has in its registers.
    Own,
    /// A fault in `fault_words`, or a trap of foreign code; the answer resumes it.
    Fault,
    /// The sender's time is used up: `fault_words`. No time is lent with it.
    Timeout,
}

/// FPU declaration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fpu {
    /// An FPU instruction is a fault.
    None,
    /// State is kept.
    Eager,
    /// The state is that of another thread, the one that serves this foreign code; with none there, as `None`.
    Of(Ref<Thread>),
}

/// A thread.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct Thread {
    /// Saved registers; first, for the entry code.
    pub context: Context,
    /// Root page table that it runs under (of a legacy VSpace: the legacy view for foreign threads, else the master view), or 0.
    pub root: PhysAddr,
    /// Its foreign execution context.
    pub vcpu: Option<Ref<Vcpu>>,
    /// FPU declaration.
    pub fpu: Fpu,
    /// Its code is foreign: it runs in the legacy view, and its traps are messages.
    pub foreign: bool,
    /// Neither foreign code nor FPU state is its business, so switching from or to it takes less: see [`Thread::note_kind`].
    pub plain: bool,
    /// It is to trap when it goes on.
    pub(crate) kicked: bool,
    /// The foreign thread that uses this one's FPU state.
    pub(crate) fpu_user: Option<Ref<Thread>>,
    /// Which processor's registers have its FPU state, if they have not been another's since: kept by the machine.
    pub fpu_cpu: u8,
    /// The processor that it runs on, that of its scheduling context; [`NOWHERE`] where it has none or none that
    /// is not used up, or no root.
    pub(crate) home: u8,
    /// The same, where its messages may take the fast path: its time is unlimited and it is not foreign.
    pub(crate) fast_home: u8,
    pub(crate) priority: u8,
    /// The highest priority that it may give to threads.
    pub(crate) max_priority: u8,
    /// It may make and configure scheduling contexts, and so may the threads that it makes.
    pub(crate) makes_time: bool,
    pub(crate) queued: bool,
    /// Its time is limited, and counted.
    pub(crate) limited: bool,
    pub(crate) caps: u32,
    pub(crate) state: State,
    /// Links in the one queue that it is in: run queue, endpoint or notification.
    pub(crate) next: Option<Ref<Thread>>,
    pub(crate) previous: Option<Ref<Thread>>,
    pub(crate) sched_context: Option<Ref<SchedContext>>,
    pub(crate) table: Option<Ref<CapTable>>,
    pub(crate) vspace: Option<Ref<VSpace>>,
    /// Links in the VSpace's list of threads.
    pub(crate) vspace_next: Option<Ref<Thread>>,
    pub(crate) vspace_previous: Option<Ref<Thread>>,
    pub(crate) page: Option<PhysAddr>,
    pub(crate) fault_endpoint: Option<(Ref<Endpoint>, u64)>,
    pub(crate) timeout_endpoint: Option<(Ref<Endpoint>, u64)>,
    pub(crate) bound: Option<Ref<Notification>>,
    pub(crate) fault_words: [u64; ukernel_abi::fault::WORDS],
    /// How far an invocation has come that was preempted and is to be made again; 0: it begins.
    pub(crate) progress: u64,
    /// For traces: which thread it is of all that were made, and what its maker calls it.
    pub(crate) number: u32,
    pub(crate) name: [u64; 3],
    /// For whoever watches: links in the list of all threads, and what this one has done.
    pub(crate) all_next: Option<Ref<Thread>>,
    pub(crate) all_previous: Option<Ref<Thread>>,
    pub(crate) work: Work,
}

/// What a thread has done since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Ticks of the time-stamp counter that it ran, as timer interrupts found it running: a sample, exact in the long run.
    pub ticks: u64,
    /// Messages and answers that it received.
    pub messages: u64,
}

impl Object for Thread {}

const _: () = assert!(size_of::<Thread>() <= SLOTS_OFFSET as usize);
const _: () = assert!(SLOTS_OFFSET + THREAD_SLOTS * 64 <= crate::THREAD_FPU_OFFSET);

impl Thread {
    pub(crate) fn new(number: u32, max_priority: u8, makes_time: bool) -> Self {
        Self {
            context: Context::new(),
            root: PhysAddr(0),
            vcpu: None,
            fpu: Fpu::None,
            foreign: false,
            plain: true,
            kicked: false,
            fpu_user: None,
            fpu_cpu: NOWHERE,
            home: NOWHERE,
            fast_home: NOWHERE,
            priority: 0,
            max_priority,
            makes_time,
            queued: false,
            limited: false,
            caps: 0,
            state: State::Stopped,
            next: None,
            previous: None,
            sched_context: None,
            table: None,
            vspace: None,
            vspace_next: None,
            vspace_previous: None,
            page: None,
            fault_endpoint: None,
            timeout_endpoint: None,
            bound: None,
            fault_words: [0; ukernel_abi::fault::WORDS],
            progress: 0,
            number,
            name: [0; 3],
            all_next: None,
            all_previous: None,
            work: Work::default(),
        }
    }

    /// To be called when one of these changed: `vcpu`, `foreign`, `fpu`.
    pub(crate) fn note_kind(&mut self) {
        self.plain = self.vcpu.is_none() && !self.foreign && self.fpu == Fpu::None;
    }

    /// What it is doing.
    pub fn state(&self) -> State {
        self.state
    }

    /// Whether it could run now.
    pub(crate) fn runnable(&self) -> bool {
        self.state == State::Ready && self.home != NOWHERE
    }
}

/// A slot inside a thread.
pub(crate) fn slot_of(thread: Ref<Thread>, which: ThreadSlot) -> SlotRef {
    thread.part(SLOTS_OFFSET + which as u64 * ukernel_abi::object::SLOT_BYTES)
}
