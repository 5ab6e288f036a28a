//! The time-stamp counter, and its frequency, found with the ACPI power-management timer.

use crate::port;

/// Frequency of the power-management timer, in Hz (ACPI 6.5, 4.8.3.3).
const PM_TIMER_HZ: u64 = 3_579_545;
/// It may be 24 bits wide.
const PM_TIMER_MASK: u32 = 0xff_ffff;
/// Ticks of the power-management timer to measure over: 2 ms.
const MEASURE_TICKS: u32 = 7_159;

/// The time-stamp counter.
pub fn time_stamp() -> u64 {
    // SAFETY: reading it has no effect.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// Wait about 2 ms by the power-management timer at this port, and tell how far both clocks moved.
pub fn measure(pm_timer: u16) -> Measurement {
    let (first, start) = sample(pm_timer);
    loop {
        let (timer, now) = sample(pm_timer);
        let ticks = timer.wrapping_sub(first) & PM_TIMER_MASK;
        if ticks >= MEASURE_TICKS {
            return Measurement { time_stamps: now - start, ticks: u64::from(ticks) };
        }
    }
}

/// Both clocks at one moment: of several readings, the one that took the shortest. A virtual processor may lose its real
/// one between the two.
fn sample(pm_timer: u16) -> (u32, u64) {
    let reading = || {
        let before = time_stamp();
        let timer = port::read(pm_timer, 4);
        (time_stamp() - before, timer, before)
    };
    let (_, timer, stamp) = (0..8).map(|_| reading()).min_by_key(|(took, ..)| *took).unwrap_or_else(reading);
    (timer, stamp)
}

/// Time that passed, by two clocks.
#[derive(Clone, Copy, Debug)]
pub struct Measurement {
    time_stamps: u64,
    ticks: u64,
}

impl Measurement {
    /// Frequency, in Hz, of a counter that moved by `counts` meanwhile.
    pub fn frequency_of(self, counts: u64) -> u64 {
        counts.saturating_mul(PM_TIMER_HZ) / self.ticks
    }

    /// Frequency of the time-stamp counter.
    pub fn time_stamp_hz(self) -> u64 {
        self.frequency_of(self.time_stamps)
    }
}
