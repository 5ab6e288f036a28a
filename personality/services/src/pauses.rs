//! How long gates were closed.

use alloc::vec::Vec;

/// Pauses that are remembered: the latest.
const KEPT: usize = 1024;

/// How long a gate was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    /// Time, in nanoseconds.
    pub time_ns: u64,
    /// Of that, the time in which some thread of the system ran: instructions, where the machine's clock counts them.
    pub busy_ns: u64,
}

/// A gate was closed.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    now_ns: u64,
    idle_ns: u64,
}

impl Pause {
    /// Begins to measure.
    #[must_use]
    pub fn begin() -> Start {
        Start { now_ns: rt::time::now_ns(), idle_ns: rt::time::idle_ns() }
    }
}

impl Start {
    /// Ends it.
    #[must_use]
    pub fn end(self) -> Pause {
        let time_ns = rt::time::now_ns().saturating_sub(self.now_ns);
        let idle_ns = rt::time::idle_ns().saturating_sub(self.idle_ns);
        Pause { time_ns, busy_ns: time_ns.saturating_sub(idle_ns) }
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
