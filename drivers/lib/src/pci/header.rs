//! A function's header: who it is, and its base address registers (PCI local bus specification 3.0, 6.1 and 6.2.5).

use super::{CommandRegister, ConfigSpace, ConfigSpaceMut};

/// Most base address registers of a function.
pub const MAX_BARS: usize = 6;

const ID: u16 = 0x00;
const COMMAND: u16 = 0x04;
const CLASS: u16 = 0x08;
const HEADER_TYPE: u16 = 0x0e;
const FIRST_BAR: u16 = 0x10;
const SECONDARY_BUS: u16 = 0x19;

/// What a function says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Vendor number.
    pub vendor: u16,
    /// Device number, the vendor's own.
    pub device: u16,
    /// Class, subclass, interface: 24 bits.
    pub class: u32,
    /// Layout of the rest of the header.
    pub layout: Layout,
    /// Whether functions 1 to 7 of the same device may exist.
    pub has_more_functions: bool,
}

/// Layout of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// A device.
    Device,
    /// A bridge to the bus with this number.
    Bridge(u8),
    /// Anything else, which we do not touch.
    Other,
}

/// Read a function's identity; `None` where there is no function.
pub fn identify(config: &mut impl ConfigSpace) -> Option<Identity> {
    let id = config.read_config(ID);
    let vendor = id as u16;
    if vendor == 0xffff || vendor == 0 {
        return None;
    }
    let header_type = config.read_config_u8(HEADER_TYPE);
    let layout = match header_type & 0x7f {
        0 => Layout::Device,
        1 => Layout::Bridge(config.read_config_u8(SECONDARY_BUS)),
        _ => Layout::Other,
    };
    Some(Identity {
        vendor,
        device: (id >> 16) as u16,
        class: config.read_config(CLASS) >> 8,
        layout,
        has_more_functions: header_type & 0x80 != 0,
    })
}

/// Read the command register.
pub fn command(config: &mut impl ConfigSpace) -> CommandRegister {
    CommandRegister::from_bits_retain(config.read_config_u16(COMMAND))
}

/// Write the command register. The status register beside it keeps its bits: they are cleared by ones only.
pub fn set_command(config: &mut impl ConfigSpaceMut, command: CommandRegister) {
    config.write_config(COMMAND, u32::from(command.bits()));
}

/// A memory range that a function decodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    /// Physical address of the first byte; 0 where the firmware has not placed it.
    pub physical: u64,
    /// Bytes, a power of two.
    pub bytes: u64,
}

/// Find and size the memory ranges of a device (I/O port ranges stay `None`). Its decoding of memory is off meanwhile,
/// or the sizing would put it over somebody else's addresses.
pub fn size_bars(config: &mut impl ConfigSpaceMut) -> [Option<Bar>; MAX_BARS] {
    let before = command(config);
    set_command(config, before - CommandRegister::MEMORY_ENABLE - CommandRegister::IO_ENABLE);
    let mut bars = [None; MAX_BARS];
    let mut index = 0;
    while let Some(slot) = bars.get_mut(index) {
        let (bar, registers) = size_bar(config, index);
        *slot = bar;
        index += registers;
    }
    set_command(config, before);
    bars
}

/// One range, and how many registers it takes.
fn size_bar(config: &mut impl ConfigSpaceMut, index: usize) -> (Option<Bar>, usize) {
    const IO: u32 = 1;
    const WIDTH: u32 = 0b110;
    const WIDTH_64: u32 = 0b100;
    let offset = FIRST_BAR + 4 * index as u16;
    let low = config.read_config(offset);
    if low & IO != 0 {
        return (None, 1);
    }
    let is_wide = low & WIDTH == WIDTH_64 && index + 1 < MAX_BARS;
    let low_mask = probe(config, offset, low) & !0xf;
    let (high, high_mask) = if is_wide {
        let high = config.read_config(offset + 4);
        (high, probe(config, offset + 4, high))
    } else {
        (0, if low_mask == 0 { 0 } else { u32::MAX })
    };
    let mask = u64::from(high_mask) << 32 | u64::from(low_mask);
    let registers = if is_wide { 2 } else { 1 };
    let bytes = (!mask).wrapping_add(1);
    if mask == 0 || !bytes.is_power_of_two() {
        return (None, registers);
    }
    (Some(Bar { physical: u64::from(high) << 32 | u64::from(low & !0xf), bytes }), registers)
}

/// Which bits of a register can be set; its value is put back.
fn probe(config: &mut impl ConfigSpaceMut, offset: u16, value: u32) -> u32 {
    config.write_config(offset, u32::MAX);
    let mask = config.read_config(offset);
    config.write_config(offset, value);
    mask
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::FakeFunction;

    #[test]
    fn bars_of_both_widths_are_sized_and_left_as_they_were() {
        let mut function = FakeFunction::new(0x1af4, 0x1043, 0x078000);
        function.add_bar(1, 0xfebd_1000, 0x1000);
        function.add_wide_bar(4, 0xfe00_0000, 0x4000);
        let bars = size_bars(&mut function);
        assert_eq!(bars[0], None);
        assert_eq!(bars[1], Some(Bar { physical: 0xfebd_1000, bytes: 0x1000 }));
        assert_eq!(bars[4], Some(Bar { physical: 0xfe00_0000, bytes: 0x4000 }));
        assert_eq!(function.read_config(0x14), 0xfebd_1000);
    }

    #[test]
    fn nothing_is_identified_where_nobody_answers() {
        assert_eq!(identify(&mut FakeFunction::new(0xffff, 0xffff, 0)), None);
        let identity = identify(&mut FakeFunction::new(0x1af4, 0x1043, 0x078000)).expect("there is one");
        assert_eq!((identity.device, identity.class, identity.layout), (0x1043, 0x078000, Layout::Device));
    }
}
