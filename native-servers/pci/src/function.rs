//! One function that a driver has: what of its ranges may be handed out, and its MSI-X table.
//!
//! Invariant: no page that holds a part of the MSI-X table or of its pending bits is ever handed out.

use driver_lib::mmio::{Register, Registers};
use driver_lib::pci::capability::MsiX;
use driver_lib::pci::header::{self, Bar, Identity, MAX_BARS};
use driver_lib::pci::ports::Function as Config;
use driver_lib::pci::{CommandRegister, ConfigSpace, PciAddress};
use driver_lib::port_io::PortIo;
use driver_lib::virtio::pci::find_blocks;

/// Bytes of a page.
pub const PAGE_BYTES: u64 = 4096;

/// A run of physical addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first.
    pub physical: u64,
    /// How many.
    pub bytes: u64,
}

impl Range {
    fn overlaps(&self, other: &Self) -> bool {
        self.physical < other.physical + other.bytes && other.physical < self.physical + self.bytes
    }
}

/// A function and what was found out about it.
#[derive(Clone, Debug)]
pub struct Function {
    /// Where it is.
    pub address: PciAddress,
    /// What it is.
    pub identity: Identity,
    bars: [Option<Bar>; MAX_BARS],
    msi_x: Option<MsiX>,
}

impl Function {
    /// Look at a function, and keep it quiet: no bus mastering and no interrupts until a driver has it.
    pub fn quiesce(ports: &mut impl PortIo, address: PciAddress, identity: Identity) -> Self {
        let mut config = Config::new(ports, address);
        let command = header::command(&mut config) - CommandRegister::BUS_MASTER_ENABLE;
        header::set_command(&mut config, command | CommandRegister::INTERRUPT_DISABLE);
        let bars = header::size_bars(&mut config);
        Self { address, identity, bars, msi_x: MsiX::read(&mut config) }
    }

    /// Its source number: bus (bits 8 to 15), device (3 to 7), function (0 to 2).
    pub fn source(&self) -> u16 {
        let place = u16::from(self.address.device()) << 3 | u16::from(self.address.function());
        u16::from(self.address.bus()) << 8 | place
    }

    /// Let it decode its ranges, reach memory and use its vectors, all of which are masked in its table.
    pub fn enable(&self, ports: &mut impl PortIo) {
        let mut config = Config::new(ports, self.address);
        let command = header::command(&mut config);
        let on = CommandRegister::MEMORY_ENABLE | CommandRegister::BUS_MASTER_ENABLE;
        header::set_command(&mut config, command | on | CommandRegister::INTERRUPT_DISABLE);
        if let Some(msi_x) = self.msi_x {
            msi_x.enable(&mut config);
        }
    }

    /// Let it decode its ranges only, for its table to be set up.
    pub fn enable_memory(&self, ports: &mut impl PortIo) {
        let mut config = Config::new(ports, self.address);
        let command = header::command(&mut config);
        header::set_command(&mut config, command | CommandRegister::MEMORY_ENABLE);
    }

    /// Cut it off from memory, and let it use no vector. It goes on decoding its ranges.
    pub fn disable(&self, ports: &mut impl PortIo) {
        let mut config = Config::new(ports, self.address);
        let command = header::command(&mut config) - CommandRegister::BUS_MASTER_ENABLE;
        header::set_command(&mut config, command | CommandRegister::INTERRUPT_DISABLE);
        if let Some(msi_x) = self.msi_x {
            msi_x.disable(&mut config);
        }
    }

    /// Where the registers are by which it is reset, if it is a virtio device: their pages, and the common block's offset
    /// in these.
    pub fn virtio_common(&self, ports: &mut impl PortIo) -> Option<(Range, usize)> {
        const VIRTIO: u16 = 0x1af4;
        if self.identity.vendor != VIRTIO {
            return None;
        }
        let common = find_blocks(&mut Config::new(ports, self.address)).ok()?.common;
        let range = self.part(common.bar, common.offset.into(), common.bytes.into())?;
        Some((pages_of(range), (range.physical % PAGE_BYTES) as usize))
    }

    /// Read 32 bits of its configuration; `None` outside of it.
    pub fn read_config(&self, ports: &mut impl PortIo, offset: u16) -> Option<u32> {
        let is_valid = offset < driver_lib::pci::CONFIG_BYTES && offset.is_multiple_of(4);
        is_valid.then(|| Config::new(ports, self.address).read_config(offset))
    }

    /// Its number of interrupt vectors.
    pub fn vectors(&self) -> u16 {
        self.msi_x.map_or(0, |msi_x| msi_x.vectors)
    }

    /// What of base address range `bar` a driver may have: all of it, or what comes before our pages. Whole pages, and
    /// where in the first of them the range starts.
    pub fn bar(&self, bar: u8) -> Option<(Range, u64)> {
        let whole = self.part(bar, 0, self.bars.get(usize::from(bar)).copied().flatten()?.bytes)?;
        let pages = pages_of(whole);
        let ours = self.our_pages().into_iter().flatten().filter(|ours| ours.overlaps(&pages));
        let end = ours.map(|ours| ours.physical).fold(whole.physical + whole.bytes, u64::min);
        let bytes = end.checked_sub(whole.physical).filter(|&bytes| bytes > 0)?;
        Some((Range { physical: whole.physical, bytes }, whole.physical - pages.physical))
    }

    /// Where the MSI-X table is: its pages, and its offset within them.
    pub fn table(&self) -> Option<(Range, usize)> {
        let msi_x = self.msi_x?;
        let table = self.part(msi_x.table_bar, msi_x.table_offset.into(), msi_x.table_bytes())?;
        Some((pages_of(table), (table.physical % PAGE_BYTES) as usize))
    }

    fn part(&self, bar: u8, offset: u64, bytes: u64) -> Option<Range> {
        let bar = self.bars.get(usize::from(bar)).copied().flatten()?;
        let end = offset.checked_add(bytes)?;
        // An address of 0 means that the firmware has not placed the range; one that wraps is no address.
        let is_placed = bar.physical != 0 && bar.physical.checked_add(bar.bytes + PAGE_BYTES).is_some();
        (is_placed && end <= bar.bytes).then(|| Range { physical: bar.physical + offset, bytes })
    }

    /// The pages that only this server touches.
    fn our_pages(&self) -> [Option<Range>; 2] {
        let Some(msi_x) = self.msi_x else { return [None; 2] };
        let pending = self.part(msi_x.pending_bar, msi_x.pending_offset.into(), msi_x.pending_bytes());
        [self.table().map(|(pages, _)| pages), pending.map(pages_of)]
    }
}

/// The whole pages that a range lies in.
pub fn pages_of(range: Range) -> Range {
    let physical = range.physical & !(PAGE_BYTES - 1);
    let end = (range.physical + range.bytes).next_multiple_of(PAGE_BYTES);
    Range { physical, bytes: end - physical }
}

/// What a device writes where to interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// Where.
    pub address: u64,
    /// What.
    pub data: u32,
}

const MASKED: u32 = 1;

/// A function's MSI-X table (PCI local bus specification 3.0, 6.8.2): per vector address, data, mask.
#[derive(Debug)]
pub struct Table<R> {
    registers: R,
    offset: usize,
    vectors: u16,
}

impl<R: Registers> Table<R> {
    /// The table of `vectors` vectors at `offset`; masks them all. `None` where it does not fit.
    pub fn new(registers: R, offset: usize, vectors: u16) -> Option<Self> {
        if !registers.contains(offset, usize::from(vectors) * MsiX::ENTRY_BYTES as usize) {
            return None;
        }
        let table = Self { registers, offset, vectors };
        table.mask_all();
        Some(table)
    }

    /// Mask all vectors.
    pub fn mask_all(&self) {
        (0..self.vectors).for_each(|vector| self.register(vector, 12).write(&self.registers, MASKED));
    }

    fn register(&self, vector: u16, offset: usize) -> Register<u32> {
        Register::at(self.offset + usize::from(vector) * MsiX::ENTRY_BYTES as usize + offset)
    }

    /// Set what a vector does, and unmask it; false where there is no such vector.
    pub fn set(&self, vector: u16, message: Message) -> bool {
        if vector >= self.vectors {
            return false;
        }
        let words = [message.address as u32, (message.address >> 32) as u32, message.data, 0];
        self.register(vector, 12).write(&self.registers, MASKED);
        for (index, word) in words.into_iter().enumerate() {
            self.register(vector, 4 * index).write(&self.registers, word);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::tests::FakeBus;
    use driver_lib::fake::{FakeFunction, FakeRegisters};
    use driver_lib::pci::capability;

    fn function(msi_x: [u32; 3]) -> Function {
        let mut fake = FakeFunction::new(0x1af4, 0x1043, 0x078000);
        fake.add_bar(1, 0xfebd_1000, 0x1000);
        fake.add_wide_bar(4, 0xfe00_0000, 0x8000);
        fake.add_capability(0x98, capability::MSI_X, &msi_x);
        let mut bus = FakeBus::default();
        bus.add(0, 2, 0, fake);
        let (address, identity) = crate::bus::enumerate(&mut bus)[0];
        Function::quiesce(&mut bus, address, identity)
    }

    #[test]
    fn a_range_without_our_pages_is_given_whole() {
        let function = function([31 << 16, 1, 0x801]);
        assert_eq!(function.bar(4), Some((Range { physical: 0xfe00_0000, bytes: 0x8000 }, 0)));
        assert_eq!([0, 1, 5, 9].map(|bar| function.bar(bar)), [None; 4]);
    }

    #[test]
    fn pages_of_the_table_and_of_the_pending_bits_stay_here() {
        let function = function([31 << 16, 0x2ff8 | 4, 0x5000 | 4]);
        assert_eq!(function.bar(4).map(|(range, _)| range.bytes), Some(0x2000));
        let (pages, offset) = function.table().expect("it is placed");
        assert_eq!((pages.bytes, offset), (0x2000, 0xff8));
    }

    #[test]
    fn a_table_outside_of_its_bar_is_none() {
        assert_eq!(function([0x7ff << 16, 0x1000 | 4, 4]).table(), None);
    }

    #[test]
    fn all_vectors_are_masked_until_they_are_set() {
        let table = Table::new(FakeRegisters::new(0x1000), 0x10, 3).expect("it fits");
        let mask = |vector: usize| table.registers.read_u32(0x10 + 16 * vector + 12);
        assert_eq!([0, 1, 2].map(mask), [1; 3]);
        assert!(table.set(1, Message { address: 0xfee0_0000, data: 0x41 }));
        assert!(!table.set(3, Message { address: 0, data: 0 }));
        assert_eq!([0, 1, 2].map(mask), [1, 0, 1]);
        assert_eq!((table.registers.read_u32(0x20), table.registers.read_u32(0x28)), (0xfee0_0000, 0x41));
        assert!(Table::new(FakeRegisters::new(0x20), 0, 3).is_none());
    }
}
