//! The console: the terminal that the system starts on, reached as `/dev/console` (5:1) and `/dev/ttyS0` (4:64).

use crate::file::TtyFile;
use crate::sessions::Sessions;
use crate::terminal::{Output, Tty};
use crate::termios::Termios;
use alloc::sync::Arc;
use linux_abi::Result;
use linux_abi::raw::general as linux;
use vfs::{CharDevice, DeviceNumber, OpenFlags, Opened};

/// Number of `/dev/console`.
pub const CONSOLE: DeviceNumber = DeviceNumber::new(5, 1);
/// Number of the serial line behind it, which is the terminal's own.
pub const SERIAL_LINE: DeviceNumber = DeviceNumber::new(4, 64);

/// Makes the console's terminal. Bytes typed are to be given to [`Tty::receive`].
pub fn new(output: Arc<dyn Output>, sessions: Arc<Sessions>) -> Arc<Tty> {
    let mut termios = Termios::standard();
    // Whoever sits at the other end of the line today speaks UTF-8.
    termios.c_iflag |= linux::IUTF8;
    termios.c_cflag |= linux::CLOCAL;
    Tty::new(SERIAL_LINE, termios, Some(output), sessions)
}

/// The device behind both numbers of the console.
pub struct Console(pub Arc<Tty>);

impl CharDevice for Console {
    fn open(&self, device: DeviceNumber, flags: OpenFlags) -> Result<Opened> {
        // As on Linux, opening `/dev/console` never makes it a controlling terminal.
        let file: Arc<dyn vfs::File> = match device {
            CONSOLE => TtyFile::open(self.0.clone())?,
            _ => TtyFile::open_controlling(self.0.clone(), flags)?,
        };
        Ok(file.into())
    }
}
