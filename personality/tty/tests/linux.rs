//! Compares the line discipline with the one of the Linux kernel that runs this test: random settings and typing go
//! to both, through a pseudo-terminal on the Linux side, and echo and reads must be the same.

use linux_abi::raw::general as linux;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{InputModes, LocalModes, OptionalActions, OutputModes, tcgetattr, tcsetattr};
use std::os::fd::OwnedFd;
use tty::discipline::{Effects, LineDiscipline};
use tty::termios::Termios;

const ROUNDS: u64 = 600;

struct Generator(u64);

impl Generator {
    fn next(&mut self) -> u64 {
        // xorshift64*: repeatable, and enough for test cases.
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.next() as usize % from.len()]
    }

    /// The standard flags with a few of `all` flipped.
    fn flip(&mut self, standard: u32, all: &[u32]) -> u32 {
        (0..self.next() % 4).fold(standard, |flags, _| flags ^ self.pick(all))
    }

    fn typing(&mut self) -> Vec<u8> {
        let special = [3, 4, 8, 9, 9, 10, 13, 18, 19, 21, 22, 23, 26, 28, 0x7f, 0x7f, 0x7f, 0xc3, 0xa9, 0xff, 0, b' '];
        let count = self.next() % 24;
        (0..count)
            .map(|_| if self.next().is_multiple_of(2) { self.pick(&special) } else { self.pick(b"abcXYZ_ 19.-") })
            .collect()
    }
}

fn settings(generator: &mut Generator) -> Termios {
    let mut termios = Termios::standard();
    let input = [
        linux::ICRNL,
        linux::INLCR,
        linux::IGNCR,
        linux::ISTRIP,
        linux::IUCLC,
        linux::IXON,
        linux::IUTF8,
        linux::PARMRK,
    ];
    let output = [linux::OPOST, linux::ONLCR, linux::OCRNL, linux::ONOCR, linux::ONLRET, linux::OLCUC, linux::XTABS];
    let local = [
        linux::ECHO,
        linux::ECHOE,
        linux::ECHOK,
        linux::ECHONL,
        linux::ECHOCTL,
        linux::ECHOKE,
        linux::ECHOPRT,
        linux::ICANON,
        linux::ISIG,
        linux::IEXTEN,
        linux::NOFLSH,
    ];
    termios.c_iflag = generator.flip(termios.c_iflag, &input);
    termios.c_oflag = generator.flip(termios.c_oflag, &output);
    termios.c_lflag = generator.flip(termios.c_lflag, &local);
    if generator.next().is_multiple_of(4) {
        termios.c_cc[linux::VEOL as usize] = b'.';
        termios.c_cc[linux::VEOL2 as usize] = b'-';
    }
    termios
}

struct Pty {
    master: OwnedFd,
    slave: OwnedFd,
}

impl Pty {
    fn open() -> Option<Self> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).ok()?;
        grantpt(&master).ok()?;
        unlockpt(&master).ok()?;
        rustix::fs::fcntl_setfl(&master, OFlags::NONBLOCK).ok()?;
        let name = ptsname(&master, Vec::new()).ok()?;
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK;
        let slave = rustix::fs::open(name.as_c_str(), flags, Mode::empty()).ok()?;
        Some(Self { master, slave })
    }

    fn set(&self, wanted: &Termios) {
        let mut termios = tcgetattr(&self.slave).expect("the slave is a terminal");
        termios.input_modes = InputModes::from_bits_retain(wanted.c_iflag);
        termios.output_modes = OutputModes::from_bits_retain(wanted.c_oflag);
        termios.local_modes = LocalModes::from_bits_retain(wanted.c_lflag);
        use rustix::termios::SpecialCodeIndex as Code;
        termios.special_codes[Code::VEOL] = wanted.c_cc[linux::VEOL as usize];
        termios.special_codes[Code::VEOL2] = wanted.c_cc[linux::VEOL2 as usize];
        tcsetattr(&self.slave, OptionalActions::Now, &termios).expect("any settings are accepted");
    }

    /// Reads until nothing is left; each read separately. An end of file is an empty read.
    fn drain(fd: &OwnedFd, size: usize) -> Vec<Vec<u8>> {
        let mut reads = Vec::new();
        let mut buffer = vec![0; size];
        while reads.len() < 200 {
            match rustix::io::read(fd, &mut buffer) {
                Ok(count) => reads.push(buffer[..count].to_vec()),
                Err(Errno::AGAIN) => break,
                Err(error) => panic!("reading the terminal: {error}"),
            }
        }
        reads
    }
}

fn drain_ours(discipline: &mut LineDiscipline, size: usize) -> Vec<Vec<u8>> {
    let mut reads = Vec::new();
    let mut buffer = vec![0; size];
    while discipline.is_readable() && reads.len() < 200 {
        let count = discipline.take(&mut buffer);
        reads.push(buffer[..count].to_vec());
    }
    reads
}

fn compare(seed: u64) {
    let mut generator = Generator(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let Some(pty) = Pty::open() else { return };
    let mut ours = LineDiscipline::new(Termios::standard());
    let mut context = format!("seed {seed}");
    for _ in 0..4 {
        let termios = settings(&mut generator);
        pty.set(&termios);
        let mut effects = Effects::default();
        ours.set_termios(termios, &mut effects);
        // Linux hands input to the terminal later, in a worker; a read waits for it only when nothing is buffered.
        let size = generator.pick(&[1, 3, 64]);
        assert_eq!(drain_ours(&mut ours, size), Pty::drain(&pty.slave, size), "left over, {context}, now {termios:x?}");
        let typed = generator.typing();
        context += &format!(
            "\ni {:x} o {:x} l {:x}: {}",
            termios.c_iflag,
            termios.c_oflag,
            termios.c_lflag,
            typed.escape_ascii()
        );
        assert_eq!(rustix::io::write(&pty.master, &typed).unwrap_or(0), typed.len());
        ours.receive(&typed, &mut effects);
        if !effects.signals.is_empty() {
            // Linux's worker lets readers in while it signals; give it the time to finish.
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        if ours.is_stopped() {
            // A stopped terminal holds its echo back: the outer layer's business.
            return;
        }
        assert_eq!(drain_ours(&mut ours, size), Pty::drain(&pty.slave, size), "reads, {context}");
        let echo = Pty::drain(&pty.master, 4096).concat();
        assert_eq!(effects.echo.escape_ascii().to_string(), echo.escape_ascii().to_string(), "echo, {context}");
    }
}

#[test]
fn typing_gives_the_echo_and_the_reads_that_linux_gives() {
    for seed in 1..=ROUNDS {
        compare(seed);
    }
}
