//! The local APIC in xAPIC mode (Intel SDM 3A, chapter 11) and the I/O APICs (82093AA data sheet).

use core::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use ukernel_core::{LineMask, MAX_CPUS, PhysAddr};

use crate::object_store::physical_to_virtual;
use crate::port;

/// Vector of the local APIC's timer.
pub const TIMER_VECTOR: u8 = 0xe0;
/// Another processor asks this one to choose anew who runs.
pub const SUMMONS_VECTOR: u8 = 0xe1;
/// Another processor calls this one, and waits, or wakes it. In a class of its own above all others, so that it arrives while others
/// are in service (Intel SDM 3A, 11.8.3.1).
pub const CALL_VECTOR: u8 = 0xf0;
/// Vector of spurious interrupts: no end-of-interrupt for those.
pub const SPURIOUS_VECTOR: u8 = 0xff;

const ID: u64 = 0x20;
const END_OF_INTERRUPT: u64 = 0xb0;
const SPURIOUS: u64 = 0xf0;
const COMMAND: u64 = 0x300;
const COMMAND_TARGET: u64 = 0x310;
const TIMER: u64 = 0x320;
const INITIAL_COUNT: u64 = 0x380;
const CURRENT_COUNT: u64 = 0x390;
const DIVIDE: u64 = 0x3e0;
const DIVIDE_BY_16: u32 = 3;
const ENABLE: u32 = 1 << 8;
const MASKED: u32 = 1 << 16;
/// Delivery of a command has not ended.
const SENDING: u32 = 1 << 12;
/// Commands (Intel SDM 3A, 11.6.1): fixed delivery with the vector added; INIT; start-up with the page's number added.
const FIXED: u32 = 1 << 14;
const INIT: u32 = 0x4500;
const START_UP: u32 = 0x4600;

/// Where the local APICs are: each processor finds its own there.
static BASE: AtomicU64 = AtomicU64::new(0);

/// The numbers of the processors' local APICs.
static IDS: [AtomicU8; MAX_CPUS] = [const { AtomicU8::new(0) }; MAX_CPUS];

/// The interrupt in service was taken, on this processor.
pub(crate) fn end_of_interrupt() {
    own().end_of_interrupt();
}

/// Note the number of a processor's local APIC.
pub(crate) fn set_id(cpu: usize, id: u8) {
    IDS[cpu].store(id, Ordering::Relaxed);
}

/// Interrupt another processor.
pub(crate) fn interrupt(cpu: usize, vector: u8) {
    own().command(IDS[cpu].load(Ordering::Relaxed), FIXED | u32::from(vector));
}

/// Let interrupts reach this processor, the timer's not yet.
pub(crate) fn enable() {
    own().enable();
}

fn own() -> LocalApic {
    LocalApic { base: BASE.load(Ordering::Relaxed), ticks_per_stamp: 0 }
}

/// The local APIC of this processor.
#[derive(Clone, Copy, Debug)]
pub struct LocalApic {
    base: u64,
    /// Timer ticks per time-stamp tick, times 2^32.
    ticks_per_stamp: u64,
}

impl LocalApic {
    /// Enable it; `at` is its physical address.
    pub fn new(at: PhysAddr) -> Self {
        let apic = Self { base: physical_to_virtual(at), ticks_per_stamp: 0 };
        BASE.store(apic.base, Ordering::Relaxed);
        apic.enable();
        apic
    }

    /// Enable that of the processor this runs on: all have theirs at one address.
    fn enable(&self) {
        self.write(SPURIOUS, ENABLE | u32::from(SPURIOUS_VECTOR));
        self.write(DIVIDE, DIVIDE_BY_16);
        self.write(TIMER, MASKED | u32::from(TIMER_VECTOR));
    }

    /// Enable that of a processor that has just started, and take its timer into use.
    pub(crate) fn join(&self) {
        self.enable();
        self.write(INITIAL_COUNT, 0);
        self.write(TIMER, u32::from(TIMER_VECTOR));
    }

    fn command(&self, target: u8, command: u32) {
        self.write(COMMAND_TARGET, u32::from(target) << 24);
        self.write(COMMAND, command);
        while self.read(COMMAND) & SENDING != 0 {
            core::hint::spin_loop();
        }
    }

    /// Reset a processor; it waits for `start_up`.
    pub(crate) fn reset(&self, target: u8) {
        self.command(target, INIT);
    }

    /// Have a processor that was reset start in real mode at this page below 1 MiB.
    pub(crate) fn start_up(&self, target: u8, page: u64) {
        self.command(target, START_UP | (page >> 12) as u32);
    }

    fn read(&self, register: u64) -> u32 {
        // SAFETY: a register of the local APIC, in the direct map.
        unsafe { ((self.base + register) as *const u32).read_volatile() }
    }

    fn write(&self, register: u64, value: u32) {
        // SAFETY: as in `read`.
        unsafe { ((self.base + register) as *mut u32).write_volatile(value) };
    }

    /// Let the timer count down from its maximum, for [`timer_elapsed`](Self::timer_elapsed).
    pub fn start_measuring(&self) {
        self.write(INITIAL_COUNT, u32::MAX);
    }

    /// Ticks since [`start_measuring`](Self::start_measuring).
    pub fn timer_elapsed(&self) -> u64 {
        u64::from(u32::MAX - self.read(CURRENT_COUNT))
    }

    /// Take the timer into use, given its frequency and the time-stamp counter's.
    pub fn start_timer(&mut self, timer_hz: u64, time_stamp_hz: u64) {
        self.ticks_per_stamp = ((u128::from(timer_hz) << 32) / u128::from(time_stamp_hz.max(1))) as u64;
        self.write(INITIAL_COUNT, 0);
        self.write(TIMER, u32::from(TIMER_VECTOR));
    }

    /// Interrupt after so many time-stamp ticks, or earlier where the timer does not reach that far. `u64::MAX`: never.
    pub fn set_timer(&mut self, stamps: u64) {
        let count = if stamps == u64::MAX {
            0
        } else {
            let ticks = (u128::from(stamps) * u128::from(self.ticks_per_stamp)) >> 32;
            u32::try_from(ticks).unwrap_or(u32::MAX).max(1)
        };
        self.write(INITIAL_COUNT, count);
    }

    /// The interrupt in service was taken.
    pub fn end_of_interrupt(&mut self) {
        self.write(END_OF_INTERRUPT, 0);
    }

    /// Its identifier.
    pub fn id(&self) -> u32 {
        self.read(ID) >> 24
    }
}

/// Most I/O APICs.
pub const MAX_IO_APICS: usize = 4;

/// An I/O APIC.
#[derive(Clone, Copy, Debug)]
pub struct IoApic {
    base: u64,
    first_line: u32,
    lines: u32,
}

impl IoApic {
    /// The I/O APIC at this physical address, whose first line has this global number. Masks all lines.
    pub fn new(at: PhysAddr, first_line: u32) -> Self {
        let mut apic = Self { base: physical_to_virtual(at), first_line, lines: 0 };
        apic.lines = (apic.read(1) >> 16 & 0xff) + 1;
        for line in 0..apic.lines {
            apic.write(0x10 + line * 2, MASKED);
        }
        apic
    }

    #[expect(clippy::multiple_unsafe_ops_per_block, reason = "index and data register are used as one")]
    fn read(&self, register: u32) -> u32 {
        // SAFETY: the index and data registers of an I/O APIC, in the direct map.
        unsafe {
            (self.base as *mut u32).write_volatile(register);
            ((self.base + 0x10) as *const u32).read_volatile()
        }
    }

    #[expect(clippy::multiple_unsafe_ops_per_block, reason = "index and data register are used as one")]
    fn write(&self, register: u32, value: u32) {
        // SAFETY: as in `read`.
        unsafe {
            (self.base as *mut u32).write_volatile(register);
            ((self.base + 0x10) as *mut u32).write_volatile(value);
        }
    }

    fn index(&self, line: u32) -> Option<u32> {
        line.checked_sub(self.first_line).filter(|index| *index < self.lines)
    }

    /// Whether a line is one of its.
    pub fn has(&self, line: u32) -> bool {
        self.index(line).is_some()
    }

    /// Route a line to a vector, masked; the upper 32 bits of `target` are those of its entry: the local APIC of a processor, or an entry of
    /// the IOMMU's. `false`: not one of its lines.
    pub fn route(&self, line: u32, vector: u8, level: bool, active_low: bool, target: u64) -> bool {
        let Some(index) = self.index(line) else { return false };
        let low = u32::from(vector) | MASKED | u32::from(level) << 15 | u32::from(active_low) << 13;
        self.write(0x11 + index * 2, (target >> 32) as u32);
        self.write(0x10 + index * 2, low);
        true
    }

    /// Mask or unmask a line, if it is one of its.
    pub fn mask(&self, line: u32, mask: LineMask) {
        let Some(index) = self.index(line) else { return };
        let low = self.read(0x10 + index * 2);
        self.write(0x10 + index * 2, if mask == LineMask::Masked { low | MASKED } else { low & !MASKED });
    }
}

/// Silence the two 8259 interrupt controllers: out of the exceptions' way, all lines masked.
pub fn disable_old_controllers() {
    for (command, data, base) in [(0x20, 0x21, 0x20), (0xa0, 0xa1, 0x28)] {
        port::write(command, 1, 0x11);
        port::write(data, 1, base);
        port::write(data, 1, if command == 0x20 { 4 } else { 2 });
        port::write(data, 1, 1);
        port::write(data, 1, 0xff);
    }
}
