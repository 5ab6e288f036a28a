//! Measures an operation: its instructions, with the kernel's own counters of CR3 writes and entries around many rounds of it,
//! and the events that tracing records of some more.

use ukernel_abi::boot::slot;
use ukernel_abi::trace::header;
use ukernel_abi::{Error, PAGE_BYTES, Rights};
use ukernel_user::{Cap, Log, Memory, Trace};

use crate::machine::{now, peek};
use crate::world::{PLAYGROUND, World, say};

const LOG: Cap<Log> = Cap::new(slot::LOG);
const TRACE: Cap<Trace> = Cap::new(slot::TRACE);
/// Where the ring of events is mapped.
const RING: u64 = PLAYGROUND + (1 << 33);
/// Rounds whose events are counted.
const TRACED_ROUNDS: u64 = 10;

/// What many rounds took, of one operation or of a part of it.
#[derive(Clone, Copy, Default)]
pub struct Totals {
    /// Ticks of the time-stamp counter.
    pub ticks: u64,
    /// Writes of CR3.
    pub root_writes: u64,
    /// Changes from user space to the kernel.
    pub entries: u64,
}

/// The kernel's counters at some time.
struct Counters {
    root_writes: u64,
    entries: u64,
}

impl Counters {
    fn read() -> Result<Self, Error> {
        let [.., root_writes, entries] = LOG.counters()?;
        Ok(Self { root_writes, entries })
    }
}

/// Measures operations.
#[derive(Clone, Copy)]
pub struct Meter {
    /// Rounds of each operation.
    pub rounds: u64,
    ring: Cap<Memory>,
}

impl Meter {
    /// One for so many rounds of each operation.
    ///
    /// # Errors
    /// When there is no memory for the ring of events.
    pub fn new(world: &mut World, rounds: u64) -> Result<Self, Error> {
        let ring = world.make_sized::<Memory>(PAGE_BYTES)?;
        world.map(world.vspace, ring, RING, Rights::READ)?;
        Ok(Self { rounds, ring })
    }

    /// Measures an operation, and prints it.
    ///
    /// # Errors
    /// Those of the operation.
    pub fn measure(self, name: &str, mut round: impl FnMut() -> Result<(), Error>) -> Result<(), Error> {
        let totals = self.total(&mut round, || ())?;
        let events = self.events(&mut round)?;
        self.print(name, totals, Some(events));
        Ok(())
    }

    /// Measures an operation that is two: there and back, or one's turn and another's.
    ///
    /// # Errors
    /// Those of the operation.
    pub fn measure_half(self, name: &str, mut round: impl FnMut() -> Result<(), Error>) -> Result<(), Error> {
        let totals = self.total(&mut round, || ())?;
        let events = self.events(&mut round)?;
        self.print(name, totals.half(), Some(events / 2));
        Ok(())
    }

    /// What all rounds take. One before them warms up; `warm` is told when it is over.
    ///
    /// # Errors
    /// Those of the operation.
    pub fn total(self, mut round: impl FnMut() -> Result<(), Error>, warm: impl FnOnce()) -> Result<Totals, Error> {
        round()?;
        warm();
        self.span(|| (0..self.rounds).try_for_each(|_| round()))
    }

    /// What one piece of work takes that has all the rounds in it.
    ///
    /// # Errors
    /// Those of the work.
    pub fn span(self, work: impl FnOnce() -> Result<(), Error>) -> Result<Totals, Error> {
        let before = Counters::read()?;
        let start = now();
        work()?;
        let ticks = now() - start;
        let after = Counters::read()?;
        // Reading the counters is an entry as well.
        let entries = after.entries - before.entries - 1;
        Ok(Totals { ticks, root_writes: after.root_writes - before.root_writes, entries })
    }

    /// Events of one round, in hundredths.
    ///
    /// # Errors
    /// Those of the operation.
    pub fn events(self, mut round: impl FnMut() -> Result<(), Error>) -> Result<u64, Error> {
        TRACE.start(self.ring)?;
        let before = written();
        let traced = (0..TRACED_ROUNDS).try_for_each(|_| round());
        let events = written() - before;
        TRACE.stop()?;
        traced.map(|()| events * 100 / TRACED_ROUNDS)
    }

    /// Prints what was measured; `events` are those of one round, in hundredths, where they were counted.
    pub fn print(self, name: &str, totals: Totals, events: Option<u64>) {
        let [ticks, roots, entries] =
            [totals.ticks, totals.root_writes, totals.entries].map(|total| Some(self.each(total)));
        self.say(name, [ticks, roots, entries, events]);
    }

    /// Prints a part of an operation, of which only the time is known.
    pub fn print_ticks(self, name: &str, ticks: u64) {
        self.say(name, [Some(self.each(ticks)), None, None, None]);
    }

    /// Prints what something takes at most.
    pub fn print_most(self, name: &str, ticks: u64) {
        self.say(name, [Some(ticks * 100), None, None, None]);
    }

    /// Of one round, in hundredths.
    fn each(self, total: u64) -> u64 {
        total * 100 / self.rounds.max(1)
    }

    fn say(self, name: &str, numbers: [Option<u64>; 4]) {
        let [ticks, roots, entries, events] = numbers.map(Hundredths);
        say(format_args!("bench {name} {ticks} {roots} {entries} {events}"));
    }
}

impl Totals {
    /// Of one of the two halves that this is.
    #[must_use]
    pub const fn half(self) -> Self {
        Self { ticks: self.ticks / 2, root_writes: self.root_writes / 2, entries: self.entries / 2 }
    }

    /// The same with other ticks: those of a part that was timed on its own.
    #[must_use]
    pub const fn taking(self, ticks: u64) -> Self {
        Self { ticks, ..self }
    }
}

fn written() -> u64 {
    peek(RING + header::WORD_WRITTEN as u64 * 8)
}

/// A number, in hundredths, if it is known.
struct Hundredths(Option<u64>);

impl core::fmt::Display for Hundredths {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.0 {
            Some(number) => write!(f, "{}.{:02}", number / 100, number % 100),
            None => write!(f, "-"),
        }
    }
}
