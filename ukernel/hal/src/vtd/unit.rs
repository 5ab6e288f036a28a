//! One remapping unit's registers (Intel VT-d 3.3, 10.4) and its invalidation queue.
//!
//! Registers and queue are the kernel's own: no task has them. What the unit is asked for is done when a method returns.

use ukernel_core::{IoFault, PhysAddr};

use super::formats::{Invalidation, fault};
use crate::object_store::{self, physical_to_virtual};

const CAPABILITY: u64 = 0x08;
const EXTENDED_CAPABILITY: u64 = 0x10;
const COMMAND: u64 = 0x18;
const STATUS: u64 = 0x1c;
const ROOT_TABLE: u64 = 0x20;
const FAULT_STATUS: u64 = 0x34;
const FAULT_CONTROL: u64 = 0x38;
const FAULT_DATA: u64 = 0x3c;
const FAULT_ADDRESS: u64 = 0x40;
const FAULT_UPPER_ADDRESS: u64 = 0x44;
const PROTECTED_MEMORY: u64 = 0x64;
const QUEUE_TAIL: u64 = 0x88;
const QUEUE_ADDRESS: u64 = 0x90;
const INTERRUPT_TABLE: u64 = 0xb8;

/// Bits of command and status.
const TRANSLATION: u32 = 1 << 31;
const SET_ROOT: u32 = 1 << 30;
const FLUSH_WRITES: u32 = 1 << 27;
const QUEUE: u32 = 1 << 26;
const REMAPPING: u32 = 1 << 25;
const SET_INTERRUPT_TABLE: u32 = 1 << 24;
const OLD_INTERRUPTS: u32 = 1 << 23;
/// What stays as it is when something else is asked for; the rest are one-shot requests.
const LASTING: u32 = TRANSLATION | QUEUE | REMAPPING | OLD_INTERRUPTS;

const FAULT_OVERFLOW: u32 = 1;
const FAULT_PENDING: u32 = 1 << 1;
const FAULTS_MASKED: u32 = 1 << 31;

/// Descriptors of the queue: one page.
const QUEUE_ENTRIES: u32 = 256;
/// Reads of a register or of memory before a unit counts as broken: seconds.
const PATIENCE: u32 = 200_000_000;

/// What a unit can do, from its capability registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    capability: u64,
    extended: u64,
}

impl Capabilities {
    /// From the two registers' values.
    pub const fn new(capability: u64, extended: u64) -> Self {
        Self { capability, extended }
    }

    /// Whether it has all that is needed: an invalidation queue, interrupt remapping, records within its page.
    pub fn suffices(self) -> bool {
        let (queue, remapping) = (self.extended >> 1 & 1 != 0, self.extended >> 3 & 1 != 0);
        let record_end = self.fault_records() + 16 * u64::from(self.fault_count());
        queue && remapping && self.levels().is_some() && record_end <= ukernel_abi::PAGE_BYTES
    }

    /// Levels of second-level tables: 3 if it can, since they are walked faster.
    pub fn levels(self) -> Option<u32> {
        let widths = self.capability >> 8 & 0x1f;
        [3u32, 4].into_iter().find(|levels| widths >> (levels - 2) & 1 != 0)
    }

    /// Whether it can walk tables of so many levels.
    pub fn has_levels(self, levels: u32) -> bool {
        self.capability >> 8 >> (levels - 2) & 1 != 0
    }

    /// Whether leaves of 2 MiB are known.
    pub fn large_pages(self) -> bool {
        self.capability >> 34 & 1 != 0
    }

    /// How many domains there are.
    pub fn domains(self) -> u32 {
        1 << (4 + 2 * (self.capability & 7)).min(16)
    }

    /// Whether what was not present may be remembered, or writes have to be flushed: then new entries have to be told.
    pub fn wants_additions(self) -> bool {
        self.capability >> 7 & 1 != 0 || self.flushes_writes()
    }

    fn flushes_writes(self) -> bool {
        self.capability >> 4 & 1 != 0
    }

    fn protects_memory(self) -> bool {
        self.capability >> 5 & 3 != 0
    }

    /// Whether it sees what is in the processor's caches.
    pub fn is_coherent(self) -> bool {
        self.extended & 1 != 0
    }

    fn fault_records(self) -> u64 {
        16 * (self.capability >> 24 & 0x3ff)
    }

    fn fault_count(self) -> u32 {
        (self.capability >> 40 & 0xff) as u32 + 1
    }
}

/// It did not do what it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoAnswer;

/// A unit.
#[derive(Debug)]
pub struct Unit {
    base: u64,
    capabilities: Capabilities,
    queue: PhysAddr,
    tail: u32,
    /// Where it says that the queue was worked off, and what it said last.
    done_at: PhysAddr,
    done: u32,
}

impl Unit {
    /// The unit whose registers are at this physical address; `queue` is a zeroed page for it, and so is `done_at`'s, of which
    /// it has one word.
    pub fn new(at: PhysAddr, queue: PhysAddr, done_at: PhysAddr) -> Self {
        let mut unit = Self {
            base: physical_to_virtual(at),
            capabilities: Capabilities::new(0, 0),
            queue,
            tail: 0,
            done_at,
            done: 0,
        };
        unit.capabilities = Capabilities::new(unit.read_wide(CAPABILITY), unit.read_wide(EXTENDED_CAPABILITY));
        unit
    }

    /// What it can do.
    pub const fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn read(&self, register: u64) -> u32 {
        // SAFETY: a register of the unit, in the direct map.
        unsafe { ((self.base + register) as *const u32).read_volatile() }
    }

    fn write(&self, register: u64, value: u32) {
        // SAFETY: as in `read`.
        unsafe { ((self.base + register) as *mut u32).write_volatile(value) };
    }

    fn read_wide(&self, register: u64) -> u64 {
        u64::from(self.read(register)) | u64::from(self.read(register + 4)) << 32
    }

    fn write_wide(&self, register: u64, value: u64) {
        // SAFETY: as in `read`.
        unsafe { ((self.base + register) as *mut u64).write_volatile(value) };
    }

    /// Ask for something by the command register, and wait until its status says so.
    fn command(&self, set: u32, clear: u32) -> Result<(), NoAnswer> {
        let lasting = self.read(STATUS) & LASTING;
        self.write(COMMAND, lasting & !clear | set);
        let is_done = || self.read(STATUS) & (set | clear) == set;
        if (0..PATIENCE).any(|_| is_done()) { Ok(()) } else { Err(NoAnswer) }
    }

    /// Take it into use: nothing is allowed but what the tables say, and faults interrupt by this message.
    ///
    /// # Errors
    /// It does not answer.
    pub fn start(&mut self, root: PhysAddr, interrupts: PhysAddr, faults: (u64, u64)) -> Result<(), NoAnswer> {
        self.write(FAULT_CONTROL, FAULTS_MASKED);
        // What the firmware left on.
        for on in [TRANSLATION, REMAPPING, QUEUE] {
            if self.read(STATUS) & on != 0 {
                self.command(0, on)?;
            }
        }
        self.write_wide(ROOT_TABLE, root.0);
        self.command(SET_ROOT, 0)?;
        self.write_wide(QUEUE_TAIL, 0);
        self.write_wide(QUEUE_ADDRESS, self.queue.0);
        self.command(QUEUE, 0)?;
        self.invalidate(&[Invalidation::AllContexts, Invalidation::AllTranslations])?;
        // The size: 2^(7 + 1) entries. No extended mode: the local APICs are xAPICs.
        self.write_wide(INTERRUPT_TABLE, interrupts.0 | 7);
        self.command(SET_INTERRUPT_TABLE, 0)?;
        self.invalidate(&[Invalidation::AllInterrupts])?;
        self.command(TRANSLATION, 0)?;
        self.command(REMAPPING, OLD_INTERRUPTS)?;
        if self.capabilities.protects_memory() {
            self.write(PROTECTED_MEMORY, 0);
        }
        self.write(FAULT_DATA, faults.1 as u32);
        self.write(FAULT_ADDRESS, faults.0 as u32);
        self.write(FAULT_UPPER_ADDRESS, (faults.0 >> 32) as u32);
        while self.take_fault().is_some() {}
        self.write(FAULT_CONTROL, 0);
        Ok(())
    }

    /// Have it forget, and wait until it has.
    ///
    /// # Errors
    /// It does not answer.
    pub fn invalidate(&mut self, what: &[Invalidation]) -> Result<(), NoAnswer> {
        if self.capabilities.flushes_writes() {
            self.flush_writes()?;
        }
        self.done = self.done.wrapping_add(1);
        let wait = Invalidation::Wait { value: self.done, at: self.done_at };
        for descriptor in what.iter().copied().chain([wait]) {
            let place = self.tail as usize * 2;
            for (offset, word) in descriptor.words().into_iter().enumerate() {
                object_store::set_word(self.queue, place + offset, word);
                object_store::write_back(self.queue, place + offset);
            }
            self.tail = (self.tail + 1) % QUEUE_ENTRIES;
        }
        self.write_wide(QUEUE_TAIL, u64::from(self.tail) << 4);
        let page = PhysAddr(self.done_at.0 & !0xfff);
        let place = (self.done_at.0 & 0xfff) as usize / 8;
        let is_done = || object_store::word(page, place) as u32 == self.done;
        if (0..PATIENCE).any(|_| is_done()) { Ok(()) } else { Err(NoAnswer) }
    }

    fn flush_writes(&self) -> Result<(), NoAnswer> {
        self.write(COMMAND, self.read(STATUS) & LASTING | FLUSH_WRITES);
        if (0..PATIENCE).any(|_| self.read(STATUS) & FLUSH_WRITES == 0) { Ok(()) } else { Err(NoAnswer) }
    }

    /// Take its next fault.
    pub fn take_fault(&mut self) -> Option<IoFault> {
        let status = self.read(FAULT_STATUS);
        if status & FAULT_PENDING == 0 {
            if status & FAULT_OVERFLOW != 0 {
                self.write(FAULT_STATUS, FAULT_OVERFLOW);
            }
            return None;
        }
        let number = u64::from(status >> 8 & 0xff) % u64::from(self.capabilities.fault_count());
        let record = self.capabilities.fault_records() + 16 * number;
        let found = fault([self.read_wide(record), self.read_wide(record + 8)]);
        // The record's last bit: written as 1 it is free again.
        self.write(record + 12, 1 << 31);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // QEMU's unit: 39 bits, leaves of 2 MiB, 65,536 domains, one record at 0x220, queue, remapping.
    const QEMU: Capabilities = Capabilities::new(0x00d2_008c_2226_0206, 0x0000_0000_00f0_0f4a);

    #[test]
    fn capabilities_are_read() {
        assert!(QEMU.suffices() && QEMU.large_pages() && !QEMU.is_coherent() && !QEMU.wants_additions());
        assert_eq!((QEMU.levels(), QEMU.domains()), (Some(3), 1 << 16));
        assert_eq!((QEMU.fault_records(), QEMU.fault_count()), (0x220, 1));
        let four = Capabilities::new(QEMU.capability & !0x1f00 | 0x400, QEMU.extended);
        assert_eq!((four.levels(), four.has_levels(3), four.has_levels(4)), (Some(4), false, true));
    }

    #[test]
    fn a_unit_that_lacks_something_is_not_used() {
        assert!(!Capabilities::new(QEMU.capability, QEMU.extended & !2).suffices());
        assert!(!Capabilities::new(QEMU.capability, QEMU.extended & !8).suffices());
        assert!(!Capabilities::new(QEMU.capability & !0x1f00, QEMU.extended).suffices());
        assert!(!Capabilities::new(QEMU.capability | 0x3ff << 24, QEMU.extended).suffices());
    }
}
