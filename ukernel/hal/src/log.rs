//! The log: bytes to the debug console (port 0xe9 of the emulator; nothing on real machines).

use core::fmt;

use crate::port;

const DEBUG_CONSOLE: u16 = 0xe9;

/// Writes to the log.
pub struct Log;

impl Log {
    /// Append bytes.
    pub fn bytes(bytes: &[u8]) {
        for byte in bytes {
            port::write(DEBUG_CONSOLE, 1, u32::from(*byte));
        }
    }
}

impl fmt::Write for Log {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        Self::bytes(text.as_bytes());
        Ok(())
    }
}

/// Append a line to the log.
#[macro_export]
macro_rules! log_line {
    ($($arg:tt)*) => {{
        use core::fmt::Write as _;
        // The log cannot fail.
        let _ = writeln!($crate::log::Log, "[ukernel] {}", format_args!($($arg)*));
    }};
}
