//! Messages of the loader: to the debug console (port 0xe9) and to the first serial port, without interrupts.

use core::fmt::{self, Write};

use crate::port::{read_u8, write_u8};

const DEBUG_CONSOLE: u16 = 0xe9;
const SERIAL: u16 = 0x3f8;
const LINE_STATUS: u16 = SERIAL + 5;
const TRANSMITTER_EMPTY: u8 = 0x20;
/// A serial port that is not there must not hang the loader.
const PATIENCE: u32 = 100_000;

struct Console;

impl Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            write_u8(DEBUG_CONSOLE, byte);
            let ready = (0..PATIENCE).any(|_| read_u8(LINE_STATUS) & TRANSMITTER_EMPTY != 0);
            if ready {
                write_u8(SERIAL, byte);
            }
        }
        Ok(())
    }
}

/// Prints to both.
pub fn print(text: fmt::Arguments<'_>) {
    Console.write_fmt(text).expect("Console's write_str does not fail");
}
