//! The time-stamp counter as a clock, and what comes with it: which processor it was read on.

use core::sync::atomic::{AtomicU64, Ordering};

/// Fractional bits of the factors.
const SHIFT: u32 = 40;

static CPUS: AtomicU64 = AtomicU64::new(1);
static HZ: AtomicU64 = AtomicU64::new(1_000_000_000);
/// Nanoseconds a tick, with [`SHIFT`] fractional bits.
static NS_PER_TICK: AtomicU64 = AtomicU64::new(1 << SHIFT);
/// Ticks a nanosecond, with [`SHIFT`] fractional bits.
static TICKS_PER_NS: AtomicU64 = AtomicU64::new(1 << SHIFT);

/// Sets the frequency; the counter was 0 at boot.
pub(super) fn set_hz(hz: u64) {
    let hz = hz.max(1);
    HZ.store(hz, Ordering::Relaxed);
    NS_PER_TICK.store(((1_000_000_000u128 << SHIFT) / u128::from(hz)) as u64, Ordering::Relaxed);
    TICKS_PER_NS.store(((u128::from(hz) << SHIFT) / 1_000_000_000) as u64, Ordering::Relaxed);
}

/// Sets the number of processors.
pub(super) fn set_cpus(cpus: u64) {
    CPUS.store(cpus.max(1), Ordering::Relaxed);
}

pub(crate) fn cpus() -> u32 {
    CPUS.load(Ordering::Relaxed) as u32
}

pub(crate) fn cpu() -> u32 {
    if cpus() == 1 {
        return 0;
    }
    let mut number = 0;
    // SAFETY: processors that are several have the instruction; the kernel has stored each one's number for it.
    unsafe { core::arch::x86_64::__rdtscp(&raw mut number) };
    number
}

pub(crate) fn tsc_hz() -> u64 {
    HZ.load(Ordering::Relaxed)
}

pub(crate) fn now_ns() -> u64 {
    // SAFETY: the counter can be read in user mode; it has no effect on memory.
    let ticks = unsafe { core::arch::x86_64::_rdtsc() };
    scale(ticks, &NS_PER_TICK)
}

pub(crate) fn idle_ns() -> u64 {
    scale(crate::own::log().idle().unwrap_or(0), &NS_PER_TICK)
}

/// The counter's value at a monotonic time, or a tick later.
pub(super) fn ticks_at(time_ns: u64) -> u64 {
    scale(time_ns, &TICKS_PER_NS).saturating_add(1)
}

fn scale(value: u64, factor: &AtomicU64) -> u64 {
    ((u128::from(value) * u128::from(factor.load(Ordering::Relaxed))) >> SHIFT) as u64
}
