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
    common: Shared,
    next: u64,
    has_iommu: bool,
    fault: Option<IoFault>,
    watched: Vec<u64>,
    accused: Vec<u64>,
    cleared: Vec<u64>,
    revoked: Vec<u64>,
    unbound: Vec<u64>,
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
        match range {
            Range { physical: 0xfebd_1000, bytes: 0x1000 } => Some(self.table.clone()),
            Range { physical: 0xfe00_0000, bytes: 0x1000 } => Some(self.common.clone()),
            _ => panic!("{range:x?} is nothing of the server's"),
        }
    }
    fn memory(&mut self, _range: Range) -> Option<Capability> {
        Some(self.next())
    }
    fn interrupt(&mut self, _source: u16) -> Option<(Capability, Message)> {
        Some((self.next(), Message { address: 0xfee0_0000, data: 0x40 }))
    }
    fn io_space(&mut self, source: u16) -> Option<Capability> {
        assert_eq!(source, 0x10);
        self.has_iommu.then(|| self.next())
    }
    fn watch(&mut self, space: Capability) {
        self.watched.push(space.0);
    }
    fn fault(&mut self, space: Capability) -> Option<IoFault> {
        assert_eq!(self.watched.last(), Some(&space.0), "nobody asks for what it is not told");
        self.fault.take()
    }
    fn accuse(&mut self, driver: u64) {
        self.accused.push(driver);
    }
    fn clear(&mut self, space: Capability) -> bool {
        self.cleared.push(space.0);
        true
    }
    fn revoke(&mut self, capability: Capability) -> bool {
        self.revoked.push(capability.0);
        true
    }
    fn unbind(&mut self, irq: Capability) -> bool {
        self.unbound.push(irq.0);
        true
    }
}

const DRIVER: u64 = badge(1, 0x1af4, 0x1043, 0);
const OTHER: u64 = badge(2, 0x1af4, 0x1043, 0);

fn server() -> (PciServer<FakeBus, Fake>, Shared) {
    let mut function = FakeFunction::new(0x1af4, 0x1043, 0x078000);
    function.add_bar(1, 0xfebd_1000, 0x1000);
    function.add_wide_bar(4, 0xfe00_0000, 0x4000);
    function.add_capability(0x40, capability::VENDOR, &[0x0110_0000, 4, 0, 0x1000]);
    function.add_capability(0x60, capability::VENDOR, &[0x0214_0000, 4, 0x3000, 0x1000, 4]);
    function.add_capability(0x98, capability::MSI_X, &[1 << 16, 1, 0x801]);
    let mut bus = FakeBus::default();
    bus.add(0, 2, 0, function);
    let [table, common] = [0, 1].map(|_| Shared(Rc::new(FakeRegisters::new(0x1000))));
    let [watched, accused, cleared, revoked, unbound] = [const { Vec::new() }; 5];
    let platform = Fake {
        table: table.clone(),
        common,
        next: 100,
        has_iommu: false,
        fault: None,
        watched,
        accused,
        cleared,
        revoked,
        unbound,
    };
    (PciServer::new(bus, platform), table)
}

#[test]
fn a_badge_means_one_function() {
    let (mut server, _) = server();
    let device = server.find(DRIVER).expect("it is there");
    assert_eq!((device.vendor, device.device, device.location, device.vectors), (0x1af4, 0x1043, 0x10, 2));
    for other in [0, badge(0, 0x1af4, 0x1043, 1), badge(0, 0x1af4, 0x1041, 0), DRIVER | 1 << 63, SUPERVISOR] {
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

/// Takes all there is for a driver: its interrupt and its range.
fn take_all(server: &mut PciServer<FakeBus, Fake>, badge: u64) -> [Capability; 2] {
    assert_eq!(server.start(badge), Ok(()));
    let irq = server.vector(badge, 1).expect("there are two");
    [irq, server.range(badge, 4).expect("it is there").memory]
}

#[test]
fn a_device_has_one_holder_at_a_time() {
    let (mut server, _) = server();
    let capabilities = take_all(&mut server, DRIVER);
    assert_eq!((server.start(OTHER), server.vector(OTHER, 1)), (Err(PciError::Held), Err(PciError::Held)));
    assert_eq!((server.range(OTHER, 4), server.give_up(OTHER)), (Err(PciError::Held), Err(PciError::Held)));
    assert!(server.find(OTHER).is_ok() && server.platform.revoked.is_empty());
    assert_eq!(server.give_up(DRIVER), Ok(()));
    assert_eq!(take_all(&mut server, OTHER), capabilities, "the next holder costs nothing");
    assert_eq!(server.start(DRIVER), Err(PciError::Held));
}

#[test]
fn a_device_that_is_given_back_is_reset_and_silent_and_all_of_it_revoked() {
    let (mut server, table) = server();
    let [irq, memory] = take_all(&mut server, DRIVER);
    server.platform.common.write_u8(0x14, 15);
    let command = |server: &mut PciServer<FakeBus, Fake>| server.ports.functions[0].1.read_config(4) & 0x406;
    let msi_x = |server: &mut PciServer<FakeBus, Fake>| server.ports.functions[0].1.read_config(0x98) >> 30;
    assert_eq!((command(&mut server), msi_x(&mut server)), (0x406, 0b10));
    assert_eq!(server.give_up(DRIVER), Ok(()));
    assert_eq!(server.platform.common.read_u8(0x14), 0, "it was reset");
    assert_eq!((command(&mut server), msi_x(&mut server)), (0x402, 0b00));
    assert_eq!([table.read_u32(12), table.read_u32(28)], [1, 1]);
    assert_eq!(
        (&server.platform.revoked, &server.platform.unbound),
        (&Vec::from([irq.0, memory.0]), &Vec::from([irq.0]))
    );
    assert_eq!(server.give_up(DRIVER), Ok(()), "once more does no harm");
    assert_eq!(server.platform.revoked.len(), 2);
}

#[test]
fn a_thousand_moves_make_nothing_new() {
    let (mut server, table) = server();
    let first = take_all(&mut server, DRIVER);
    let made = server.platform.next;
    for round in 0..1_000 {
        let (old, new) = if round % 2 == 0 { (DRIVER, OTHER) } else { (OTHER, DRIVER) };
        assert_eq!(server.give_up(old), Ok(()));
        assert_eq!(take_all(&mut server, new), first);
        assert_eq!(table.read_u32(28), 0, "its vector is open again");
    }
    assert_eq!(server.platform.next, made);
}

#[test]
fn the_supervisor_alone_evicts_and_only_whom_it_means() {
    let (mut server, _) = server();
    take_all(&mut server, DRIVER);
    assert_eq!(server.take_away(OTHER, DRIVER), Err(PciError::Refused));
    assert_eq!(server.take_away(SUPERVISOR, OTHER), Ok(()));
    assert!(server.platform.revoked.is_empty(), "the other driver did not hold it");
    assert_eq!(server.take_away(SUPERVISOR, DRIVER), Ok(()));
    assert_eq!(server.platform.revoked.len(), 2);
    assert_eq!(server.start(OTHER), Ok(()));
    assert_eq!(server.take_away(SUPERVISOR, SUPERVISOR), Err(PciError::NoDevice));
}

#[test]
fn a_device_that_does_not_finish_its_reset_is_nobodys() {
    let (mut server, _) = server();
    take_all(&mut server, DRIVER);
    server.entries[0].common = Some((Shared(Rc::new(FakeRegisters::new(8))), 0));
    assert_eq!(server.give_up(DRIVER), Err(PciError::NoReset));
    assert_eq!(server.ports.functions[0].1.read_config(4) & 4, 0, "it is cut off all the same");
    assert_eq!(server.platform.revoked.len(), 2);
    assert_eq!([DRIVER, OTHER].map(|badge| server.start(badge)), [Err(PciError::NoReset); 2]);
}

#[test]
fn without_an_iommu_there_is_no_io_space() {
    let (mut server, _) = server();
    assert_eq!(server.space(DRIVER), Err(PciError::NoIoSpace));
}

#[test]
fn an_io_space_is_cleared_before_the_next_driver_has_it() {
    let (mut server, _) = server();
    server.platform.has_iommu = true;
    let space = server.space(DRIVER).expect("there is an IOMMU");
    assert_eq!((server.space(DRIVER), server.space(OTHER)), (Ok(space), Err(PciError::Held)));
    assert_eq!(server.give_up(DRIVER), Ok(()));
    assert_eq!((&server.platform.cleared, &server.platform.revoked), (&Vec::from([space.0]), &Vec::from([space.0])));
    assert_eq!(server.space(OTHER), Ok(space), "the next holder costs nothing");
}

#[test]
fn behind_an_iommu_a_dead_drivers_memory_is_safe_whatever_the_device_does() {
    let (mut server, _) = server();
    server.platform.has_iommu = true;
    take_all(&mut server, DRIVER);
    let space = server.space(DRIVER).expect("there is an IOMMU");
    server.entries[0].common = Some((Shared(Rc::new(FakeRegisters::new(8))), 0));
    assert_eq!(server.take_away(SUPERVISOR, DRIVER), Ok(()));
    assert_eq!(server.platform.cleared, [space.0]);
    assert_eq!([DRIVER, OTHER].map(|badge| server.start(badge)), [Err(PciError::NoReset); 2]);
}

#[test]
fn a_refused_devices_driver_is_accused() {
    let (mut server, _) = server();
    server.platform.has_iommu = true;
    let fault = IoFault { count: 3, address: 0xdead_0000, access: Access::Write, reason: 5 };
    server.platform.fault = Some(fault);
    server.report_faults();
    assert!(server.platform.accused.is_empty(), "it has no IoSpace yet, so nobody was told");
    let space = server.space(DRIVER).expect("there is an IOMMU");
    server.report_faults();
    assert_eq!((&server.platform.watched, &server.platform.accused), (&Vec::from([space.0]), &Vec::from([DRIVER])));
    server.report_faults();
    assert_eq!(server.platform.accused, [DRIVER], "once for each fault");
    // Nobody has it: the log alone hears of it. Who has it next is watched again.
    assert_eq!(server.give_up(DRIVER), Ok(()));
    server.platform.fault = Some(fault);
    server.report_faults();
    assert_eq!(server.platform.accused, [DRIVER]);
    assert_eq!(server.space(OTHER), Ok(space));
    assert_eq!(server.platform.watched, [space.0; 2]);
    let line = describe(&server.entries[0].function, &fault);
    assert_eq!(line, "0000:00:02.0 1af4:1043 wanted to write to address 0xdead0000 and may not (reason 0x5, faults 3)");
}
