//! A sporadic server's account of time: how much may be used from when on.
//!
//! What is used comes back one period later, so in no window of a period is more used than the budget (but for what an
//! interrupt comes late). Refills are ascending and do not overlap; together they are the budget, always. The list
//! is bounded: where it is full, time comes back later than it could, never earlier. (Stanovic et al., "Defects of the POSIX
//! sporadic server and how to correct them", RTAS 2010; seL4's MCS kernel does the same.)

use ukernel_abi::invoke::sched_context::MAX_REFILLS;

/// An amount of time that may be used from a moment on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Refill {
    /// From this time-stamp on.
    pub(crate) time: u64,
    /// So many ticks.
    pub(crate) amount: u64,
}

impl Refill {
    const fn end(self) -> u64 {
        self.time.saturating_add(self.amount)
    }
}

/// The refills of one budget.
#[derive(Clone, Debug)]
pub(crate) struct Refills {
    pub(crate) list: [Refill; MAX_REFILLS],
    pub(crate) count: usize,
    /// Most refills at once, 2 or more.
    most: usize,
    pub(crate) budget: u64,
    pub(crate) period: u64,
    /// It is not worth running for less.
    pub(crate) least: u64,
}

impl Refills {
    /// A full budget, from `now` on. `least` <= `budget` <= `period`; 2 <= `most` <= [`MAX_REFILLS`].
    pub(crate) fn new(budget: u64, period: u64, least: u64, most: usize, now: u64) -> Self {
        let mut list = [Refill::default(); MAX_REFILLS];
        list[0] = Refill { time: now, amount: budget };
        Self { list, count: 1, most, budget, period, least }
    }

    /// What is used first.
    pub(crate) fn first(&self) -> Refill {
        self.list[0]
    }

    /// Whether some can be used now.
    pub(crate) fn ready(&self, now: u64) -> bool {
        self.first().time <= now
    }

    /// Use begins now: what could have been used earlier counts as used from now on.
    pub(crate) fn defer(&mut self, now: u64) {
        if self.ready(now) {
            self.list[0].time = now;
            while self.count > 1 && self.list[1].time <= self.list[0].end() {
                self.list[0].amount += self.list[1].amount;
                self.remove(1);
            }
        }
    }

    /// So much was used; it comes back a period after.
    pub(crate) fn spend(&mut self, mut used: u64) {
        if used > self.budget {
            // More than there is: it comes back as much later, but no more than a period.
            let late = self.period.saturating_add((used - self.budget).min(self.period));
            self.list[0] = Refill { time: self.list[0].time.saturating_add(late), amount: self.budget };
            self.count = 1;
            return;
        }
        while used > 0 && used >= self.list[0].amount {
            let first = self.list[0];
            used -= first.amount;
            self.remove(0);
            self.give_back(Refill { time: first.time.saturating_add(self.period), ..first });
        }
        if used > 0 {
            let first = &mut self.list[0];
            let back = Refill { time: first.time.saturating_add(self.period), amount: used };
            first.amount -= used;
            first.time += used;
            self.give_back(back);
        }
        while self.count > 1 && self.list[0].amount < self.least {
            let rest = self.list[0].amount;
            self.remove(0);
            self.list[0].time -= rest;
            self.list[0].amount += rest;
        }
    }

    fn remove(&mut self, index: usize) {
        self.list.copy_within(index + 1..self.count, index);
        self.count -= 1;
    }

    /// Add time at the end.
    fn give_back(&mut self, back: Refill) {
        let room = self.count < self.most;
        let Some(last) = self.list[..self.count].last_mut().filter(|last| !room || back.time <= last.end()) else {
            self.list[self.count] = back;
            self.count += 1;
            return;
        };
        if back.time > last.end() {
            last.time = back.time - last.amount;
        }
        last.amount += back.amount;
    }
}
