//! Configuration mechanism #1: an address port and a data port (PCI local bus specification 3.0, 3.2.2.3.2).

use super::{ConfigSpace, ConfigSpaceMut, PciAddress};
use crate::port_io::PortIo;

const ADDRESS_PORT: u16 = 0xcf8;
const DATA_PORT: u16 = 0xcfc;
const ENABLE: u32 = 1 << 31;

/// One function, seen through the ports.
#[derive(Debug)]
pub struct Function<'a, P> {
    ports: &'a mut P,
    address: PciAddress,
}

impl<'a, P: PortIo> Function<'a, P> {
    /// The function at `address`, whether there is one or not.
    pub fn new(ports: &'a mut P, address: PciAddress) -> Self {
        Self { ports, address }
    }

    fn select(&mut self, offset: u16) {
        let place = u32::from(self.address.bus()) << 16
            | u32::from(self.address.device()) << 11
            | u32::from(self.address.function()) << 8;
        self.ports.write_u32(ADDRESS_PORT, ENABLE | place | u32::from(offset & 0xfc));
    }
}

impl<P: PortIo> ConfigSpace for Function<'_, P> {
    fn read_config(&mut self, offset: u16) -> u32 {
        self.select(offset);
        self.ports.read_u32(DATA_PORT)
    }
}

impl<P: PortIo> ConfigSpaceMut for Function<'_, P> {
    fn write_config(&mut self, offset: u16, value: u32) {
        self.select(offset);
        self.ports.write_u32(DATA_PORT, value);
    }
}
