//! Timers: an interval timer's signals, while the process computes and while it sleeps.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use legacy_programs::random::Random;
use legacy_programs::sys;

use crate::{Outcome, expect};

static RANG: AtomicU32 = AtomicU32::new(0);

extern "C" fn ring(_signal: i32) {
    RANG.fetch_add(1, Ordering::SeqCst);
}

/// Each signal takes its period at least, none is missing for ever, and none comes after the timer was stopped.
pub(super) fn interval(random: &mut Random, _folder: &Path) -> Outcome {
    sys::on_signal(libc::SIGALRM, ring, libc::SA_RESTART)?;
    let (period, count) = (1 + random.below(10), 1 + random.below(5) as u32);
    let computes = random.below(2) == 0;
    let (start, before) = (Instant::now(), RANG.load(Ordering::SeqCst));
    let rang = || RANG.load(Ordering::SeqCst).wrapping_sub(before);
    sys::interval_timer(period as i64)?;
    while rang() < count {
        if computes {
            std::hint::spin_loop();
        } else {
            thread::sleep(Duration::from_millis(random.below(5)));
        }
    }
    let (seen, took) = (rang(), start.elapsed());
    sys::interval_timer(0)?;
    expect(took >= Duration::from_millis(period) * seen, || {
        format!("a timer of {period} ms rang {seen} times in {took:?}")
    })?;
    let last = rang();
    thread::sleep(Duration::from_millis(2 * period));
    expect(rang() == last, || format!("a timer that was stopped rang {} times", rang().wrapping_sub(last)))
}
