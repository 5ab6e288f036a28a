//! The server with a bus in memory.

use super::*;
use crate::bus::tests::FakeBus;
use alloc::rc::Rc;
use driver_lib::fake::{FakeFunction, FakeRegisters};
use driver_lib::pci::{ConfigSpace, capability};
use interfaces::pci_bus::badge;

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
    next: u64,
}

impl Fake {
    fn next(&mut self) -> Capability {
        self.next += 1;
        Capability(self.next)
    }
}

impl Platform for Fake {
    type Registers = Shared;
    fn map(&mut self, range: Range) -> Option<Shared> {
        assert_eq!(range, Range { physical: 0xfebd_1000, bytes: 0x1000 });
        Some(self.table.clone())
    }
    fn memory(&mut self, _range: Range) -> Option<Capability> {
        Some(self.next())
    }
    fn interrupt(&mut self) -> Option<(Capability, Message)> {
        Some((self.next(), Message { address: 0xfee0_0000, data: 0x40 }))
    }
}

const DRIVER: u64 = badge(0x1af4, 0x1043, 0);

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
fn a_badge_means_one_function() {
    let (mut server, _) = server();
    let device = server.find(DRIVER).expect("it is there");
    assert_eq!((device.vendor, device.device, device.location, device.vectors), (0x1af4, 0x1043, 0x10, 2));
    for other in [0, badge(0x1af4, 0x1043, 1), badge(0x1af4, 0x1041, 0), DRIVER | 1 << 63] {
        assert_eq!(server.find(other), Err(PciError::NoDevice));
    }
    assert_eq!(server.read(DRIVER, 0), Ok(0x1043_1af4));
    assert_eq!([1, 256, 0xfffc].map(|offset| server.read(DRIVER, offset)), [Err(PciError::BadOffset); 3]);
}

#[test]
fn a_function_masters_the_bus_only_once_enabled() {
    let (mut server, _) = server();
    let command = |server: &mut PciServer<FakeBus, Fake>| server.ports.functions[0].1.read_config(4) & 0x406;
    assert_eq!(command(&mut server), 0x400);
    assert_eq!(server.start(DRIVER), Ok(()));
    assert_eq!(command(&mut server), 0x406);
}

#[test]
fn vectors_are_unmasked_one_by_one_and_kept_for_a_restart() {
    let (mut server, table) = server();
    assert_eq!(server.start(DRIVER), Ok(()));
    assert_eq!([table.read_u32(12), table.read_u32(28)], [1, 1]);
    let irq = server.vector(DRIVER, 1);
    assert_eq!([table.read_u32(12), table.read_u32(28)], [1, 0]);
    assert_eq!(table.read_u32(16), 0xfee0_0000);
    assert_eq!(server.vector(DRIVER, 2), Err(PciError::NoVector));
    assert_eq!((server.start(DRIVER), server.vector(DRIVER, 1)), (Ok(()), irq));
    assert_eq!([table.read_u32(12), table.read_u32(28)], [1, 0]);
}

#[test]
fn the_range_of_the_table_is_not_handed_out() {
    let (mut server, _) = server();
    assert_eq!(server.range(DRIVER, 1), Err(PciError::NoBar));
    let bar = server.range(DRIVER, 4).expect("it is there");
    assert_eq!((bar.page_offset, bar.bytes), (0, 0x4000));
    assert_eq!(server.range(DRIVER, 4), Ok(bar));
}
