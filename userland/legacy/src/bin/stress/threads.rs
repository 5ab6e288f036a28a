//! Threads: locks and conditions (futexes), and floating-point state that must stay with its thread.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use legacy_programs::random::Random;

use crate::{Outcome, expect};

/// Producers and consumers at a queue with room for a few: each number arrives once.
pub(super) fn condition(random: &mut Random, _folder: &Path) -> Outcome {
    let (producers, consumers) = (1 + random.below(3), 1 + random.below(3));
    let each = 1 + random.below(300);
    let queue = Queue::default();
    let (count, sum) = thread::scope(|scope| {
        let queue = &queue;
        let makers: Vec<_> = (0..producers)
            .map(|maker| scope.spawn(move || (0..each).for_each(|number| queue.put(Some(maker * each + number)))))
            .collect();
        let takers: Vec<_> = (0..consumers)
            .map(|_| {
                scope.spawn(|| std::iter::from_fn(|| queue.take()).fold((0, 0), |all, one| (all.0 + 1, all.1 + one)))
            })
            .collect();
        makers.into_iter().try_for_each(thread::ScopedJoinHandle::join)?;
        takers.iter().for_each(|_| queue.put(None));
        takers.into_iter().try_fold((0_u64, 0_u64), |all, taker| taker.join().map(|one| (all.0 + one.0, all.1 + one.1)))
    })
    .map_err(|_| "a thread panicked")?;
    let all = producers * each;
    expect((count, sum) == (all, all * (all - 1) / 2), || format!("{count} of {all} numbers arrived, in all {sum}"))?;
    let pause = Duration::from_millis(random.below(5));
    let start = Instant::now();
    thread::sleep(pause);
    expect(start.elapsed() >= pause, || format!("{:?} were a sleep of {pause:?}", start.elapsed()))
}

/// Numbers on their way, and ends.
#[derive(Default)]
struct Queue {
    items: Mutex<VecDeque<Option<u64>>>,
    changed: Condvar,
}

impl Queue {
    const ROOM: usize = 4;

    fn put(&self, item: Option<u64>) {
        let items = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        let full = |items: &mut VecDeque<_>| items.len() == Self::ROOM;
        let mut items = self.changed.wait_while(items, full).unwrap_or_else(PoisonError::into_inner);
        items.push_back(item);
        self.changed.notify_all();
    }

    fn take(&self) -> Option<u64> {
        let items = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        let empty = |items: &mut VecDeque<_>| items.is_empty();
        let mut items = self.changed.wait_while(items, empty).unwrap_or_else(PoisonError::into_inner);
        let item = items.pop_front().flatten();
        self.changed.notify_all();
        item
    }
}

/// The same sum of fractions comes out to the last bit in threads that take turns.
pub(super) fn floating(random: &mut Random, _folder: &Path) -> Outcome {
    let terms = 1_000 + random.below(20_000);
    let expected = series(terms);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..3).map(|_| scope.spawn(move || series(terms))).collect();
        workers.into_iter().try_for_each(|worker| {
            let sum = worker.join().map_err(|_| "a thread panicked")?;
            expect(sum.to_bits() == expected.to_bits(), || format!("{sum} instead of {expected}"))
        })
    })
}

fn series(terms: u64) -> f64 {
    (1..=terms).map(|term| (term as f64).sqrt() / (term as f64 + 0.5)).sum()
}
