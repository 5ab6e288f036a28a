//! Load averages: every five seconds the runnable threads are counted, as Linux does it (kernel/sched/loadavg.c).

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};

use task::{GroupState, system};

use crate::seats::Seats;

const PERIOD_NS: u64 = 5_000_000_000;
const STACK_BYTES: usize = 32 << 10;
/// One, in the averages' fixed point of 16 bits.
const ONE: u64 = 1 << 16;
/// What is left of an average after a period: e^(-5/60), e^(-5/300), e^(-5/900).
const DECAY: [u64; 3] = [60_296, 64_453, 65_173];

/// Averages over 1, 5 and 15 minutes.
#[derive(Default)]
pub(crate) struct Load([AtomicU64; 3]);

impl Load {
    /// The averages, times 65,536.
    pub(crate) fn averages(&self) -> [u64; 3] {
        self.0.each_ref().map(|average| average.load(Ordering::Relaxed))
    }

    fn update(&self, running: u64) {
        for (average, decay) in self.0.iter().zip(DECAY) {
            let old = average.load(Ordering::Relaxed);
            average.store((old * decay + running * ONE * (ONE - decay)) / ONE, Ordering::Relaxed);
        }
    }
}

/// Counts threads that run or could.
pub(crate) fn count_running(seats: &Seats) -> u32 {
    let processes = system().processes();
    let tasks = processes.iter().filter(|process| process.group.lock().stopped.is_none()).flat_map(|p| p.task_list());
    tasks.filter(|task| !seats.is_waiting(task)).count() as u32
}

/// Starts the thread that counts.
pub(crate) fn start(load: Arc<Load>, seats: Arc<Seats>) {
    let count = move || {
        loop {
            rt::thread::sleep_until(rt::time::now_ns() + PERIOD_NS);
            load.update(count_running(&seats).into());
        }
    };
    if let Err(error) = rt::thread::spawn("load", STACK_BYTES, count) {
        log::warn!("there will be no load averages: {error:?}");
    }
}

/// Whether a group is stopped.
pub(crate) const fn is_stopped(group: &GroupState) -> bool {
    group.stopped.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averages_approach_the_load() {
        let load = Load::default();
        (0..12).for_each(|_| load.update(1));
        let [one, five, fifteen] = load.averages();
        assert!((ONE * 6 / 10..ONE * 7 / 10).contains(&one), "{one}");
        assert!(five < one && fifteen < five);
    }
}
