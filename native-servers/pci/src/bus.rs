//! The walk over all buses.

use alloc::vec;
use alloc::vec::Vec;
use driver_lib::pci::PciAddress;
use driver_lib::pci::header::{self, Identity, Layout};
use driver_lib::pci::ports::Function;
use driver_lib::port_io::PortIo;

const DEVICES: u8 = 32;
const FUNCTIONS: u8 = 8;

/// Find all devices, behind all bridges that the firmware has given bus numbers. A bus is looked at once, whatever
/// bridges say, so the walk ends.
pub fn enumerate(ports: &mut impl PortIo) -> Vec<(PciAddress, Identity)> {
    let mut found = Vec::new();
    let mut seen = [false; 256];
    let mut buses = vec![0u8];
    while let Some(bus) = buses.pop() {
        if core::mem::replace(&mut seen[usize::from(bus)], true) {
            continue;
        }
        for (address, identity) in (0..DEVICES).flat_map(|device| functions(ports, bus, device)) {
            match identity.layout {
                Layout::Device => found.push((address, identity)),
                Layout::Bridge(behind) => buses.push(behind),
                Layout::Other => {}
            }
        }
    }
    found
}

fn functions(ports: &mut impl PortIo, bus: u8, device: u8) -> Vec<(PciAddress, Identity)> {
    let mut found = Vec::new();
    for function in 0..FUNCTIONS {
        let address = PciAddress::new(0, bus, device, function);
        match header::identify(&mut Function::new(ports, address)) {
            Some(identity) => found.push((address, identity)),
            None if function == 0 => break,
            None => {}
        }
        if !found.first().is_some_and(|(_, first)| first.has_more_functions) {
            break;
        }
    }
    found
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use driver_lib::fake::FakeFunction;
    use driver_lib::pci::{ConfigSpace, ConfigSpaceMut};

    /// Functions behind the two configuration ports.
    #[derive(Default)]
    pub(crate) struct FakeBus {
        pub(crate) functions: Vec<(u32, FakeFunction)>,
        selected: u32,
    }

    impl FakeBus {
        pub(crate) fn add(&mut self, bus: u32, device: u32, function: u32, what: FakeFunction) {
            self.functions.push((bus << 16 | device << 11 | function << 8, what));
        }

        fn selected(&mut self) -> Option<&mut FakeFunction> {
            let place = self.selected & 0x00ff_ff00;
            self.functions.iter_mut().find(|(at, _)| *at == place).map(|(_, function)| function)
        }
    }

    impl PortIo for FakeBus {
        fn read_u8(&mut self, _port: u16) -> u8 {
            u8::MAX
        }
        fn read_u32(&mut self, port: u16) -> u32 {
            assert_eq!(port, 0xcfc);
            let offset = self.selected as u16 & 0xfc;
            self.selected().map_or(u32::MAX, |function| function.read_config(offset))
        }
        fn write_u8(&mut self, _port: u16, _value: u8) {}
        fn write_u32(&mut self, port: u16, value: u32) {
            let offset = self.selected as u16 & 0xfc;
            match port {
                0xcf8 => self.selected = value,
                _ => self.selected().into_iter().for_each(|function| function.write_config(offset, value)),
            }
        }
        fn write_burst(&mut self, _port: u16, _bytes: &[u8]) {}
        fn read_burst_while(&mut self, _port: u16, _status: u16, _mask: u8, _buffer: &mut [u8]) -> usize {
            0
        }
    }

    pub(crate) fn bridge(behind: u8) -> FakeFunction {
        let mut bridge = FakeFunction::new(0x1b36, 0x000c, 0x060400);
        bridge.set(0x0c, 0x0001_0000);
        bridge.set(0x18, u32::from(behind) << 8);
        bridge
    }

    #[test]
    fn devices_behind_bridges_are_found_once_even_where_bridges_loop() {
        let mut bus = FakeBus::default();
        bus.add(0, 0, 0, FakeFunction::new(0x8086, 0x29c0, 0x060000));
        bus.add(0, 3, 0, bridge(2));
        bus.add(2, 0, 0, FakeFunction::new(0x1af4, 0x1043, 0x078000));
        bus.add(2, 1, 0, bridge(0));
        bus.add(2, 2, 0, bridge(2));
        let found: Vec<_> = enumerate(&mut bus).into_iter().map(|(at, identity)| (at.bus(), identity.device)).collect();
        assert_eq!(found, [(0, 0x29c0), (2, 0x1043)]);
    }

    #[test]
    fn further_functions_count_only_where_the_first_says_so() {
        let mut bus = FakeBus::default();
        let mut first = FakeFunction::new(0x8086, 1, 0);
        first.set(0x0c, 0x0080_0000);
        bus.add(0, 31, 0, first);
        bus.add(0, 31, 2, FakeFunction::new(0x8086, 2, 0));
        bus.add(0, 4, 0, FakeFunction::new(0x8086, 3, 0));
        bus.add(0, 4, 1, FakeFunction::new(0x8086, 4, 0));
        let mut found: Vec<_> = enumerate(&mut bus).into_iter().map(|(_, identity)| identity.device).collect();
        found.sort_unstable();
        assert_eq!(found, [1, 2, 3]);
    }
}
