//! Readiness: what `poll` asks of a file, and the table of queues that a polling thread waits on.
//!
//! A file's `poll` first registers at the queues that announce changes, then looks at its state; so no change between
//! the look and the sleep is lost. The table borrows the files, which the caller keeps open meanwhile.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use linux_abi::raw::general as raw;
use sync::{Listener, Registration, WaitQueue, Waiter, Woken};

bitflags::bitflags! {
    /// Readiness, by the bits of `poll(2)`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct PollEvents: u32 {
        /// Data to read, or the end of the file.
        const IN = raw::POLLIN;
        /// Urgent data, or a change of packet-mode state.
        const PRI = raw::POLLPRI;
        /// Room to write.
        const OUT = raw::POLLOUT;
        /// An error, or a pipe without reader; always reported.
        const ERR = raw::POLLERR;
        /// The other side hung up; always reported.
        const HUP = raw::POLLHUP;
        /// Not an open descriptor; always reported.
        const NVAL = raw::POLLNVAL;
        /// As `IN`.
        const RDNORM = raw::POLLRDNORM;
        /// Priority data.
        const RDBAND = raw::POLLRDBAND;
        /// As `OUT`.
        const WRNORM = raw::POLLWRNORM;
        /// Room for priority data.
        const WRBAND = raw::POLLWRBAND;
        /// The peer shut its writing side.
        const RDHUP = raw::POLLRDHUP;
    }
}

impl PollEvents {
    /// Ready to read.
    pub const READABLE: PollEvents = PollEvents::IN.union(PollEvents::RDNORM);
    /// Ready to write.
    pub const WRITABLE: PollEvents = PollEvents::OUT.union(PollEvents::WRNORM);
    /// What is reported whether asked for or not.
    pub const ALWAYS: PollEvents = PollEvents::ERR.union(PollEvents::HUP);
    /// What a file reports that is always ready, as regular files are.
    pub const ALWAYS_READY: PollEvents = PollEvents::READABLE.union(PollEvents::WRITABLE);
}

/// The queues at which a polling thread waits; or none, when it only looks.
pub struct PollTable<'a> {
    mode: Mode,
    registrations: Vec<Registration<'a>>,
}

/// What happens at the queues that a file names.
enum Mode {
    Look,
    Wait(Arc<Waiter>),
    /// A listener is told of what it is interested in, as long as it lives.
    Subscribe(Weak<dyn Listener>, PollEvents),
}

impl<'a> PollTable<'a> {
    /// Makes a table of the calling thread.
    #[must_use]
    pub fn waiting() -> PollTable<'a> {
        PollTable { mode: Mode::Wait(Waiter::current()), registrations: Vec::new() }
    }

    /// Makes a table that registers nowhere, for a caller who will not wait.
    #[must_use]
    pub const fn looking() -> PollTable<'a> {
        PollTable { mode: Mode::Look, registrations: Vec::new() }
    }

    /// Makes a table by which a listener is told of changes that may make one of `interest` true.
    #[must_use]
    pub fn subscribing(listener: Weak<dyn Listener>, interest: PollEvents) -> PollTable<'a> {
        PollTable { mode: Mode::Subscribe(listener, interest), registrations: Vec::new() }
    }

    /// Registers at a queue that is woken when readiness may have changed.
    pub fn add(&mut self, queue: &'a WaitQueue) {
        match &self.mode {
            Mode::Look => {}
            Mode::Wait(waiter) => self.registrations.push(queue.register(waiter)),
            Mode::Subscribe(listener, _) => queue.subscribe(listener.clone()),
        }
    }

    /// Registers at a queue that is woken for `events` and for everything that is always reported. A listener that has
    /// interest in others alone need not hear of it.
    pub fn add_for(&mut self, queue: &'a WaitQueue, events: PollEvents) {
        match &self.mode {
            Mode::Subscribe(_, interest)
                if !interest.intersects(events) && interest.intersects(!PollEvents::ALWAYS) => {}
            _ => self.add(queue),
        }
    }

    /// Lets further `add` calls do nothing: something is ready, or the queues are known already.
    pub fn stop_registering(&mut self) {
        self.mode = Mode::Look;
    }

    /// Returns the number of queues registered at.
    #[must_use]
    pub fn len(&self) -> usize {
        self.registrations.len()
    }

    /// Tells whether no queue was registered at.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.registrations.is_empty()
    }
}

/// Parks the calling thread until one of its registrations is woken, a signal comes or the deadline passes.
#[must_use]
pub fn park(deadline_ns: Option<u64>) -> Woken {
    Waiter::current().park(deadline_ns)
}
