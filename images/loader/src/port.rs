//! The I/O ports that the loader uses: serial port, debug console and QEMU's exit device. No other is reachable here.

use x86_64::instructions::port::Port;

/// QEMU's `isa-debug-exit`.
const EXIT: u16 = 0xf4;

/// Reads a register of the serial port.
pub fn read_u8(port: u16) -> u8 {
    // SAFETY: the callers read the serial port's line status only, which changes nothing that memory safety rests on.
    unsafe { Port::new(port).read() }
}

/// Writes to the serial port or the debug console.
pub fn write_u8(port: u16, value: u8) {
    // SAFETY: the callers write characters to the serial port and to the debug console only.
    unsafe { Port::new(port).write(value) }
}

/// Ends QEMU with status `2 * code + 1` if it has the device.
pub fn exit_qemu(code: u32) {
    // SAFETY: without the device the write has no effect.
    unsafe { Port::new(EXIT).write(code) }
}
