//! What the IOMMU reads from memory and writes to its registers, as numbers (Intel VT-d 3.3, chapters 9, 6.5 and 10.4).

use ukernel_abi::invoke::io_space;
use ukernel_core::{Faults, IoFault, IoView, PhysAddr, Source};

const PRESENT: u64 = 1;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// A root entry, which leads to the context table of a bus (9.1).
pub fn root_entry(contexts: PhysAddr) -> u64 {
    contexts.0 & ADDRESS | PRESENT
}

/// Where a root entry leads; `None`: nowhere.
pub fn context_table(root_entry: u64) -> Option<PhysAddr> {
    (root_entry & PRESENT != 0).then_some(PhysAddr(root_entry & ADDRESS))
}

/// A context entry: what a device reaches (9.3), as its low and high word.
pub fn context_entry(view: IoView, levels: u32) -> [u64; 2] {
    const NO_FAULTS: u64 = 1 << 1;
    let untold = if view.faults == Faults::Untold { NO_FAULTS } else { 0 };
    if view.root == PhysAddr(0) {
        return [untold, 0];
    }
    // Width 1: 39 bits and 3 levels; 2: 48 bits and 4 levels.
    [view.root.0 & ADDRESS | PRESENT | untold, u64::from(view.domain) << 8 | u64::from(levels - 2)]
}

/// An interrupt that a device may raise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remapped {
    /// As which vector it arrives.
    pub vector: u8,
    /// Whose it is.
    pub source: Source,
    /// Local APIC of the processor that takes it.
    pub processor: u32,
    /// How it is signalled.
    pub trigger: Trigger,
}

/// How an interrupt is signalled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// Once.
    Edge,
    /// Until it is served.
    Level,
}

/// An entry of the interrupt remapping table (9.10): fixed delivery to one processor, from this one source.
pub fn interrupt_entry(interrupt: Remapped) -> [u64; 2] {
    const VERIFY_SOURCE: u64 = 1 << 18;
    let level = u64::from(interrupt.trigger == Trigger::Level) << 4;
    let low = PRESENT | level | u64::from(interrupt.vector) << 16 | u64::from(interrupt.processor & 0xff) << 40;
    [low, VERIFY_SOURCE | u64::from(interrupt.source.0)]
}

/// Address and data of a message that names entry `index` (5.1.2.2).
pub fn message(index: u16) -> (u64, u64) {
    const REMAPPABLE: u64 = 1 << 4;
    let index = u64::from(index);
    (0xfee0_0000 | (index & 0x7fff) << 5 | REMAPPABLE | (index >> 15) << 2, 0)
}

/// The upper half of an I/O APIC's entry for a line that names entry `index`, of the first 32,768 (5.1.5.1).
pub fn io_apic_target(index: u8) -> u64 {
    const REMAPPABLE: u64 = 1 << 48;
    u64::from(index) << 49 | REMAPPABLE
}

/// What to do about cached translations: descriptors of the invalidation queue (6.5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalidation {
    /// All context entries.
    AllContexts,
    /// The context entry of a device, that had this domain.
    Context { source: Source, domain: u16 },
    /// All translations.
    AllTranslations,
    /// Translations of a domain.
    Translations { domain: u16 },
    /// All interrupt entries.
    AllInterrupts,
    /// One interrupt entry.
    Interrupt { index: u16 },
    /// Write `value` to the 32 bits at this address once all before it is done.
    Wait { value: u32, at: PhysAddr },
}

impl Invalidation {
    /// The descriptor's two words.
    pub fn words(self) -> [u64; 2] {
        const GLOBAL: u64 = 1 << 4;
        const DOMAIN: u64 = 2 << 4;
        const DEVICE: u64 = 3 << 4;
        // Of writes and reads on their way through the IOMMU: wait for both (IOTLB descriptors).
        const DRAIN: u64 = 3 << 6;
        const ONE_INDEX: u64 = 1 << 4;
        const WRITE_STATUS: u64 = 1 << 5;
        match self {
            Self::AllContexts => [1 | GLOBAL, 0],
            Self::Context { source, domain } => [1 | DEVICE | u64::from(domain) << 16 | u64::from(source.0) << 32, 0],
            Self::AllTranslations => [2 | GLOBAL | DRAIN, 0],
            Self::Translations { domain } => [2 | DOMAIN | DRAIN | u64::from(domain) << 16, 0],
            Self::AllInterrupts => [4, 0],
            Self::Interrupt { index } => [4 | ONE_INDEX | u64::from(index) << 32, 0],
            Self::Wait { value, at } => [5 | WRITE_STATUS | u64::from(value) << 32, at.0],
        }
    }
}

/// A fault record (10.4.14), from its low and high word; `None`: it holds no fault.
pub fn fault([low, high]: [u64; 2]) -> Option<IoFault> {
    const FAULT: u64 = 1 << 63;
    const READ: u64 = 1 << 62;
    /// From here on reasons are about interrupts.
    const INTERRUPT_REASONS: core::ops::Range<u8> = 0x20..0x30;
    if high & FAULT == 0 {
        return None;
    }
    let (source, reason) = (Source(high as u16), (high >> 32) as u8);
    let (address, kind) = if INTERRUPT_REASONS.contains(&reason) {
        (low >> 48, io_space::INTERRUPT)
    } else {
        (low & !0xfff, if high & READ == 0 { io_space::WRITE } else { 0 })
    };
    Some(IoFault { source, address, kind, reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn context_entries_say_root_width_and_domain() {
        let view = IoView { root: PhysAddr(0x1234_5000), domain: 7, faults: Faults::Told };
        assert_eq!(context_entry(view, 3), [0x1234_5001, 0x701]);
        assert_eq!(context_entry(IoView { faults: Faults::Untold, ..view }, 4), [0x1234_5003, 0x702]);
        assert_eq!(context_entry(IoView { root: PhysAddr(0), ..view }, 3), [0, 0]);
        assert_eq!(context_table(root_entry(PhysAddr(0x9000))), Some(PhysAddr(0x9000)));
        assert_eq!(context_table(0), None);
    }

    #[test]
    fn interrupts_are_verified_to_come_from_their_source() {
        let interrupt = Remapped { vector: 0x41, source: Source(0xff10), processor: 3, trigger: Trigger::Level };
        assert_eq!(interrupt_entry(interrupt), [0x0000_0300_0041_0011, 0x4_ff10]);
        let edge = Remapped { trigger: Trigger::Edge, ..interrupt };
        assert_eq!(interrupt_entry(edge)[0] & 0x10, 0);
        assert_eq!(message(0x41), (0xfee0_0830, 0));
        assert_eq!(message(0x8001), (0xfee0_0034, 0));
    }

    #[test]
    fn descriptors_name_what_is_to_be_forgotten() {
        assert_eq!(Invalidation::Context { source: Source(0x18), domain: 5 }.words(), [0x0000_0018_0005_0031, 0]);
        assert_eq!(Invalidation::Translations { domain: 5 }.words(), [0x5_00e2, 0]);
        assert_eq!(Invalidation::Interrupt { index: 0x41 }.words(), [0x0000_0041_0000_0014, 0]);
        let wait = Invalidation::Wait { value: 9, at: PhysAddr(0x8004) };
        assert_eq!(wait.words(), [0x0000_0009_0000_0025, 0x8004]);
    }

    #[test]
    fn faults_say_who_wanted_what() {
        assert_eq!(fault([0x5000, 0x0000_0005_0000_0018]), None);
        let write = IoFault { source: Source(0x18), address: 0x5000, kind: io_space::WRITE, reason: 5 };
        assert_eq!(fault([0x5000, 0x8000_0005_0000_0018]), Some(write));
        assert_eq!(fault([0x5000, 0xc000_0006_0000_0018]), Some(IoFault { kind: 0, reason: 6, ..write }));
        let interrupt = IoFault { address: 0x41, kind: io_space::INTERRUPT, reason: 0x26, ..write };
        assert_eq!(fault([0x0041_0000_0000_0000, 0x8000_0026_0000_0018]), Some(interrupt));
    }
}
