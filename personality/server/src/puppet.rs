//! Exception IPC: a program as a thread of its own, whose traps are messages to the seat that serves it.
//!
//! A seat gets its puppet when a task on it first wants one, and keeps it. Between two programs, as between trap and answer,
//! the puppet waits in the seat's Reply object; it has the seat's FPU state and address space, so everything that serves
//! programs finds them as it does under a Vcpu.

use core::sync::atomic::{AtomicU64, Ordering};

use guest_memory::StatePage;
use rt::Error;
use ukernel_abi::vcpu::{ExitReason, REGISTER_WORDS, TRAP_WORDS};
use ukernel_abi::{MessageInfo, fault};
use ukernel_user::message::load_words;
use ukernel_user::{Cap, Endpoint, Reply, SchedContext, Thread};

/// `state` of a kernel thread that runs or could.
const READY: u64 = 1;
/// What the answer lets the puppet do: go on, with all registers.
const GO_ON: MessageInfo = MessageInfo::new(fault::RESUME, REGISTER_WORDS);

/// Traps that arrived as messages, since the start.
static TRAPS: AtomicU64 = AtomicU64::new(0);

/// Traps that arrived as messages, since the start.
pub(crate) fn trap_count() -> u64 {
    TRAPS.load(Ordering::Relaxed)
}

/// A program's thread, and where its traps arrive.
pub(crate) struct Puppet {
    thread: Cap<Thread>,
    time: Cap<SchedContext>,
    traps: Cap<Endpoint>,
    reply: Cap<Reply>,
}

impl Puppet {
    /// One for the calling thread, a seat's, in the address space with this slot. It waits for its first answer.
    ///
    /// # Errors
    /// No kernel memory for it, no free slot.
    pub(crate) fn new(space: u64) -> Result<Self, Error> {
        let traps = rt::object::create::<Endpoint>(0)?;
        let reply = or_delete(rt::object::create::<Reply>(0), &[traps.slot()])?;
        let thread = or_delete(rt::object::create::<Thread>(0), &[traps.slot(), reply.slot()])?;
        let slots = [traps.slot(), reply.slot(), thread.slot()];
        let time = or_delete(rt::object::create::<SchedContext>(0), &slots)?;
        let puppet = Self { thread, time, traps, reply };
        match puppet.set_up(space) {
            Ok(()) => Ok(puppet),
            Err(error) => or_delete(Err(error), &[thread.slot(), time.slot(), traps.slot(), reply.slot()]),
        }
    }

    fn set_up(&self, space: u64) -> Result<(), Error> {
        // Nobody else can send there: the endpoint's other capability is the one inside the thread.
        self.thread.configure(rt::own::cap_table(), Cap::new(space), self.traps, Cap::NULL, 0)?;
        self.thread.make_foreign(rt::thread::raw().thread)?;
        self.thread.set_priority(rt::thread::priority())?;
        self.time.bind(self.thread)?;
        // It traps before its first instruction.
        self.thread.kick()?;
        self.thread.resume()?;
        self.traps.receive(self.reply).map(drop)
    }

    /// Lets it run with the registers in `state` until its next trap, which is in `state` then.
    ///
    /// # Errors
    /// The kernel's, and `InvalidMessage` for what no kernel sends.
    pub(crate) fn run(&self, state: &StatePage) -> Result<ExitReason, Error> {
        let registers = state.with(|state| state.trap_words());
        let words = load_words(registers.get(..REGISTER_WORDS).unwrap_or_default());
        let trap = self.traps.reply_receive(self.reply, GO_ON, &words, self.reply)?;
        let mut words = [0; TRAP_WORDS];
        if trap.info.label() != fault::FOREIGN || trap.read_words(&mut words) != TRAP_WORDS {
            return Err(Error::InvalidMessage);
        }
        TRAPS.fetch_add(1, Ordering::Relaxed);
        let reason = state.with(|state| {
            state.set_trap_words(&words);
            state.exit_reason
        });
        ExitReason::from_number(reason).ok_or(Error::InvalidMessage)
    }

    /// Makes it trap now, or when it is next to run.
    ///
    /// # Errors
    /// Only those of every method.
    pub(crate) fn kick(&self) -> Result<(), Error> {
        self.thread.kick()
    }

    /// Moves it, while it waits, to another address space.
    ///
    /// # Errors
    /// Only those of every method.
    pub(crate) fn enter_space(&self, slot: u64) -> Result<(), Error> {
        self.thread.set_vspace(Cap::new(slot))
    }

    /// Whether the program runs or could.
    pub(crate) fn is_running(&self) -> bool {
        self.thread.read_registers().is_ok_and(|registers| registers.state == READY)
    }
}

/// Passes a result on; after an error the objects in these slots go.
fn or_delete<T>(result: Result<T, Error>, slots: &[u64]) -> Result<T, Error> {
    if result.is_err() {
        slots.iter().for_each(|slot| rt::cap::delete(*slot));
    }
    result
}
