//! How long gates were closed, and what was done meanwhile.

use alloc::vec::Vec;
use core::fmt;

/// Pauses that are remembered: the latest.
const KEPT: usize = 1024;

/// A span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Time, in nanoseconds.
    pub time_ns: u64,
    /// Of that, the time in which threads of the system ran, summed up over all processors: instructions, where the machine's
    /// clock counts them.
    pub busy_ns: u64,
}

/// How long a gate was closed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pause {
    /// All of it.
    pub whole: Span,
    /// What was done in it, one after the other, and how long each took.
    pub parts: Vec<(&'static str, Span)>,
}

/// A gate was closed.
#[derive(Clone, Debug)]
pub struct Start {
    begin: Moment,
    last: Moment,
    parts: Vec<(&'static str, Span)>,
}

/// What the clocks showed.
#[derive(Clone, Copy, Debug)]
struct Moment {
    now_ns: u64,
    idle_ns: u64,
}

impl Moment {
    fn now() -> Self {
        Self { now_ns: rt::time::now_ns(), idle_ns: rt::time::idle_ns() }
    }

    fn since(self, earlier: Self) -> Span {
        let time_ns = self.now_ns.saturating_sub(earlier.now_ns);
        let idle_ns = self.idle_ns.saturating_sub(earlier.idle_ns);
        Span { time_ns, busy_ns: (time_ns * u64::from(rt::cpu::count())).saturating_sub(idle_ns) }
    }
}

impl Pause {
    /// Begins to measure.
    #[must_use]
    pub fn begin() -> Start {
        let now = Moment::now();
        Start { begin: now, last: now, parts: Vec::new() }
    }
}

impl fmt::Display for Pause {
    /// Each part with its name and, in nanoseconds, its busy time and all of its time.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut gap = "";
        for (name, Span { time_ns, busy_ns }) in &self.parts {
            write!(f, "{gap}{name} {busy_ns}/{time_ns}")?;
            gap = ", ";
        }
        Ok(())
    }
}

impl Start {
    /// Notes that what was done since the last call, or since the beginning, was `name`.
    pub fn note(&mut self, name: &'static str) {
        let now = Moment::now();
        self.parts.push((name, now.since(self.last)));
        self.last = now;
    }

    /// Ends it.
    #[must_use]
    pub fn end(self) -> Pause {
        Pause { whole: Moment::now().since(self.begin), parts: self.parts }
    }
}

/// The pauses of one service's moves: one measure of them, in nanoseconds.
#[derive(Debug, Default)]
pub struct Pauses {
    latest: Vec<u64>,
    /// Where the next one goes.
    at: usize,
    last: u64,
    longest: u64,
    count: u64,
}

impl Pauses {
    /// Notes one.
    pub fn add(&mut self, pause_ns: u64) {
        match self.latest.get_mut(self.at) {
            Some(place) => *place = pause_ns,
            None => self.latest.push(pause_ns),
        }
        self.at = (self.at + 1) % KEPT;
        self.last = pause_ns;
        self.longest = self.longest.max(pause_ns);
        self.count += 1;
    }

    /// The last one; 0: there was none.
    #[must_use]
    pub const fn last(&self) -> u64 {
        self.last
    }

    /// The longest ever.
    #[must_use]
    pub const fn longest(&self) -> u64 {
        self.longest
    }

    /// How many there were.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The last one, the middle one, that of 99 in 100, and the longest.
    #[must_use]
    pub fn figures(&self) -> [u64; 4] {
        [self.last(), self.percentile(50), self.percentile(99), self.longest()]
    }

    /// The shortest pause that at least `percent` per cent of the latest 1,024 do not exceed; 0: there was none.
    #[must_use]
    pub fn percentile(&self, percent: usize) -> u64 {
        let mut sorted = self.latest.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100);
        sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_says_what_it_consists_of() {
        let span = |busy_ns, time_ns| Span { time_ns, busy_ns };
        let parts = Vec::from([("release", span(10, 20)), ("start", span(3, 3))]);
        assert_eq!(alloc::format!("{}", Pause { whole: span(13, 23), parts }), "release 10/20, start 3/3");
        let mut start = Pause::begin();
        start.note("stop");
        start.note("open");
        let Pause { whole, parts } = start.end();
        assert_eq!(parts.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["stop", "open"]);
        assert!(parts.iter().map(|(_, span)| span.time_ns).sum::<u64>() <= whole.time_ns);
    }

    #[test]
    fn percentiles_are_by_nearest_rank_over_the_latest() {
        let mut pauses = Pauses::default();
        assert_eq!((pauses.percentile(99), pauses.last()), (0, 0));
        (1..=200).for_each(|pause| pauses.add(pause));
        assert_eq!((pauses.percentile(50), pauses.percentile(99), pauses.percentile(100)), (100, 198, 200));
        pauses.add(5000);
        (0..KEPT as u64).for_each(|_| pauses.add(7));
        assert_eq!((pauses.percentile(100), pauses.longest(), pauses.count()), (7, 5000, 201 + KEPT as u64));
    }
}
