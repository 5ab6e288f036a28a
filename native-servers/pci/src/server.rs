//! Who has which function, and the capabilities that were handed out.
//!
//! A driver that starts again (its badge stays) gets the same function and the same capabilities as before it.

use crate::bus;
use crate::function::{Function, Message, Range, Table};
use crate::matching::Matching;
use alloc::vec::Vec;
use driver_lib::mmio::Registers;
use driver_lib::port_io::PortIo;

/// Most ranges that one driver gets.
const MAX_RANGES: usize = 32;

/// A capability that this server made and holds, by its slot.
pub type Slot = u64;

/// What the server needs of the kernel.
pub trait Platform {
    /// Registers that the server has mapped for itself.
    type Registers: Registers;
    /// Map device memory for the server itself.
    fn map(&mut self, range: Range) -> Option<Self::Registers>;
    /// A capability to device memory.
    fn memory(&mut self, range: Range) -> Option<Slot>;
    /// A new message-signalled interrupt.
    fn interrupt(&mut self) -> Option<(Slot, Message)>;
}

/// Why a driver did not get what it asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It has no function yet.
    NotClaimed,
    /// No function fits that nobody has.
    NoFunction,
    /// The description of the function is neither form.
    BadMatching,
    /// The range or vector does not exist, or is not for drivers.
    OutOfRange,
    /// The firmware has not placed the function's ranges, its vectors cannot be reached, or the kernel refused.
    Unavailable,
}

/// A function with its driver.
#[derive(Debug)]
struct Claim<R> {
    badge: u64,
    matching: Matching,
    function: Function,
    table: Option<Table<R>>,
    ranges: Vec<(Range, Slot)>,
    vectors: Vec<(u16, Slot)>,
}

/// The server.
#[derive(Debug)]
pub struct PciServer<P, L: Platform> {
    ports: P,
    platform: L,
    unclaimed: Vec<Function>,
    claims: Vec<Claim<L::Registers>>,
}

impl<P: PortIo, L: Platform> PciServer<P, L> {
    /// Find all functions and keep them quiet.
    pub fn new(mut ports: P, platform: L) -> Self {
        let found = bus::enumerate(&mut ports);
        let quiet = found.into_iter().map(|(address, identity)| Function::quiesce(&mut ports, address, identity));
        let unclaimed = quiet.collect();
        Self { ports, platform, unclaimed, claims: Vec::new() }
    }

    /// The functions that nobody has yet.
    pub fn unclaimed(&self) -> &[Function] {
        &self.unclaimed
    }

    /// Give the driver with this badge the function that it is for.
    ///
    /// # Errors
    /// [`Refusal::BadMatching`], [`Refusal::NoFunction`], [`Refusal::Unavailable`].
    pub fn claim(&mut self, badge: u64, matching: &str) -> Result<&Function, Refusal> {
        let matching = Matching::parse(matching).ok_or(Refusal::BadMatching)?;
        let index = match self.claims.iter().position(|claim| claim.badge == badge) {
            Some(index) => index,
            None => self.claim_new(badge, matching)?,
        };
        let claim = self.claims.get(index).filter(|claim| claim.matching == matching).ok_or(Refusal::NoFunction)?;
        Ok(&claim.function)
    }

    fn claim_new(&mut self, badge: u64, matching: Matching) -> Result<usize, Refusal> {
        let fits = |function: &Function| matching.fits(&function.identity);
        let index = self.unclaimed.iter().position(fits).ok_or(Refusal::NoFunction)?;
        let function = self.unclaimed.get(index).ok_or(Refusal::NoFunction)?;
        function.enable_memory(&mut self.ports);
        let table = Self::open_table(&mut self.platform, function)?;
        let function = self.unclaimed.remove(index);
        function.enable(&mut self.ports);
        let (ranges, vectors) = (Vec::new(), Vec::new());
        self.claims.push(Claim { badge, matching, function, table, ranges, vectors });
        Ok(self.claims.len() - 1)
    }

    fn open_table(platform: &mut L, function: &Function) -> Result<Option<Table<L::Registers>>, Refusal> {
        if function.vectors() == 0 {
            return Ok(None);
        }
        let (pages, offset) = function.table().ok_or(Refusal::Unavailable)?;
        let registers = platform.map(pages).ok_or(Refusal::Unavailable)?;
        Table::new(registers, offset, function.vectors()).map(Some).ok_or(Refusal::Unavailable)
    }

    fn claim_of(&mut self, badge: u64) -> Result<(&mut Claim<L::Registers>, &mut P, &mut L), Refusal> {
        let claim = self.claims.iter_mut().find(|claim| claim.badge == badge).ok_or(Refusal::NotClaimed)?;
        Ok((claim, &mut self.ports, &mut self.platform))
    }

    /// Read 32 bits of the configuration of the driver's function.
    ///
    /// # Errors
    /// [`Refusal::NotClaimed`], [`Refusal::OutOfRange`].
    pub fn read_config(&mut self, badge: u64, offset: u16) -> Result<u32, Refusal> {
        let (claim, ports, _) = self.claim_of(badge)?;
        claim.function.read_config(ports, offset).ok_or(Refusal::OutOfRange)
    }

    /// A capability to a part of a base address range, whole pages.
    ///
    /// # Errors
    /// [`Refusal::NotClaimed`], [`Refusal::OutOfRange`], [`Refusal::Unavailable`].
    pub fn range(&mut self, badge: u64, bar: u8, offset: u64, bytes: u64) -> Result<Slot, Refusal> {
        let (claim, _, platform) = self.claim_of(badge)?;
        let range = claim.function.range(bar, offset, bytes).ok_or(Refusal::OutOfRange)?;
        if let Some((_, slot)) = claim.ranges.iter().find(|(known, _)| *known == range) {
            return Ok(*slot);
        }
        if claim.ranges.len() == MAX_RANGES {
            return Err(Refusal::Unavailable);
        }
        let slot = platform.memory(range).ok_or(Refusal::Unavailable)?;
        claim.ranges.push((range, slot));
        Ok(slot)
    }

    /// A capability to the interrupt of one of the function's vectors, which is unmasked from now on.
    ///
    /// # Errors
    /// [`Refusal::NotClaimed`], [`Refusal::OutOfRange`], [`Refusal::Unavailable`].
    pub fn vector(&mut self, badge: u64, vector: u16) -> Result<Slot, Refusal> {
        let (claim, _, platform) = self.claim_of(badge)?;
        if let Some((_, slot)) = claim.vectors.iter().find(|(known, _)| *known == vector) {
            return Ok(*slot);
        }
        let table = claim.table.as_ref().filter(|_| vector < claim.function.vectors()).ok_or(Refusal::OutOfRange)?;
        let (slot, message) = platform.interrupt().ok_or(Refusal::Unavailable)?;
        table.set(vector, message);
        claim.vectors.push((vector, slot));
        Ok(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::tests::FakeBus;
    use alloc::rc::Rc;
    use driver_lib::fake::{FakeFunction, FakeRegisters};
    use driver_lib::pci::{ConfigSpace, capability};

    /// Registers that the test can look at while the server has them.
    #[derive(Clone, Debug)]
    struct Shared(Rc<FakeRegisters>);

    impl Registers for Shared {
        fn bytes(&self) -> usize {
            self.0.bytes()
        }
        fn read_u8(&self, offset: usize) -> u8 {
            self.0.read_u8(offset)
        }
        fn read_u16(&self, offset: usize) -> u16 {
            self.0.read_u16(offset)
        }
        fn read_u32(&self, offset: usize) -> u32 {
            self.0.read_u32(offset)
        }
        fn write_u8(&self, offset: usize, value: u8) {
            self.0.write_u8(offset, value);
        }
        fn write_u16(&self, offset: usize, value: u16) {
            self.0.write_u16(offset, value);
        }
        fn write_u32(&self, offset: usize, value: u32) {
            self.0.write_u32(offset, value);
        }
    }

    struct Fake {
        table: Shared,
        next: Slot,
    }

    impl Platform for Fake {
        type Registers = Shared;
        fn map(&mut self, range: Range) -> Option<Shared> {
            assert_eq!(range, Range { physical: 0xfebd_1000, bytes: 0x1000 });
            Some(self.table.clone())
        }
        fn memory(&mut self, _range: Range) -> Option<Slot> {
            self.next += 1;
            Some(self.next)
        }
        fn interrupt(&mut self) -> Option<(Slot, Message)> {
            self.next += 1;
            Some((self.next, Message { address: 0xfee0_0000, data: 0x40 }))
        }
    }

    fn server() -> (PciServer<FakeBus, Fake>, Shared) {
        let mut function = FakeFunction::new(0x1af4, 0x1043, 0x078000);
        function.add_bar(1, 0xfebd_1000, 0x1000);
        function.add_wide_bar(4, 0xfe00_0000, 0x4000);
        function.add_capability(0x98, capability::MSI_X, &[1 << 16, 1, 0x801]);
        let mut bus = FakeBus::default();
        bus.add(0, 2, 0, function);
        let table = Shared(Rc::new(FakeRegisters::new(0x1000)));
        (PciServer::new(bus, Fake { table: table.clone(), next: 100 }), table)
    }

    #[test]
    fn a_driver_gets_its_function_and_nobody_elses() {
        let (mut server, _) = server();
        assert_eq!(server.range(1, 4, 0, 0x1000), Err(Refusal::NotClaimed));
        assert_eq!(server.claim(1, "nonsense").map(|_| ()), Err(Refusal::BadMatching));
        assert_eq!(server.claim(1, "1af4:1041").map(|_| ()), Err(Refusal::NoFunction));
        assert_eq!(server.claim(1, "1af4:1043").map(Function::vectors), Ok(2));
        assert_eq!(server.claim(2, "1af4:1043").map(|_| ()), Err(Refusal::NoFunction));
        assert_eq!(server.vector(2, 0), Err(Refusal::NotClaimed));
        assert_eq!(server.read_config(1, 0), Ok(0x1043_1af4));
        assert_eq!(server.read_config(1, 256), Err(Refusal::OutOfRange));
    }

    #[test]
    fn a_function_masters_the_bus_only_once_claimed() {
        let (mut server, _) = server();
        let command = |server: &mut PciServer<FakeBus, Fake>| server.ports.functions[0].1.read_config(4) & 0x406;
        assert_eq!(command(&mut server), 0x400);
        server.claim(1, "class:0780").expect("it is there");
        assert_eq!(command(&mut server), 0x406);
    }

    #[test]
    fn vectors_are_unmasked_one_by_one_and_kept_for_a_restart() {
        let (mut server, table) = server();
        server.claim(1, "1af4:1043").expect("it is there");
        assert_eq!([table.read_u32(12), table.read_u32(28)], [1, 1]);
        let slot = server.vector(1, 1);
        assert_eq!([table.read_u32(12), table.read_u32(28)], [1, 0]);
        assert_eq!(table.read_u32(16), 0xfee0_0000);
        assert_eq!(server.vector(1, 2), Err(Refusal::OutOfRange));
        server.claim(1, "1af4:1043").expect("the same driver again");
        assert_eq!(server.vector(1, 1), slot);
        assert_eq!(server.range(1, 4, 0, 0x1000), server.range(1, 4, 0, 0x1000));
        assert_eq!(server.range(1, 1, 0, 0x1000), Err(Refusal::OutOfRange));
    }
}
