//! How long interrupts wait while the kernel does something that takes long.
//!
//! A timer interrupts at many moments of one operation, and wakes the most urgent thread, which notes how late it is. What it is
//! later than when nothing happens is how long interrupts were off, at most: the emulator counts instructions as time, so the
//! figures are exact, and the same in each run.

pub mod operations;

use ukernel_abi::boot::slot;
use ukernel_abi::{Error, Rights};
use ukernel_user::{Cap, Log, Timer};

use crate::machine::{now, peek, poke};
use crate::world::{PLAYGROUND, World};

const LOG: Cap<Log> = Cap::new(slot::LOG);
/// Where the urgent thread adds up how late it is, and counts how often it ran.
const LATE: u64 = PLAYGROUND + 8;
const RUNS: u64 = PLAYGROUND + 24;
/// System calls of a run that is not preempted: setting the timer, the operation's own, and reading how many there were.
const CALLS: u64 = 3;
/// Ticks from reading the clock until the operation begins, at least and at most.
const FIRST: u64 = 300;
const LAST: u64 = 600;
/// Ticks until an interrupt that finds us doing nothing.
const SOON: u64 = 5000;

/// The most urgent thread, and the timer that wakes it.
#[derive(Clone, Copy)]
pub struct Watch {
    timer: Cap<Timer>,
    /// How late it is when nothing happens.
    undisturbed: u64,
}

/// What was seen of an operation that was interrupted at many moments.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// Ticks that the urgent thread was later than when nothing happens, at most.
    pub late: u64,
    /// How often it ran before the operation's end.
    pub within: u64,
    /// How often that made the operation's system call start again.
    pub preempted: u64,
}

/// One run of an operation.
struct Run {
    late: u64,
    within: bool,
    calls: u64,
}

impl Watch {
    /// A watch. Uses the start of the playground.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn new(world: &mut World) -> Result<Self, Error> {
        let shared = world.shared_page()?;
        let notification = world.waiter(255, shared)?;
        let timer = world.make::<Timer>()?;
        timer.bind(world.mint(notification, Rights::SEND, 1)?)?;
        let mut watch = Self { timer, undisturbed: 0 };
        // The first one warms up.
        for _ in 0..2 {
            watch.undisturbed = watch.run(SOON, &mut || Ok(()))?.late;
        }
        Ok(watch)
    }

    /// Interrupts an operation of one system call at so many moments, evenly from its start to its end; `prepare` comes before each time.
    ///
    /// # Errors
    /// Those of the two.
    pub fn interrupt(
        &self,
        moments: u64,
        mut prepare: impl FnMut() -> Result<(), Error>,
        mut operate: impl FnMut() -> Result<(), Error>,
    ) -> Result<Seen, Error> {
        prepare()?;
        let start = now();
        operate()?;
        let length = now() - start;
        let mut seen = Seen::default();
        for moment in 0..moments {
            prepare()?;
            let run = self.run(FIRST + (LAST - FIRST + length) * moment / moments, &mut operate)?;
            seen.late = seen.late.max(run.late.saturating_sub(self.undisturbed));
            seen.within += u64::from(run.within);
            // The thread's own call is that with which it waits again.
            seen.preempted += u64::from(run.calls > CALLS + u64::from(run.within));
        }
        Ok(seen)
    }

    fn run(&self, ticks: u64, operate: &mut impl FnMut() -> Result<(), Error>) -> Result<Run, Error> {
        let runs = peek(RUNS);
        poke(LATE, 0);
        let before = LOG.counters()?[0];
        let deadline = now() + ticks;
        poke(PLAYGROUND, deadline);
        self.timer.arm(deadline)?;
        operate()?;
        let within = peek(RUNS) != runs;
        let calls = LOG.counters()?[0] - before;
        while peek(RUNS) == runs {
            core::hint::spin_loop();
        }
        Ok(Run { late: peek(LATE), within, calls })
    }
}
