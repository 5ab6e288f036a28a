//! Terminal settings: the flags and control characters of termios(3), and their three layouts in user memory
//! (`termio`, `termios`, `termios2`), encoded and decoded byte by byte so that no user value is ever trusted.

use linux_abi::raw::general as linux;

/// Number of control characters in the kernel's `termios`.
pub const CONTROL_CHARACTERS: usize = linux::NCCS as usize;
/// Number of control characters in the System V `termio`.
const OLD_CONTROL_CHARACTERS: usize = 8;

/// Settings of one terminal; the field names are Linux's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Termios {
    /// Input modes.
    pub c_iflag: u32,
    /// Output modes.
    pub c_oflag: u32,
    /// Control modes.
    pub c_cflag: u32,
    /// Local modes.
    pub c_lflag: u32,
    /// Line discipline number; always `N_TTY`.
    pub c_line: u8,
    /// Control characters; zero disables one.
    pub c_cc: [u8; CONTROL_CHARACTERS],
    /// Input speed in bits per second.
    pub c_ispeed: u32,
    /// Output speed in bits per second.
    pub c_ospeed: u32,
}

impl Termios {
    /// Bytes of `struct termio` in user memory.
    pub const TERMIO_BYTES: usize = 18;
    /// Bytes of `struct termios` in user memory.
    pub const TERMIOS_BYTES: usize = size_of::<linux::termios>();
    /// Bytes of `struct termios2` in user memory.
    pub const TERMIOS2_BYTES: usize = size_of::<linux::termios2>();

    /// Settings a terminal starts with (Linux's `tty_std_termios`).
    pub fn standard() -> Self {
        let mut c_cc = [0; CONTROL_CHARACTERS];
        for (index, byte) in [
            (linux::VINTR, 0x03),
            (linux::VQUIT, 0x1c),
            (linux::VERASE, 0x7f),
            (linux::VKILL, 0x15),
            (linux::VEOF, 0x04),
            (linux::VMIN, 0x01),
            (linux::VSTART, 0x11),
            (linux::VSTOP, 0x13),
            (linux::VSUSP, 0x1a),
            (linux::VREPRINT, 0x12),
            (linux::VDISCARD, 0x0f),
            (linux::VWERASE, 0x17),
            (linux::VLNEXT, 0x16),
        ] {
            if let Some(slot) = c_cc.get_mut(index as usize) {
                *slot = byte;
            }
        }
        Self {
            c_iflag: linux::ICRNL | linux::IXON,
            c_oflag: linux::OPOST | linux::ONLCR,
            c_cflag: linux::B38400 | linux::CS8 | linux::CREAD | linux::HUPCL,
            c_lflag: linux::ISIG
                | linux::ICANON
                | linux::ECHO
                | linux::ECHOE
                | linux::ECHOK
                | linux::ECHOCTL
                | linux::ECHOKE
                | linux::IEXTEN,
            c_line: 0,
            c_cc,
            c_ispeed: 38_400,
            c_ospeed: 38_400,
        }
    }

    /// Tells whether any of `flags` is set in the input modes.
    pub fn input(&self, flags: u32) -> bool {
        self.c_iflag & flags != 0
    }

    /// Tells whether any of `flags` is set in the output modes.
    pub fn output(&self, flags: u32) -> bool {
        self.c_oflag & flags != 0
    }

    /// Tells whether any of `flags` is set in the local modes.
    pub fn local(&self, flags: u32) -> bool {
        self.c_lflag & flags != 0
    }

    /// Control character or parameter at `index` (`VINTR`, `VMIN`, ...).
    pub fn character(&self, index: u32) -> u8 {
        self.c_cc.get(index as usize).copied().unwrap_or(0)
    }

    /// Tells whether `byte` is the enabled control character `index`.
    pub fn is_character(&self, byte: u8, index: u32) -> bool {
        byte != 0 && self.character(index) == byte
    }

    /// Layout of `struct termios` (36 bytes).
    pub fn to_termios(&self) -> [u8; Self::TERMIOS_BYTES] {
        let mut bytes = [0; Self::TERMIOS_BYTES];
        bytes.copy_from_slice(&self.to_termios2()[..Self::TERMIOS_BYTES]);
        bytes
    }

    /// Layout of `struct termios2` (44 bytes).
    pub fn to_termios2(&self) -> [u8; Self::TERMIOS2_BYTES] {
        let mut bytes = [0; Self::TERMIOS2_BYTES];
        for (chunk, flags) in bytes.chunks_exact_mut(4).zip([self.c_iflag, self.c_oflag, self.c_cflag, self.c_lflag]) {
            chunk.copy_from_slice(&flags.to_le_bytes());
        }
        bytes[16] = self.c_line;
        bytes[17..36].copy_from_slice(&self.c_cc);
        bytes[36..40].copy_from_slice(&self.c_ispeed.to_le_bytes());
        bytes[40..44].copy_from_slice(&self.c_ospeed.to_le_bytes());
        bytes
    }

    /// Layout of `struct termio` (18 bytes), which holds the low halves of the flags.
    pub fn to_termio(&self) -> [u8; Self::TERMIO_BYTES] {
        let mut bytes = [0; Self::TERMIO_BYTES];
        for (chunk, flags) in bytes.chunks_exact_mut(2).zip([self.c_iflag, self.c_oflag, self.c_cflag, self.c_lflag]) {
            chunk.copy_from_slice(&(flags as u16).to_le_bytes());
        }
        bytes[8] = self.c_line;
        bytes[9..17].copy_from_slice(&self.c_cc[..OLD_CONTROL_CHARACTERS]);
        bytes
    }

    /// Settings after a program wrote `bytes` as `struct termios`; speeds follow the baud bits.
    pub fn with_termios(&self, bytes: &[u8; Self::TERMIOS_BYTES]) -> Self {
        let mut new = self.with_flags(bytes);
        new.set_speed_from_baud_bits();
        new
    }

    /// Settings after a program wrote `bytes` as `struct termios2`; `BOTHER` takes the speeds given.
    pub fn with_termios2(&self, bytes: &[u8; Self::TERMIOS2_BYTES]) -> Self {
        let mut new = self.with_flags(bytes);
        if new.c_cflag & linux::CBAUD == linux::BOTHER {
            new.c_ispeed = read_u32(bytes, 36);
            new.c_ospeed = read_u32(bytes, 40);
        } else {
            new.set_speed_from_baud_bits();
        }
        new
    }

    /// Settings after a program wrote `bytes` as `struct termio`.
    pub fn with_termio(&self, bytes: &[u8; Self::TERMIO_BYTES]) -> Self {
        let low = |flags: u32, at: usize| (flags & 0xffff_0000) | (read_u32(bytes, at) & 0xffff);
        let mut new = *self;
        new.c_iflag = low(self.c_iflag, 0);
        new.c_oflag = low(self.c_oflag, 2);
        new.c_cflag = low(self.c_cflag, 4);
        new.c_lflag = low(self.c_lflag, 6);
        new.c_cc[..OLD_CONTROL_CHARACTERS].copy_from_slice(&bytes[9..17]);
        new.set_speed_from_baud_bits();
        new
    }

    fn with_flags(&self, bytes: &[u8]) -> Self {
        let mut new = *self;
        new.c_iflag = read_u32(bytes, 0);
        new.c_oflag = read_u32(bytes, 4);
        new.c_cflag = read_u32(bytes, 8);
        new.c_lflag = read_u32(bytes, 12);
        for (slot, byte) in new.c_cc.iter_mut().zip(bytes.iter().skip(17)) {
            *slot = *byte;
        }
        new
    }

    fn set_speed_from_baud_bits(&mut self) {
        let speed = baud(self.c_cflag & linux::CBAUD);
        self.c_ospeed = speed;
        let input = (self.c_cflag >> linux::IBSHIFT) & linux::CBAUD;
        self.c_ispeed = if input == linux::B0 { speed } else { baud(input) };
    }
}

/// Bits per second of a `CBAUD` value (termios(3)).
fn baud(bits: u32) -> u32 {
    const LOW: [u32; 16] = [0, 50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19200, 38400];
    const HIGH: [u32; 15] = [
        57600, 115200, 230400, 460800, 500000, 576000, 921600, 1000000, 1152000, 1500000, 2000000, 2500000, 3000000,
        3500000, 4000000,
    ];
    let index = (bits & 0xf) as usize;
    let speed = if bits & linux::CBAUDEX == 0 { LOW.get(index) } else { HIGH.get(index.wrapping_sub(1)) };
    speed.copied().unwrap_or(38_400)
}

fn read_u32(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    for (slot, byte) in word.iter_mut().zip(bytes.iter().skip(at)) {
        *slot = *byte;
    }
    u32::from_le_bytes(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_survive_a_round_trip() {
        let standard = Termios::standard();
        let mut other = standard;
        other.c_lflag = 0;
        assert_eq!(other.with_termios(&standard.to_termios()), standard);
        assert_eq!(other.with_termios2(&standard.to_termios2()), standard);
        assert_eq!(other.with_termio(&standard.to_termio()).c_lflag, standard.c_lflag & 0xffff);
    }

    #[test]
    fn speeds_follow_the_baud_bits() {
        let mut wanted = Termios::standard();
        wanted.c_cflag = (wanted.c_cflag & !linux::CBAUD) | linux::B115200;
        assert_eq!(Termios::standard().with_termios(&wanted.to_termios()).c_ospeed, 115_200);
    }
}
